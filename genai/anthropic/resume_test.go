package anthropic_test

import (
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// TestResume: a budget for thinking is refused where an answer goes on that did not begin with a thought, as after a switch
// in the middle of its tools; so it is left away there, and nowhere else.
func TestResume(t *testing.T) {
	s := serve(t, stream(start, text, hello, end(0), finish("end_turn"), stop))
	there := strings.TrimPrefix(s.URL, "http://")
	thought := genai.Part{Reasoning: &genai.Reasoning{Text: "hm"}, Opaque: &genai.Opaque{Origin: there, Type: "signature", Data: "c2ln"}}
	redacted := genai.Part{Reasoning: &genai.Reasoning{}, Opaque: &genai.Opaque{Origin: there, Type: "redacted_thinking", Data: `{"type":"redacted_thinking","data":"b3Bh"}`}}
	kept := genai.Part{Reasoning: &genai.Reasoning{}, Opaque: &genai.Opaque{Origin: there, Type: "server_tool_use", Data: `{"type":"server_tool_use","id":"s1","name":"n","input":{}}`}}
	foreign := genai.Part{Reasoning: &genai.Reasoning{Text: "hm"}, Opaque: &genai.Opaque{Origin: "elsewhere", Type: "signature", Data: "c2ln"}}
	call := genai.Part{ToolCall: &genai.ToolCall{ID: "c1", Name: "look", Arguments: "{}"}}
	answer := func(parts ...genai.Part) genai.Message { return genai.Message{Role: genai.RoleAssistant, Parts: parts} }
	result := genai.Message{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "c1", Parts: []genai.Part{{Text: "r"}}}}}}
	also := genai.User("And be quick.")
	for name, c := range map[string]struct {
		messages []genai.Message
		thinks   bool
	}{
		"a question":                    {nil, true},
		"a second question":             {[]genai.Message{answer(genai.Part{Text: "a"}), also}, true},
		"its own thought":               {[]genai.Message{answer(thought, call), result}, true},
		"a redacted one":                {[]genai.Message{answer(redacted, call), result}, true},
		"another's":                     {[]genai.Message{answer(foreign, call), result}, false},
		"none":                          {[]genai.Message{answer(genai.Part{Text: "a"}, call), result}, false},
		"something else of its own":     {[]genai.Message{answer(kept, call), result}, false},
		"with a word behind the result": {[]genai.Message{answer(call), result, also}, false},
		"its own at the beginning":      {[]genai.Message{answer(thought, call), result, answer(call), result}, true},
		"another's at the beginning":    {[]genai.Message{answer(call), result, answer(thought, call), result}, false},
		"its own, another's before":     {[]genai.Message{answer(call), result, answer(genai.Part{Text: "a"}), also, answer(thought, call), result}, true},
		"another's, answered by now":    {[]genai.Message{answer(call), result, answer(genai.Part{Text: "a"}), also}, true},
	} {
		t.Run(name, func(t *testing.T) {
			req := &genai.ChatRequest{Reasoning: &genai.ReasoningOptions{MaxTokens: ptr(2000), Effort: "low"}, Messages: append([]genai.Message{genai.User("u")}, c.messages...)}
			if _, err := all(s.client().Chat(t.Context(), req)); err != nil {
				t.Fatal(err)
			}
			if thinks := strings.Contains(s.body, `"budget_tokens":2000`); thinks != c.thinks || strings.Contains(s.body, `"thinking":{"type"`) != c.thinks {
				t.Errorf("it thinks: %v; sent %s", thinks, s.body)
			}
			req.Reasoning.MaxTokens = nil
			if _, err := all(s.client().Chat(t.Context(), req)); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(s.body, `"adaptive"`) {
				t.Errorf("the model does not decide by itself: sent %s", s.body)
			}
		})
	}
}
