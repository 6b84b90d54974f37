package gemini_test

import (
	"net/http"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/gemini"
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
	on := func(f func(c *gemini.Client) error) func(string, *http.Client) error {
		return func(url string, via *http.Client) error {
			return f(&gemini.Client{BaseURL: url + "?key=AIza-hidden-key", Key: "sk-secret-key", Model: "m", HTTP: via})
		}
	}
	recordedtest.CheckEcho(t, []string{"very secret", "sk-secret-key", "hidden"}, map[string]func(string, *http.Client) error{
		"chat":     on(func(c *gemini.Client) error { _, err := all(c.Chat(t.Context(), req)); return err }),
		"complete": on(func(c *gemini.Client) error { _, err := c.Complete(t.Context(), req); return err }),
		"count":    on(func(c *gemini.Client) error { _, err := c.CountTokens(t.Context(), req); return err }),
		"embed": on(func(c *gemini.Client) error {
			_, err := c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{text}})
			return err
		}),
		"embed many": on(func(c *gemini.Client) error {
			_, err := c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{text, text}})
			return err
		}),
		"paint": on(func(c *gemini.Client) error {
			_, err := c.Paint(t.Context(), &genai.ImageRequest{Prompt: text})
			return err
		}),
	})
}
