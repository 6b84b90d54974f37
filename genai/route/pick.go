package route

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Picker chooses one of several candidates. It is asked once for every attempt, and must be safe for concurrent use.
//
// Pick is given those that can answer the request (When), are ready (Ready, and no cooldown) and were not asked for it
// before; if nobody is left, those that can and are ready; and if nobody is ready, all that can, because a health check
// that says so of everybody is more likely wrong itself. Those that have just come back are left out of a part of the
// calls (see [Router]). among is never empty, and must not be changed. A Picker returns one of among, or nil to refuse the request,
// which then fails with genai.NoTarget.
type Picker interface {
	Pick(ctx context.Context, req any, among []*Candidate) *Candidate
}

// RoundRobin takes one candidate after the other.
type RoundRobin struct{ next atomic.Uint64 }

// Pick implements [Picker].
func (p *RoundRobin) Pick(_ context.Context, _ any, among []*Candidate) *Candidate {
	return among[(p.next.Add(1)-1)%uint64(len(among))]
}

// Weighted takes every candidate as often as its weight says, and spreads the turns of each evenly: weights of 3 and 1
// give a, a, b, a and not a, a, a, b.
type Weighted struct{ mu sync.Mutex }

// Pick implements [Picker]. Everybody earns his weight in each round, and the richest pays for all.
func (p *Weighted) Pick(_ context.Context, _ any, among []*Candidate) *Candidate {
	p.mu.Lock()
	defer p.mu.Unlock()
	best, total := among[0], 0
	for _, c := range among {
		weight := c.Weight()
		total += weight
		c.current += weight
		if c.current > best.current {
			best = c
		}
	}
	best.current -= total
	return best
}

// LeastBusy takes the candidate with the fewest calls in flight for its weight, and those that are equal in turn.
type LeastBusy struct{ next atomic.Uint64 }

// Pick implements [Picker].
func (p *LeastBusy) Pick(_ context.Context, _ any, among []*Candidate) *Candidate {
	start := int((p.next.Add(1) - 1) % uint64(len(among)))
	best := among[start]
	least := busy(best)
	for i := 1; i < len(among); i++ {
		c := among[(start+i)%len(among)]
		if b := busy(c); b < least {
			best, least = c, b
		}
	}
	return best
}

// busy is what the load of c would be with one call more.
func busy(c *Candidate) float64 { return float64(c.InFlight()+1) / float64(c.weight.Load()) }
