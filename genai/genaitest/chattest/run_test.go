package chattest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/chattest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// TestModel: the scripted model itself is a client without a wire.
func TestModel(t *testing.T) {
	chattest.Run(t, func(t *testing.T, model *genaitest.Model) chattest.Client {
		return chattest.Client{Chat: model.Chat, Complete: model.Complete}
	}, chattest.Except{
		"failures/quoted prompt":     "a scripted failure is handed on as it is",
		"failures/nothing to answer": "a script answers anything",
		"requests/state of others":   "a script is nobody's and everybody's provider",
		"leaving/before the call":    "the model notes the call, and does nothing",
	})
}

// prove runs the checks over bytes that come as they are made, and over bytes that come in small slices.
func prove(t *testing.T, client func(h *http.Client) chattest.Client, except ...chattest.Except) {
	for name, slice := range map[string]int{"plain": 0, "sliced": 7} {
		t.Run(name, func(t *testing.T) {
			chattest.Run(t, func(t *testing.T, model *genaitest.Model) chattest.Client {
				fault := wiretest.Fault{Slice: slice}
				if slice > 0 && strings.HasSuffix(t.Name(), "/a_large_piece") {
					fault.Slice = 4093 // or it would take most of the time of all tests
				}
				server := &wiretest.Server{Chat: model.Chat, Complete: model.Complete, Faults: []wiretest.Fault{fault, fault}}
				return client(server.Client(t))
			}, except...)
		})
	}
}

func TestResponses(t *testing.T) {
	prove(t, func(h *http.Client) chattest.Client {
		c := &openai.Client{Key: "key", HTTP: h}
		return chattest.Client{Chat: c.Responses, Complete: c.Respond}
	}, chattest.Except{"requests/stop": "this interface has no such setting"})
}

func TestOpenAI(t *testing.T) {
	prove(t, func(h *http.Client) chattest.Client {
		c := &openai.Client{Key: "key", HTTP: h}
		return chattest.Client{Chat: c.Chat, Complete: c.Complete}
	})
}

// The others are held to the same, but for what their interfaces have no words for.

func TestAnthropic(t *testing.T) {
	prove(t, func(h *http.Client) chattest.Client {
		c := &anthropic.Client{Key: "key", Model: "m", HTTP: h}
		return chattest.Client{Chat: c.Chat, Complete: c.Complete}
	}, chattest.Except{"answers/refusal": "a refusal is text like any other; that it is one, the reason for the end says"})
}

func TestGemini(t *testing.T) {
	prove(t, func(h *http.Client) chattest.Client {
		c := &gemini.Client{Key: "key", Model: "m", HTTP: h}
		return chattest.Client{Chat: c.Chat, Complete: c.Complete}
	}, chattest.Except{
		"answers/refusal":                    "a refusal is text like any other",
		"answers/usage: cache and reasoning": "what is written to the cache is not counted",
	})
}

func TestOllama(t *testing.T) {
	prove(t, func(h *http.Client) chattest.Client {
		c := &ollama.Client{Model: "m", HTTP: h}
		return chattest.Client{Chat: c.Chat, Complete: c.Complete}
	}, chattest.Except{
		"answers/refusal":                    "a refusal is text like any other",
		"answers/finish: filtered":           "a model on one's own machine has no filter",
		"answers/usage: cache and reasoning": "there are two numbers: tokens in, and tokens out",
		"failures/content_filtered":          "a model on one's own machine has no filter",
		"requests/image by URL":              "a server on one's own machine fetches nothing, and the client says so",
		"requests/tool choice: none":         "there is no such setting; the tools are not sent, which does the same",
		"requests/tool choice: required":     "there is no such setting, and the client says so",
		"requests/tool choice: by name":      "there is no such setting, and the client says so",
	})
}
