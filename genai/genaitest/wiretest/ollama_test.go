package wiretest_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

// timeless replaces the times in an answer of Ollama.
func timeless(text string) string {
	text = regexp.MustCompile(`"created_at":"[^"]+"`).ReplaceAllString(text, `"created_at":"T"`)
	return regexp.MustCompile(`_duration":\d+`).ReplaceAllString(text, `_duration":0`)
}

const ollamaAsk = `{"model":"m","messages":[{"role":"user","content":"hi"}]`

func TestOllamaStream(t *testing.T) {
	resp, got := post(t, &wiretest.Server{Chat: genaitest.Script(rich).Chat}, "/api/chat", ollamaAsk+`}`)
	const want = `{"created_at":"T","done":false,"message":{"content":"","role":"assistant","thinking":"Hm"},"model":"real"}
{"created_at":"T","done":false,"message":{"content":"","role":"assistant","thinking":"m."},"model":"real"}
{"created_at":"T","done":false,"message":{"content":"Let me ","role":"assistant"},"model":"real"}
{"created_at":"T","done":false,"message":{"content":"see.","role":"assistant"},"model":"real"}
{"created_at":"T","done":false,"message":{"content":"","role":"assistant","tool_calls":[{"function":{"arguments":{"a":1},"name":"look"},"id":"c1"}]},"model":"real"}
{"created_at":"T","done":false,"message":{"content":"","role":"assistant","tool_calls":[{"function":{"arguments":{},"name":"stop"},"id":"c2"}]},"model":"real"}
{"created_at":"T","done":true,"done_reason":"stop","eval_count":5,"eval_duration":0,"load_duration":0,"message":{"content":"","role":"assistant"},"model":"real","prompt_eval_count":10,"prompt_eval_duration":0,"total_duration":0}
`
	if timeless(got) != want || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%s\n%s", resp.Header, got)
	}
}

func TestOllamaWhole(t *testing.T) {
	_, got := post(t, &wiretest.Server{Chat: genaitest.Script(rich).Chat}, "/api/chat", ollamaAsk+`,"stream":false}`)
	const want = `{"created_at":"T","done":true,"done_reason":"stop","eval_count":5,"eval_duration":0,"load_duration":0,` +
		`"message":{"content":"Let me see.","role":"assistant","thinking":"Hmm.","tool_calls":[{"function":{"arguments":{"a":1},"name":"look"},"id":"c1"},` +
		`{"function":{"arguments":{},"name":"stop"},"id":"c2"}]},"model":"real","prompt_eval_count":10,"prompt_eval_duration":0,"total_duration":0}`
	if timeless(got) != want {
		t.Error(got)
	}
}

func TestOllamaRequest(t *testing.T) {
	model := genaitest.Script(genaitest.Reply("a"))
	post(t, &wiretest.Server{Chat: model.Chat}, "/api/chat", `{"model":"m","stream":false,"messages":[{"role":"system","content":"Be short."},
		{"role":"user","content":"What?","images":["cG5n"]},
		{"role":"assistant","content":"","thinking":"Hm","tool_calls":[{"id":"c1","function":{"name":"look","arguments":{"a":1}}}]},
		{"role":"tool","content":"7","tool_name":"look","tool_call_id":"c1"},{"role":"tool","content":"8","tool_name":"see"}],
		"options":{"num_predict":7,"temperature":0,"top_k":3,"top_p":0.5,"seed":4,"stop":["x"],"num_ctx":4096},"think":"low","format":{"type":"object"},
		"tools":[{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object"}}}],"keep_alive":"5m"}`)
	want := &genai.ChatRequest{
		Model: "m", MaxTokens: new(7), Temperature: new(0.0), TopP: new(0.5), TopK: new(3), Seed: new(int64(4)), Stop: []string{"x"},
		Messages: []genai.Message{
			genai.System("Be short."),
			{Role: genai.RoleUser, Parts: []genai.Part{{Text: "What?"}, {Image: new(genai.NewBlob("", []byte("png")))}}},
			{Role: genai.RoleAssistant, Parts: []genai.Part{{Reasoning: &genai.Reasoning{Text: "Hm"}}, {ToolCall: &genai.ToolCall{ID: "c1", Name: "look", Arguments: `{"a":1}`}}}},
			{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "c1", Name: "look", Parts: []genai.Part{{Text: "7"}}}},
				{ToolResult: &genai.ToolResult{Name: "see", Parts: []genai.Part{{Text: "8"}}}}}},
		},
		Tools:     []genai.Tool{{Name: "look", Description: "Looks.", Parameters: json.RawMessage(`{"type":"object"}`)}},
		Reasoning: &genai.ReasoningOptions{Effort: "low"}, Format: &genai.Format{Schema: json.RawMessage(`{"type":"object"}`)},
		Extra: map[string]json.RawMessage{"options": json.RawMessage(`{"num_ctx":4096}`), "keep_alive": json.RawMessage(`"5m"`)},
	}
	if got := model.Calls()[0].Request; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", show(got), show(want))
	}
}

func TestOllamaFailures(t *testing.T) {
	model := genaitest.Script(
		genaitest.Fail(&genai.Error{Kind: genai.NotFound, Message: "m"}),
		genaitest.Reply("a").Then(&genai.Error{Kind: genai.ServerError, Message: "cuda"}))
	s := &wiretest.Server{Chat: model.Chat, Embed: genaitest.Embed}
	if resp, got := post(t, s, "/api/chat", ollamaAsk+`}`); resp.StatusCode != 404 || got != `{"error":"model not found: m"}` {
		t.Error(resp.Status, got)
	}
	const want = `{"created_at":"T","done":false,"message":{"content":"a","role":"assistant"},"model":"m"}
{"error":"cuda"}
`
	if resp, got := post(t, s, "/api/chat", ollamaAsk+`}`); resp.StatusCode != 200 || timeless(got) != want {
		t.Error(resp.Status, got)
	}
	if _, got := post(t, s, "/api/embed", `{"model":"e","input":"a","dimensions":2}`); timeless(got) != `{"embeddings":[[1,0]],"load_duration":0,"model":"e","prompt_eval_count":1,"total_duration":0}` &&
		timeless(got) != `{"embeddings":[[0,1]],"load_duration":0,"model":"e","prompt_eval_count":1,"total_duration":0}` {
		t.Error(got)
	}
}
