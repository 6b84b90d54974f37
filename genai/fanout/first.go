package fanout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// errLost is what the losers are cancelled with.
var errLost = &genai.Error{Kind: genai.Cancelled, Message: "another branch answered first"}

// First asks every handler the same at the same time and returns the answer that comes first; failures do not count
// while another branch may still answer. The other branches are cancelled and waited for, and what they answer all the
// same is discarded.
//
// A stream wins with its first real piece, and the context of its branch lives until it is over.
//
// If every branch fails, the error is that of the branch which gives most hope: one that may succeed if it is asked
// again, or else one that was really asked. By errors.Is it is each of the errors, and its Attempts tell of all.
func First[Req, Resp any](handlers ...genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	handlers = slices.Clone(handlers)
	return func(ctx context.Context, req Req) (Resp, error) {
		switch len(handlers) {
		case 0:
			var zero Resp
			return zero, genai.Errorf(genai.NoTarget, "there is no handler to ask")
		case 1:
			return handlers[0](ctx, req)
		}
		r := &race[Resp]{branches: make([]entrant, len(handlers)), winner: -1}
		for i := range handlers {
			b := &r.branches[i]
			b.ctx, b.cancel = context.WithCancelCause(ctx)
			b.err = errExited
		}
		g := group{abort: r.abort}
		complete := false
		defer func() {
			if !complete { // a branch panicked
				r.abort(errPanicked)
				genai.Discard(r.resp)
			}
		}()
		g.run(len(handlers), func(i int) {
			b := &r.branches[i]
			began := clock.Now()
			resp, err := handlers[i](b.ctx, req)
			b.elapsed = time.Duration(clock.Now() - began)
			b.err = err
			if err == nil && !r.win(i, resp) {
				genai.Discard(resp)
			}
		})
		complete = true
		if r.winner < 0 {
			var zero Resp
			r.abort(nil)
			return zero, r.failure(ctx)
		}
		release := r.branches[r.winner].cancel
		if genai.Arriving(r.resp) {
			genai.Finally(r.resp, nil, func(error) { release(nil) })
		} else {
			release(nil)
		}
		return r.resp, nil
	}
}

// A race is one call of First.
type race[Resp any] struct {
	branches []entrant

	mu     sync.Mutex
	winner int // -1: nobody yet
	resp   Resp
}

type entrant struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	err     error
	elapsed time.Duration
}

// win reports whether branch i is the first to answer, and cancels the others if it is.
func (r *race[Resp]) win(i int, resp Resp) bool {
	r.mu.Lock()
	if r.winner >= 0 {
		r.mu.Unlock()
		return false
	}
	r.winner, r.resp = i, resp
	r.mu.Unlock()
	for k := range r.branches {
		if k != i {
			r.branches[k].cancel(errLost)
		}
	}
	return true
}

func (r *race[Resp]) abort(cause error) {
	for k := range r.branches {
		r.branches[k].cancel(cause)
	}
}

// failure makes one error out of those of all branches.
func (r *race[Resp]) failure(ctx context.Context) error {
	all := make([]error, 0, len(r.branches)+1)
	told := genai.ContextError(ctx)
	if told != nil {
		all = append(all, told)
	}
	best := -1
	for i := range r.branches {
		err := r.branches[i].err
		all = append(all, err)
		if h := hope(genai.KindOf(err)); told == nil || h > best && best >= 0 {
			told, best = err, h
		}
	}
	e := *genai.AsError(told)
	if e.Message == "" {
		e.Message = "no branch could answer"
	}
	e.Attempts, e.Started = nil, genai.StartedNo
	for i := range r.branches {
		b := &r.branches[i]
		cause := genai.AsError(b.err)
		tried := cause.Attempts
		if len(tried) == 0 {
			tried = []genai.Attempt{{Target: cause.Target, By: "first", Kind: cause.Kind, RetryAfter: cause.RetryAfter, Elapsed: b.elapsed}}
		}
		e.Attempts = append(e.Attempts, tried...)
		if cause.Started == genai.StartedYes || cause.Started == genai.StartedUnknown && e.Started == genai.StartedNo {
			e.Started = cause.Started
		}
	}
	e.Err = errors.Join(all...)
	return &e
}

// hope says how likely it is that asking again helps after a failure of a kind.
func hope(k genai.Kind) int {
	switch {
	case k.Retryable():
		return 3
	case k == genai.BreakerOpen, k == genai.LimitReached, k == genai.BudgetExhausted, k == genai.NoTarget:
		return 0 // nobody was asked
	case k.Failover():
		return 1
	}
	return 2 // the request itself was refused, by somebody who looked at it
}
