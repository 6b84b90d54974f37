package price_test

import (
	"net/http"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/genai/price"
)

// TestProviders: every provider counts in its own way, and the same use costs the same, whole and streamed. Cached input
// is neither paid twice nor at the full price, thoughts are paid once, and of counts that are told again and again the
// last one counts.
func TestProviders(t *testing.T) {
	openAI := func(path string) func(*http.Client) (genai.Chat, genai.Completer) {
		return func(h *http.Client) (genai.Chat, genai.Completer) {
			c := &openai.Client{Key: "k", Model: "m", HTTP: h}
			if path == "responses" {
				return c.Responses, c.Respond
			}
			return c.Chat, c.Complete
		}
	}
	chatDoc := func(usage string) string {
		return `{"id":"r","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":` + usage + `}`
	}
	chatStream := func(usage string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":null}` + "\n\n" +
			`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + `data: {"choices":[],"usage":` + usage + "}\n\ndata: [DONE]\n\n"
	}
	const (
		openAIUsage = `{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100,"prompt_tokens_details":{"cached_tokens":600},"completion_tokens_details":{"reasoning_tokens":40,"rejected_prediction_tokens":0}}`
		beside      = `{"prompt_tokens":1000,"completion_tokens":60,"total_tokens":1100,"prompt_tokens_details":{"cached_tokens":600},"completion_tokens_details":{"reasoning_tokens":40}}`
		deepSeek    = `{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100,"prompt_cache_hit_tokens":600,"prompt_cache_miss_tokens":400,"completion_tokens_details":{"reasoning_tokens":40}}`
		newer       = `{"id":"r","object":"response","status":"completed","model":"m","output":[{"type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a"}]}],` +
			`"usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":600},"output_tokens":100,"output_tokens_details":{"reasoning_tokens":40},"total_tokens":1100}}`
		claude       = `"input_tokens":400,"cache_read_input_tokens":600,"cache_creation_input_tokens":0,"output_tokens":`
		claudeStream = `event: message_start` + "\n" + `data: {"type":"message_start","message":{"id":"r","type":"message","role":"assistant","model":"m","content":[],"usage":{` + claude + `1}}}` + "\n\n" +
			`event: content_block_start` + "\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
			`event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}` + "\n\n" +
			`event: content_block_stop` + "\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n" +
			`event: message_delta` + "\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":60}}` + "\n\n" +
			`event: message_delta` + "\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{` + claude + `100}}` + "\n\n" +
			`event: message_stop` + "\n" + `data: {"type":"message_stop"}` + "\n\n"
		gem = `{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"finishReason":"STOP"}],"modelVersion":"m","responseId":"r",` +
			`"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":600,"candidatesTokenCount":60,"thoughtsTokenCount":40,"totalTokenCount":1100}}`
		gemFirst = `{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":600,"candidatesTokenCount":1,"totalTokenCount":1001}}`
		llama    = `{"model":"m","message":{"role":"assistant","content":"a"},"done":true,"done_reason":"stop","prompt_eval_count":1000,"eval_count":100}`
	)
	anthropicClient := func(h *http.Client) (genai.Chat, genai.Completer) {
		c := &anthropic.Client{Key: "k", Model: "m", HTTP: h}
		return c.Chat, c.Complete
	}
	events := http.Header{"Content-Type": {"text/event-stream"}}

	cached := genai.Usage{Input: 1000, CacheRead: 600, Output: 100}
	thought := cached
	thought.Reasoning = 40
	prices := price.Price{Input: price.PerMillion(3), Output: price.PerMillion(15), CacheRead: price.PerMillion(0.3), CacheWrite: price.PerMillion(3.75)}
	want := dollars(400*3 + 100*15 + 180)

	for name, c := range map[string]struct {
		client       func(*http.Client) (genai.Chat, genai.Completer)
		whole, parts string
		stream       http.Header
		usage        genai.Usage
		cost         price.Amount
	}{
		"OpenAI":                     {openAI(""), chatDoc(openAIUsage), chatStream(openAIUsage), events, thought, want},
		"OpenAI, responses":          {openAI("responses"), newer, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":" + newer + "}\n\n", events, thought, want},
		"thoughts beside the output": {openAI(""), chatDoc(beside), chatStream(beside), events, thought, want},
		"DeepSeek":                   {openAI(""), chatDoc(deepSeek), chatStream(deepSeek), events, thought, want},
		"Anthropic": {anthropicClient, `{"id":"r","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":{` + claude + `100}}`,
			claudeStream, events, cached, want},
		"Gemini": {func(h *http.Client) (genai.Chat, genai.Completer) {
			c := &gemini.Client{Key: "k", Model: "m", HTTP: h}
			return c.Chat, c.Complete
		}, gem, "data: " + gemFirst + "\n\ndata: " + gem + "\n\n", events, thought, dollars(400*3 + 100*15 + 180)},
		"Ollama": {func(h *http.Client) (genai.Chat, genai.Completer) {
			c := &ollama.Client{Model: "m", HTTP: h}
			return c.Chat, c.Complete
		}, llama, `{"model":"m","message":{"role":"assistant","content":"a"},"done":false}` + "\n" + `{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":1000,"eval_count":100}` + "\n",
			http.Header{"Content-Type": {"application/x-ndjson"}}, genai.Usage{Input: 1000, Output: 100}, dollars(1000*3 + 100*15)},
	} {
		t.Run(name, func(t *testing.T) {
			server := &wiretest.Server{Faults: []wiretest.Fault{{Body: c.whole}, {Body: c.parts, Header: c.stream}}}
			chat, complete := c.client(server.Client(t))
			req := &genai.ChatRequest{MaxTokens: new(100), Messages: []genai.Message{genai.User("hi")}}
			for _, model := range []genai.Completer{complete, genai.Whole(chat)} {
				resp, err := model(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Usage == nil || *resp.Usage != c.usage {
					t.Errorf("usage %+v, want %+v", resp.Usage, c.usage)
				}
				if cost, known := prices.Cost(resp.Usage); !known || cost != c.cost {
					t.Errorf("it costs %v, want %v", cost, c.cost)
				}
			}
		})
	}
}

// TestLongContext: which prices hold is a matter of the whole input, the cached part of it included, and they hold for the
// cache as well.
func TestLongContext(t *testing.T) {
	claude, ok := price.List().Price("claude-sonnet-4-5")
	if !ok {
		t.Fatal("the model is not in the table")
	}
	for name, c := range map[string]struct {
		usage genai.Usage
		want  price.Amount
	}{
		"at the border":                {genai.Usage{Input: 200_000, CacheRead: 190_000, CacheWrite: 5_000, Output: 10}, dollars(5_000*3 + 190*300 + 5*3_750 + 150)},
		"behind it, most of it cached": {genai.Usage{Input: 200_001, CacheRead: 190_000, CacheWrite: 5_000, Output: 10}, dollars(5_001*6 + 190*600 + 5*7_500 + 225)},
	} {
		if got, known := claude.Cost(&c.usage); !known || got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
