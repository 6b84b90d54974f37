package wiretest_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

const geminiAsk = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`

// geminiChunks are the documents of the stream of rich.
var geminiChunks = []string{
	`{"candidates":[{"content":{"parts":[{"text":"Hm","thought":true}],"role":"model"},"index":0}],"modelVersion":"real","responseId":"id1"}`,
	`{"candidates":[{"content":{"parts":[{"text":"m.","thought":true}],"role":"model"},"index":0}],"modelVersion":"real","responseId":"id1"}`,
	`{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"sig"}],"role":"model"},"index":0}],"modelVersion":"real","responseId":"id1"}`,
	`{"candidates":[{"content":{"parts":[{"text":"Let me "}],"role":"model"},"index":0}],"modelVersion":"real","responseId":"id1"}`,
	`{"candidates":[{"content":{"parts":[{"text":"see."}],"role":"model"},"index":0}],"modelVersion":"real","responseId":"id1"}`,
	`{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"a":1},"id":"c1","name":"look"}}],"role":"model"},"index":0}],"modelVersion":"real","responseId":"id1"}`,
	`{"candidates":[{"content":{"parts":[{"functionCall":{"args":{},"id":"c2","name":"stop"}}],"role":"model"},"index":0}],"modelVersion":"real","responseId":"id1"}`,
	`{"candidates":[{"content":{"parts":[],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"real","responseId":"id1",` +
		`"usageMetadata":{"cachedContentTokenCount":4,"candidatesTokenCount":3,"promptTokenCount":10,"thoughtsTokenCount":2,"totalTokenCount":15}}`,
}

func TestGeminiStream(t *testing.T) {
	s := &wiretest.Server{Chat: genaitest.Script(rich.Times(2)).Chat}
	resp, got := post(t, s, "/v1beta/models/m:streamGenerateContent?alt=sse", geminiAsk)
	if want := "data: " + strings.Join(geminiChunks, "\r\n\r\ndata: ") + "\r\n\r\n"; got != want || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s\n%s", resp.Header, got)
	}
	resp, got = post(t, s, "/v1beta/models/m:streamGenerateContent", geminiAsk)
	if want := "[" + strings.Join(geminiChunks, ",\r\n") + "]"; got != want || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s\n%s", resp.Header, got)
	}
}

func TestGeminiWhole(t *testing.T) {
	_, got := post(t, &wiretest.Server{Chat: genaitest.Script(rich).Chat}, "/v1beta/models/m:generateContent", geminiAsk)
	const want = `{"candidates":[{"content":{"parts":[{"text":"Hmm.","thought":true,"thoughtSignature":"sig"},{"text":"Let me see."},` +
		`{"functionCall":{"args":{"a":1},"id":"c1","name":"look"}},{"functionCall":{"args":{},"id":"c2","name":"stop"}}],"role":"model"},"finishReason":"STOP","index":0}],` +
		`"modelVersion":"real","responseId":"id1","usageMetadata":{"cachedContentTokenCount":4,"candidatesTokenCount":3,"promptTokenCount":10,"thoughtsTokenCount":2,"totalTokenCount":15}}`
	if got != want {
		t.Error(got)
	}
}

func TestGeminiRequest(t *testing.T) {
	model := genaitest.Script(genaitest.Reply("a"))
	post(t, &wiretest.Server{Chat: model.Chat}, "/v1beta/models/m:generateContent", `{"systemInstruction":{"parts":[{"text":"Be short."}]},
		"contents":[{"role":"user","parts":[{"text":"What?"},{"inlineData":{"mimeType":"image/png","data":"cG5n"}},{"fileData":{"mimeType":"application/pdf","fileUri":"https://example.com/a.pdf"}}]},
		{"role":"model","parts":[{"text":"Hm","thought":true},{"functionCall":{"name":"look","args":{"a":1}},"thoughtSignature":"sig"}]},
		{"role":"user","parts":[{"functionResponse":{"name":"look","response":{"result":7}}}]}],
		"generationConfig":{"temperature":0,"topP":0.5,"topK":3,"maxOutputTokens":7,"stopSequences":["x"],"seed":4,"responseMimeType":"application/json","responseJsonSchema":{"type":"object"},
			"thinkingConfig":{"thinkingBudget":100},"mediaResolution":"LOW"},
		"tools":[{"functionDeclarations":[{"name":"look","description":"Looks.","parametersJsonSchema":{"type":"object"}}]}],
		"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["look"]}},"safetySettings":[]}`)
	want := &genai.ChatRequest{
		Model: "m", MaxTokens: new(7), Temperature: new(0.0), TopP: new(0.5), TopK: new(3), Seed: new(int64(4)), Stop: []string{"x"},
		Messages: []genai.Message{
			genai.System("Be short."),
			{Role: genai.RoleUser, Parts: []genai.Part{{Text: "What?"}, {Image: new(genai.NewBlob("image/png", []byte("png")))},
				{File: &genai.File{Blob: genai.BlobURL("application/pdf", "https://example.com/a.pdf", "")}}}},
			{Role: genai.RoleAssistant, Parts: []genai.Part{{Reasoning: &genai.Reasoning{Text: "Hm"}},
				{ToolCall: &genai.ToolCall{Name: "look", Arguments: `{"a":1}`}, Opaque: &genai.Opaque{Origin: "gemini", Type: "thoughtSignature", Data: "sig"}}}},
			{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{Name: "look", Parts: []genai.Part{{Text: `{"result":7}`}}}}}},
		},
		Tools:      []genai.Tool{{Name: "look", Description: "Looks.", Parameters: json.RawMessage(`{"type":"object"}`)}},
		ToolChoice: &genai.ToolChoice{Mode: genai.ToolRequired, Name: "look"},
		Reasoning:  &genai.ReasoningOptions{MaxTokens: new(100)}, Format: &genai.Format{Schema: json.RawMessage(`{"type":"object"}`)},
		Extra: map[string]json.RawMessage{"generationConfig": json.RawMessage(`{"mediaResolution":"LOW"}`), "safetySettings": json.RawMessage(`[]`)},
	}
	if got := model.Calls()[0].Request; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", show(got), show(want))
	}
}

func TestGeminiFailures(t *testing.T) {
	model := genaitest.Script(
		genaitest.Fail(&genai.Error{Kind: genai.QuotaExhausted, Message: "no more", RetryAfter: 1500 * time.Millisecond}),
		genaitest.Fail(genai.ContentFiltered).Times(2),
		genaitest.Reply("a").Then(&genai.Error{Kind: genai.Overloaded, Message: "busy"}))
	s := &wiretest.Server{Chat: model.Chat, Embed: genaitest.Embed, Key: "k"}
	if resp, got := post(t, s, "/models/m:generateContent", geminiAsk); resp.StatusCode != 400 || !strings.Contains(got, `"reason":"API_KEY_INVALID"`) {
		t.Error(resp.Status, got)
	}
	if resp, got := post(t, s, "/models/m:generateContent", geminiAsk, "X-Goog-Api-Key", "k"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "2" ||
		!strings.Contains(got, `"retryDelay":"1.5s"`) || !strings.Contains(got, "PerDay") || !strings.Contains(got, "RESOURCE_EXHAUSTED") {
		t.Error(resp.Status, got)
	}
	const blocked = `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{}}`
	if resp, got := post(t, s, "/models/m:generateContent", geminiAsk, "X-Goog-Api-Key", "k"); resp.StatusCode != 200 || got != blocked {
		t.Error(resp.Status, got)
	}
	if resp, got := post(t, s, "/models/m:streamGenerateContent?alt=sse", geminiAsk, "X-Goog-Api-Key", "k"); resp.StatusCode != 200 || got != "data: "+blocked+"\r\n\r\n" {
		t.Error(resp.Status, got)
	}
	if resp, got := post(t, s, "/models/m:streamGenerateContent?alt=sse", geminiAsk, "X-Goog-Api-Key", "k"); resp.StatusCode != 200 ||
		!strings.HasSuffix(got, `data: {"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}`+"\r\n\r\n") {
		t.Error(resp.Status, got)
	}
	if _, got := post(t, s, "/models/e:batchEmbedContents", `{"requests":[{"content":{"parts":[{"text":""}]},"outputDimensionality":2},{"content":{"parts":[{"text":""}]},"outputDimensionality":2}]}`,
		"X-Goog-Api-Key", "k"); got != `{"embeddings":[{"values":[0,0]},{"values":[0,0]}]}` {
		t.Error(got)
	}
	if _, got := post(t, s, "/models/e:embedContent", `{"content":{"parts":[{"text":""}]},"outputDimensionality":2}`, "X-Goog-Api-Key", "k"); got != `{"embedding":{"values":[0,0]}}` {
		t.Error(got)
	}
}
