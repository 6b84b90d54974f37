package resilience

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/dovetail-go/dovetail/genai"
)

// A Bulkhead bounds how many responses are under way at once. A call holds a permit until its response is over, which for
// a stream is its end and not the return of the handler. A call that gets none fails with [genai.LimitReached] and
// StartedNo, which another target may still serve. The zero value is ready.
type Bulkhead struct {
	Max        int           // the most responses at once; 0 means 64
	Wait       time.Duration // how long a call may wait for a permit, first come first served; 0 means not at all
	RetryAfter time.Duration // what a call that got none is told to wait; 0 means 1 s
	Name       string        // the Target in errors; may be empty

	once    sync.Once
	permits *semaphore.Weighted
	refused *genai.Error // the same for everybody, so that refusing costs nothing
}

// Wrap returns next behind the bulkhead. All handlers that one Bulkhead guards share its permits.
func (b *Bulkhead) Wrap(next genai.AnyHandler) genai.AnyHandler {
	b.once.Do(func() {
		b.permits = semaphore.NewWeighted(int64(or(b.Max, 64)))
		b.refused = &genai.Error{
			Kind: genai.LimitReached, Target: b.Name, RetryAfter: or(b.RetryAfter, time.Second), Started: genai.StartedNo,
			Message: "as many calls as are allowed at once are under way",
		}
	})
	return func(ctx context.Context, req any) (any, error) {
		if !b.permits.TryAcquire(1) {
			if err := b.wait(ctx); err != nil {
				return nil, err
			}
		}
		held := true
		defer func() { // also when next panics or exits its goroutine
			if held {
				b.permits.Release(1)
			}
		}()
		resp, err := next(ctx, req)
		if err != nil {
			return nil, err
		}
		if genai.Arriving(resp) {
			held = false
			genai.Finally(resp, nil, func(error) { b.permits.Release(1) })
		}
		return resp, nil
	}
}

func (b *Bulkhead) wait(ctx context.Context) error {
	if b.Wait <= 0 {
		return b.refused
	}
	patience, cancel := context.WithTimeout(ctx, b.Wait)
	defer cancel()
	if b.permits.Acquire(patience, 1) == nil {
		return nil
	}
	if err := genai.ContextError(ctx); err != nil {
		return err
	}
	return b.refused
}
