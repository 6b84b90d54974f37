package resilience

import (
	"sync"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/internal/clock"
)

// A Budget bounds how much may be done beyond what callers asked for. It is a bucket of tokens: every first attempt at a
// request puts a part of a token into it, every further attempt takes a whole one out, and where there is none, the
// further attempt is not made. While little fails nobody notices it; when everything fails it keeps retries from
// multiplying the load of a target that is already in trouble.
//
// It counts attempts, not time, so it holds however fast or slowly a target fails: no more than Ratio times the first
// attempts, plus Floor a second, plus Cap once. It starts full.
//
// Share one between all policies that spend on the same target, and between the retries of all its callers. The zero
// value is ready. It never blocks, and is safe for concurrent use.
type Budget struct {
	Ratio float64 // tokens for a first attempt; 0 means 0.1
	Floor float64 // tokens for every second that passes, so that the rare caller may retry too; 0 means 1, negative none
	Cap   float64 // the most tokens that are kept; 0 means 100

	once  sync.Once
	ratio int64 // in millionths of a token, like everything below
	cap   int64
	floor float64

	missing atomic.Int64 // from being full, so that a healthy budget is only read

	mu   sync.Mutex // held by those who refill
	last int64      // when that was
}

const token = 1_000_000

func (b *Budget) start() {
	b.once.Do(func() {
		b.ratio = int64(or(b.Ratio, 0.1) * token)
		b.cap = int64(or(b.Cap, 100) * token)
		b.floor = max(or(b.Floor, 1), 0) * token
		b.last = clock.Now()
	})
}

// Deposit is called for every first attempt.
func (b *Budget) Deposit() {
	b.start()
	b.put(b.ratio)
}

// Withdraw takes a token for a further attempt and reports whether there was one.
func (b *Budget) Withdraw() bool {
	b.start()
	b.refill()
	for {
		missing := b.missing.Load()
		if missing+token > b.cap {
			return false
		}
		if b.missing.CompareAndSwap(missing, missing+token) {
			return true
		}
	}
}

// Refund gives a token back that was withdrawn for an attempt that was not made after all.
func (b *Budget) Refund() {
	b.start()
	b.put(token)
}

// full reports that a deposit would change nothing.
func (b *Budget) full() bool { return b.missing.Load() == 0 }

func (b *Budget) put(amount int64) {
	for {
		missing := b.missing.Load()
		if missing == 0 || b.missing.CompareAndSwap(missing, max(missing-amount, 0)) {
			return
		}
	}
}

// refill adds what the passing of time is worth. It is left to those who withdraw, who have failed and are in no hurry.
func (b *Budget) refill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := clock.Now()
	amount := int64(min(float64(now-b.last)/1e9*b.floor, float64(b.cap)))
	if amount > 0 {
		b.last = now
		b.put(amount)
	}
}

// or returns value unless it is zero, which means the default.
func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
