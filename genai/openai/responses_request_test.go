package openai_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// TestResponsesRequest: what is asked is what goes out, item by item.
func TestResponsesRequest(t *testing.T) {
	png, pdf := genai.NewBlob("image/png", []byte("png")), genai.NewBlob("application/pdf", []byte("pdf"))
	mine := func(typ, data string) *genai.Opaque {
		return &genai.Opaque{Origin: "host.test", Type: typ, Data: data}
	}
	assistant := func(parts ...genai.Part) []genai.Message {
		return []genai.Message{{Role: genai.RoleAssistant, Parts: parts}}
	}
	thought := `{"type":"reasoning","id":"rs1","summary":[],"encrypted_content":"xyz"}`
	call := genai.Part{ToolCall: &genai.ToolCall{ID: "c1", Name: "look", Arguments: `{"a":1}`}}
	const callItem = `{"type":"function_call","call_id":"c1","name":"look","arguments":"{\"a\":1}"}`
	said := func(text string) string {
		return `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"` + text + `"}]}`
	}
	for name, tt := range map[string]struct {
		messages []genai.Message
		input    string
	}{
		"text":         {[]genai.Message{genai.System("s"), genai.User("u")}, `{"type":"message","role":"system","content":"s"},{"type":"message","role":"user","content":"u"}`},
		"several":      {[]genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{{Text: "a"}, {Text: "b"}}}}, `{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]}`},
		"system, two":  {[]genai.Message{{Role: genai.RoleSystem, Parts: []genai.Part{{Text: "a"}, {Text: "b"}}}}, `{"type":"message","role":"system","content":"ab"}`},
		"picture":      {[]genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{{Text: "a"}, {Image: &png}}}}, `{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,cG5n"}]}`},
		"picture, URL": {[]genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{{Image: new(genai.BlobURL("", "https://example.com/a.png", ""))}}}}, `{"type":"message","role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png"}]}`},
		"file": {[]genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{{File: &genai.File{Name: "a.pdf", Blob: pdf}}, {File: &genai.File{ID: "f1"}}, {File: &genai.File{Blob: genai.BlobURL("", "https://example.com/a.pdf", "")}}}}},
			`{"type":"message","role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,cGRm"},{"type":"input_file","file_id":"f1"},{"type":"input_file","file_url":"https://example.com/a.pdf"}]}`},
		"answer":            {assistant(genai.Part{Text: "a"}, genai.Part{Refusal: "no"}), `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"no"}]}`},
		"silence":           {assistant(), `{"type":"message","role":"assistant","content":""}`},
		"thought, call":     {assistant(genai.Part{Reasoning: &genai.Reasoning{Text: "Hm"}, Opaque: mine("response.reasoning", thought)}, call), thought + `,` + callItem},
		"thought of others": {assistant(genai.Part{Reasoning: &genai.Reasoning{Text: "Hm"}, Opaque: &genai.Opaque{Origin: "else", Type: "response.reasoning", Data: thought}}, call), callItem},
		"thought of Chat":   {assistant(genai.Part{Reasoning: &genai.Reasoning{Text: "Hm"}, Opaque: mine("reasoning_content", "")}, genai.Part{Text: "a"}), said("a")},
		"thought, a name":   {assistant(genai.Part{Reasoning: &genai.Reasoning{}, Opaque: mine("response.reasoning", `{"type":"reasoning","id":"rs1","summary":[]}`)}, genai.Part{Text: "a"}), said("a")},
		"no JSON":           {assistant(genai.Part{Reasoning: &genai.Reasoning{}, Opaque: mine("response.reasoning", `{"`)}, genai.Part{Text: "a"}), said("a")},
		"behind text":       {assistant(genai.Part{Text: "a", Opaque: mine("response.item", `{"type":"web_search_call","id":"w1"}`)}, genai.Part{Text: "b"}), said("a") + `,{"type":"web_search_call","id":"w1"},` + said("b")},
		"phases": {assistant(genai.Part{Text: "a", Opaque: mine("response.phase", "commentary")}, genai.Part{Text: "b", Opaque: mine("response.phase", "final_answer")}),
			`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}],"phase":"commentary"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"}],"phase":"final_answer"}`},
		"results": {[]genai.Message{{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "c1", Parts: []genai.Part{{Text: "A"}}}},
			{ToolResult: &genai.ToolResult{CallID: "c2", Parts: []genai.Part{{Text: "B"}, {Image: &png}}}}, {ToolResult: &genai.ToolResult{CallID: "c3"}}}}},
			`{"type":"function_call_output","call_id":"c1","output":"A"},{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"B"},{"type":"input_image","image_url":"data:image/png;base64,cG5n"}]},{"type":"function_call_output","call_id":"c3","output":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := &peek{answer: named(oneLine(completed))}
			c := &openai.Client{BaseURL: "https://host.test/v1", Model: "m", HTTP: &http.Client{Transport: p}}
			if _, err := responses(t, c, &genai.ChatRequest{Messages: tt.messages}); err != nil {
				t.Fatal(err)
			}
			var got, want any
			if json.Unmarshal(p.body["input"], &got) != nil || json.Unmarshal([]byte("["+tt.input+"]"), &want) != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %s\nwant [%s]", p.body["input"], tt.input)
			}
		})
	}
}

func TestResponsesSettings(t *testing.T) {
	p := &peek{answer: named(oneLine(completed))}
	c := &openai.Client{Key: "k", HTTP: &http.Client{Transport: p}}
	_, err := responses(t, c, &genai.ChatRequest{
		Model: "gpt", Messages: []genai.Message{genai.User("?")}, MaxTokens: new(9), Temperature: new(0.0), TopP: new(0.5), EndUser: "u", CacheKey: "k",
		ServiceTier: "flex", Metadata: map[string]string{"a": "b"}, ParallelToolCalls: new(false), Reasoning: &genai.ReasoningOptions{Effort: "low"},
		Tools:      []genai.Tool{{Name: "look", Description: "Looks.", Strict: new(true)}, {Name: "stop", Parameters: json.RawMessage(`{"type":"object"}`)}},
		ToolChoice: &genai.ToolChoice{Mode: genai.ToolRequired, Name: "look"},
		Format:     &genai.Format{Schema: json.RawMessage(`{"type":"object"}`), Strict: new(true)},
		Extra:      map[string]json.RawMessage{"store": json.RawMessage("true"), "truncation": json.RawMessage(`"auto"`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(p.body, "input")
	got, err := json.Marshal(p.body)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"include":["reasoning.encrypted_content"],"max_output_tokens":9,"metadata":{"a":"b"},"model":"gpt","parallel_tool_calls":false,` +
		`"prompt_cache_key":"k","reasoning":{"effort":"low"},"safety_identifier":"u","service_tier":"flex","store":true,"stream":true,"temperature":0,` +
		`"text":{"format":{"type":"json_schema","name":"answer","schema":{"type":"object"},"strict":true}},"tool_choice":{"name":"look","type":"function"},` +
		`"tools":[{"type":"function","name":"look","description":"Looks.","parameters":{"type":"object","properties":{}},"strict":true},` +
		`{"type":"function","name":"stop","parameters":{"type":"object"}}],"top_p":0.5,"truncation":"auto"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err = c.Respond(t.Context(), &genai.ChatRequest{Model: "m", Messages: []genai.Message{genai.User("?")}, Format: &genai.Format{}}); err != nil {
		t.Fatal(err)
	}
	if format := string(p.body["text"]); format != `{"format":{"type":"json_object"}}` || strings.Contains(string(p.body["stream"]), "true") {
		t.Errorf("format is %s", format)
	}
}

func BenchmarkResponses(b *testing.B) {
	events := []string{created, addedText}
	for range 256 {
		events = append(events, textA)
	}
	s := serve(b, stream(named(append(events, doneText, oneLine(completed))...)))
	c := s.client()
	b.ReportAllocs()
	for b.Loop() {
		stream, err := c.Responses(b.Context(), ask)
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range stream.All() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
