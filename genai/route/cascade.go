package route

import (
	"context"
	"slices"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// Cascade asks the first stage, and the next one only if accept says that the answer is not good enough: a cheap model
// before a dear one, the device before the cloud. The answer of the last stage is returned unseen. A stage that fails in
// a way in which the next may not (as [genai.Kind.Failover] says, or because the request is too long for it) is passed
// over too.
//
// If the last stage fails, so does the call, even if an earlier stage had an answer: it was not accepted. The error is as
// that of [Fallback]; its Attempts tell of the answers that were turned down, which have no Kind; those are not in the [genai.Ledger]. Each step to another
// stage is told as an event of the name "cascade" (see [genai.Listen]). What the stages cost adds up; accept sees
// every answer but the last, with its usage.
//
// accept needs whole answers, because what is read of a stream is gone: use [genai.Whole] inside and [genai.Streamed]
// around. For a last stage that streams, let the others check themselves and fail, and use [FallbackWhen].
func Cascade[Req, Resp any](accept func(ctx context.Context, req Req, resp Resp) bool, stages ...genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	stages = slices.Clone(stages)
	return func(ctx context.Context, req Req) (Resp, error) {
		var zero Resp
		var tried []failure
		for i, stage := range stages {
			began := clock.Now()
			resp, err := stage(ctx, req)
			last := i == len(stages)-1
			if err == nil && (last || accepted(ctx, req, resp, accept)) {
				if i > 0 {
					note(ctx, "cascade", i, failure{nil, time.Duration(clock.Now() - began)})
				}
				return resp, nil
			}
			tried = append(tried, failure{err, time.Duration(clock.Now() - began)})
			on := ctx.Err() == nil && !last && onward(genai.KindOf(err))
			if err != nil && (on || i > 0) {
				note(ctx, "cascade", i, tried[i])
			}
			if !on {
				break
			}
			step := genai.Event{Name: "cascade", Kind: genai.KindOf(err), Attempt: i + 1, Elapsed: tried[i].elapsed}
			if err != nil {
				step.Target = genai.AsError(err).Target
			}
			genai.Emit(ctx, step)
		}
		if len(tried) == 0 {
			return zero, genai.Errorf(genai.NoTarget, "the cascade has no stages")
		}
		return zero, summary(ctx, "cascade", tried)
	}
}

// accepted asks accept, and discards the response that it turns down, or panics at.
func accepted[Req, Resp any](ctx context.Context, req Req, resp Resp, accept func(context.Context, Req, Resp) bool) (good bool) {
	defer func() {
		if !good {
			genai.Discard(resp)
		}
	}()
	return accept(ctx, req, resp)
}

// onward reports whether the next stage may have an answer where this one failed with k, or had one ("").
func onward(k genai.Kind) bool {
	return k == "" || k.Failover() || k == genai.ContextLength || k == genai.TooLarge
}
