package fanout

import (
	"context"
	"slices"

	"github.com/dovetail-go/dovetail/genai"
)

// A Result is the answer of one branch. Value is meaningful only if Err is nil.
type Result[Resp any] struct {
	Value Resp
	Err   error
}

// All asks every handler the same at the same time, and returns what each of them answered, in their order. It never
// fails as a whole: what became of a branch is in its [Result]. A branch that fails does not disturb the others.
//
// Answers that are streams belong to the caller, all of them: each must be read to its end or closed.
func All[Req, Resp any](handlers ...genai.Handler[Req, Resp]) genai.Handler[Req, []Result[Resp]] {
	handlers = slices.Clone(handlers)
	return func(ctx context.Context, req Req) ([]Result[Resp], error) {
		results := make([]Result[Resp], len(handlers))
		if len(handlers) == 0 {
			return results, nil
		}
		var g group
		complete := false
		defer func() {
			if complete {
				return
			}
			for _, r := range results { // a branch panicked, and nobody will see what the others have
				if r.Err == nil {
					genai.Discard(r.Value)
				}
			}
		}()
		g.run(len(handlers), func(i int) {
			results[i].Err = errExited
			results[i].Value, results[i].Err = handlers[i](ctx, req)
		})
		complete = true
		return results, nil
	}
}
