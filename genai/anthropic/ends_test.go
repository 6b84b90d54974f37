package anthropic_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestEnds: what is an answer, and what is not, however the connection ends.
func TestEnds(t *testing.T) {
	recordedtest.CheckLeaks(t)
	events := data(start, text, hello, world, end(0), finish("end_turn"), stop)
	document := `{"type":"message","id":"msg_1","model":"real","role":"assistant","content":[{"type":"text","text":"Hello world"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}`
	on := func(f func(c *anthropic.Client, ctx context.Context) (*genai.ChatResponse, error)) func(context.Context, string, *http.Client) (string, error) {
		return func(ctx context.Context, url string, via *http.Client) (string, error) {
			got, err := f(&anthropic.Client{BaseURL: url, Key: "k", Model: "m", HTTP: via}, ctx)
			if err != nil {
				return "", err
			}
			return got.Text(), nil
		}
	}
	streamed := on(func(c *anthropic.Client, ctx context.Context) (*genai.ChatResponse, error) {
		return all(c.Chat(ctx, ask))
	})
	whole := on(func(c *anthropic.Client, ctx context.Context) (*genai.ChatResponse, error) {
		return c.Complete(ctx, ask)
	})
	t.Run("chat", func(t *testing.T) { recordedtest.CheckEnds(t, "text/event-stream", events, "Hello world", streamed) })
	t.Run("open behind the end", func(t *testing.T) { recordedtest.CheckOpenEnd(t, "text/event-stream", events, "Hello world", streamed) })
	t.Run("complete", func(t *testing.T) { recordedtest.CheckEnds(t, "application/json", document, "Hello world", whole) })
}

// TestSilentEnd: an answer whose end was told is complete, also if the server then neither goes on nor hangs up. One whose end was
// not told waits for as long as its caller does.
func TestSilentEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay := &recordedtest.Replay{Body: data(start, text, hello, world, end(0), finish("end_turn")), Open: true}
		c := &anthropic.Client{Key: "k", Model: "m", HTTP: replay.Client()}
		began := time.Now()
		if got, err := all(c.Chat(t.Context(), ask)); err != nil || got.Text() != "Hello world" || time.Since(began) > 10*time.Second {
			t.Errorf("%+v, %v after %s", got, err, time.Since(began))
		}
		replay.Body = data(start, text, hello, world, end(0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if got, err := all(c.Chat(ctx, ask)); genai.KindOf(err) != genai.DeadlineExceeded || time.Since(began) < time.Hour {
			t.Errorf("%+v, %v after %s", got, err, time.Since(began))
		}
	})
}
