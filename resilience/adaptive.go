package resilience

import (
	"context"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// Adaptive is a Bulkhead that finds its size. While the target answers well and the places are used, it grows by one for
// every full set of answers; when the target shows that it has too much to do, it shrinks by a tenth, once for each such
// moment and not for each call (additive increase, multiplicative decrease, as in TCP). Signs of too much to do are Overloaded, RateLimited, a
// Timeout, and a return slower than Slow. A caller who leaves, and any other failure, says nothing.
//
// Sheddable calls are let in while four fifths of the places are taken, SheddablePlus up to nine tenths, and CriticalPlus up to a
// quarter beyond them, so that what matters most finds room (see [genai.WithPriority]).
//
// A call holds its place until its response is over, and a call that gets none fails with [genai.LimitReached] and
// StartedNo. The zero value is ready.
type Adaptive struct {
	Min   int // never fewer places; 0 means 4
	Max   int // never more; 0 means 512
	Start int // at first; 0 means 16

	// Slow is how long a call may take to return, which for a stream is its time to the first token, before that is taken for
	// a sign of too much to do; 0 means that time says nothing. Do not take the time of whole answers: it depends on their length.
	Slow time.Duration

	RetryAfter time.Duration // what a call that got no place is told to wait; 0 means 1 s
	Name       string        // the Target in errors; may be empty

	mu      sync.Mutex
	once    bool
	limit   float64
	held    int
	shrunk  int64 // when it shrank last, by package clock
	refused *genai.Error
}

// Wrap returns next behind the limit. All handlers that one Adaptive guards share its places.
func (a *Adaptive) Wrap(next genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (any, error) {
		began, err := a.enter(genai.PriorityOf(ctx).Rank())
		if err != nil {
			return nil, err
		}
		holds := true
		defer func() { // also when next panics or exits its goroutine
			if holds {
				a.leave()
			}
		}()
		resp, err := next(ctx, req)
		a.learn(began, err)
		if err == nil && genai.Arriving(resp) {
			holds = false
			genai.Finally(resp, nil, func(error) { a.leave() })
		}
		return resp, err
	}
}

// Limit returns how many places there are now.
func (a *Adaptive) Limit() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.start()
	return int(a.limit)
}

// start is called under the lock.
func (a *Adaptive) start() {
	if a.once {
		return
	}
	a.once = true
	a.shrunk = clock.Now() - 1
	a.limit = float64(min(max(or(a.Start, 16), a.least()), a.most()))
	a.refused = &genai.Error{
		Kind: genai.LimitReached, Target: a.Name, RetryAfter: or(a.RetryAfter, time.Second), Started: genai.StartedNo,
		Message: "as many calls as the target seems to stand are under way",
	}
}

func (a *Adaptive) least() int { return max(or(a.Min, 4), 1) }

func (a *Adaptive) most() int { return max(or(a.Max, 512), a.least()) }

// places is how much of the limit a priority may fill, by its rank: what matters less leaves room for what matters more.
var places = [...]float64{1.25, 1, 0.9, 0.8}

func (a *Adaptive) enter(rank int) (began int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.start()
	if a.held >= max(int(a.limit*places[rank]), 1) {
		return 0, a.refused
	}
	a.held++
	return clock.Now(), nil
}

func (a *Adaptive) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held--
}

// learn takes how a call that began at a time has returned.
func (a *Adaptive) learn(began int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := clock.Now()
	bad := a.Slow > 0 && now-began > int64(a.Slow)
	switch genai.KindOf(err) {
	case "":
	case genai.Overloaded, genai.RateLimited, genai.Timeout:
		bad = true
	default:
		return
	}
	switch {
	case !bad && float64(2*a.held) >= a.limit: // what is not used cannot be known to be too small
		a.limit = min(a.limit+1/a.limit, float64(a.most()))
	case bad && began >= a.shrunk: // those that began earlier speak of the same moment
		a.limit = max(a.limit*0.9, float64(a.least()))
		a.shrunk = now
	}
}
