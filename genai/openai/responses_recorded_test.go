package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func recordedResponses(t testing.TB) []recordedtest.Exchange {
	return append(recordedtest.Load(t, "openai-responses", "responses"), recordedtest.Load(t, "compatible", "responses")...)
}

func replayed(r recordedtest.Exchange, form *recordedtest.Replay) *openai.Client {
	form.Status = r.Status
	if form.Headers == nil {
		form.Headers = r.Headers
	}
	return &openai.Client{BaseURL: "http://" + r.Provider + ".test/v1", Model: "m", HTTP: form.Client()}
}

type object = map[string]any

// finished returns the response that a recorded body leads up to, found by another road: encoding/json and maps.
func finished(t *testing.T, r recordedtest.Exchange) object {
	t.Helper()
	decode := func(text string) object {
		var o object
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	if !r.Stream {
		return decode(r.Body)
	}
	var output []any
	for _, line := range strings.Split(strings.ReplaceAll(r.Body, "\r\n", "\n"), "\n") {
		text, ok := strings.CutPrefix(line, "data:")
		if !ok || strings.TrimSpace(text) == "[DONE]" {
			continue
		}
		e := decode(text)
		switch e["type"] {
		case "response.output_item.done":
			output = append(output, e["item"])
		case "response.completed", "response.incomplete":
			resp := e["response"].(object)
			resp["output"] = output // some servers leave it out at the end
			return resp
		}
	}
	t.Fatal("the recorded stream has no end")
	return nil
}

func TestRecordedResponses(t *testing.T) {
	whole, streams, signed := 0, 0, 0
	for _, r := range recordedResponses(t) {
		if r.Status >= 300 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			c := replayed(r, r.Replay())
			got, err := c.Respond(t.Context(), anyRequest)
			if err != nil {
				t.Fatal(err)
			}
			// The other way of asking must come to the same, whatever the body is.
			other, err := responses(t, c, anyRequest)
			if err != nil || !reflect.DeepEqual(got, other) {
				t.Errorf("asked the other way: %+v, %v; want %+v", other, err, got)
			}
			if r.Stream {
				streams++
			} else {
				whole++
			}
			want := finished(t, r)
			compare(t, got, want)
			signed += sentBack(t, r, got, want)
		})
	}
	if whole < 70 || streams < 70 || signed < 20 {
		t.Errorf("only %d whole answers, %d streams and %d items that went back", whole, streams, signed)
	}
}

// compare checks an answer against the document that the server made of it.
func compare(t *testing.T, got *genai.ChatResponse, want object) {
	t.Helper()
	str := func(v any, name string) string { o, _ := v.(object); s, _ := o[name].(string); return s }
	list := func(v any, name string) []any { o, _ := v.(object); l, _ := o[name].([]any); return l }
	var text, refusal, reasoning string
	var calls, thoughts []string
	if s := str(want, "reasoning"); s != "" {
		reasoning = s
	}
	for _, item := range list(want, "output") {
		switch str(item, "type") {
		case "message":
			for _, p := range list(item, "content") {
				text += str(p, "text")
				refusal += str(p, "refusal")
			}
		case "function_call":
			calls = append(calls, str(item, "call_id")+str(item, "name")+canonical(str(item, "arguments")))
		case "reasoning":
			var texts []string
			for _, p := range append(list(item, "summary"), list(item, "content")...) {
				if s := str(p, "text"); s != "" {
					texts = append(texts, s)
				}
			}
			reasoning += strings.Join(texts, "\n\n")
			raw, _ := json.Marshal(item)
			thoughts = append(thoughts, string(raw))
		}
	}
	var gotRefusal, gotReasoning string
	var gotCalls, gotThoughts []string
	for _, p := range got.Message.Parts {
		gotRefusal += p.Refusal
		if p.Reasoning != nil {
			gotReasoning += p.Reasoning.Text
		}
		if c := p.ToolCall; c != nil {
			gotCalls = append(gotCalls, c.ID+c.Name+canonical(c.Arguments))
		}
		if p.Opaque != nil && p.Opaque.Type == "response.reasoning" {
			gotThoughts = append(gotThoughts, canonical(p.Opaque.Data))
		}
	}
	if got.Text() != text || gotRefusal != refusal || gotReasoning != reasoning {
		t.Errorf("got %q, %q, %q; want %q, %q, %q", got.Text(), gotRefusal, gotReasoning, text, refusal, reasoning)
	}
	if !reflect.DeepEqual(gotCalls, calls) || !reflect.DeepEqual(gotThoughts, thoughts) {
		t.Errorf("got %q and %q; want %q and %q", gotCalls, gotThoughts, calls, thoughts)
	}
	finish := genai.FinishStop
	switch {
	case str(want, "status") == "incomplete" && str(want["incomplete_details"], "reason") == "max_output_tokens":
		finish = genai.FinishLength
	case len(calls) > 0:
		finish = genai.FinishToolCalls
	}
	renamed := got.Model == "gpt-5.3-codex" // Copilot has a new id in every event
	if got.Finish.Reason != finish || got.ID != str(want, "id") && !renamed || got.Model != str(want, "model") {
		t.Errorf("finish %+v, id %q, model %q", got.Finish, got.ID, got.Model)
	}
	usage, _ := want["usage"].(object)
	if usage == nil {
		return
	}
	if got.Usage == nil || float64(got.Usage.Input) != usage["input_tokens"] || float64(got.Usage.Output) < usage["output_tokens"].(float64) {
		t.Errorf("usage is %+v, want %v", got.Usage, usage)
	}
}

// sentBack gives the answer back to the server it came from and to another, and returns how many items went back that only
// their maker understands: unchanged, to it alone.
func sentBack(t *testing.T, r recordedtest.Exchange, got *genai.ChatResponse, want object) (n int) {
	t.Helper()
	again := *anyRequest
	again.Messages = append(again.Messages[:1:1], got.Message)
	if slices.ContainsFunc(got.Message.ToolCalls(), func(c genai.ToolCall) bool { return c.Incomplete }) {
		if _, err := replayed(r, r.Replay()).Respond(t.Context(), &again); genai.KindOf(err) != genai.InvalidRequest {
			t.Errorf("a call that was cut goes back: %v", err)
		}
		return 0
	}
	items := func(provider string) (items []object) {
		form := r.Replay()
		r.Provider = provider
		if _, err := replayed(r, form).Respond(t.Context(), &again); err != nil {
			t.Fatal(err)
		}
		var body struct{ Input []object }
		if err := json.Unmarshal([]byte(form.Request), &body); err != nil {
			t.Fatal(err)
		}
		for _, item := range body.Input {
			if item["type"] == "reasoning" {
				items = append(items, item)
			}
		}
		return items
	}
	var kept []object
	for _, item := range want["output"].([]any) {
		o := item.(object)
		content, _ := o["content"].([]any)
		if secret, _ := o["encrypted_content"].(string); o["type"] == "reasoning" && (secret != "" || len(content) > 0) {
			kept = append(kept, o)
		}
	}
	if back := items(r.Provider); !reflect.DeepEqual(back, kept) {
		t.Errorf("went back: %v; want %v", back, kept)
	}
	if foreign := items("another"); foreign != nil {
		t.Errorf("went to another: %v", foreign)
	}
	return len(kept)
}

var responsesWire = recordedtest.Wire{
	Chat: func(ctx context.Context, r recordedtest.Exchange, via *http.Client) (*genai.Stream[genai.ChatEvent], error) {
		return at(r, via).Responses(ctx, anyRequest)
	},
	Ends: func(doc map[string]any) bool {
		return doc["type"] == "response.completed" || doc["type"] == "response.incomplete" || doc["type"] == "response.failed"
	},
}

func TestRecordedResponsesInOtherForms(t *testing.T) {
	if n := responsesWire.CheckForms(t, recordedResponses(t)); n < 90 {
		t.Errorf("only %d streams", n)
	}
}

func TestRecordedResponsesCut(t *testing.T) {
	if n := responsesWire.CheckCuts(t, recordedResponses(t)); n < 90 {
		t.Errorf("only %d streams", n)
	}
}

func TestRecordedResponseErrors(t *testing.T) {
	n := 0
	for _, r := range recordedResponses(t) {
		if r.Status < 300 {
			continue
		}
		n++
		t.Run(r.ID, func(t *testing.T) {
			_, err := responses(t, replayed(r, r.Replay()), anyRequest)
			e, ok := errors.AsType[*genai.Error](err)
			if !ok {
				t.Fatal("not an *Error: ", err)
			}
			want := genai.InvalidRequest
			switch {
			case r.Status == 401, strings.Contains(r.Body, "Incorrect API key"):
				want = genai.Unauthenticated
			case strings.Contains(r.Body, "_not_found"), strings.Contains(r.Body, "Model not found"):
				want = genai.NotFound
			}
			if e.Kind != want || e.Status != r.Status || e.Message == "" || e.RequestID != r.Headers["x-request-id"] || e.Started != genai.StartedNo {
				t.Errorf("%+v, want %s: %s", e, want, r.Body)
			}
		})
	}
	if n < 10 {
		t.Errorf("only %d errors", n)
	}
}

// FuzzResponses: whatever a server sends, there is an answer or an error of a kind, the same ones however the bytes are cut, and
// an answer has an end.
func FuzzResponses(f *testing.F) {
	f.Add([]byte(named(created, addedText, textA, textB, doneText, oneLine(completed))))
	f.Add([]byte(named(created, `{"type":"error","code":"rate_limit_exceeded"}`)))
	f.Add([]byte(named(`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call"}}`,
		`{"type":"response.function_call_arguments.delta","output_index":1,"delta":{}}`, `{"type":"response.incomplete","response":{"output":[1]}}`)))
	f.Add([]byte(named(`{"type":"response.reasoning_summary_text.delta","summary_index":1,"delta":"a"}`,
		`{"type":"response.output_item.done","item":{"type":"reasoning","summary":[{}],"content":null}}`, `{"type":"response.failed"}`)))
	f.Add([]byte(`{"status":"completed","output":[{"type":"message","content":"a"},{"type":"x"}],"usage":{"input_tokens":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		ask := func(bytes bool) (*genai.ChatResponse, error) {
			replay := &recordedtest.Replay{Body: string(body), Bytes: bytes}
			c := &openai.Client{BaseURL: "http://fuzz.test/v1", HTTP: replay.Client(), MaxBytes: 1 << 16}
			return all(c.Responses(t.Context(), anyRequest))
		}
		got, err := ask(false)
		if err != nil {
			if e, ok := errors.AsType[*genai.Error](err); !ok || !e.Kind.Known() || e.Kind == genai.Unknown || e.Kind == genai.Internal {
				t.Fatalf("%v", err)
			}
		} else if got.Finish.Reason == "" {
			t.Fatalf("an answer without an end: %+v", got)
		}
		if again, other := ask(true); genai.KindOf(other) != genai.KindOf(err) || !reflect.DeepEqual(again, got) {
			t.Fatalf("all at once %+v, %v, byte by byte %+v, %v", got, err, again, other)
		}
	})
}
