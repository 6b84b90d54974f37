package resilience

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// A lease is the place of a probe. It is given back exactly once: when the response is over, or when it took too long.
type lease struct {
	breaker *Breaker
	ctx     context.Context
	done    func(error) // of the state machine; under the breaker's lock
	begun   atomic.Bool // a response has begun to arrive
	over    atomic.Bool
}

// probe makes a call while the breaker is not closed, if it may.
func (b *Breaker) probe(ctx context.Context, req any, next genai.AnyHandler) (any, error) {
	if b.state.Load() == &opened {
		return nil, b.refused.Load()
	}
	l := &lease{breaker: b, ctx: ctx}
	b.locked(ctx, func() {
		if b.state.Load() == &opened {
			return
		}
		if done, err := b.machine.Allow(); err == nil {
			l.done = done
		}
	})
	if l.done == nil {
		return nil, b.refused.Load()
	}
	timer := time.AfterFunc(or(b.Lease, 30*time.Second), l.expire)
	end := func(err error) {
		timer.Stop()
		l.end(err)
	}
	returned := false
	defer func() {
		if !returned {
			end(errGone)
		}
	}()
	began := clock.Now()
	resp, err := next(ctx, req)
	returned = true
	if b.Slow > 0 && clock.Now()-began > int64(b.Slow) {
		l.settle(errGone, 0)
	}
	if err != nil {
		end(err)
		return nil, err
	}
	l.begun.Store(true)
	genai.Finally(resp, nil, end)
	return resp, nil
}

// expire gives the place of a probe away that takes too long. A response that has begun to arrive is no failure.
func (l *lease) expire() {
	if l.begun.Load() {
		l.settle(errNeutral, 0)
		return
	}
	l.settle(errGone, 0)
}

func (l *lease) end(err error) {
	var verdict error
	switch {
	case err == nil:
	case l.breaker.failure(err) || err == error(errGone):
		verdict = errGone
	default:
		verdict = errNeutral
	}
	l.settle(verdict, hintOf(err))
}

func (l *lease) settle(verdict error, hint time.Duration) {
	if !l.over.CompareAndSwap(false, true) {
		return
	}
	l.breaker.locked(l.ctx, func() {
		l.breaker.hint = hint
		l.done(verdict)
		l.breaker.hint = 0
	})
}
