package wiretest_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

func TestResponsesStream(t *testing.T) {
	resp, got := post(t, &wiretest.Server{Chat: genaitest.Script(rich).Chat}, "/v1/responses", `{"model":"m","input":"hi","stream":true}`)
	var kinds []string
	for i, event := range strings.Split(strings.TrimSpace(got), "\n\n") {
		kind, data, ok := strings.Cut(strings.TrimPrefix(event, "event: "), "\ndata: ")
		var e struct {
			Type   string
			Number int `json:"sequence_number"`
		}
		if err := json.Unmarshal([]byte(data), &e); !ok || err != nil || e.Type != kind || e.Number != i {
			t.Errorf("event %d is %s", i, event)
		}
		kinds = append(kinds, strings.TrimPrefix(kind, "response."))
	}
	want := []string{"created", "output_item.added", "reasoning_summary_text.delta", "reasoning_summary_text.delta", "output_item.done",
		"output_item.added", "output_text.delta", "output_text.delta", "output_item.done",
		"output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
		"output_item.added", "function_call_arguments.delta", "output_item.done", "output_item.done", "completed"}
	if !reflect.DeepEqual(kinds, want) || resp.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("%s: %q\n%s", resp.Header, kinds, got)
	}
	_, whole := post(t, &wiretest.Server{Complete: genaitest.Script(rich).Complete}, "/responses", `{"model":"m","input":"hi"}`)
	var last struct{ Response json.RawMessage }
	if err := json.Unmarshal([]byte(got[strings.LastIndex(got, "data: ")+6:]), &last); err != nil {
		t.Fatal(err)
	}
	const doc = `"output":[{"encrypted_content":"sig","id":"rs_1","summary":[{"text":"Hmm.","type":"summary_text"}],"type":"reasoning"},` +
		`{"content":[{"text":"Let me see.","type":"output_text"}],"id":"message_1","role":"assistant","type":"message"},` +
		`{"arguments":"{\"a\":1}","call_id":"c1","id":"fc_c1","name":"look","type":"function_call"},` +
		`{"arguments":"{}","call_id":"c2","id":"fc_c2","name":"stop","type":"function_call"}],"status":"completed",` +
		`"usage":{"input_tokens":10,"input_tokens_details":{"cache_write_tokens":1,"cached_tokens":4},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":15}}`
	reasoning := strings.NewReplacer(`"id":"reasoning_1"`, `"id":"rs_1"`)
	if !strings.HasSuffix(reasoning.Replace(string(last.Response)), doc) || !strings.HasSuffix(reasoning.Replace(whole), doc) {
		t.Errorf("streamed %s\nwhole %s", last.Response, whole)
	}
}

func TestResponsesRequest(t *testing.T) {
	model := genaitest.Script(genaitest.Reply("a"))
	post(t, &wiretest.Server{Chat: model.Chat}, "/v1/responses", `{"model":"m","instructions":"Be short.","store":false,"include":["reasoning.encrypted_content"],"input":[
		{"role":"developer","content":"Be kind."},
		{"type":"message","role":"user","content":[{"type":"input_text","text":"What?"},{"type":"input_image","image_url":"data:image/png;base64,cG5n"},
			{"type":"input_file","file_url":"https://example.com/a.pdf"}]},
		{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"sig"},
		{"type":"message","role":"assistant","content":[{"type":"output_text","text":"So."},{"type":"refusal","refusal":"No."}]},
		{"type":"function_call","call_id":"c1","name":"look","arguments":"{\"a\":1}"},
		{"type":"function_call_output","call_id":"c1","output":"A"},{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"B"}]}],
		"tools":[{"type":"function","name":"look","description":"Looks.","parameters":{"type":"object"},"strict":true}],"tool_choice":{"type":"function","name":"look"},
		"parallel_tool_calls":false,"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}},"reasoning":{"effort":"low"},
		"max_output_tokens":9,"temperature":0,"top_p":0.5,"safety_identifier":"u","prompt_cache_key":"k","service_tier":"auto","metadata":{"a":"b"},"truncation":"auto"}`)
	want := &genai.ChatRequest{
		Model: "m", MaxTokens: new(9), Temperature: new(0.0), TopP: new(0.5), EndUser: "u", CacheKey: "k", ServiceTier: "auto", Metadata: map[string]string{"a": "b"},
		Messages: []genai.Message{
			genai.System("Be short."), genai.System("Be kind."),
			{Role: genai.RoleUser, Parts: []genai.Part{{Text: "What?"}, {Image: new(genai.NewBlob("image/png", []byte("png")))},
				{File: &genai.File{Blob: genai.BlobURL("", "https://example.com/a.pdf", "")}}}},
			{Role: genai.RoleAssistant, Parts: []genai.Part{
				{Reasoning: &genai.Reasoning{Text: "Hm"}, Opaque: &genai.Opaque{Origin: "openai", Type: "reasoning", Data: "sig"}},
				{Text: "So."}, {Refusal: "No."}, {ToolCall: &genai.ToolCall{ID: "c1", Name: "look", Arguments: `{"a":1}`}}}},
			{Role: genai.RoleTool, Parts: []genai.Part{
				{ToolResult: &genai.ToolResult{CallID: "c1", Parts: []genai.Part{{Text: "A"}}}}, {ToolResult: &genai.ToolResult{CallID: "c2", Parts: []genai.Part{{Text: "B"}}}}}},
		},
		Tools:             []genai.Tool{{Name: "look", Description: "Looks.", Parameters: json.RawMessage(`{"type":"object"}`), Strict: new(true)}},
		ToolChoice:        &genai.ToolChoice{Mode: genai.ToolRequired, Name: "look"},
		ParallelToolCalls: new(false),
		Reasoning:         &genai.ReasoningOptions{Effort: "low"},
		Format:            &genai.Format{Name: "n", Schema: json.RawMessage(`{"type":"object"}`)},
		Extra:             map[string]json.RawMessage{"truncation": json.RawMessage(`"auto"`)},
	}
	if got := model.Calls()[0].Request; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", show(got), show(want))
	}
}

func TestResponsesFailures(t *testing.T) {
	model := genaitest.Script(genaitest.Fail(&genai.Error{Kind: genai.RateLimited, Message: "slow"}),
		genaitest.Reply("a").Then(&genai.Error{Kind: genai.Overloaded, Message: "busy"}))
	s := &wiretest.Server{Chat: model.Chat, Key: "k"}
	resp, got := post(t, s, "/v1/responses", `{"input":"hi"}`)
	if resp.StatusCode != 401 || !strings.Contains(got, "invalid_api_key") {
		t.Error(resp.Status, got)
	}
	resp, got = post(t, s, "/v1/responses", `{"input":"hi","stream":true}`, "Authorization", "Bearer k")
	if resp.StatusCode != 429 || !strings.Contains(got, "rate_limit_exceeded") {
		t.Error(resp.Status, got)
	}
	resp, got = post(t, s, "/v1/responses", `{"input":"hi","stream":true}`, "Authorization", "Bearer k")
	if resp.StatusCode != 200 || !strings.HasSuffix(got, "event: error\ndata: {\"code\":\"service_unavailable\",\"message\":\"busy\",\"param\":null,\"type\":\"error\"}\n\n") {
		t.Error(resp.Status, got)
	}
	for _, body := range []string{`{}`, `{"input":5}`, `{"input":[{"role":"x","content":"a"}]}`, `{"input":[{"role":"user","content":[{"type":"x"}]}]}`, `{"input":[7]}`,
		`{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,?"}]}]}`, `{"input":"a","tool_choice":[]}`} {
		if resp, got := post(t, s, "/v1/responses", body, "Authorization", "Bearer k"); resp.StatusCode != 400 {
			t.Error(body, resp.Status, got)
		}
	}
}
