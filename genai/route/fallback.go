package route

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// If answers with then where the predicate holds for a request, and with otherwise where it does not.
func If[Req, Resp any](predicate func(ctx context.Context, req Req) bool, then, otherwise genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	return func(ctx context.Context, req Req) (Resp, error) {
		if predicate(ctx, req) {
			return then(ctx, req)
		}
		return otherwise(ctx, req)
	}
}

// Fallback asks one handler after the other, until one answers or fails in a way in which the next would fail too, as
// [genai.Kind.Failover] says. It does not go on when ctx is over, nor when a Retry further out allows no further attempt.
//
// The error is that of the last one that was really asked, rather than of one that refused on our side, such as an open
// breaker. By errors.Is it is each of the errors, and its Attempts tell of all.
func Fallback[Req, Resp any](handlers ...genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	return FallbackWhen(func(err error) bool { return genai.KindOf(err).Failover() }, handlers...)
}

// FallbackOn is a [Fallback] for failures of one kind alone, such as a prompt that is too long for the first model.
func FallbackOn[Req, Resp any](kind genai.Kind, handlers ...genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	return FallbackWhen(func(err error) bool { return genai.KindOf(err) == kind }, handlers...)
}

// FallbackWhen is a [Fallback] for the failures of which when reports true.
func FallbackWhen[Req, Resp any](when func(error) bool, handlers ...genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	handlers = slices.Clone(handlers)
	return func(ctx context.Context, req Req) (Resp, error) {
		var zero Resp
		var failed []failure
		for i, h := range handlers {
			began := clock.Now()
			resp, err := h(ctx, req)
			if err == nil {
				if i > 0 {
					note(ctx, "fallback", i, failure{nil, time.Duration(clock.Now() - began)})
				}
				return resp, nil
			}
			failed = append(failed, failure{err, time.Duration(clock.Now() - began)})
			e := genai.AsError(err)
			on := ctx.Err() == nil && i < len(handlers)-1 && when(err) && genai.TrailOf(ctx).Take()
			if on || i > 0 {
				note(ctx, "fallback", i, failed[i])
			}
			if !on {
				break
			}
			genai.Emit(ctx, genai.Event{Name: "fallback", Target: e.Target, Kind: e.Kind, Attempt: i + 1, Elapsed: failed[i].elapsed})
		}
		if len(failed) == 0 {
			return zero, genai.Errorf(genai.NoTarget, "there is no handler to fall back to")
		}
		return zero, summary(ctx, "fallback", failed)
	}
}

// A failure is one try of a fallback or a cascade. Its err is nil for an answer that was turned down.
type failure struct {
	err     error
	elapsed time.Duration
}

// note tells the ledger of the try at handler i, if nobody further in has.
func note(ctx context.Context, by string, i int, f failure) {
	ledger := genai.LedgerOf(ctx)
	if ledger == nil {
		return
	}
	a := genai.Attempt{Elapsed: f.elapsed}
	if f.err != nil {
		e := genai.AsError(f.err)
		if len(e.Attempts) > 0 {
			return
		}
		a = attempts(e, f.elapsed)[0]
	}
	if i > 0 {
		a.By = by
	}
	ledger.Add(a)
}

// summary makes one error out of what was tried. A single failure needs nothing, unless it hides that ctx is over.
func summary(ctx context.Context, by string, tried []failure) error {
	over := genai.ContextError(ctx)
	last := tried[len(tried)-1].err
	if len(tried) == 1 && (over == nil || genai.KindOf(last) == genai.KindOf(over)) {
		return last
	}
	told := cmp.Or(over, last)
	if over == nil {
		for _, f := range slices.Backward(tried) {
			if f.err != nil && !refused(genai.KindOf(f.err)) {
				told = f.err
				break
			}
		}
	}
	e := *genai.AsError(told)
	if e.Message == "" {
		e.Message = "no handler could answer"
	}
	all := make([]error, 0, len(tried)+1)
	if over != nil {
		all = append(all, over)
	}
	e.Attempts = nil
	e.Remote = false // it is made here
	e.Started = genai.StartedNo
	for i, f := range tried {
		first := len(e.Attempts)
		if f.err == nil {
			e.Attempts = append(e.Attempts, genai.Attempt{Elapsed: f.elapsed})
			e.Started = genai.StartedYes
		} else {
			all = append(all, f.err)
			cause := genai.AsError(f.err)
			e.Attempts = append(e.Attempts, attempts(cause, f.elapsed)...)
			if cause.Started == genai.StartedYes || cause.Started == genai.StartedUnknown && e.Started == genai.StartedNo {
				e.Started = cause.Started
			}
		}
		if i > 0 && e.Attempts[first].By == "" {
			e.Attempts[first].By = by
		}
	}
	e.Err = errors.Join(all...)
	return &e
}

// attempts returns what e says was tried, or e itself as the one attempt that it was.
func attempts(e *genai.Error, elapsed time.Duration) []genai.Attempt {
	if len(e.Attempts) > 0 {
		return e.Attempts
	}
	return []genai.Attempt{{Target: e.Target, Kind: e.Kind, RetryAfter: e.RetryAfter, Elapsed: elapsed}}
}

// refused reports whether a failure of this kind means that nobody was asked.
func refused(k genai.Kind) bool {
	switch k {
	case genai.BreakerOpen, genai.LimitReached, genai.BudgetExhausted, genai.NoTarget:
		return true
	}
	return false
}
