package ollama_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestRequests: what is sent for what is asked.
func TestRequests(t *testing.T) {
	user := []genai.Message{genai.User("u")}
	const plain = `"messages":[{"role":"user","content":"u"}],`
	const tail = `"stream":true}`
	for name, c := range map[string]struct {
		req  genai.ChatRequest
		want string // behind {"model":"m",
	}{
		"plain": {genai.ChatRequest{Messages: user}, plain + tail},
		"everything that can be set": {
			genai.ChatRequest{
				Messages: user, MaxTokens: ptr(9), Temperature: ptr(0.0), TopP: ptr(0.5), TopK: ptr(3), Stop: []string{"."}, Seed: ptr(int64(7)),
				FrequencyPenalty: ptr(0.25), PresencePenalty: ptr(0.75), ParallelToolCalls: ptr(true),
				Extra: map[string]json.RawMessage{"options": json.RawMessage(`{"num_ctx":4096,"top_k":1}`), "keep_alive": json.RawMessage("0")},
			},
			`"messages":[{"role":"user","content":"u"}],"options":{"frequency_penalty":0.25,"num_ctx":4096,"num_predict":9,"presence_penalty":0.75,"seed":7,"stop":["."],"temperature":0,"top_k":1,"top_p":0.5},` +
				`"stream":true,"keep_alive":0}`,
		},
		"a conversation": {
			genai.ChatRequest{Messages: []genai.Message{
				genai.System("s"),
				{Role: genai.RoleUser, Parts: []genai.Part{{Text: "a"}, {Image: ptr(genai.NewBlob("image/png", []byte("png")))}, {Text: "b"}}},
				{Role: genai.RoleAssistant, Parts: []genai.Part{
					{Reasoning: &genai.Reasoning{Text: "mine"}, Opaque: &genai.Opaque{Origin: "there", Type: "thinking"}},
					{Reasoning: &genai.Reasoning{Text: "another's"}, Opaque: &genai.Opaque{Origin: "elsewhere", Type: "thinking"}},
					{Text: "t"}, {ToolCall: &genai.ToolCall{ID: "c1", Name: "f", Arguments: `{"x":1}`}}, {ToolCall: &genai.ToolCall{ID: "c2", Name: "g"}},
				}},
				{Role: genai.RoleTool, Parts: []genai.Part{
					{ToolResult: &genai.ToolResult{CallID: "c1", Parts: []genai.Part{{Text: "r"}}}}, {ToolResult: &genai.ToolResult{CallID: "c2", Name: "h"}},
				}},
				{Role: genai.RoleAssistant, Parts: []genai.Part{
					{Reasoning: &genai.Reasoning{Text: "not between calls"}, Opaque: &genai.Opaque{Origin: "there", Type: "thinking"}}, {Refusal: "no"},
				}},
			}},
			`"messages":[{"role":"system","content":"s"},{"role":"user","content":"ab","images":["cG5n"]},` +
				`{"role":"assistant","content":"t","thinking":"mine","tool_calls":[{"id":"c1","function":{"name":"f","arguments":{"x":1}}},{"id":"c2","function":{"name":"g","arguments":{}}}]},` +
				`{"role":"tool","content":"r","tool_name":"f","tool_call_id":"c1"},{"role":"tool","content":"","tool_name":"h","tool_call_id":"c2"},` +
				`{"role":"assistant","content":"no"}],` + tail,
		},
		"tools": {
			genai.ChatRequest{Messages: user, Tools: []genai.Tool{{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`), Strict: ptr(false)}, {Name: "g"}}},
			plain + `"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}],` + tail,
		},
		"no tools":        {genai.ChatRequest{Messages: user, Tools: []genai.Tool{{Name: "g"}}, ToolChoice: &genai.ToolChoice{Mode: genai.ToolNone}}, plain + tail},
		"JSON":            {genai.ChatRequest{Messages: user, Format: &genai.Format{}}, plain + `"format":"json",` + tail},
		"a schema":        {genai.ChatRequest{Messages: user, Format: &genai.Format{Name: "n", Schema: json.RawMessage(`{"type":"object"}`)}}, plain + `"format":{"type":"object"},` + tail},
		"no thinking":     {genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{Effort: "none"}}, plain + `"stream":true,"think":false}`},
		"no thinking (0)": {genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{MaxTokens: ptr(0)}}, plain + `"stream":true,"think":false}`},
		"some thinking":   {genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{Effort: "low"}}, plain + `"stream":true,"think":"low"}`},
	} {
		t.Run(name, func(t *testing.T) {
			replay := &recordedtest.Replay{Body: data(hello, done("stop"))}
			client := &ollama.Client{BaseURL: "http://there", Model: "m", HTTP: replay.Client()}
			if _, err := all(client.Chat(t.Context(), &c.req)); err != nil {
				t.Fatal(err)
			}
			if got, want := strings.TrimSpace(replay.Request), `{"model":"m",`+c.want; !same(got, want) {
				t.Errorf("sent %s\nwant %s", got, want)
			}
		})
	}
}

// same compares JSON: with Extra, members come in the order of the alphabet.
func same(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	left, _ := json.Marshal(x)
	right, _ := json.Marshal(y)
	return string(left) == string(right)
}

func TestConfigured(t *testing.T) {
	replay := &recordedtest.Replay{Body: data(hello, done("stop"))}
	options := map[string]any{"num_ctx": 8192, "seed": 1}
	client := &ollama.Client{Options: options, KeepAlive: ptr(-time.Second), HTTP: replay.Client()}
	req := *ask
	req.Model, req.Seed = "other", ptr(int64(2))
	if _, err := client.Complete(t.Context(), &req); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"model":"other"`, `"options":{"num_ctx":8192,"seed":2}`, `"keep_alive":"-1s"`, `"stream":false`} {
		if !strings.Contains(replay.Request, want) {
			t.Errorf("sent %s, without %s", replay.Request, want)
		}
	}
	if options["seed"] != 1 {
		t.Error("the options of the client were changed")
	}
	client.Options = map[string]any{"x": func() {}}
	if _, err := client.Complete(t.Context(), &req); genai.KindOf(err) != genai.InvalidRequest {
		t.Error(err)
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
		"log_probs":            {with(func(r *genai.ChatRequest) { r.LogProbs = ptr(1) }), genai.Unsupported},
		"end_user":             {with(func(r *genai.ChatRequest) { r.EndUser = "e" }), genai.Unsupported},
		"cache_key":            {with(func(r *genai.ChatRequest) { r.CacheKey = "k" }), genai.Unsupported},
		"service_tier":         {with(func(r *genai.ChatRequest) { r.ServiceTier = "t" }), genai.Unsupported},
		"metadata":             {with(func(r *genai.ChatRequest) { r.Metadata = map[string]string{"a": "b"} }), genai.Unsupported},
		"parallel_tool_calls":  {with(func(r *genai.ChatRequest) { r.ParallelToolCalls = ptr(false) }), genai.Unsupported},
		"tool_choice":          {with(func(r *genai.ChatRequest) { r.ToolChoice = &genai.ToolChoice{Mode: genai.ToolRequired} }), genai.Unsupported},
		"tools[0].strict":      {with(func(r *genai.ChatRequest) { r.Tools = []genai.Tool{{Name: "f", Strict: ptr(true)}} }), genai.Unsupported},
		"reasoning.max_tokens": {with(func(r *genai.ChatRequest) { r.Reasoning = &genai.ReasoningOptions{MaxTokens: ptr(9)} }), genai.Unsupported},
		"temperature":          {with(func(r *genai.ChatRequest) { r.Temperature = ptr(math.NaN()) }), genai.InvalidRequest},
		"extra.options":        {with(func(r *genai.ChatRequest) { r.Extra = map[string]json.RawMessage{"options": json.RawMessage("3")} }), genai.InvalidRequest},
		"messages[0].name":     {genai.ChatRequest{Messages: []genai.Message{{Role: genai.RoleUser, Name: "n"}}}, genai.Unsupported},
		"messages[1].role":     {say("nobody"), genai.InvalidRequest},
		"messages[1]":          {say(genai.RoleTool), genai.InvalidRequest},
		"messages[1].parts[0]": {say(genai.RoleUser, genai.Part{File: &genai.File{}}), genai.Unsupported},
		"messages[1].parts[1]": {say(genai.RoleUser, genai.Part{}, genai.Part{ToolCall: &genai.ToolCall{Name: "f"}}), genai.InvalidRequest},
		"messages[1].parts[2]": {say(genai.RoleTool, genai.Part{ToolResult: &genai.ToolResult{}}, genai.Part{ToolResult: &genai.ToolResult{}}, genai.Part{}), genai.InvalidRequest},

		"messages[1].parts[0].image":                {say(genai.RoleUser, genai.Part{Image: ptr(genai.BlobURL("image/png", "http://p", ""))}), genai.Unsupported},
		"messages[1].parts[1].image":                {say(genai.RoleAssistant, genai.Part{}, genai.Part{Image: &genai.Blob{}}), genai.Unsupported},
		"messages[1].parts[0].tool_call.arguments":  {say(genai.RoleAssistant, genai.Part{ToolCall: &genai.ToolCall{Name: "f", Arguments: "{"}}), genai.InvalidRequest},
		"messages[1].parts[0].tool_result.parts[0]": {say(genai.RoleTool, genai.Part{ToolResult: &genai.ToolResult{Parts: []genai.Part{{Image: &genai.Blob{}}}}}), genai.Unsupported},
	} {
		t.Run(field, func(t *testing.T) {
			s := serve(t, stream())
			_, err := s.client().Chat(t.Context(), &c.req)
			e, ok := errors.AsType[*genai.Error](err)
			if !ok || e.Field != field || e.Kind != c.kind || e.Started != genai.StartedNo || e.Message == "" || s.calls != 0 {
				t.Errorf("%+v after %d calls", e, s.calls)
			}
			if ok && e.Kind == genai.Unsupported && !strings.Contains(e.Message, "Ollama") {
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
