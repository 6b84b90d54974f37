package resilience

import (
	"sync/atomic"
	"time"
)

// ages is how many beginnings are told apart; the oldest are 16 times as old as what counts as slow.
const (
	ages    = 64
	slowAge = 4 // those that are as old as this many beginnings are slow
)

// A pace knows how many calls are under way for longer than a limit, without knowing the calls: it counts them by when they
// began, in quarters of the limit. A call that lasts longer than sixteen limits may count as a younger one for a while.
type pace struct {
	limit int64
	width int64
	seen  atomic.Int64 // the last beginning that somebody has looked after
	count [ages]atomic.Int64
}

func (p *pace) init(limit time.Duration) {
	p.limit = int64(limit)
	p.width = max(p.limit/slowAge, 1)
}

// begin counts a call that begins at now. It reports whether it is time to look for slow ones: four times a limit.
func (p *pace) begin(now int64) bool {
	tick := now / p.width
	p.count[uint64(tick)%ages].Add(1)
	seen := p.seen.Load()
	return tick != seen && p.seen.CompareAndSwap(seen, tick)
}

// end takes back what begin has counted, and reports whether the call was slow to return; now is when it did.
func (p *pace) end(began, now int64) bool {
	p.count[uint64(began/p.width)%ages].Add(-1)
	return now-began > p.limit
}

// late returns how many calls are under way for longer than the limit.
func (p *pace) late(now int64) int {
	tick, n := now/p.width, int64(0)
	for age := int64(slowAge + 1); age < ages; age++ {
		n += p.count[uint64(tick-age)%ages].Load()
	}
	return int(n)
}
