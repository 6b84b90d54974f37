package anthropic_test

import (
	"net/http"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestEcho: a server that quotes the key and the prompt in all that it says gets neither into an error.
func TestEcho(t *testing.T) {
	secrets := []string{"very secret", "sk-ant-secret-key", "hidden thought", "hidden result", "hidden argument"}
	req := &genai.ChatRequest{Messages: []genai.Message{
		genai.System("You keep the very secret answer"),
		{Role: genai.RoleUser, Parts: []genai.Part{{Text: "What is the answer\nto my \"very secret\" question?"}}},
		{Role: genai.RoleAssistant, Parts: []genai.Part{{Reasoning: &genai.Reasoning{Text: "a hidden thought of mine"}}, {ToolCall: &genai.ToolCall{ID: "1", Name: "a", Arguments: `{"a":"a hidden argument"}`}}}},
		{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "1", Parts: []genai.Part{{Text: "the hidden result of it"}}}}}},
	}}
	on := func(f func(c *anthropic.Client) error) func(string, *http.Client) error {
		return func(url string, via *http.Client) error {
			return f(&anthropic.Client{BaseURL: url, Key: "sk-ant-secret-key", Model: "m", HTTP: via})
		}
	}
	recordedtest.CheckEcho(t, secrets, map[string]func(string, *http.Client) error{
		"chat":     on(func(c *anthropic.Client) error { _, err := all(c.Chat(t.Context(), req)); return err }),
		"complete": on(func(c *anthropic.Client) error { _, err := c.Complete(t.Context(), req); return err }),
		"count":    on(func(c *anthropic.Client) error { _, err := c.CountTokens(t.Context(), req); return err }),
		"models": on(func(c *anthropic.Client) error {
			s, err := c.Models(t.Context())
			if err == nil {
				for _, err = range s.All() {
				}
			}
			return err
		}),
		"submit": on(func(c *anthropic.Client) error {
			_, err := c.Batch().Submit(t.Context(), &job.Bundle[*genai.ChatRequest]{Requests: map[string]*genai.ChatRequest{"a": req}})
			return err
		}),
		"look": on(func(c *anthropic.Client) error { _, err := c.Batch().Look(t.Context(), &job.Ref{ID: "b"}); return err }),
		"cancel": on(func(c *anthropic.Client) error {
			_, err := c.Batch().Cancel(t.Context(), &job.Ref{ID: "b"})
			return err
		}),
		"result": on(func(c *anthropic.Client) error {
			s, err := c.Batch().Result(t.Context(), &job.Ref{ID: "b"})
			if err == nil {
				for _, err = range s.All() {
				}
			}
			return err
		}),
	})
}
