package chattest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

// A bad client does one thing wrong.
type bad struct {
	by   string // the check that must find it
	chat func(model *genaitest.Model) genai.Chat
}

// around changes the events that the model sends. change returns what is handed on instead.
func around(change func(e genai.ChatEvent) []genai.ChatEvent) func(*genaitest.Model) genai.Chat {
	return func(model *genaitest.Model) genai.Chat {
		return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			s, err := model.Chat(ctx, req)
			if err != nil {
				return nil, err
			}
			var queue []genai.ChatEvent
			return genai.NewStream(ctx, func() (genai.ChatEvent, error) {
				for len(queue) == 0 {
					e, err := s.Next()
					if err != nil {
						return e, err
					}
					queue = change(e)
				}
				e := queue[0]
				queue = queue[1:]
				return e, nil
			}, func() { s.Close() })
		}
	}
}

// errs changes the errors of calls.
func errs(change func(ctx context.Context, err error) error) func(*genaitest.Model) genai.Chat {
	return func(model *genaitest.Model) genai.Chat {
		return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			s, err := model.Chat(ctx, req)
			if err != nil {
				return nil, change(ctx, err)
			}
			return s, nil
		}
	}
}

// ends changes the errors of streams.
func ends(change func(err error) error) func(*genaitest.Model) genai.Chat {
	return func(model *genaitest.Model) genai.Chat {
		return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			s, err := model.Chat(ctx, req)
			if err != nil {
				return nil, err
			}
			return genai.NewStream(ctx, func() (genai.ChatEvent, error) {
				e, err := s.Next()
				if err != nil {
					err = change(err)
				}
				return e, err
			}, func() { s.Close() })
		}
	}
}

// asks changes the requests.
func asks(change func(req *genai.ChatRequest)) func(*genaitest.Model) genai.Chat {
	return func(model *genaitest.Model) genai.Chat {
		return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			copied := *req
			change(&copied)
			return model.Chat(ctx, &copied)
		}
	}
}

var bads = map[string]bad{
	"trims text": {"answers/white space", around(func(e genai.ChatEvent) []genai.ChatEvent {
		e.Text = strings.TrimSpace(e.Text)
		return []genai.ChatEvent{e}
	})},
	"drops thoughts": {"answers/reasoning", around(func(e genai.ChatEvent) []genai.ChatEvent {
		e.Reasoning = ""
		return []genai.ChatEvent{e}
	})},
	"makes usage up": {"answers/usage: unknown", around(func(e genai.ChatEvent) []genai.ChatEvent {
		if e.Finish != nil && e.Usage == nil {
			e.Usage = &genai.Usage{}
		}
		return []genai.ChatEvent{e}
	})},
	"takes nothing for unknown": {"answers/usage: nothing", around(func(e genai.ChatEvent) []genai.ChatEvent {
		if e.Usage != nil && *e.Usage == (genai.Usage{}) {
			e.Usage = nil
		}
		return []genai.ChatEvent{e}
	})},
	"swaps the counts": {"answers/usage", around(func(e genai.ChatEvent) []genai.ChatEvent {
		if u := e.Usage; u != nil {
			e.Usage = &genai.Usage{Input: u.Output, Output: u.Input}
		}
		return []genai.ChatEvent{e}
	})},
	"answers once": {"answers/twice", func(model *genaitest.Model) genai.Chat {
		return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			if len(model.Calls()) > 0 {
				return nil, genai.Errorf(genai.Internal, "it is worn out")
			}
			return model.Chat(ctx, req)
		}
	}},
	"knows one reason only": {"answers/finish: length", around(func(e genai.ChatEvent) []genai.ChatEvent {
		if e.Finish != nil {
			e.Finish.Reason = genai.FinishStop
		}
		return []genai.ChatEvent{e}
	})},
	"mixes calls up": {"answers/parallel tool calls", around(func(e genai.ChatEvent) []genai.ChatEvent {
		if e.ToolCall != nil {
			e.ToolCall.Index = 0
		}
		return []genai.ChatEvent{e}
	})},
	"calls without names": {"answers/no arguments", around(func(e genai.ChatEvent) []genai.ChatEvent {
		if e.ToolCall != nil {
			e.ToolCall.ID = ""
		}
		return []genai.ChatEvent{e}
	})},
	"waits for the whole answer": {"time/first piece", func(model *genaitest.Model) genai.Chat { return genai.Streamed(model.Complete) }},
	"says the model's alias": {"answers/model", around(func(e genai.ChatEvent) []genai.ChatEvent {
		if e.Start != nil {
			e.Start.Model = "m"
		}
		return []genai.ChatEvent{e}
	})},
	"calls everything a server error": {"failures/rate_limited", errs(func(context.Context, error) error { return genai.Errorf(genai.ServerError, "no") })},
	"forgets how long to wait": {"failures/retry after", errs(func(_ context.Context, err error) error {
		return &genai.Error{Kind: genai.KindOf(err), Message: "no"}
	})},
	"returns foreign errors":  {"failures/overloaded", errs(func(_ context.Context, err error) error { return fmt.Errorf("no: %s", err) })},
	"quotes what it is asked": {"failures/quoted prompt", errs(func(_ context.Context, err error) error { return err })},
	"blames the deadline": {"leaving/before the first piece", errs(func(ctx context.Context, err error) error {
		if ctx.Err() != nil {
			return genai.Errorf(genai.Timeout, "it took too long")
		}
		return err
	})},
	"lingers at the end": {"time/end", ends(func(err error) error {
		time.Sleep(time.Second)
		return err
	})},
	"goes on for a while":         {"leaving/behind a piece", detached},
	"goes on behind the deadline": {"leaving/deadline behind a piece", detached},
	"repeats": {"failures/overloaded", func(model *genaitest.Model) genai.Chat {
		return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			s, err := model.Chat(ctx, req)
			if errors.Is(err, genai.Overloaded) {
				return model.Chat(ctx, req)
			}
			return s, err
		}
	}},
	"calls a cut an end": {"cuts/the connection is lost", ends(func(err error) error {
		if errors.Is(err, genai.Truncated) {
			return io.EOF
		}
		return err
	})},
	"calls every cut truncated": {"cuts/overloaded", ends(func(err error) error {
		if err == io.EOF {
			return err
		}
		return genai.Errorf(genai.Truncated, "cut")
	})},
	"holds the answer back": {"answers/pieces", func(model *genaitest.Model) genai.Chat { return genai.Streamed(genai.Whole(model.Chat)) }},
	"does not tell the provider": {"leaving/close", func(model *genaitest.Model) genai.Chat {
		return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			s, err := model.Chat(ctx, req)
			if err != nil {
				return nil, err
			}
			return genai.NewStream(ctx, s.Next, nil)
		}
	}},
	"works for nobody": {"leaving/before the call", func(model *genaitest.Model) genai.Chat { return model.Chat }},
	"is late": {"time/late failure", errs(func(_ context.Context, err error) error {
		time.Sleep(time.Second)
		return err
	})},
	"drops the temperature": {"requests/temperature: zero", asks(func(r *genai.ChatRequest) { r.Temperature = nil })},
	"sends a temperature":   {"requests/text", asks(func(r *genai.ChatRequest) { r.Temperature = new(1.0) })},
	"drops the system":      {"requests/system", asks(func(r *genai.ChatRequest) { r.Messages = r.Messages[1:] })},
	"drops pictures": {"requests/image by URL", asks(func(r *genai.ChatRequest) {
		r.Messages = []genai.Message{genai.User(r.Text())}
	})},
	"forgets its own state": {"requests/state of its own", asks(func(r *genai.ChatRequest) { r.Messages = plainly(r.Messages) })},
	"knows no origins":      {"requests/state of others", func(model *genaitest.Model) genai.Chat { return model.Chat }},
	"forgets what was said": {"requests/state of others", asks(func(r *genai.ChatRequest) {
		r.Messages = slices.DeleteFunc(slices.Clone(r.Messages), func(m genai.Message) bool { return m.Role == genai.RoleAssistant })
	})},
	"drops the schema": {"requests/format", asks(func(r *genai.ChatRequest) { r.Format = nil })},
	"sends what it changed": {"requests/max tokens", func(model *genaitest.Model) genai.Chat {
		return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			*req.MaxTokens = 1
			return model.Chat(ctx, req)
		}
	}},
}

// plainly returns messages of text alone.
func plainly(messages []genai.Message) (plain []genai.Message) {
	for _, m := range messages {
		plain = append(plain, genai.Message{Role: m.Role, Parts: []genai.Part{{Text: m.Text()}}})
	}
	return plain
}

// detached asks for whole minutes, whether or not its caller waits.
func detached(model *genaitest.Model) genai.Chat {
	return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		s, err := model.Chat(own, req)
		genai.Finally(s, err, func(error) { cancel() })
		return s, err
	}
}

// TestFails: whoever does one thing wrong is found out.
func TestFails(t *testing.T) {
	for name, b := range bads {
		t.Run(name, func(t *testing.T) {
			group, check, _ := strings.Cut(b.by, "/")
			run := find(t, group, check)
			synctest.Test(t, func(t *testing.T) {
				err := run(&env{t: t, make: func(_ *testing.T, model *genaitest.Model) Client { return Client{Chat: b.chat(model)} }})
				if err == nil {
					t.Errorf("%s does not find out", b.by)
				}
			})
		})
	}
}

func find(t *testing.T, group, name string) func(*env) error {
	for _, g := range groups() {
		if g.name == group {
			if i := slices.IndexFunc(g.checks, func(c check) bool { return c.name == name }); i >= 0 {
				return g.checks[i].run
			}
		}
	}
	t.Fatalf("there is no check %s/%s", group, name)
	return nil
}

// TestExcept: an exception that names nothing is a mistake.
func TestExcept(t *testing.T) {
	for name, want := range map[string]bool{"answers": true, "answers/text": true, "answers/nothing": false, "": false} {
		if known(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
