package ollama_test

import (
	"net/http"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestEcho: a server that quotes the key and the prompt in all that it says gets neither into an error.
func TestEcho(t *testing.T) {
	const text = "What is the answer\nto my \"very secret\" question?"
	req := &genai.ChatRequest{Messages: []genai.Message{
		genai.System("You keep the very secret answer"),
		{Role: genai.RoleUser, Parts: []genai.Part{{Text: text}}},
		{Role: genai.RoleAssistant, Parts: []genai.Part{{Text: "my hidden answer of then"}, {ToolCall: &genai.ToolCall{ID: "1", Name: "a", Arguments: `{"a":"a hidden argument"}`}}}},
		{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "1", Parts: []genai.Part{{Text: "the hidden result of it"}}}}}},
	}}
	on := func(f func(c *ollama.Client) error) func(string, *http.Client) error {
		return func(url string, via *http.Client) error {
			return f(&ollama.Client{BaseURL: url, Key: "sk-secret-key", Model: "m", HTTP: via})
		}
	}
	recordedtest.CheckEcho(t, []string{"very secret", "sk-secret-key", "hidden"}, map[string]func(string, *http.Client) error{
		"chat":     on(func(c *ollama.Client) error { _, err := all(c.Chat(t.Context(), req)); return err }),
		"complete": on(func(c *ollama.Client) error { _, err := c.Complete(t.Context(), req); return err }),
		"embed": on(func(c *ollama.Client) error {
			_, err := c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{text}})
			return err
		}),
		"models": on(func(c *ollama.Client) error { _, err := c.Models(t.Context()); return err }),
		"pull": on(func(c *ollama.Client) error {
			s, err := c.Pull(t.Context(), "m")
			if err == nil {
				for _, err = range s.All() {
				}
			}
			return err
		}),
	})
}
