package route

import (
	"context"
	"math"
	"time"
)

// Score takes the candidate to which the function gives the most points, and chooses among equals as [PeakEWMA] does.
// Points of math.Inf(-1), or that are not a number, are a refusal.
//
// Mind the herd: if the points follow from a latency alone, everybody runs to whoever is the fastest at the moment.
// Rounding makes equals of those who are nearly so.
type Score func(ctx context.Context, req any, c *Candidate) float64

// Pick implements [Picker].
func (f Score) Pick(ctx context.Context, req any, among []*Candidate) *Candidate {
	most := math.Inf(-1)
	var few [8]*Candidate
	best := few[:0]
	for _, c := range among {
		switch points := f(ctx, req, c); {
		case points > most:
			best, most = append(best[:0], c), points
		case points == most && !math.IsInf(points, -1):
			best = append(best, c)
		}
	}
	if len(best) == 0 {
		return nil
	}
	return (&PeakEWMA{}).Pick(ctx, req, best)
}

// Cheapest takes the candidate with the lowest [Candidate.Cost] among those that are fast and idle enough, and chooses
// among equals, or if nobody is, as [PeakEWMA] does: a request is served late rather than not at all.
type Cheapest struct {
	Latency  time.Duration // the longest [Candidate.Latency] that will do; 0 means any
	InFlight int           // the most calls in flight for each weight, the one to be placed included; 0 means any number

	busy PeakEWMA
}

// Pick implements [Picker].
func (p *Cheapest) Pick(ctx context.Context, req any, among []*Candidate) *Candidate {
	var few [8]*Candidate
	best := few[:0]
	for _, c := range among {
		if p.Latency > 0 && c.Latency() > p.Latency || p.InFlight > 0 && c.InFlight() >= p.InFlight*c.Weight() {
			continue
		}
		switch {
		case len(best) == 0 || c.Cost() < best[0].Cost():
			best = append(best[:0], c)
		case c.Cost() == best[0].Cost():
			best = append(best, c)
		}
	}
	if len(best) == 0 {
		best = among
	}
	return p.busy.Pick(ctx, req, best)
}
