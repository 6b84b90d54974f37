package wiretest_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// TestSwitch: a conversation goes on at any other provider. What was said goes along, with the calls and their results;
// what only its provider understands goes back there and to nobody else.
func TestSwitch(t *testing.T) {
	const mark = "c2lnbmF0dXJlLW9mLWE="
	thinks := genaitest.Events(genai.ChatEvent{Reasoning: "hm"}, genai.ChatEvent{Opaque: &genai.Opaque{Data: mark}}, genai.ChatEvent{Text: "Let me see."},
		genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "c1", Name: "look", Arguments: `{"at":"sea"}`}})
	// Every provider, and how it puts its own data into the answer to thinks; "" is in the way of the script.
	providers := map[string]struct {
		chat   func(*http.Client) genai.Chat
		answer string
	}{
		"openai": {func(h *http.Client) genai.Chat { return (&openai.Client{Key: "k", Model: "m", HTTP: h}).Chat },
			lines(`{"choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.encrypted","data":"`+mark+`"}]}}]}`, `{"choices":[{"index":0,"delta":{"content":"Let me see."}}]}`,
				`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"look","arguments":"{\"at\":\"sea\"}"}}]},"finish_reason":"tool_calls"}]}`, "[DONE]")},
		"responses": {func(h *http.Client) genai.Chat { return (&openai.Client{Key: "k", Model: "m", HTTP: h}).Responses }, ""},
		"compatible": {func(h *http.Client) genai.Chat {
			return (&openai.Client{BaseURL: "https://api.groq.test/v1", Key: "k", Model: "m", HTTP: h}).Chat
		}, ""},
		"anthropic": {func(h *http.Client) genai.Chat { return (&anthropic.Client{Key: "k", Model: "m", HTTP: h}).Chat }, ""},
		"another anthropic": {func(h *http.Client) genai.Chat {
			return (&anthropic.Client{BaseURL: "https://bedrock.test", Key: "k", Model: "m", HTTP: h}).Chat
		}, ""},
		"gemini": {func(h *http.Client) genai.Chat { return (&gemini.Client{Key: "k", Model: "m", HTTP: h}).Chat }, ""},
		"another gemini": {func(h *http.Client) genai.Chat {
			return (&gemini.Client{BaseURL: "https://vertex.test/v1beta", Key: "k", Model: "m", HTTP: h}).Chat
		}, ""},
		"ollama": {func(h *http.Client) genai.Chat { return (&ollama.Client{Model: "m", HTTP: h}).Chat }, ""},
	}
	// client returns a provider's client, and what it sent last.
	client := func(name string, faults []wiretest.Fault, steps ...genaitest.Step) (genai.Chat, *bytes.Buffer) {
		server := &wiretest.Server{Chat: genaitest.Script(steps...).Chat, Faults: faults}
		pipe, sent := server.Client(t), &bytes.Buffer{}
		watched := sender(func(req *http.Request) (*http.Response, error) {
			sent.Reset()
			req.Body = io.NopCloser(io.TeeReader(req.Body, sent))
			return pipe.Transport.RoundTrip(req)
		})
		return providers[name].chat(&http.Client{Transport: watched}), sent
	}
	keeps := map[string]bool{"openai": true, "responses": true, "anthropic": true, "another anthropic": true, "gemini": true, "another gemini": true}
	for from := range providers {
		var faults []wiretest.Fault
		if answer := providers[from].answer; answer != "" {
			faults = []wiretest.Fault{{Body: answer, Header: http.Header{"Content-Type": {"text/event-stream"}}}}
		}
		chat, _ := client(from, faults, thinks)
		req := ask("Is it cold?")
		req.MaxTokens = new(100)
		req.Tools = []genai.Tool{{Name: "look", Parameters: []byte(`{"type":"object","properties":{"at":{"type":"string"}}}`)}}
		first, err := read(chat(t.Context(), req))
		if err != nil {
			t.Errorf("%s: %v", from, err)
			continue
		}
		calls := first.Message.ToolCalls()
		if len(calls) != 1 {
			t.Errorf("%s: %+v", from, first)
			continue
		}
		result := genai.Part{ToolResult: &genai.ToolResult{CallID: calls[0].ID, Name: "look", Parts: []genai.Part{{Text: "It is frozen."}}}}
		next := *req
		next.Messages = append(append([]genai.Message{}, req.Messages...), first.Message, genai.Message{Role: genai.RoleTool, Parts: []genai.Part{result}})
		for to := range providers {
			chat, sent := client(to, nil, genaitest.Reply("Yes."))
			second, err := read(chat(t.Context(), &next))
			if err != nil || second.Text() != "Yes." {
				t.Errorf("from %s to %s: %v, %v", from, to, second, err)
				continue
			}
			for _, word := range []string{"Is it cold?", "Let me see.", "look", "sea", "It is frozen."} {
				if !strings.Contains(sent.String(), word) {
					t.Errorf("from %s to %s: %q is lost: %s", from, to, word, sent)
				}
			}
			if got, want := strings.Contains(sent.String(), mark), from == to && keeps[from]; got != want {
				t.Errorf("from %s to %s: the provider's own data were sent: %v, want %v: %s", from, to, got, want, sent)
			}
		}
	}
}
