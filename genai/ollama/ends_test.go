package ollama_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestEnds: what is an answer, and what is not, however the connection ends.
func TestEnds(t *testing.T) {
	recordedtest.CheckLeaks(t)
	events := data(hello, "", world, done("stop"))
	document := `{"model":"real","message":{"role":"assistant","content":"Hello world"},"done":true,"done_reason":"stop","eval_count":3}`
	on := func(f func(c *ollama.Client, ctx context.Context) (*genai.ChatResponse, error)) func(context.Context, string, *http.Client) (string, error) {
		return func(ctx context.Context, url string, via *http.Client) (string, error) {
			got, err := f(&ollama.Client{BaseURL: url, Key: "k", Model: "m", HTTP: via}, ctx)
			if err != nil {
				return "", err
			}
			return got.Text(), nil
		}
	}
	streamed := on(func(c *ollama.Client, ctx context.Context) (*genai.ChatResponse, error) { return all(c.Chat(ctx, ask)) })
	whole := on(func(c *ollama.Client, ctx context.Context) (*genai.ChatResponse, error) { return c.Complete(ctx, ask) })
	t.Run("chat", func(t *testing.T) { recordedtest.CheckEnds(t, "application/x-ndjson", events, "Hello world", streamed) })
	t.Run("open behind the end", func(t *testing.T) {
		recordedtest.CheckOpenEnd(t, "application/x-ndjson", events, "Hello world", streamed)
	})
	t.Run("complete", func(t *testing.T) { recordedtest.CheckEnds(t, "application/json", document, "Hello world", whole) })
}
