package fanout

import (
	"context"
	"slices"

	"github.com/dovetail-go/dovetail/genai"
)

// Best asks every handler the same at the same time, waits for all of them, and returns the answer that judge chooses: it
// is given those that there are, in the order of the handlers, and returns the index of the best. If there is one only,
// judge is not asked. The others are discarded. A slow branch holds up everybody: give each its limit.
//
// If every branch fails, the error is as that of [First]. If judge fails, so does the call, with its error, and every
// answer is discarded.
//
// judge reads whole answers and must not read a stream; fold it first, for example by [genai.Whole].
func Best[Req, Resp any](judge func(ctx context.Context, req Req, answers []Resp) (int, error), handlers ...genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	handlers = slices.Clone(handlers)
	return func(ctx context.Context, req Req) (Resp, error) {
		var zero Resp
		if len(handlers) == 0 {
			return zero, genai.Errorf(genai.NoTarget, "there is no handler to ask")
		}
		c := ask(ctx, "best", req, handlers, unseen, func(*contest[Resp]) bool { return false })
		winner := -1
		defer func() {
			c.end(func(i int) bool { return i == winner })
		}()
		if c.answered == 0 {
			return zero, c.failure(ctx)
		}
		answers := make([]Resp, 0, c.answered)
		from := make([]int, 0, c.answered)
		for i := range c.branches {
			if c.branches[i].has {
				answers = append(answers, c.branches[i].resp)
				from = append(from, i)
			}
		}
		best := 0
		if len(answers) > 1 {
			var err error
			if best, err = judge(ctx, req, answers); err != nil {
				return zero, err
			}
			if best < 0 || best >= len(from) {
				return zero, genai.Errorf(genai.Internal, "the judge chose answer %d of %d", best, len(from))
			}
		}
		winner = from[best]
		return c.take(winner), nil
	}
}
