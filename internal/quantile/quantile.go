// Package quantile tells how long something takes at the most, mostly.
package quantile

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	kept  = 512 // how many samples count: the last ones
	least = 50  // fewer say nothing about the slowest of twenty
	every = 64  // how many samples come in between two looks at all of them
)

// A Quantile is the 95th percentile of the last samples. The zero value has none yet. It is safe for concurrent use.
type Quantile struct {
	value atomic.Int64 // 0: not known yet

	mu   sync.Mutex
	ring [kept]int64
	n    int // how many there were, ever
}

// Add adds a sample.
func (q *Quantile) Add(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ring[q.n%kept] = max(int64(d), 1)
	if q.n++; q.n >= least && q.n%every == 0 || q.n == least {
		sorted := q.ring
		all := sorted[:min(q.n, kept)]
		slices.Sort(all)
		q.value.Store(all[(len(all)*95+99)/100-1])
	}
}

// Value returns the quantile, which may be a few samples old; 0 while there are too few.
func (q *Quantile) Value() time.Duration { return time.Duration(q.value.Load()) }
