package chattest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

func answers() group {
	g := group{name: "answers", why: "what the provider says arrives, whichever way it was asked for"}
	text := func(name string, step genaitest.Step) {
		g.checks = append(g.checks, check{name, func(e *env) error { return e.arrives(step) }})
	}
	text("text", genaitest.Pieces("Hel", "lo, ", "world.").Usage(9, 3))
	text("any character", genaitest.Pieces("\"quotes\" and \\", "\r\n\n\ttabs\u2028", "data: [DONE]\n\ndata: {}", "<b>&amp;</b>", "gr\u00fc\u00df dich \U0001f30d", "\u0000\u001b"))
	text("white space", genaitest.Pieces(" ", "\n", "a", " ", "\n"))
	text("many pieces", genaitest.Pieces(strings.SplitAfter(strings.Repeat("word ", 2000), " ")...))
	text("a large piece", genaitest.Pieces(strings.Repeat("large ", 200_000), "end"))
	text("a tool call", genaitest.ToolCalls(genai.ToolCall{ID: "c1", Name: "look", Arguments: `{"at":"the \"sea\"","n":[1,2.5]}`}))
	text("parallel tool calls", genaitest.ToolCalls(
		genai.ToolCall{ID: "c1", Name: "look", Arguments: `{"at":"a"}`}, genai.ToolCall{ID: "c2", Name: "look", Arguments: `{"at":"b"}`}, genai.ToolCall{ID: "c3", Name: "stop", Arguments: `{}`}))
	text("a tool call in small pieces", genaitest.Events(pieces(`{"city":"Kyoto","days":[1,2,3]}`)...))
	text("text before a tool call", genaitest.Events(
		genai.ChatEvent{Text: "Let me "}, genai.ChatEvent{Text: "see."}, genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "c1", Name: "look", Arguments: `{}`}}))
	text("reasoning", genaitest.Events(genai.ChatEvent{Reasoning: "Hm, "}, genai.ChatEvent{Reasoning: "yes."}, genai.ChatEvent{Text: "Yes."}))
	text("refusal", genaitest.Events(genai.ChatEvent{Refusal: "I "}, genai.ChatEvent{Refusal: "will not."}))
	text("finish: length", genaitest.Reply("a").Finish(genai.FinishLength))
	text("finish: filtered", genaitest.Reply("a").Finish(genai.FinishFiltered))
	text("usage", genaitest.Reply("a").Usage(1234567, 89))
	text("usage: nothing", genaitest.Reply("a").Usage(0, 0))
	text("usage: cache and reasoning", genaitest.Events(genai.ChatEvent{Text: "a"},
		genai.ChatEvent{Usage: &genai.Usage{Input: 100, Output: 50, CacheRead: 40, CacheWrite: 10, Reasoning: 20}}))
	text("usage: unknown", genaitest.Reply("a"))
	g.checks = append(g.checks,
		check{"no arguments", noArguments},
		check{"pieces", arrivesInPieces},
		check{"model", namesTheModel},
		check{"twice", answersAgain})
	return g
}

// pieces is a tool call whose arguments come letter by letter.
func pieces(arguments string) []genai.ChatEvent {
	events := []genai.ChatEvent{{ToolCall: &genai.ToolCallDelta{ID: "c1", Name: "plan"}}}
	for _, letter := range arguments {
		events = append(events, genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Arguments: string(letter)}})
	}
	return events
}

// arrives checks that the answer to step is the one that the model itself gives.
func (e *env) arrives(step genaitest.Step) error {
	want, err := genaitest.Script(step).Complete(e.t.Context(), ask())
	if err != nil {
		return err
	}
	c, model := e.client(step.Times(2))
	for _, w := range c.ways() {
		got, err := w.complete(e.t.Context(), ask())
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if a, b := plain(got), plain(want); !reflect.DeepEqual(a, b) {
			return fmt.Errorf("%s:\ngot  %s\nwant %s", w.name, show(a), show(b))
		}
	}
	if n, want := len(model.Calls()), len(c.ways()); n != want {
		return fmt.Errorf("the model was called %d times for %d calls", n, want)
	}
	return nil
}

// A plainAnswer is an answer without what providers are free to choose: ids, raw words, opaque data.
type plainAnswer struct {
	Text, Refusal, Reasoning string
	Calls                    []plainCall
	Finish                   genai.FinishReason
	Usage                    *genai.Usage
}

type plainCall struct {
	Name      string
	Arguments any
}

func plain(resp *genai.ChatResponse) plainAnswer {
	a := plainAnswer{Text: resp.Text(), Finish: resp.Finish.Reason, Usage: resp.Usage}
	for _, p := range resp.Message.Parts {
		a.Refusal += p.Refusal
		if p.Reasoning != nil {
			a.Reasoning += p.Reasoning.Text
		}
		if p.ToolCall != nil {
			c := plainCall{Name: p.ToolCall.Name, Arguments: p.ToolCall.Arguments}
			var v any
			if json.Unmarshal([]byte(p.ToolCall.Arguments), &v) == nil {
				c.Arguments = v
			}
			a.Calls = append(a.Calls, c)
		}
	}
	return a
}

// show returns v as JSON that is not too long to be read.
func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if len(text) > 2000 {
		return fmt.Sprintf("%s… (%d bytes)", text[:2000], len(text))
	}
	return string(text)
}

// noArguments: a tool without parameters is called with an empty object, or with nothing, and the call has a name of its
// own to answer to.
func noArguments(e *env) error {
	c, _ := e.client(genaitest.ToolCalls(genai.ToolCall{ID: "c1", Name: "stop"}, genai.ToolCall{ID: "c2", Name: "stop"}).Always())
	for _, w := range c.ways() {
		resp, err := w.complete(e.t.Context(), ask())
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		calls := resp.Message.ToolCalls()
		if len(calls) != 2 || calls[0].ID == "" || calls[0].ID == calls[1].ID {
			return fmt.Errorf("%s: two calls became %s", w.name, show(calls))
		}
		for _, call := range calls {
			if call.Arguments != "" && call.Arguments != "{}" || call.Incomplete {
				return fmt.Errorf("%s: no arguments became %s", w.name, show(call))
			}
		}
	}
	return nil
}

// arrivesInPieces: what comes in pieces is handed on in pieces, in order.
func arrivesInPieces(e *env) error {
	c, _ := e.client(genaitest.Pieces("a", "b", "c"))
	s, err := c.Chat(e.t.Context(), ask())
	if err != nil {
		return err
	}
	var texts []string
	for event, err := range s.All() {
		if err != nil {
			return err
		}
		if event.Text != "" {
			texts = append(texts, event.Text)
		}
	}
	if got := strings.Join(texts, "|"); got != "a|b|c" {
		return fmt.Errorf("a|b|c became %s", got)
	}
	return nil
}

// namesTheModel: the answer says which model really gave it.
func namesTheModel(e *env) error {
	start := genai.ChatEvent{Start: &genai.ChatStart{ID: "answer-7", Model: "the-real-one"}}
	c, _ := e.client(genaitest.Events(start, genai.ChatEvent{Text: "a"}).Always())
	for _, w := range c.ways() {
		resp, err := w.complete(e.t.Context(), ask())
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if resp.Model != "the-real-one" {
			return fmt.Errorf("%s: the model that answered is called %q", w.name, resp.Model)
		}
	}
	return nil
}

// answersAgain: one client answers many calls, one after the other and at once.
func answersAgain(e *env) error {
	const n = 20
	c, model := e.client(genaitest.Pieces("a", "b").Always())
	outcomes := make(chan error, n)
	for i := range n {
		w := c.ways()[i%len(c.ways())]
		// Waited for below, where its outcome is read.
		go func() {
			resp, err := w.complete(e.t.Context(), ask())
			if err == nil && resp.Text() != "ab" {
				err = fmt.Errorf("%s: ab became %q", w.name, resp.Text())
			}
			outcomes <- err
		}()
	}
	var failed error
	for range n {
		if err := <-outcomes; err != nil {
			failed = err
		}
	}
	if failed == nil && len(model.Calls()) != n {
		failed = fmt.Errorf("the model was called %d times for %d calls", len(model.Calls()), n)
	}
	return failed
}
