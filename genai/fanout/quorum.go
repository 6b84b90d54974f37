package fanout

import (
	"context"
	"fmt"
	"slices"

	"github.com/dovetail-go/dovetail/genai"
)

// Quorum asks every handler the same at the same time and returns the first need answers, in the order of the handlers.
// The other branches are then cancelled and waited for, and what they answer all the same is discarded. A need below 1
// counts as 1.
//
// As soon as too many have failed, the rest is cancelled, the answers that are there are discarded, and the error is as
// that of [First]. It is [genai.NoTarget] if there are fewer handlers than need.
//
// Streams count with their first real piece. Those that are returned belong to the caller, all of them: each must be read
// to its end or closed.
func Quorum[Req, Resp any](need int, handlers ...genai.Handler[Req, Resp]) genai.Handler[Req, []Resp] {
	handlers = slices.Clone(handlers)
	need = max(need, 1)
	return func(ctx context.Context, req Req) ([]Resp, error) {
		n := len(handlers)
		if n < need {
			return nil, genai.Errorf(genai.NoTarget, "%d answers are needed, and there are %d handlers to ask", need, n)
		}
		c := ask(ctx, "quorum", req, handlers, unseen, func(c *contest[Resp]) bool {
			return c.answered == need || c.failed > n-need
		})
		if c.answered < need {
			c.end(nil)
			e := c.failure(ctx)
			// The failures are what decided it. How many had answered by then depends on who is faster.
			e.Message = fmt.Sprintf("%d of %d branches failed, %d answers are needed: %s", c.failed, n, need, e.Message)
			return nil, e
		}
		resps := make([]Resp, 0, need)
		taken := make([]bool, n)
		for i := range c.branches {
			if c.branches[i].has {
				resps = append(resps, c.take(i))
				taken[i] = true
			}
		}
		c.end(func(i int) bool { return taken[i] })
		return resps, nil
	}
}

// unseen looks at no answer, but has the time of each noted.
func unseen[Resp any](int, Resp) {}

// Vote asks every handler the same at the same time and returns an answer on which need of them agree: one for which
// choice returns the same, such as a label or a number that is read out of it. As soon as there are so many, or there can
// no longer be, the other branches are cancelled and waited for. A need below 1 means more than half of the handlers. Of
// those that agree the answer of the first handler is returned, and all others are discarded.
//
// If there is no agreement because of what the branches answered, the error is of Kind Conflict with the Reason
// "no_agreement"; if it is because of those that failed, it is as that of [First]. It is [genai.NoTarget] if there are
// fewer handlers than need.
//
// choice reads whole answers and must not read a stream; fold it first, for example by [genai.Whole]. It may be called by
// several goroutines at the same time.
func Vote[Req, Resp any, Choice comparable](need int, choice func(Resp) Choice, handlers ...genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	handlers = slices.Clone(handlers)
	if need < 1 {
		need = len(handlers)/2 + 1
	}
	return func(ctx context.Context, req Req) (Resp, error) {
		var zero Resp
		n := len(handlers)
		if n < need {
			return zero, genai.Errorf(genai.NoTarget, "%d have to agree, and there are %d handlers to ask", need, n)
		}
		choices := make([]Choice, n)
		most, winner := 0, -1 // how many agree, and one of them
		c := ask(ctx, "vote", req, handlers, func(i int, resp Resp) { choices[i] = choice(resp) }, func(c *contest[Resp]) bool {
			most, winner = agreement(c, choices)
			return most >= need || most+n-c.answered-c.failed < need
		})
		if most >= need {
			resp := c.take(winner)
			c.end(func(i int) bool { return i == winner })
			return resp, nil
		}
		c.end(nil)
		if most+n-c.answered >= need { // those that failed could have agreed
			return zero, c.failure(ctx)
		}
		e := &genai.Error{Kind: genai.Conflict, Reason: "no_agreement"}
		e.Message = fmt.Sprintf("%d branches answered, and at most %d of them agree; %d are needed", c.answered, most, need)
		e.Attempts, e.Started = c.ledger()
		return zero, e
	}
}

// agreement returns how many answers the most frequent choice has, and the first branch that made it.
func agreement[Resp any, Choice comparable](c *contest[Resp], choices []Choice) (most, first int) {
	first = -1
	for i := range c.branches {
		if !c.branches[i].counts || c.branches[i].err != nil {
			continue
		}
		n := 0
		for k := range c.branches {
			if c.branches[k].counts && c.branches[k].err == nil && choices[k] == choices[i] {
				n++
			}
		}
		if n > most {
			most, first = n, i
		}
	}
	return most, first
}
