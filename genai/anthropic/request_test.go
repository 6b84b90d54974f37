package anthropic_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func ptr[T any](v T) *T { return &v }

// TestRequests: what is sent for what is asked.
func TestRequests(t *testing.T) {
	pdf := genai.NewBlob("application/pdf", []byte("%PDF"))
	user := []genai.Message{genai.User("u")}
	const plain = `"messages":[{"role":"user","content":[{"type":"text","text":"u"}]}],`
	const tail = `"max_tokens":8192,"stream":true}`
	for name, c := range map[string]struct {
		req  genai.ChatRequest
		want string // behind {"model":"m",
	}{
		"plain": {genai.ChatRequest{Messages: user}, plain + tail},
		"everything that can be set": {
			genai.ChatRequest{
				Messages: user, MaxTokens: ptr(9), Temperature: ptr(0.0), TopP: ptr(0.5), TopK: ptr(3), Stop: []string{"."},
				EndUser: "e", ServiceTier: "auto",
			},
			plain + `"max_tokens":9,"stream":true,"temperature":0,"top_p":0.5,"top_k":3,"stop_sequences":["."],"service_tier":"auto","metadata":{"user_id":"e"}}`,
		},
		"system messages": {
			genai.ChatRequest{Messages: []genai.Message{genai.System("a"), genai.System("b"), genai.User("u"), genai.System("c")}},
			`"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"messages":[{"role":"user","content":[{"type":"text","text":"u"}]},` +
				`{"role":"system","content":[{"type":"text","text":"c"}]}],` + tail,
		},
		"media": {
			genai.ChatRequest{Messages: []genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{
				{Image: ptr(genai.NewBlob("image/png", []byte("png")))}, {Image: ptr(genai.BlobURL("image/png", "http://p/1", ""))},
				{File: &genai.File{Name: "n", Blob: pdf}}, {File: &genai.File{Blob: genai.NewBlob("text/markdown", []byte("# t"))}},
				{File: &genai.File{ID: "f1"}}, {File: &genai.File{Blob: genai.BlobURL("", "http://p/2", "")}},
			}}}},
			`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"cG5n"}},` +
				`{"type":"image","source":{"type":"url","url":"http://p/1"}},` +
				`{"type":"document","title":"n","source":{"type":"base64","media_type":"application/pdf","data":"JVBERg=="}},` +
				`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"# t"}},` +
				`{"type":"document","source":{"type":"file","file_id":"f1"}},{"type":"document","source":{"type":"url","url":"http://p/2"}}]}],` + tail,
		},
		"tools": {
			genai.ChatRequest{
				Messages: user, Tools: []genai.Tool{{Name: "a", Description: "d", Strict: ptr(true), Parameters: json.RawMessage(`{"type":"object"}`)}, {Name: "b"}},
				ToolChoice: &genai.ToolChoice{Mode: genai.ToolRequired}, ParallelToolCalls: ptr(false),
			},
			plain + `"tools":[{"name":"a","description":"d","input_schema":{"type":"object"},"strict":true},{"name":"b","input_schema":{"type":"object","properties":{}}}],` +
				`"tool_choice":{"type":"any","disable_parallel_tool_use":true},` + tail,
		},
		"one tool": {
			genai.ChatRequest{Messages: user, ToolChoice: &genai.ToolChoice{Mode: genai.ToolRequired, Name: "a"}},
			plain + `"tool_choice":{"type":"tool","name":"a"},` + tail,
		},
		"no tool": {
			genai.ChatRequest{Messages: user, Tools: []genai.Tool{{Name: "b"}}, ToolChoice: &genai.ToolChoice{Mode: genai.ToolNone}, ParallelToolCalls: ptr(false)},
			plain + `"tools":[{"name":"b","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"none"},` + tail,
		},
		"one call at a time": {
			genai.ChatRequest{Messages: user, Tools: []genai.Tool{{Name: "b"}}, ParallelToolCalls: ptr(false)},
			plain + `"tools":[{"name":"b","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},` + tail,
		},
		"calls and results": {
			genai.ChatRequest{Messages: []genai.Message{
				genai.User("u"),
				{Role: genai.RoleAssistant, Parts: []genai.Part{
					{Reasoning: &genai.Reasoning{Text: "not signed"}}, {Text: "t"}, {Text: ""},
					{ToolCall: &genai.ToolCall{ID: "functions.a:0", Name: "a", Arguments: `{"x":1}`}}, {ToolCall: &genai.ToolCall{ID: "c2", Name: "b"}},
				}},
				genai.User("and"),
				{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "functions.a:0", Parts: []genai.Part{{Text: "r"}, {Image: ptr(genai.NewBlob("image/png", []byte("png")))}}}}}},
				{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "c2", Failed: true}}}},
			}},
			`"messages":[{"role":"user","content":[{"type":"text","text":"u"}]},{"role":"assistant","content":[{"type":"text","text":"t"},` +
				`{"type":"tool_use","id":"functions_a_0","name":"a","input":{"x":1}},{"type":"tool_use","id":"c2","name":"b","input":{}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"functions_a_0","content":[{"type":"text","text":"r"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"cG5n"}}]},` +
				`{"type":"tool_result","tool_use_id":"c2","is_error":true},{"type":"text","text":"and"}]}],` + tail,
		},
		"a budget": {
			genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{MaxTokens: ptr(2000)}},
			plain + `"thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":10192,"stream":true}`,
		},
		"an effort": {
			genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{Effort: "low"}},
			plain + `"thinking":{"type":"adaptive"},"output_config":{"effort":"low"},` + tail,
		},
		"no thinking": {
			genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{Effort: "none"}}, plain + `"thinking":{"type":"disabled"},` + tail,
		},
		"a format": {
			genai.ChatRequest{Messages: user, Format: &genai.Format{Name: "n", Schema: json.RawMessage(`{"type":"object"}`)}},
			plain + `"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},` + tail,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, stream(start, text, hello, end(0), finish("end_turn"), stop))
			if _, err := all(s.client().Chat(t.Context(), &c.req)); err != nil {
				t.Fatal(err)
			}
			if want := `{"model":"m",` + c.want; s.body != want {
				t.Errorf("sent %s\nwant %s", s.body, want)
			}
		})
	}
}

func TestExtra(t *testing.T) {
	s := serve(t, stream(start, text, hello, end(0), finish("end_turn"), stop))
	c := s.client()
	c.MaxTokens = 5
	c.Header = map[string][]string{"anthropic-beta": {"b1"}, "Anthropic-Version": {"2099-01-01"}}
	req := *ask
	req.Model = "other"
	req.Extra = map[string]json.RawMessage{"cache_control": json.RawMessage(`{"type":"ephemeral"}`), "max_tokens": json.RawMessage("6")}
	if _, err := all(c.Chat(t.Context(), &req)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.body, `"cache_control":{"type":"ephemeral"}`) || !strings.Contains(s.body, `"max_tokens":6`) || !strings.Contains(s.body, `"model":"other"`) {
		t.Errorf("sent %s", s.body)
	}
	if h := s.request.Header; h.Get("Anthropic-Beta") != "b1" || h.Get("Anthropic-Version") != "2099-01-01" {
		t.Errorf("sent %q", h)
	}
}

// TestRefused: what cannot be asked is refused before anything is sent, and says what it is.
func TestRefused(t *testing.T) {
	say := func(role genai.Role, p ...genai.Part) genai.ChatRequest {
		return genai.ChatRequest{Messages: []genai.Message{genai.User("u"), {Role: role, Parts: p}}}
	}
	with := func(f func(*genai.ChatRequest)) genai.ChatRequest { r := *ask; f(&r); return r }
	for field, c := range map[string]struct {
		req  genai.ChatRequest
		kind genai.Kind
	}{
		"messages":             {genai.ChatRequest{}, genai.InvalidRequest},
		"seed":                 {with(func(r *genai.ChatRequest) { r.Seed = ptr(int64(1)) }), genai.Unsupported},
		"frequency_penalty":    {with(func(r *genai.ChatRequest) { r.FrequencyPenalty = ptr(1.0) }), genai.Unsupported},
		"presence_penalty":     {with(func(r *genai.ChatRequest) { r.PresencePenalty = ptr(1.0) }), genai.Unsupported},
		"log_probs":            {with(func(r *genai.ChatRequest) { r.LogProbs = ptr(1) }), genai.Unsupported},
		"metadata":             {with(func(r *genai.ChatRequest) { r.Metadata = map[string]string{"a": "b"} }), genai.Unsupported},
		"cache_key":            {with(func(r *genai.ChatRequest) { r.CacheKey = "k" }), genai.Unsupported},
		"temperature":          {with(func(r *genai.ChatRequest) { r.Temperature = ptr(math.Inf(1)) }), genai.InvalidRequest},
		"format.schema":        {with(func(r *genai.ChatRequest) { r.Format = &genai.Format{} }), genai.Unsupported},
		"reasoning.max_tokens": {with(func(r *genai.ChatRequest) { r.Reasoning = &genai.ReasoningOptions{MaxTokens: ptr(-1)} }), genai.InvalidRequest},
		"extra.x":              {with(func(r *genai.ChatRequest) { r.Extra = map[string]json.RawMessage{"x": nil} }), genai.InvalidRequest},
		"messages[0].name":     {genai.ChatRequest{Messages: []genai.Message{{Role: genai.RoleUser, Name: "n", Parts: []genai.Part{{Text: "u"}}}}}, genai.Unsupported},
		"messages[1].role":     {say("nobody"), genai.InvalidRequest},
		"messages[1]":          {say(genai.RoleTool), genai.InvalidRequest},
		"messages[1].parts[0]": {say(genai.RoleTool, genai.Part{Text: "t"}), genai.InvalidRequest},
		"messages[1].parts[1]": {say(genai.RoleSystem, genai.Part{}, genai.Part{Image: &genai.Blob{}}), genai.Unsupported},
		"messages[1].parts[2]": {say(genai.RoleAssistant, genai.Part{}, genai.Part{}, genai.Part{Image: &genai.Blob{}}), genai.Unsupported},
		"messages[1].parts[3]": {say(genai.RoleUser, genai.Part{}, genai.Part{}, genai.Part{}, genai.Part{ToolCall: &genai.ToolCall{}}), genai.InvalidRequest},

		"messages[1].parts[0].audio":               {say(genai.RoleUser, genai.Part{Audio: &genai.Blob{}}), genai.Unsupported},
		"messages[1].parts[0].image":               {say(genai.RoleUser, genai.Part{Image: &genai.Blob{}}), genai.InvalidRequest},
		"messages[1].parts[0].file":                {say(genai.RoleUser, genai.Part{File: &genai.File{Blob: genai.NewBlob("application/zip", []byte("z"))}}), genai.Unsupported},
		"messages[1].parts[0].tool_call.id":        {say(genai.RoleAssistant, genai.Part{ToolCall: &genai.ToolCall{Name: "a"}}), genai.InvalidRequest},
		"messages[1].parts[0].tool_call":           {say(genai.RoleAssistant, genai.Part{ToolCall: &genai.ToolCall{ID: "c", Name: "a", Incomplete: true}}), genai.InvalidRequest},
		"messages[1].parts[0].tool_call.arguments": {say(genai.RoleAssistant, genai.Part{ToolCall: &genai.ToolCall{ID: "c", Name: "a", Arguments: `[1]`}}), genai.InvalidRequest},
		"messages[1].parts[0].tool_result.call_id": {say(genai.RoleTool, genai.Part{ToolResult: &genai.ToolResult{}}), genai.InvalidRequest},
		"messages[1].parts[1].tool_result.parts[0].audio": {say(genai.RoleTool, genai.Part{ToolResult: &genai.ToolResult{CallID: "c"}},
			genai.Part{ToolResult: &genai.ToolResult{CallID: "c", Parts: []genai.Part{{Audio: &genai.Blob{}}}}}), genai.Unsupported},
	} {
		t.Run(field, func(t *testing.T) {
			s := serve(t, stream())
			_, err := s.client().Chat(t.Context(), &c.req)
			e, ok := errors.AsType[*genai.Error](err)
			if !ok || e.Field != field || e.Kind != c.kind || e.Started != genai.StartedNo || e.Message == "" || s.calls != 0 {
				t.Errorf("%+v after %d calls", e, s.calls)
			}
			if ok && e.Kind == genai.Unsupported && !strings.Contains(e.Message, "Anthropic") {
				t.Errorf("it does not name the provider: %v", e)
			}
			// Asked to, the client leaves it out, if it is a setting.
			lenient := s.client()
			lenient.Drop = []string{recordedtest.Setting(field)}
			_, err = lenient.Chat(t.Context(), &c.req)
			setting := c.kind == genai.Unsupported && !strings.Contains(field, "parts") && field != "format.schema"
			if dropped := s.calls == 1; dropped != setting || dropped == (genai.KindOf(err) == c.kind) {
				t.Errorf("with Drop: %d calls, %v", s.calls, err)
			}
		})
	}
}

func TestClientThatIsNotSetUp(t *testing.T) {
	s := serve(t, stream())
	c := s.client()
	c.Model = ""
	if _, err := c.Chat(t.Context(), ask); genai.AsError(err).Field != "model" {
		t.Error(err)
	}
	c.BaseURL, c.Key = "", ""
	if _, err := c.Chat(t.Context(), ask); genai.KindOf(err) != genai.Unauthenticated {
		t.Error(err)
	}
	if s.calls != 0 {
		t.Error("something was sent")
	}
}
