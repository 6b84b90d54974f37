package fanout

import (
	"context"
	"slices"

	"github.com/dovetail-go/dovetail/genai"
)

// First asks every handler the same at the same time and returns the answer that comes first; failures do not count
// while another branch may still answer. The other branches are cancelled and waited for, and what they answer all the
// same is discarded. One that had not begun yet is not asked at all.
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
		c := ask(ctx, "first", req, handlers, nil, func(c *contest[Resp]) bool { return c.answered == 1 })
		for i := range c.branches {
			if c.branches[i].has {
				resp := c.take(i)
				c.end(func(k int) bool { return k == i })
				return resp, nil
			}
		}
		c.end(nil)
		var zero Resp
		return zero, c.failure(ctx)
	}
}
