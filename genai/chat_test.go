package genai_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"reflect"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// feed is a sequence of events that ends with err, unless that is nil.
func feed(err error, events ...genai.ChatEvent) iter.Seq2[genai.ChatEvent, error] {
	return func(yield func(genai.ChatEvent, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(genai.ChatEvent{}, err)
		}
	}
}

func say(text string) genai.ChatEvent     { return genai.ChatEvent{Text: text} }
func think(text string) genai.ChatEvent   { return genai.ChatEvent{Reasoning: text} }
func decline(text string) genai.ChatEvent { return genai.ChatEvent{Refusal: text} }
func sign(data string) genai.ChatEvent    { return genai.ChatEvent{Opaque: &genai.Opaque{Data: data}} }
func call(i int, id, name, args string) genai.ChatEvent {
	return genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: i, ID: id, Name: name, Arguments: args}}
}

func TestFoldChat(t *testing.T) {
	for name, c := range map[string]struct {
		events []genai.ChatEvent
		want   string // the parts as JSON
	}{
		"nothing":    {nil, `null`},
		"text":       {[]genai.ChatEvent{say("a"), say(""), say("b")}, `[{"text":"ab"}]`},
		"reasoning":  {[]genai.ChatEvent{think("h"), think("m"), say("a")}, `[{"reasoning":{"text":"hm"}},{"text":"a"}]`},
		"together":   {[]genai.ChatEvent{{Reasoning: "h", Text: "a", Refusal: "r"}}, `[{"reasoning":{"text":"h"}},{"text":"a"},{"refusal":"r"}]`},
		"alternate":  {[]genai.ChatEvent{say("a"), decline("no"), say("b")}, `[{"text":"a"},{"refusal":"no"},{"text":"b"}]`},
		"call":       {[]genai.ChatEvent{call(0, "1", "f", ""), call(0, "", "", `{"x":`), call(0, "", "", `1}`)}, `[{"tool_call":{"id":"1","name":"f","arguments":"{\"x\":1}"}}]`},
		"interlaced": {[]genai.ChatEvent{say("a"), call(0, "1", "f", "p"), call(1, "2", "g", "r"), call(0, "", "", "q"), call(1, "", "", "s")}, `[{"text":"a"},{"tool_call":{"id":"1","name":"f","arguments":"pq"}},{"tool_call":{"id":"2","name":"g","arguments":"rs"}}]`},
		"call, text": {[]genai.ChatEvent{call(3, "1", "f", "p"), say("a"), call(3, "", "", "q")}, `[{"tool_call":{"id":"1","name":"f","arguments":"pq"}},{"text":"a"}]`},
		"signature":  {[]genai.ChatEvent{think("h"), sign("s"), think("m")}, `[{"reasoning":{"text":"h"},"opaque":{"origin":"","data":"s"}},{"reasoning":{"text":"m"}}]`},
		"two":        {[]genai.ChatEvent{think("h"), sign("s"), sign("t")}, `[{"reasoning":{"text":"h"},"opaque":{"origin":"","data":"s"}},{"reasoning":{},"opaque":{"origin":"","data":"t"}}]`},
		"alone":      {[]genai.ChatEvent{sign("s"), say("a")}, `[{"reasoning":{},"opaque":{"origin":"","data":"s"}},{"text":"a"}]`},
		"on a call":  {[]genai.ChatEvent{call(0, "1", "f", ""), {ToolCall: &genai.ToolCallDelta{Arguments: "x"}, Opaque: &genai.Opaque{Data: "s"}}}, `[{"tool_call":{"id":"1","name":"f","arguments":"x"},"opaque":{"origin":"","data":"s"}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := genai.FoldChat(feed(nil, c.events...))
			if err != nil || resp.Message.Role != genai.RoleAssistant {
				t.Fatalf("%v, %v", resp, err)
			}
			got, err := json.Marshal(resp.Message.Parts)
			if err != nil || string(got) != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			resp.ID, resp.Model, resp.Finish, resp.Usage = "id", "m", genai.Finish{Reason: genai.FinishOther, Raw: "solar_flare"}, &genai.Usage{Input: 3}
			again, err := genai.FoldChat(feed(nil, resp.Events()...))
			if err != nil || !reflect.DeepEqual(again, resp) {
				t.Errorf("taken apart and put together:\n got %+v\nwant %+v", again, resp)
			}
		})
	}
}

// TestFoldChatAtTheLimit: an answer that ended at the limit on tokens may end inside of a call, which must never be run.
func TestFoldChatAtTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		arguments string
		reason    genai.FinishReason
		more      bool // there is another call behind it
		want      bool
	}{
		"cut":                 {`{"city":"Par`, genai.FinishLength, false, true},
		"cut before others":   {`{"city":"Par`, genai.FinishLength, true, true},
		"nothing came":        {``, genai.FinishLength, false, true},
		"a client put braces": {` {} `, genai.FinishLength, false, true},
		"none, and others":    {`{}`, genai.FinishLength, true, false},
		"whole":               {`{"city":"Paris"}`, genai.FinishLength, false, false},
		"none":                {``, genai.FinishToolCalls, false, false},
		"bent":                {`{"city":`, genai.FinishToolCalls, false, false}, // the model's own mistake
	} {
		events := []genai.ChatEvent{{ToolCall: &genai.ToolCallDelta{Name: "weather", ID: "1", Arguments: test.arguments}}}
		if test.more {
			events = append(events, genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: 1, Name: "weather", ID: "2", Arguments: `{"city":"Rome"}`}})
		}
		events = append(events, genai.ChatEvent{Finish: &genai.Finish{Reason: test.reason}})
		got, err := genai.FoldChat(func(yield func(genai.ChatEvent, error) bool) {
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
		})
		if err != nil || got.Message.ToolCalls()[0].Incomplete != test.want {
			t.Errorf("%s: %+v, %v", name, got.Message.ToolCalls(), err)
		}
	}
}

func TestFoldChatEnds(t *testing.T) {
	usage := &genai.Usage{Input: 5, Output: 2}
	events := []genai.ChatEvent{{Start: &genai.ChatStart{ID: "1", Model: "m"}}, call(0, "c", "f", `{"`), {Usage: &genai.Usage{Input: 5}}, {Usage: usage, Finish: &genai.Finish{Reason: genai.FinishStop}}}
	resp, err := genai.FoldChat(feed(nil, events...))
	if err != nil || resp.ID != "1" || resp.Model != "m" || *resp.Usage != *usage || resp.Finish.Reason != genai.FinishStop || resp.Message.ToolCalls()[0].Incomplete {
		t.Errorf("%+v, %v", resp, err)
	}
	cut := genai.Errorf(genai.Truncated, "cut")
	resp, err = genai.FoldChat(feed(cut, events...))
	if err != error(cut) || !resp.Message.ToolCalls()[0].Incomplete || !resp.Usage.LowerBound {
		t.Errorf("%+v, %v", resp, err)
	}
	if usage.LowerBound {
		t.Error("an event was changed")
	}
}

func TestWholeAndStreamed(t *testing.T) {
	want := &genai.ChatResponse{ID: "1", Message: genai.Assistant("hello"), Finish: genai.Finish{Reason: genai.FinishStop}, Usage: &genai.Usage{Output: 1}}
	chat := genai.Streamed(func(_ context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
		if req.Model == "" {
			return nil, genai.NotFound
		}
		return want, nil
	})
	whole := genai.Whole(chat)
	if got, err := whole(t.Context(), &genai.ChatRequest{Model: "m"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := whole(t.Context(), &genai.ChatRequest{}); got != nil || !errors.Is(err, genai.NotFound) {
		t.Errorf("%+v, %v", got, err)
	}
	cut := genai.Whole(func(ctx context.Context, _ *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		return genai.NewStream(ctx, script(genai.Truncated, say("a")), nil)
	})
	if got, err := cut(t.Context(), nil); got != nil || !errors.Is(err, genai.Truncated) {
		t.Errorf("a cut answer: %+v, %v", got, err)
	}
}

// TestHandledCalls: a call that somebody else runs is real, but no part of the answer.
func TestHandledCalls(t *testing.T) {
	shown := genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "1", Name: "look", Handled: true}, Opaque: &genai.Opaque{Data: "x"}}
	if shown.Preamble() {
		t.Error("it is no piece")
	}
	got, err := genai.FoldChat(func(yield func(genai.ChatEvent, error) bool) {
		_ = yield(shown, nil) && yield(say("a"), nil) && yield(shown, nil) && yield(say("b"), nil)
	})
	if err != nil || len(got.Message.Parts) != 1 || got.Text() != "ab" || got.Message.Parts[0].Opaque != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPreamble(t *testing.T) {
	for _, e := range []genai.ChatEvent{{}, sign("x"), {Start: &genai.ChatStart{}}, {Usage: &genai.Usage{}}, {Finish: &genai.Finish{}}} {
		if !e.Preamble() {
			t.Errorf("%+v is real", e)
		}
	}
	for _, e := range []genai.ChatEvent{say("a"), think("a"), decline("a"), call(0, "", "", "")} {
		if e.Preamble() {
			t.Errorf("%+v is not real", e)
		}
	}
	if !(genai.SpeechChunk{}).Preamble() || (genai.SpeechChunk{Audio: genai.NewBlob("a/b", []byte{1})}).Preamble() {
		t.Error("sound is what counts in speech")
	}
}

func TestTexts(t *testing.T) {
	m := genai.Message{Role: genai.RoleUser, Parts: []genai.Part{{Text: "a"}, {Reasoning: &genai.Reasoning{Text: "x"}}, {Text: "b"}}}
	r := &genai.ChatRequest{Messages: []genai.Message{genai.System("s"), genai.User("old"), m, genai.Assistant("c")}}
	if m.Text() != "ab" || r.Text() != "ab" || (&genai.ChatRequest{}).Text() != "" || (genai.Message{}).Text() != "" {
		t.Errorf("%q, %q", m.Text(), r.Text())
	}
}
