package openai_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestQuirks: what servers with this interface do otherwise than documented, and what comes of it.
func TestQuirks(t *testing.T) {
	calls := func(pieces ...string) string { return delta(`{"tool_calls":[` + strings.Join(pieces, ",") + `]}`) }
	call := func(id, name, arguments string) genai.Part {
		return genai.Part{ToolCall: &genai.ToolCall{ID: id, Name: name, Arguments: arguments}}
	}
	thought := func(text, field string) genai.Part {
		p := genai.Part{Reasoning: &genai.Reasoning{Text: text}}
		if field != "" {
			p.Opaque = &genai.Opaque{Origin: "there", Type: field}
		}
		return p
	}
	usage := func(in, out int) *genai.Usage { return &genai.Usage{Input: in, Output: out} }
	said := func(text string) []genai.Part { return []genai.Part{{Text: text}} }
	for name, c := range map[string]struct {
		body   string
		parts  []genai.Part
		reason genai.FinishReason
		raw    string
		usage  *genai.Usage
	}{
		"a first chunk without choices": { // Azure, with its verdict on the prompt; github.com/simonw/llm/issues/294
			data(`{"id":"","model":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]}`, hello, finish("stop"), done),
			said("Hello"), genai.FinishStop, "stop", nil,
		},
		"usage in a last chunk without choices": { // github.com/microsoft/semantic-kernel/issues/9753
			data(hello, finish("stop"), `{"id":"a1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}`, done),
			said("Hello"), genai.FinishStop, "stop", usage(9, 4),
		},
		"usage in every chunk": { // vLLM, continuous_usage_stats: the last one counts, and null is none
			data(`{"id":"a1","model":"real","choices":[{"index":0,"delta":{"content":"Hello"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}`,
				`{"choices":[{"index":0,"delta":{"content":" world"}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`,
				`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`, done),
			said("Hello world"), genai.FinishStop, "stop", usage(9, 2),
		},
		"three choices at once": {
			data(`{"id":"a1","model":"real","choices":[{"index":2,"delta":{"content":"no"}}]}`, hello, `{"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":"length"}]}`,
				`{"choices":[{"index":2,"delta":{},"finish_reason":"length"},{"index":0,"delta":{"content":" world"}}]}`, finish("stop"), done),
			said("Hello world"), genai.FinishStop, "stop", nil,
		},
		"a role in every delta": { // Ollama
			data(hello, delta(`{"role":"assistant","content":" world"}`), finish("stop"), done), said("Hello world"), genai.FinishStop, "stop", nil,
		},
		"padding": { // stream_options.include_obfuscation
			data(`{"id":"a1","model":"real","obfuscation":"xyzzy","choices":[{"index":0,"delta":{"content":"Hello","obfuscation":"no"}}],"obfuscation2":{"a":[1]}}`, finish("stop"), done),
			said("Hello"), genai.FinishStop, "stop", nil,
		},
		"comments and empty events": { // OpenRouter, DeepSeek
			": OPENROUTER PROCESSING\n\n: keep-alive\n\n\n\n" + data(hello) + "data:\n\n: keep-alive\n\n" + data(finish("stop"), done), said("Hello"), genai.FinishStop, "stop", nil,
		},
		"empty lines before a document": { // DeepSeek; github.com/Aider-AI/aider/issues/3385
			"\n\n\r\n\n" + `{"id":"a1","model":"real","choices":[{"index":0,"message":{"content":"Hello"},"finish_reason":"stop"}]}`, said("Hello"), genai.FinishStop, "stop", nil,
		},
		"calls without an index": { // Gemini; github.com/openai/openai-python/issues/3246
			data(calls(`{"id":"c1","function":{"name":"a","arguments":"{\"x\":1}"}}`), calls(`{"id":"c2","function":{"name":"b","arguments":"{}"}}`), finish("tool_calls"), done),
			[]genai.Part{call("c1", "a", `{"x":1}`), call("c2", "b", `{}`)}, genai.FinishToolCalls, "tool_calls", nil,
		},
		"calls without an index, in pieces": {
			data(calls(`{"id":"c1","function":{"name":"a","arguments":""}}`), calls(`{"function":{"arguments":"{\"x\""}}`), calls(`{"function":{"arguments":":1}"}}`), finish("tool_calls"), done),
			[]genai.Part{call("c1", "a", `{"x":1}`)}, genai.FinishToolCalls, "tool_calls", nil,
		},
		"calls that are all called 0": { // LiteLLM, Dynamo; github.com/BerriAI/litellm/issues/33678
			data(calls(`{"index":0,"id":"c1","function":{"name":"a","arguments":"{\"x\":1}"}}`, `{"index":0,"id":"c2","function":{"name":"a","arguments":"{\"x\":2}"}}`),
				calls(`{"index":0,"id":"c3","function":{"name":"b","arguments":"{"}}`), calls(`{"index":0,"function":{"arguments":"}"}}`), finish("tool_calls"), done),
			[]genai.Part{call("c1", "a", `{"x":1}`), call("c2", "a", `{"x":2}`), call("c3", "b", `{}`)}, genai.FinishToolCalls, "tool_calls", nil,
		},
		"calls in turns": {
			data(calls(`{"index":0,"id":"c1","function":{"name":"a","arguments":"{"}}`), calls(`{"index":1,"id":"c2","function":{"name":"b","arguments":"["}}`),
				calls(`{"index":0,"function":{"arguments":"}"}}`, `{"index":1,"function":{"arguments":"]"}}`), finish("tool_calls"), done),
			[]genai.Part{call("c1", "a", `{}`), call("c2", "b", `[]`)}, genai.FinishToolCalls, "tool_calls", nil,
		},
		"a call without an id": {
			data(calls(`{"index":0,"function":{"name":"a","arguments":"{}"}}`, `{"index":1,"function":{"name":"a","arguments":"{}"}}`), finish("tool_calls"), done),
			[]genai.Part{call("call_0", "a", `{}`), call("call_1", "a", `{}`)}, genai.FinishToolCalls, "tool_calls", nil,
		},
		"a call without arguments": { // Ollama, Gemini
			data(calls(`{"index":0,"id":"c1","function":{"name":"a","arguments":""}}`), finish("tool_calls"), done),
			[]genai.Part{call("c1", "a", `{}`)}, genai.FinishToolCalls, "tool_calls", nil,
		},
		"arguments that are an object": {
			data(calls(`{"index":0,"id":"c1","function":{"name":"a","arguments":{"x":[1]}}}`), finish("tool_calls"), done),
			[]genai.Part{call("c1", "a", `{"x":[1]}`)}, genai.FinishToolCalls, "tool_calls", nil,
		},
		"a call that ends with stop": { // OpenAI and vLLM, where the choice of tools names one
			data(calls(`{"index":0,"id":"c1","function":{"name":"a","arguments":"{}"}}`), finish("stop"), done),
			[]genai.Part{call("c1", "a", `{}`)}, genai.FinishToolCalls, "stop", nil,
		},
		"a call and no reason": {
			data(calls(`{"index":0,"id":"c1","function":{"name":"a","arguments":"{}"}}`), done),
			[]genai.Part{call("c1", "a", `{}`)}, genai.FinishToolCalls, "", nil,
		},
		"text and no reason":    {data(hello, done), said("Hello"), genai.FinishOther, "", nil},
		"a reason that is new":  {data(hello, finish("moonphase"), done), said("Hello"), genai.FinishOther, "moonphase", nil},
		"the reason of old":     {data(calls(`{"index":0,"id":"c1","function":{"name":"a","arguments":"{}"}}`), finish("function_call"), done), []genai.Part{call("c1", "a", `{}`)}, genai.FinishToolCalls, "function_call", nil},
		"withheld":              {data(hello, finish("content_filter"), done), said("Hello"), genai.FinishFiltered, "content_filter", nil},
		"withheld by a gateway": {data(hello, finish("guardrail_intervened"), done), said("Hello"), genai.FinishFiltered, "guardrail_intervened", nil},
		"a refusal in pieces": {
			data(delta(`{"role":"assistant","content":"","refusal":null}`), delta(`{"refusal":"I can"}`), delta(`{"refusal":"not."}`), finish("stop"), done),
			[]genai.Part{{Refusal: "I cannot."}}, genai.FinishStop, "stop", nil,
		},
		"thoughts, as DeepSeek has them": {
			data(delta(`{"content":null,"reasoning_content":"H"}`), delta(`{"reasoning_content":"m"}`), hello, finish("stop"), done),
			[]genai.Part{thought("Hm", "reasoning_content"), {Text: "Hello"}}, genai.FinishStop, "stop", nil,
		},
		"thoughts, as vLLM and OpenRouter have them": {
			data(delta(`{"content":"","reasoning":"H"}`), delta(`{"reasoning":"m"}`), hello, finish("stop"), done),
			[]genai.Part{thought("Hm", "reasoning"), {Text: "Hello"}}, genai.FinishStop, "stop", nil,
		},
		"thoughts in details": { // OpenRouter
			data(delta(`{"reasoning_details":[{"type":"reasoning.text","text":"H","index":0}]}`), delta(`{"reasoning_details":[{"type":"reasoning.text","text":"m","signature":"s","index":0}]}`), hello, finish("stop"), done),
			[]genai.Part{{Reasoning: &genai.Reasoning{Text: "Hm"}, Opaque: &genai.Opaque{Origin: "there", Type: "reasoning_details",
				Data: `[{"index":0,"signature":"s","text":"Hm","type":"reasoning.text"}]`}}, {Text: "Hello"}}, genai.FinishStop, "stop", nil,
		},
		"thoughts under two names": {
			data(delta(`{"reasoning":"Hm","reasoning_content":"Hm"}`), hello, finish("stop"), done),
			[]genai.Part{thought("Hm", "reasoning"), {Text: "Hello"}}, genai.FinishStop, "stop", nil,
		},
		"thoughts in the content": { // Mistral
			data(delta(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]}`), delta(`{"content":[{"type":"text","text":"Hello"}]}`), finish("stop"), done),
			[]genai.Part{thought("Hm", ""), {Text: "Hello"}}, genai.FinishStop, "stop", nil,
		},
		"usage of DeepSeek": { // what is told twice counts once
			data(hello, `{"id":"a1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4.0,"total_tokens":13,`+
				`"reasoning_tokens":2,"completion_tokens_details":{"reasoning_tokens":0},"prompt_cache_hit_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":1}}}`, done),
			said("Hello"), genai.FinishStop, "stop", &genai.Usage{Input: 9, Output: 4, CacheRead: 3, CacheWrite: 1, Reasoning: 2},
		},
		"usage that counts thoughts beside the output": {
			data(hello, `{"id":"a1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":15,"completion_tokens_details":{"reasoning_tokens":2}}}`, done),
			said("Hello"), genai.FinishStop, "stop", &genai.Usage{Input: 9, Output: 6, Reasoning: 2},
		},
		"usage that is none": {
			data(hello, `{"id":"a1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":null,"completion_tokens":"4"}}`, done),
			said("Hello"), genai.FinishStop, "stop", nil,
		},
		"usage of Groq": {
			data(hello, `{"id":"a1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"x","usage":{"prompt_tokens":9,"completion_tokens":4}}}`, done),
			said("Hello"), genai.FinishStop, "stop", usage(9, 4),
		},
		"an empty error in each chunk": {
			data(`{"id":"a1","model":"real","error":null,"choices":[{"index":0,"delta":{"content":"Hello"}}]}`, `{"error":{},"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, done),
			said("Hello"), genai.FinishStop, "stop", nil,
		},
		"no empty line behind the end": {data(hello, finish("stop")) + "data: [DONE]", said("Hello"), genai.FinishStop, "stop", nil},
		"events that go on behind the end": {
			data(hello, finish("stop"), done, `{"error":{"message":"too late"}}`), said("Hello"), genai.FinishStop, "stop", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, bytes := range []bool{false, true} {
				replay := &recordedtest.Replay{Body: c.body, Bytes: bytes}
				client := &openai.Client{BaseURL: "http://there/v1", Model: "m", HTTP: replay.Client()}
				got, err := chat(t.Context(), client, ask)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got.Message.Parts, c.parts) || got.Finish != (genai.Finish{Reason: c.reason, Raw: c.raw}) || !reflect.DeepEqual(got.Usage, c.usage) || got.Model != "real" {
					t.Errorf("got %+v (usage %+v), want %+v", got, got.Usage, c)
				}
			}
		})
	}
}

// TestNoAnswers: a success without anything in it, and errors that come where an answer should.
func TestNoAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		kind genai.Kind
	}{
		"no choices":                    {`{"id":"a1","model":"real","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0}}`, genai.Empty}, // github.com/su-kaka/gcli2api/issues/406
		"choices that are null":         {`{"id":"a1","model":"real","choices":null}`, genai.Empty},
		"a choice without a message":    {`{"id":"a1","model":"real","choices":[{"index":0}]}`, genai.Empty},
		"a stream of roles":             {data(delta(`{"role":"assistant","content":""}`), done), genai.Empty},
		"an error and the sentinel":     {data(hello, `{"error":{"message":"m","type":"BadRequestError","code":400}}`, done), genai.InvalidRequest}, // vLLM
		"an error called a reason":      {data(hello, finish("error"), done), genai.ServerError},                                                    // OpenRouter
		"no resources":                  {data(hello, finish("insufficient_system_resource"), done), genai.Overloaded},                              // DeepSeek
		"an error that became nothing":  {data(hello, `{"id":"","object":"","created":0,"model":"","choices":null}`), genai.Truncated},              // Ollama's /v1
		"a call that was cut":           {data(delta(`{"tool_calls":[{"index":0,"id":"c","function":{"name":"a","arguments":"{\"rm"}}]}`)), genai.Truncated},
		"a thought and nothing behind":  {data(delta(`{"reasoning":"Hm"}`)), genai.Truncated},
		"a document of another service": {`{"ok":true,"jsonrpc":"2.0"}`, genai.Empty},
	} {
		t.Run(name, func(t *testing.T) {
			replay := &recordedtest.Replay{Body: c.body}
			got, err := chat(t.Context(), &openai.Client{BaseURL: "http://there/v1", Model: "m", HTTP: replay.Client()}, ask)
			if genai.KindOf(err) != c.kind {
				t.Errorf("%+v, %v; want %s", got, err, c.kind)
			}
			if got != nil {
				for _, call := range got.Message.ToolCalls() {
					if !call.Incomplete {
						t.Errorf("a call that may be run: %+v", call)
					}
				}
			}
		})
	}
}
