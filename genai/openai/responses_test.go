package openai_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// named makes a stream of events with their types.
func named(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		var typed struct{ Type string }
		if json.Unmarshal([]byte(e), &typed) == nil && typed.Type != "" {
			b.WriteString("event: " + typed.Type + "\n")
		}
		b.WriteString("data: " + e + "\n\n")
	}
	return b.String()
}

const (
	created   = `{"type":"response.created","response":{"id":"r1","model":"real","status":"in_progress","error":null,"output":[]}}`
	addedText = `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m1","content":[]}}`
	textA     = `{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hello"}`
	textB     = `{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":" world"}`
	doneText  = `{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"Hello world"}]}}`
	completed = `{"type":"response.completed","response":{"id":"r1","model":"real","status":"completed","error":null,"incomplete_details":null,
		"output":[{"type":"message","content":[{"type":"output_text","text":"Hello world"}]}],
		"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":3,"cache_write_tokens":2},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":13}}}`
)

func oneLine(s string) string { return strings.NewReplacer("\n", "", "\t", "").Replace(s) }

func responses(t *testing.T, c *openai.Client, req *genai.ChatRequest) (*genai.ChatResponse, error) {
	t.Helper()
	return all(c.Responses(t.Context(), req))
}

func TestResponses(t *testing.T) {
	leakCheck(t)
	s := serve(t, stream(named(created, addedText, textA, textB, `{"type":"response.something_new","delta":"x"}`, doneText, oneLine(completed))))
	got, err := responses(t, s.client(), ask)
	if err != nil {
		t.Fatal(err)
	}
	want := &genai.ChatResponse{ID: "r1", Model: "real", Message: genai.Assistant("Hello world"),
		Finish: genai.Finish{Reason: genai.FinishStop, Raw: "completed"},
		Usage:  &genai.Usage{Input: 9, Output: 4, CacheRead: 3, CacheWrite: 2, Reasoning: 1}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s.request.URL.Path != "/v1/responses" || s.body["stream"] != true || s.body["store"] != false || s.body["model"] != "m" {
		t.Errorf("asked %s for %v", s.request.URL, s.body)
	}
	if _, ok := s.body["include"]; ok {
		t.Error("asked for reasoning, which models that have none refuse")
	}
}

func TestRespond(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"id":"r1","model":"real","object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[
		{"type":"reasoning","id":"rs1","summary":[{"type":"summary_text","text":"One."},{"type":"summary_text","text":"Two."}],"encrypted_content":"xyz"},
		{"type":"message","content":[{"type":"output_text","text":"Hi"}]}]}`))
	got, err := s.client().Respond(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if got.Text() != "Hi" || got.Finish != (genai.Finish{Reason: genai.FinishLength, Raw: "max_output_tokens"}) || got.Usage != nil {
		t.Errorf("%+v", got)
	}
	if p := got.Message.Parts[0]; p.Reasoning == nil || p.Reasoning.Text != "One.\n\nTwo." || p.Opaque == nil {
		t.Errorf("reasoning is %+v", p)
	}
	if s.body["stream"] != false {
		t.Error("a stream was asked for")
	}
}

// TestResponsesBadAnswers: whatever comes instead of an answer is an error that says what it is, and never an answer.
func TestResponsesBadAnswers(t *testing.T) {
	leakCheck(t)
	failed := func(e string) string {
		return `{"type":"response.failed","response":{"id":"r1","status":"failed","error":` + e + `,"output":[]}}`
	}
	for name, c := range map[string]struct {
		body   string
		kind   genai.Kind
		before bool // no stream is handed out
	}{
		"nothing":                 {"", genai.Truncated, true},
		"cut before a piece":      {named(created, addedText), genai.Truncated, true},
		"cut after a piece":       {named(created, textA), genai.Truncated, false},
		"cut before the terminal": {named(created, addedText, textA, textB, doneText), genai.Truncated, false},
		"cut inside of an event":  {named(created, textA) + `data: {"type":"resp`, genai.Truncated, false},
		"done without an end":     {named(created, textA) + "data: [DONE]\n\n", genai.Truncated, false},
		"no JSON":                 {named(created, textA, "hello"), genai.Malformed, false},
		"an array":                {"[]", genai.Malformed, true},
		"an empty object":         {"{}", genai.Empty, true},
		"another interface":       {`{"id":"v1","object":"interaction","status":"requires_action","usage":{"total_tokens":3}}`, genai.Empty, true},
		"a web page":              {"<html>very secret</html>", genai.Malformed, true},
		"an error event":          {named(created, textA, `{"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null,"sequence_number":3}`), genai.RateLimited, false},
		"an error event, nested":  {named(created, `{"type":"error","error":{"type":"overloaded_error","code":null,"message":"no"}}`), genai.Overloaded, true},
		"an error without a type": {named(created, textA, `{"error":{"message":"no","code":"insufficient_quota"}}`), genai.QuotaExhausted, false},
		"an error without a code": {named(created, textA, `{"type":"error","message":"no"}`), genai.ServerError, false},
		"failed":                  {named(created, textA, failed(`{"code":"server_error","message":"no"}`)), genai.ServerError, false},
		"failed: limit":           {named(created, failed(`{"code":"rate_limit_exceeded","message":"no"}`)), genai.RateLimited, true},
		"failed: prompt":          {named(created, failed(`{"code":"invalid_prompt","message":"no"}`)), genai.ContentFiltered, true},
		"failed: picture":         {named(created, failed(`{"code":"invalid_image_url","message":"no"}`)), genai.InvalidRequest, true},
		"failed without a reason": {named(created, failed(`null`)), genai.ServerError, true},
		"cancelled":               {named(created, textA, `{"type":"response.cancelled","response":{"status":"cancelled"}}`), genai.ServerError, false},
		"in the background":       {`{"id":"r1","status":"queued","output":[]}`, genai.Truncated, true},
		"a failed document":       {`{"id":"r1","status":"failed","error":{"code":"server_error","message":"no"},"output":[]}`, genai.ServerError, true},
		"words":                   {`{"detail":"no"}`, genai.ServerError, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, stream(c.body))
			stream, err := s.client().Responses(t.Context(), ask)
			if (err != nil) != c.before {
				t.Errorf("Responses returned %v", err)
			}
			if err == nil {
				_, err = genai.FoldChat(stream.All())
			}
			if err == nil {
				t.Fatal("it counts as an answer")
			}
			if kind := genai.KindOf(err); kind != c.kind {
				t.Errorf("it is %s, want %s: %v", kind, c.kind, err)
			}
			if strings.Contains(err.Error(), "secret") || s.calls != 1 {
				t.Errorf("%d calls: %v", s.calls, err)
			}
		})
	}
}

// TestResponsesShapes: servers leave out events, or members of them, and the answer is the same.
func TestResponsesShapes(t *testing.T) {
	callAdded := `{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c1","name":"look","arguments":""}}`
	callDelta := `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":1}"}`
	callArgs := `{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"}`
	callDone := `{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c1","name":"look","arguments":"{\"a\":1}"}}`
	end := func(output string) string {
		return `{"type":"response.completed","response":{"id":"r1","model":"real","status":"completed","output":[` + output + `]}}`
	}
	call := `{"type":"function_call","call_id":"c1","name":"look","arguments":"{\"a\":1}"}`
	text := `{"type":"message","content":[{"type":"output_text","text":"Hello"},{"type":"output_text","text":" world"}]}`
	for name, c := range map[string]struct{ body, text, call string }{
		"all events":          {named(created, callAdded, callDelta, callArgs, callDone, end(call)), "", `{"a":1}`},
		"no deltas":           {named(created, callAdded, callArgs, callDone, end(call)), "", `{"a":1}`},
		"only the item's end": {named(created, callDone, end("")), "", `{"a":1}`},
		"no end of the item":  {named(created, callAdded, end(call)), "", `{"a":1}`},
		"only the end":        {named(end(call)), "", `{"a":1}`},
		"an object":           {named(created, callAdded, `{"type":"response.function_call_arguments.delta","output_index":0,"delta":{"a":1}}`, callDone, end(call)), "", `{"a":1}`},
		"no arguments":        {named(created, callAdded, end("")), "", `{}`},
		"text, no deltas":     {named(created, addedText, doneText, end(text)), "Hello world", ""},
		"text, only the end":  {named(end(text)), "Hello world", ""},
		"text, not announced": {named(textA, textB, end(text)), "Hello world", ""},
		"text, no types":      {strings.ReplaceAll(named(created, textA, textB, end(text)), `"type":"response.`, `"kind":"response.`), "Hello world", ""},
		"text, a document":    {end(text)[len(`{"type":"response.completed","response":`) : len(end(text))-1], "Hello world", ""},
		"no line behind it":   {strings.TrimSpace(named(textA, textB, end(text))), "Hello world", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := responses(t, serve(t, stream(c.body)).client(), ask)
			if err != nil {
				t.Fatal(err)
			}
			calls := got.Message.ToolCalls()
			switch {
			case got.Text() != c.text || got.ID != "r1" && !strings.Contains(name, "types"):
				t.Errorf("%+v", got)
			case c.call == "" && (len(calls) != 0 || got.Finish.Reason != genai.FinishStop):
				t.Errorf("%+v", got)
			case c.call != "" && (len(calls) != 1 || calls[0] != genai.ToolCall{ID: "c1", Name: "look", Arguments: c.call} || got.Finish.Reason != genai.FinishToolCalls):
				t.Errorf("%+v, %+v", got, calls)
			}
		})
	}
}
