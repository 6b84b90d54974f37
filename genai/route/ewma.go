package route

import (
	"context"
	"math/rand/v2"

	"github.com/dovetail-go/dovetail/internal/clock"
)

// PeakEWMA looks at two candidates drawn by lot, and takes the one that will answer sooner by its recent latency, the
// calls it has in flight, and its weight; see [Candidate.Latency]. Looking at two is enough to avoid a slow one, and
// too little for everybody to run to the fastest at the same time. It is what a [Router] does if it is not told.
type PeakEWMA struct {
	// Rand returns random bits, and must be safe for concurrent use; nil means rand.Uint64 of math/rand/v2.
	Rand func() uint64
}

// Pick implements [Picker].
func (p *PeakEWMA) Pick(_ context.Context, _ any, among []*Candidate) *Candidate {
	return p.pickAt(clock.Now(), among)
}

// pickAt spares a Router that has read the clock another look at it.
func (p *PeakEWMA) pickAt(now int64, among []*Candidate) *Candidate {
	n := uint64(len(among))
	if n == 1 {
		return among[0]
	}
	var bits uint64
	if p.Rand != nil {
		bits = p.Rand()
	} else {
		bits = rand.Uint64()
	}
	// Each half of the bits draws one; the second is drawn from those that the first left.
	i := (bits >> 32) * n >> 32
	j := (bits & (1<<32 - 1)) * (n - 1) >> 32
	if j >= i {
		j++
	}
	a, b := among[i], among[j]
	if cost(b, now) < cost(a, now) {
		return b
	}
	return a
}

// unproven is the latency of a target that is being asked for the first time: until it has answered, it gets no more
// than those who are in the same position.
const unproven = 1e15

// cost is how long a call to c is expected to take, in nanoseconds.
func cost(c *Candidate, now int64) float64 {
	latency := c.expected(now)
	if latency == 0 && c.waiting() {
		latency = unproven
	}
	return latency * busy(c)
}
