package resilience

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// A RateLimit bounds how many requests begin in a second, evenly, after a burst. A call that would have to wait too long fails
// with [genai.LimitReached] and StartedNo; its RetryAfter is when there is room. Put it inside of retries: every attempt
// counts. The zero value has no limit.
type RateLimit struct {
	Rate  float64       // requests a second; 0 means no limit
	Burst int           // how many may begin at once after a pause; 0 means what Rate allows in a second, but at least 1
	Wait  time.Duration // how long a call may wait for its turn, first come first served; 0 means not at all
	Name  string        // the Target in errors; may be empty

	once sync.Once
	gap  int64        // between two requests
	slip int64        // how much earlier than evenly a request may begin
	next atomic.Int64 // when the next request would begin if they began evenly, by package clock
}

func (r *RateLimit) start() {
	r.once.Do(func() {
		r.gap = int64(float64(time.Second) / r.Rate)
		r.slip = r.gap * int64(max(or(r.Burst, int(r.Rate)), 1)-1)
		r.next.Store(clock.Now())
	})
}

// Wrap returns next behind the limit. All handlers that one RateLimit guards share it.
func (r *RateLimit) Wrap(next genai.AnyHandler) genai.AnyHandler {
	if r.Rate <= 0 {
		return next
	}
	r.start()
	return func(ctx context.Context, req any) (any, error) {
		if err := r.pass(ctx); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

func (r *RateLimit) pass(ctx context.Context) error {
	for {
		now, due := clock.Now(), r.next.Load()
		wait := time.Duration(due - r.slip - now)
		if wait > 0 && !patient(ctx, wait, r.Wait) {
			return full(ctx, r.Name, wait, "as many requests as are allowed in this time have begun")
		}
		if !r.next.CompareAndSwap(due, max(due, now)+r.gap) {
			continue
		}
		if wait > 0 && !sleep(ctx, wait) {
			r.next.Add(-r.gap) // somebody else may have the turn
			return genai.ContextError(ctx)
		}
		return nil
	}
}

// patient reports whether a call may wait for d.
func patient(ctx context.Context, d, most time.Duration) bool {
	if d > most {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > d
}

// full is the error of a call for which there is no room before d.
func full(ctx context.Context, name string, d time.Duration, why string) error {
	if err := genai.ContextError(ctx); err != nil {
		return err
	}
	return &genai.Error{Kind: genai.LimitReached, Target: name, RetryAfter: d, Started: genai.StartedNo, Message: why}
}
