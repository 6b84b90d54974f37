package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Load is callers who come at random, whether or not others have been served (an open loop).
type Load struct {
	Rate     func(at time.Duration) float64 // calls a second, by the time since the beginning
	Lasts    time.Duration
	Patience time.Duration                         // of a caller, for everything; 0: without end
	Context  func(context.Context) context.Context // what a caller brings along; nil: nothing
	Seed     uint64
}

// A Call is what became of one caller.
type Call struct {
	At       time.Duration // since the beginning
	Took     time.Duration
	Err      error
	Priority genai.Priority
}

// Run calls h until the load is over, and returns all calls, in the order in which they began.
func (l Load) Run(ctx context.Context, h genai.AnyHandler) []Call {
	rng := rand.New(rand.NewPCG(l.Seed, 1))
	began := time.Now()
	var mu sync.Mutex
	var calls []Call
	var all sync.WaitGroup
	for {
		at := time.Since(began)
		if at >= l.Lasts {
			break
		}
		own := ctx
		if l.Context != nil {
			own = l.Context(ctx)
		}
		all.Go(func() { // waited for below
			cancel := func() {}
			if l.Patience > 0 {
				own, cancel = context.WithTimeout(own, l.Patience)
			}
			defer cancel()
			_, err := h(own, nil)
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, Call{At: at, Took: time.Since(began) - at, Err: err, Priority: genai.PriorityOf(own)})
		})
		time.Sleep(time.Duration(rng.ExpFloat64() / l.Rate(at) * float64(time.Second)))
	}
	all.Wait()
	slices.SortFunc(calls, func(a, b Call) int { return int(a.At - b.At) })
	return calls
}

// Steady is a rate that does not change.
func Steady(rate float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return rate }
}

// Between returns the calls that began in a time.
func Between(calls []Call, from, to time.Duration) []Call {
	var some []Call
	for _, c := range calls {
		if c.At >= from && c.At < to {
			some = append(some, c)
		}
	}
	return some
}

// Share returns the share of calls that succeeded.
func Share(calls []Call) float64 {
	if len(calls) == 0 {
		return 0
	}
	n := 0
	for _, c := range calls {
		if c.Err == nil {
			n++
		}
	}
	return float64(n) / float64(len(calls))
}

// Quantile returns how long the calls took, but for the slowest of them.
func Quantile(calls []Call, q float64) time.Duration {
	if len(calls) == 0 {
		return 0
	}
	var all []time.Duration
	for _, c := range calls {
		all = append(all, c.Took)
	}
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}
