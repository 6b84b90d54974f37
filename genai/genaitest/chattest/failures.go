package chattest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

// failures: everything that goes wrong before the first piece.
func failures() group {
	g := group{name: "failures", why: "a failure before the first piece is the error of the call, of the Kind that it is, with nothing private in it, and is not repeated"}
	for _, kind := range []genai.Kind{
		genai.InvalidRequest, genai.ContextLength, genai.TooLarge, genai.ContentFiltered, genai.Unauthenticated, genai.PermissionDenied,
		genai.NotFound, genai.RateLimited, genai.QuotaExhausted, genai.Overloaded, genai.ServerError, genai.Timeout, genai.Unavailable,
	} {
		g.checks = append(g.checks, check{string(kind), func(e *env) error {
			c, model := e.client(genaitest.Fail(&genai.Error{Kind: kind, Message: "as the script says"}).Always())
			for i, w := range c.ways() {
				resp, err := w.complete(e.t.Context(), ask())
				if err := failed(resp, err, kind); err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				if n := len(model.Calls()); n != i+1 {
					return fmt.Errorf("%s: the model was called %d times for %d calls", w.name, n, i+1)
				}
			}
			return nil
		}})
	}
	g.checks = append(g.checks, check{"retry after", retryAfter}, check{"quoted prompt", quotedPrompt}, check{"nothing to answer", nothingToAnswer})
	return g
}

// failed checks that a call ended with an error of one of kinds.
func failed(resp *genai.ChatResponse, err error, kinds ...genai.Kind) error {
	if err == nil {
		return fmt.Errorf("it counts as an answer: %s", show(plain(resp)))
	}
	e, ok := errors.AsType[*genai.Error](err)
	if !ok {
		return fmt.Errorf("a %T is no *genai.Error: %w", err, err)
	}
	if strings.Contains(err.Error(), prompt) {
		return fmt.Errorf("the error quotes the prompt: %w", err)
	}
	for _, kind := range kinds {
		if e.Kind == kind {
			return nil
		}
	}
	return fmt.Errorf("the failure is of kind %s, want %v: %w", e.Kind, kinds, err)
}

// retryAfter: how long the provider asks to wait is known. Headers have whole seconds.
func retryAfter(e *env) error {
	c, _ := e.client(genaitest.Fail(&genai.Error{Kind: genai.RateLimited, RetryAfter: 17 * time.Second}).Always())
	for _, w := range c.ways() {
		resp, err := w.complete(e.t.Context(), ask())
		if err := failed(resp, err, genai.RateLimited); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if hint := genai.AsError(err).RetryAfter; hint != 17*time.Second {
			return fmt.Errorf("%s: 17 s to wait became %v", w.name, hint)
		}
	}
	return nil
}

// quotedPrompt: providers quote the prompt in their errors; ours do not.
func quotedPrompt(e *env) error {
	c, _ := e.client(genaitest.Fail(&genai.Error{Kind: genai.InvalidRequest, Message: "cannot answer: " + prompt}).Always())
	for _, w := range c.ways() {
		resp, err := w.complete(e.t.Context(), ask())
		if err := failed(resp, err, genai.InvalidRequest); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// nothingToAnswer: a request that no provider takes is an error, not a panic.
func nothingToAnswer(e *env) error {
	c, _ := e.client(genaitest.Fail(genai.InvalidRequest).Always())
	for _, w := range c.ways() {
		for name, req := range map[string]*genai.ChatRequest{"nil": nil, "empty": {Model: "m"}} {
			resp, err := w.complete(e.t.Context(), req)
			if err := failed(resp, err, genai.InvalidRequest); err != nil {
				return fmt.Errorf("%s, a request that is %s: %w", w.name, name, err)
			}
		}
	}
	return nil
}

// cuts: everything that goes wrong behind the first piece.
func cuts() group {
	g := group{name: "cuts", why: "a stream that ends before the answer does ends with an error, behind all that came; a whole answer is then no answer"}
	cut := func(name string, step genaitest.Step, kinds ...genai.Kind) {
		g.checks = append(g.checks, check{name, func(e *env) error {
			c, _ := e.client(step.Always())
			s, err := c.Chat(e.t.Context(), ask())
			if err != nil {
				return fmt.Errorf("the stream was not handed out with its first piece: %w", err)
			}
			resp, err := genai.FoldChat(s.All())
			if err := failed(resp, err, kinds...); err != nil {
				return fmt.Errorf("streamed: %w", err)
			}
			want, _ := genai.FoldChat(scripted(e, step))
			if got, want := resp.Text()+plain(resp).Reasoning, want.Text()+plain(want).Reasoning; got != want {
				return fmt.Errorf("%q came before the cut, %q was handed on", want, got)
			}
			for _, call := range resp.Message.ToolCalls() {
				if !call.Incomplete {
					return fmt.Errorf("a call that was cut counts as complete: %s", show(call))
				}
			}
			if resp.Finish.Reason != "" {
				return fmt.Errorf("an answer that was cut says that it ended: %s", resp.Finish.Reason)
			}
			if _, again := s.Next(); genai.KindOf(again) != genai.KindOf(err) {
				return fmt.Errorf("it ended with %v first and with %v later", err, again)
			}
			if c.Complete == nil {
				return nil
			}
			whole, err := c.Complete(e.t.Context(), ask())
			if whole != nil || err == nil {
				return fmt.Errorf("whole: it counts as an answer: %v, %v", whole, err)
			}
			return nil
		}})
	}
	two := genaitest.Pieces("a", "b")
	cut("the connection is lost", two.Then(genai.Truncated), genai.Truncated)
	cut("while thinking", genaitest.Events(genai.ChatEvent{Reasoning: "hm"}).Then(genai.Truncated), genai.Truncated)
	cut("inside of arguments", genaitest.Events(genai.ChatEvent{Text: "a"}, genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "c1", Name: "look"}},
		genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Arguments: `{"at":`}}).Then(genai.Truncated), genai.Truncated)
	cut("overloaded", two.Then(genai.Overloaded), genai.Overloaded)
	cut("server error", two.Then(genai.ServerError), genai.ServerError)
	cut("garbage", two.Then(genai.Malformed), genai.Malformed)
	return g
}
