package openai_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestEcho: a server that quotes the key and the prompt in all that it says gets neither into an error.
func TestEcho(t *testing.T) {
	const text = "What is the answer\nto my \"very secret\" question?"
	req := &genai.ChatRequest{
		EndUser: "hidden-user-0815", Tools: []genai.Tool{{Name: "a", Description: "reads the hidden ledger"}},
		Messages: []genai.Message{
			genai.System("You keep the very secret answer"),
			{Role: genai.RoleUser, Parts: []genai.Part{{Text: text}}},
			{Role: genai.RoleAssistant, Parts: []genai.Part{{Text: "my hidden answer of then"}, {ToolCall: &genai.ToolCall{ID: "1", Name: "a", Arguments: `{"a":"a hidden argument"}`}}}},
			{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: "1", Parts: []genai.Part{{Text: "the hidden result of it"}}}}}},
		},
	}
	picture := genai.NewBlob("image/png", []byte("\x89PNG\r\n"))
	on := func(f func(c *openai.Client) error) func(string, *http.Client) error {
		return func(url string, via *http.Client) error {
			return f(&openai.Client{BaseURL: url, Key: "sk-secret-key", Model: "m", HTTP: via, Header: http.Header{"X-Gateway-Key": {"hidden-gateway"}}})
		}
	}
	bundle := func(s *job.Batch[*genai.ChatRequest, *genai.ChatResponse]) error {
		_, err := s.Submit(t.Context(), &job.Bundle[*genai.ChatRequest]{Requests: map[string]*genai.ChatRequest{"a": req}})
		return err
	}
	ref := &job.Ref{ID: "b"}
	recordedtest.CheckEcho(t, []string{"very secret", "sk-secret-key", "hidden"}, map[string]func(string, *http.Client) error{
		"chat":      on(func(c *openai.Client) error { _, err := all(c.Chat(t.Context(), req)); return err }),
		"complete":  on(func(c *openai.Client) error { _, err := c.Complete(t.Context(), req); return err }),
		"responses": on(func(c *openai.Client) error { _, err := all(c.Responses(t.Context(), req)); return err }),
		"respond":   on(func(c *openai.Client) error { _, err := c.Respond(t.Context(), req); return err }),
		"embed": on(func(c *openai.Client) error {
			_, err := c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{text}, EndUser: req.EndUser})
			return err
		}),
		"paint": on(func(c *openai.Client) error {
			_, err := c.Paint(t.Context(), &genai.ImageRequest{Prompt: text, EndUser: req.EndUser})
			return err
		}),
		"edit": on(func(c *openai.Client) error {
			_, err := c.Paint(t.Context(), &genai.ImageRequest{Prompt: text, EndUser: req.EndUser, Sources: []genai.Blob{picture}})
			return err
		}),
		"speak": on(func(c *openai.Client) error {
			s, err := c.Speak(t.Context(), &genai.SpeechRequest{Text: text, Voice: "v", Instructions: "in a hidden, low voice"})
			if err == nil {
				for _, err = range s.All() {
				}
			}
			return err
		}),
		"transcribe": on(func(c *openai.Client) error {
			_, err := c.Transcribe(t.Context(), &genai.TranscribeRequest{Audio: genai.NewBlob("audio/wav", []byte("RIFF")), Prompt: text})
			return err
		}),
		"moderate": on(func(c *openai.Client) error {
			_, err := c.Moderate(t.Context(), &genai.ModerationRequest{Text: text})
			return err
		}),
		"models": on(func(c *openai.Client) error { return drain(c.Models(t.Context())) }),
		"files":  on(func(c *openai.Client) error { return drain(c.Files(t.Context(), "batch")) }),
		"upload": on(func(c *openai.Client) error {
			_, err := c.Upload(t.Context(), &openai.Upload{Name: "f", Purpose: "batch", Body: strings.NewReader("x")})
			return err
		}),
		"delete":         on(func(c *openai.Client) error { return c.DeleteFile(t.Context(), "f") }),
		"chat batch":     on(func(c *openai.Client) error { return bundle(c.ChatBatch()) }),
		"response batch": on(func(c *openai.Client) error { return bundle(c.RespondBatch()) }),
		"look":           on(func(c *openai.Client) error { _, err := c.ChatBatch().Look(t.Context(), ref); return err }),
		"cancel":         on(func(c *openai.Client) error { _, err := c.ChatBatch().Cancel(t.Context(), ref); return err }),
		"result":         on(func(c *openai.Client) error { return drain(c.ChatBatch().Result(t.Context(), ref)) }),
		"tune": on(func(c *openai.Client) error {
			_, err := c.FineTunes().Submit(t.Context(), &openai.FineTuning{Training: "f"})
			return err
		}),
		"checkpoints": on(func(c *openai.Client) error { return drain(c.Checkpoints(t.Context(), ref)) }),
	})
}

// drain reads a stream that nobody needs.
func drain[T any](s *genai.Stream[T], err error) error {
	if err == nil {
		for _, err = range s.All() {
		}
	}
	return err
}
