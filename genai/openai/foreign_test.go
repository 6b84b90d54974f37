package openai_test

import (
	"errors"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestForeignAnswers: answers of servers with other interfaces are errors of a kind, and never answers.
func TestForeignAnswers(t *testing.T) {
	n := 0
	for file, apis := range map[string][]string{
		"other":     {"cohere.chat", "bedrock.converse", "bedrock.converse-stream"},
		"anthropic": {"messages"}, "gemini": {"generateContent", "streamGenerateContent"}, "ollama": {"ollama.chat"},
	} {
		for _, r := range recordedtest.Load(t, file, apis...) {
			n++
			t.Run(r.ID, func(t *testing.T) {
				c := replayed(r, r.Replay())
				for way, call := range map[string]func() (*genai.ChatResponse, error){
					"chat":      func() (*genai.ChatResponse, error) { return chat(t.Context(), c, anyRequest) },
					"complete":  func() (*genai.ChatResponse, error) { return c.Complete(t.Context(), anyRequest) },
					"responses": func() (*genai.ChatResponse, error) { return responses(t, c, anyRequest) },
					"respond":   func() (*genai.ChatResponse, error) { return c.Respond(t.Context(), anyRequest) },
				} {
					got, err := call()
					e, ok := errors.AsType[*genai.Error](err)
					if !ok || !e.Kind.Known() || e.Kind == genai.Unknown || e.Kind == genai.Internal {
						t.Fatalf("%s: %+v, %v", way, got, err)
					}
					if r.Status < 300 && e.Kind != genai.Malformed && e.Kind != genai.Truncated && e.Kind != genai.Empty {
						t.Errorf("%s: %v", way, err)
					}
				}
			})
		}
	}
	if n < 100 {
		t.Errorf("only %d", n)
	}
}
