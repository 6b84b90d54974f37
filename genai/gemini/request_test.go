package gemini_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestRequests: what is sent for what is asked.
func TestRequests(t *testing.T) {
	user := []genai.Message{genai.User("u")}
	png := genai.NewBlob("image/png", []byte("png"))
	const plain = `"contents":[{"role":"user","parts":[{"text":"u"}]}]`
	called := []genai.Message{
		genai.User("u"),
		{Role: genai.RoleAssistant, Parts: []genai.Part{
			{Reasoning: &genai.Reasoning{Text: "not signed"}}, {Text: "t"}, {ToolCall: &genai.ToolCall{ID: "toolu_1", Name: "f", Arguments: `{"x":1}`}},
			{ToolCall: &genai.ToolCall{ID: "gemini_call_r1_1", Name: "g"}},
		}},
		{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "toolu_1", Parts: []genai.Part{{Text: `{"r":`}, {Text: `1}`}, {Image: &png}}}}}},
		{Role: genai.RoleTool, Parts: []genai.Part{
			{ToolResult: &genai.ToolResult{CallID: "gemini_call_r1_1", Parts: []genai.Part{{Text: "[1]"}}}}, {ToolResult: &genai.ToolResult{Name: "h", Failed: true, Parts: []genai.Part{{Text: "{}"}}}},
		}},
		genai.User("!"),
	}
	results := `{"role":"user","parts":[{"functionResponse":{"id":"toolu_1","name":"f","response":{"r":1},"parts":[{"inlineData":{"mimeType":"image/png","data":"cG5n"}}]}},` +
		`{"functionResponse":{"name":"g","response":{"output":"[1]"}}},{"functionResponse":{"name":"h","response":{"error":"{}"}}}]},{"role":"user","parts":[{"text":"!"}]}]`
	for name, c := range map[string]struct {
		req  genai.ChatRequest
		want string
	}{
		"plain": {genai.ChatRequest{Messages: user}, plain},
		"everything that can be set": {
			genai.ChatRequest{
				Messages: user, MaxTokens: ptr(9), Temperature: ptr(0.0), TopP: ptr(0.5), TopK: ptr(3), Stop: []string{"."}, Seed: ptr(int64(7)),
				FrequencyPenalty: ptr(0.25), PresencePenalty: ptr(0.75), ParallelToolCalls: ptr(true),
				Extra: map[string]json.RawMessage{"generationConfig": json.RawMessage(`{"topK":1,"candidateCount":2}`), "cachedContent": json.RawMessage(`"c"`)},
			},
			`"cachedContent":"c",` + plain + `,"generationConfig":{"candidateCount":2,"frequencyPenalty":0.25,"maxOutputTokens":9,"presencePenalty":0.75,"seed":7,"stopSequences":["."],"temperature":0,"topK":1,"topP":0.5}`,
		},
		"system messages": {
			genai.ChatRequest{Messages: []genai.Message{genai.System("a"), genai.System("b"), genai.User("u")}},
			`"systemInstruction":{"parts":[{"text":"a"},{"text":"b"}]},` + plain,
		},
		"media": {
			genai.ChatRequest{Messages: []genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{
				{Text: "a"}, {Image: &png}, {Audio: ptr(genai.NewBlob("audio/wav", []byte("wav")))}, {File: &genai.File{Blob: genai.NewBlob("application/pdf", []byte("pdf"))}},
				{Image: ptr(genai.BlobURL("image/png", "http://p", ""))}, {File: &genai.File{ID: "http://files/1", Blob: genai.BlobURL("text/csv", "", "")}}, {Text: ""},
			}}}},
			`"contents":[{"role":"user","parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"cG5n"}},{"inlineData":{"mimeType":"audio/wav","data":"d2F2"}},` +
				`{"inlineData":{"mimeType":"application/pdf","data":"cGRm"}},{"fileData":{"mimeType":"image/png","fileUri":"http://p"}},{"fileData":{"mimeType":"text/csv","fileUri":"http://files/1"}}]}]`,
		},
		"calls and results": {
			genai.ChatRequest{Messages: called},
			`"contents":[{"role":"user","parts":[{"text":"u"}]},{"role":"model","parts":[{"text":"t"},{"functionCall":{"id":"toolu_1","name":"f","args":{"x":1}}},{"functionCall":{"name":"g","args":{}}}]},` + results,
		},
		"calls of another model, for one that insists": {
			genai.ChatRequest{Model: "gemini-3-pro", Messages: called},
			`"contents":[{"role":"user","parts":[{"text":"u"}]},{"role":"model","parts":[{"text":"t"},{"functionCall":{"id":"toolu_1","name":"f","args":{"x":1}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"name":"g","args":{}}}]},` + results,
		},
		"tools": {
			genai.ChatRequest{Messages: user, Tools: []genai.Tool{{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`)}, {Name: "g"}}},
			plain + `,"tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}},{"name":"g"}]}]`,
		},
		"strict tools":    {genai.ChatRequest{Messages: user, Tools: []genai.Tool{{Name: "g", Strict: ptr(true)}}}, plain + `,"tools":[{"functionDeclarations":[{"name":"g"}]}],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}`},
		"any tool":        {genai.ChatRequest{Messages: user, ToolChoice: &genai.ToolChoice{Mode: genai.ToolRequired}}, plain + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`},
		"one tool":        {genai.ChatRequest{Messages: user, ToolChoice: &genai.ToolChoice{Mode: genai.ToolRequired, Name: "f"}}, plain + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}`},
		"no tool":         {genai.ChatRequest{Messages: user, ToolChoice: &genai.ToolChoice{Mode: genai.ToolNone}}, plain + `,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`},
		"a tool or not":   {genai.ChatRequest{Messages: user, ToolChoice: &genai.ToolChoice{Mode: genai.ToolAuto}}, plain + `,"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}`},
		"JSON":            {genai.ChatRequest{Messages: user, Format: &genai.Format{}}, plain + `,"generationConfig":{"responseMimeType":"application/json"}`},
		"a schema":        {genai.ChatRequest{Messages: user, Format: &genai.Format{Name: "n", Schema: json.RawMessage(`{"type":"object"}`)}}, plain + `,"generationConfig":{"responseJsonSchema":{"type":"object"},"responseMimeType":"application/json"}`},
		"a budget":        {genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{MaxTokens: ptr(512)}}, plain + `,"generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingBudget":512}}`},
		"an effort":       {genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{Effort: "low"}}, plain + `,"generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}}`},
		"no thinking":     {genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{Effort: "none"}}, plain + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}`},
		"no thinking (0)": {genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{MaxTokens: ptr(0)}}, plain + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}`},
		"some thinking":   {genai.ChatRequest{Messages: user, Reasoning: &genai.ReasoningOptions{}}, plain},
	} {
		t.Run(name, func(t *testing.T) {
			replay := &recordedtest.Replay{Body: data(done(`{"text":"x"}`, "STOP"))}
			client := &gemini.Client{BaseURL: "http://there", Model: "gemini-2.5-flash", HTTP: replay.Client()}
			if _, err := all(client.Chat(t.Context(), &c.req)); err != nil {
				t.Fatal(err)
			}
			if got, want := strings.TrimSpace(replay.Request), "{"+c.want+"}"; got != want {
				t.Errorf("sent %s\nwant %s", got, want)
			}
		})
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
		"messages":            {genai.ChatRequest{Messages: []genai.Message{genai.System("s")}}, genai.InvalidRequest},
		"log_probs":           {with(func(r *genai.ChatRequest) { r.LogProbs = ptr(1) }), genai.Unsupported},
		"end_user":            {with(func(r *genai.ChatRequest) { r.EndUser = "e" }), genai.Unsupported},
		"cache_key":           {with(func(r *genai.ChatRequest) { r.CacheKey = "k" }), genai.Unsupported},
		"service_tier":        {with(func(r *genai.ChatRequest) { r.ServiceTier = "t" }), genai.Unsupported},
		"metadata":            {with(func(r *genai.ChatRequest) { r.Metadata = map[string]string{"a": "b"} }), genai.Unsupported},
		"parallel_tool_calls": {with(func(r *genai.ChatRequest) { r.ParallelToolCalls = ptr(false) }), genai.Unsupported},
		"seed":                {with(func(r *genai.ChatRequest) { r.Seed = ptr(int64(1) << 40) }), genai.InvalidRequest},
		"temperature":         {with(func(r *genai.ChatRequest) { r.Temperature = ptr(math.NaN()) }), genai.InvalidRequest},
		"extra.generationConfig": {with(func(r *genai.ChatRequest) {
			r.Extra = map[string]json.RawMessage{"generationConfig": json.RawMessage("null")}
		}), genai.InvalidRequest},
		"messages[0].name":     {genai.ChatRequest{Messages: []genai.Message{{Role: genai.RoleUser, Name: "n", Parts: []genai.Part{{Text: "u"}}}}}, genai.Unsupported},
		"messages[1].role":     {say(genai.RoleSystem), genai.Unsupported},
		"messages[1]":          {say(genai.RoleTool), genai.InvalidRequest},
		"messages[1].parts[0]": {say(genai.RoleTool, genai.Part{}), genai.InvalidRequest},
		"messages[1].parts[1]": {say(genai.RoleUser, genai.Part{}, genai.Part{ToolCall: &genai.ToolCall{Name: "f"}}), genai.InvalidRequest},
		"messages[1].parts[2]": {say(genai.RoleAssistant, genai.Part{}, genai.Part{}, genai.Part{ToolResult: &genai.ToolResult{}}), genai.InvalidRequest},
		"messages[0].parts[0]": {genai.ChatRequest{Messages: []genai.Message{{Role: genai.RoleSystem, Parts: []genai.Part{{Image: &genai.Blob{}}}}, genai.User("u")}}, genai.Unsupported},

		"messages[1].parts[0].image":               {say(genai.RoleUser, genai.Part{Image: &genai.Blob{}}), genai.InvalidRequest},
		"messages[1].parts[0].tool_call.arguments": {say(genai.RoleAssistant, genai.Part{ToolCall: &genai.ToolCall{Name: "f", Arguments: "{"}}), genai.InvalidRequest},
		"messages[1].parts[0].tool_result.name":    {say(genai.RoleTool, genai.Part{ToolResult: &genai.ToolResult{CallID: "x"}}), genai.InvalidRequest},
		"messages[1].parts[0].opaque":              {say(genai.RoleAssistant, genai.Part{Text: "t", Opaque: &genai.Opaque{Origin: "there", Type: "part", Data: "["}}), genai.InvalidRequest},
	} {
		t.Run(field, func(t *testing.T) {
			replay := &recordedtest.Replay{Body: data(done(`{"text":"x"}`, "STOP"))}
			client := &gemini.Client{BaseURL: "http://there", Model: "m", HTTP: replay.Client()}
			_, err := client.Chat(t.Context(), &c.req)
			e, ok := errors.AsType[*genai.Error](err)
			if !ok || e.Field != field || e.Kind != c.kind || e.Started != genai.StartedNo || e.Message == "" || replay.Request != "" {
				t.Errorf("%+v", e)
			}
			if ok && e.Kind == genai.Unsupported && !strings.Contains(e.Message, "Gemini") {
				t.Errorf("it does not name the provider: %v", e)
			}
			// Asked to, the client leaves it out, if it is a setting.
			client.Drop = []string{recordedtest.Setting(field)}
			_, err = client.Chat(t.Context(), &c.req)
			setting := c.kind == genai.Unsupported && !strings.Contains(field, "parts") && !strings.HasSuffix(field, "role")
			if dropped := replay.Request != ""; dropped != setting || dropped != (err == nil) {
				t.Errorf("with Drop: %v", err)
			}
		})
	}
	for field, client := range map[string]*gemini.Client{"Key": {Model: "m"}, "model": {Key: "k"}} {
		if _, err := client.Chat(t.Context(), ask); err == nil || genai.AsError(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
