package chattest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

// A Client is what is proved.
type Client struct {
	Chat     genai.Chat
	Complete genai.Completer // nil: there is none, and what it would prove is left out
}

// Make returns a client of which every call ends up at model. It is called once or more in each check, inside of its
// bubble. What it starts ends with t.Cleanup; it calls t.Fatal if it cannot start.
type Make func(t *testing.T, model *genaitest.Model) Client

// Except names checks that a client cannot pass, each with the reason, which is shown where the subtest is skipped: what
// its provider has no words for. A key is the name of a subtest, with or without what stands behind the slash.
type Except map[string]string

// Run checks the clients that make returns, in subtests of t.
func Run(t *testing.T, make Make, except ...Except) {
	t.Helper()
	reasons := map[string]string{}
	for _, list := range except {
		for name, why := range list {
			if !known(name) {
				t.Errorf("there is no check %q to be excepted from", name)
			}
			reasons[name] = why
		}
	}
	for _, group := range groups() {
		t.Run(group.name, func(t *testing.T) {
			if why, ok := reasons[group.name]; ok {
				t.Skip(why)
			}
			for _, c := range group.checks {
				t.Run(c.name, func(t *testing.T) {
					if why, ok := reasons[group.name+"/"+c.name]; ok {
						t.Skip(why)
					}
					synctest.Test(t, func(t *testing.T) {
						if err := c.run(&env{t: t, make: make}); err != nil {
							t.Errorf("%v\n(%s)", err, group.why)
						}
					})
				})
			}
		})
	}
}

func known(name string) bool {
	for _, g := range groups() {
		if name == g.name {
			return true
		}
		for _, c := range g.checks {
			if name == g.name+"/"+c.name {
				return true
			}
		}
	}
	return false
}

// A group is checks of one rule.
type group struct {
	name   string
	why    string // the rule, shown with every failure
	checks []check
}

// A check returns what is wrong with a client, or nil.
type check struct {
	name string
	run  func(e *env) error
}

func groups() []group {
	return []group{answers(), failures(), cuts(), timing(), leaving(), requests()}
}

// An env is what a check has to work with.
type env struct {
	t    *testing.T
	make Make
}

// client returns a client of a model with a script.
func (e *env) client(steps ...genaitest.Step) (Client, *genaitest.Model) {
	model := genaitest.Script(steps...)
	return e.make(e.t, model), model
}

// prompt is in every question, so that one can tell where it comes up again.
const prompt = "a very private question"

func ask() *genai.ChatRequest {
	return &genai.ChatRequest{Model: "m", MaxTokens: new(100), Messages: []genai.Message{genai.User(prompt)}}
}

// A way is one of the two ways to ask.
type way struct {
	name     string
	complete genai.Completer
}

// ways returns how a client can be asked: for a stream, which is folded, and for a whole answer.
func (c Client) ways() []way {
	all := []way{{"streamed", func(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
		s, err := c.Chat(ctx, req)
		if err != nil {
			if s != nil {
				return nil, fmt.Errorf("a stream and an error: %w", err)
			}
			return nil, err
		}
		if s == nil {
			return nil, fmt.Errorf("neither a stream nor an error")
		}
		defer s.Close()
		return genai.FoldChat(s.All())
	}}}
	if c.Complete != nil {
		all = append(all, way{"whole", func(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
			resp, err := c.Complete(ctx, req)
			if resp == nil && err == nil || resp != nil && err != nil {
				return nil, fmt.Errorf("a response and an error, or neither: %v, %v", resp, err)
			}
			return resp, err
		}})
	}
	return all
}
