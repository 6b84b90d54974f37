package wiretest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

// post sends a request without a client of ours, and returns what comes back.
func post(t *testing.T, s *wiretest.Server, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.Client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp, string(text)
}

// rich is an answer with everything in it.
var rich = genaitest.Events(
	genai.ChatEvent{Start: &genai.ChatStart{ID: "id1", Model: "real"}},
	genai.ChatEvent{Reasoning: "Hm"}, genai.ChatEvent{Reasoning: "m."}, genai.ChatEvent{Opaque: &genai.Opaque{Data: "sig"}},
	genai.ChatEvent{Text: "Let me "}, genai.ChatEvent{Text: "see."},
	genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "c1", Name: "look"}},
	genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Arguments: `{"a":`}}, genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Arguments: `1}`}},
	genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: 1, ID: "c2", Name: "stop", Arguments: "{}"}},
	genai.ChatEvent{Usage: &genai.Usage{Input: 10, Output: 5, CacheRead: 4, CacheWrite: 1, Reasoning: 2}},
	genai.ChatEvent{Finish: &genai.Finish{Reason: genai.FinishToolCalls}},
)

const anthropicAsk = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]`

func TestAnthropicStream(t *testing.T) {
	resp, got := post(t, &wiretest.Server{Chat: genaitest.Script(rich).Chat}, "/v1/messages", anthropicAsk+`,"stream":true}`)
	const want = `event: message_start
data: {"message":{"content":[],"id":"id1","model":"real","role":"assistant","stop_reason":null,"stop_sequence":null,"type":"message"},"type":"message_start"}

event: ping
data: {"type":"ping"}

event: content_block_start
data: {"content_block":{"signature":"","thinking":"","type":"thinking"},"index":0,"type":"content_block_start"}

event: content_block_delta
data: {"delta":{"thinking":"Hm","type":"thinking_delta"},"index":0,"type":"content_block_delta"}

event: content_block_delta
data: {"delta":{"thinking":"m.","type":"thinking_delta"},"index":0,"type":"content_block_delta"}

event: content_block_delta
data: {"delta":{"signature":"sig","type":"signature_delta"},"index":0,"type":"content_block_delta"}

event: content_block_stop
data: {"index":0,"type":"content_block_stop"}

event: content_block_start
data: {"content_block":{"text":"","type":"text"},"index":1,"type":"content_block_start"}

event: content_block_delta
data: {"delta":{"text":"Let me ","type":"text_delta"},"index":1,"type":"content_block_delta"}

event: content_block_delta
data: {"delta":{"text":"see.","type":"text_delta"},"index":1,"type":"content_block_delta"}

event: content_block_stop
data: {"index":1,"type":"content_block_stop"}

event: content_block_start
data: {"content_block":{"id":"c1","input":{},"name":"look","type":"tool_use"},"index":2,"type":"content_block_start"}

event: content_block_delta
data: {"delta":{"partial_json":"{\"a\":","type":"input_json_delta"},"index":2,"type":"content_block_delta"}

event: content_block_delta
data: {"delta":{"partial_json":"1}","type":"input_json_delta"},"index":2,"type":"content_block_delta"}

event: content_block_stop
data: {"index":2,"type":"content_block_stop"}

event: content_block_start
data: {"content_block":{"id":"c2","input":{},"name":"stop","type":"tool_use"},"index":3,"type":"content_block_start"}

event: content_block_delta
data: {"delta":{"partial_json":"{}","type":"input_json_delta"},"index":3,"type":"content_block_delta"}

event: content_block_stop
data: {"index":3,"type":"content_block_stop"}

event: message_delta
data: {"delta":{"stop_reason":"tool_use","stop_sequence":null},"type":"message_delta","usage":{"cache_creation_input_tokens":1,"cache_read_input_tokens":4,"input_tokens":5,"output_tokens":5,"output_tokens_details":{"thinking_tokens":2}}}

event: message_stop
data: {"type":"message_stop"}

`
	if got != want || resp.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("%s\n%s", resp.Header, got)
	}
}

func TestAnthropicWhole(t *testing.T) {
	_, got := post(t, &wiretest.Server{Chat: genaitest.Script(rich).Chat}, "/messages", anthropicAsk+`}`)
	const want = `{"content":[{"signature":"sig","thinking":"Hmm.","type":"thinking"},{"text":"Let me see.","type":"text"},` +
		`{"id":"c1","input":{"a":1},"name":"look","type":"tool_use"},{"id":"c2","input":{},"name":"stop","type":"tool_use"}],` +
		`"id":"id1","model":"real","role":"assistant","stop_reason":"tool_use","stop_sequence":null,"type":"message",` +
		`"usage":{"cache_creation_input_tokens":1,"cache_read_input_tokens":4,"input_tokens":5,"output_tokens":5,"output_tokens_details":{"thinking_tokens":2}}}`
	if got != want {
		t.Errorf("%s", got)
	}
}

func TestAnthropicRequest(t *testing.T) {
	model := genaitest.Script(genaitest.Reply("a"))
	post(t, &wiretest.Server{Chat: model.Chat}, "/v1/messages", `{"model":"m","max_tokens":9,"system":[{"type":"text","text":"Be short.","cache_control":{}}],
		"messages":[{"role":"user","content":[{"type":"text","text":"What?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"cG5n"}},
			{"type":"document","title":"a.pdf","source":{"type":"url","url":"https://example.com/a.pdf"}}]},
		{"role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"sig"},{"type":"redacted_thinking","data":"xx"},
			{"type":"tool_use","id":"c1","name":"look","input":{"a":1}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"no","is_error":true},{"type":"text","text":"So?"}]}],
		"tools":[{"name":"look","description":"Looks.","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"look","disable_parallel_tool_use":true},
		"thinking":{"type":"enabled","budget_tokens":1024},"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},
		"temperature":0,"top_p":0.5,"top_k":3,"stop_sequences":["x"],"metadata":{"user_id":"u"},"service_tier":"auto","inference_geo":"eu"}`)
	want := &genai.ChatRequest{
		Model: "m", MaxTokens: new(9), Temperature: new(0.0), TopP: new(0.5), TopK: new(3), Stop: []string{"x"}, EndUser: "u", ServiceTier: "auto",
		Messages: []genai.Message{
			genai.System("Be short."),
			{Role: genai.RoleUser, Parts: []genai.Part{{Text: "What?"}, {Image: new(genai.NewBlob("image/png", []byte("png")))},
				{File: &genai.File{Name: "a.pdf", Blob: genai.BlobURL("", "https://example.com/a.pdf", "")}}}},
			{Role: genai.RoleAssistant, Parts: []genai.Part{
				{Reasoning: &genai.Reasoning{Text: "Hm"}, Opaque: &genai.Opaque{Origin: "anthropic", Type: "signature", Data: "sig"}},
				{Reasoning: &genai.Reasoning{}, Opaque: &genai.Opaque{Origin: "anthropic", Type: "redacted_thinking", Data: "xx"}},
				{ToolCall: &genai.ToolCall{ID: "c1", Name: "look", Arguments: `{"a":1}`}}}},
			{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "c1", Parts: []genai.Part{{Text: "no"}}, Failed: true}}}},
			genai.User("So?"),
		},
		Tools:             []genai.Tool{{Name: "look", Description: "Looks.", Parameters: json.RawMessage(`{"type":"object"}`)}},
		ToolChoice:        &genai.ToolChoice{Mode: genai.ToolRequired, Name: "look"},
		ParallelToolCalls: new(false),
		Reasoning:         &genai.ReasoningOptions{MaxTokens: new(1024)},
		Format:            &genai.Format{Schema: json.RawMessage(`{"type":"object"}`)},
		Extra:             map[string]json.RawMessage{"inference_geo": json.RawMessage(`"eu"`)},
	}
	if got := model.Calls()[0].Request; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", show(got), show(want))
	}
}

func TestAnthropicFailures(t *testing.T) {
	model := genaitest.Script(
		genaitest.Fail(&genai.Error{Kind: genai.Overloaded, Message: "busy", RequestID: "r1"}),
		genaitest.Fail(&genai.Error{Kind: genai.ContextLength, Message: "12 tokens"}),
		genaitest.Reply("a").Then(&genai.Error{Kind: genai.Overloaded, Message: "busy"}))
	s := &wiretest.Server{Chat: model.Chat, Key: "k"}
	resp, got := post(t, s, "/v1/messages", anthropicAsk+`}`)
	if resp.StatusCode != 401 || got != `{"error":{"message":"the key is not the right one","type":"authentication_error"},"type":"error"}` {
		t.Error(resp.Status, got)
	}
	resp, got = post(t, s, "/v1/messages", anthropicAsk+`}`, "X-Api-Key", "k")
	if resp.StatusCode != 529 || resp.Header.Get("Request-Id") != "r1" || got != `{"error":{"message":"busy","type":"overloaded_error"},"request_id":"r1","type":"error"}` {
		t.Error(resp.Status, got)
	}
	resp, got = post(t, s, "/v1/messages", anthropicAsk+`}`, "X-Api-Key", "k")
	if resp.StatusCode != 400 || !strings.Contains(got, "prompt is too long: 12 tokens") {
		t.Error(resp.Status, got)
	}
	resp, got = post(t, s, "/v1/messages", anthropicAsk+`,"stream":true}`, "X-Api-Key", "k")
	if resp.StatusCode != 200 || !strings.HasSuffix(got, "event: error\ndata: {\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"},\"type\":\"error\"}\n\n") {
		t.Error(resp.Status, got)
	}
	resp, got = post(t, s, "/v1/messages", `{"model":"m","messages":[]}`, "X-Api-Key", "k")
	if resp.StatusCode != 400 || !strings.Contains(got, "max_tokens") {
		t.Error(resp.Status, got)
	}
}
