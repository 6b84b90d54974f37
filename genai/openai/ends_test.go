package openai_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestEnds: what is an answer, and what is not, however the connection ends.
func TestEnds(t *testing.T) {
	recordedtest.CheckLeaks(t)
	events := data(hello, world, finish("stop"), use, done)
	document := `{"id":"a1","model":"real","choices":[{"index":0,"message":{"role":"assistant","content":"Hello world"},"finish_reason":"stop"}]}`
	response := named(created, addedText, textA, textB, doneText, oneLine(completed))
	on := func(f func(c *openai.Client, ctx context.Context) (*genai.ChatResponse, error)) func(context.Context, string, *http.Client) (string, error) {
		return func(ctx context.Context, url string, via *http.Client) (string, error) {
			got, err := f(&openai.Client{BaseURL: url, Model: "m", HTTP: via}, ctx)
			if err != nil {
				return "", err
			}
			return got.Text(), nil
		}
	}
	streamed := on(func(c *openai.Client, ctx context.Context) (*genai.ChatResponse, error) { return all(c.Chat(ctx, ask)) })
	whole := on(func(c *openai.Client, ctx context.Context) (*genai.ChatResponse, error) { return c.Complete(ctx, ask) })
	newer := on(func(c *openai.Client, ctx context.Context) (*genai.ChatResponse, error) {
		return all(c.Responses(ctx, ask))
	})
	for name, run := range map[string]func(t *testing.T){
		"chat":                      func(t *testing.T) { recordedtest.CheckEnds(t, "text/event-stream", events, "Hello world", streamed) },
		"chat, open behind the end": func(t *testing.T) { recordedtest.CheckOpenEnd(t, "text/event-stream", events, "Hello world", streamed) },
		"chat, without the sentinel": func(t *testing.T) {
			recordedtest.CheckEnds(t, "text/event-stream", data(hello, world, finish("stop")), "Hello world", streamed)
		},
		"chat, a document":           func(t *testing.T) { recordedtest.CheckEnds(t, "application/json", document, "Hello world", streamed) },
		"complete":                   func(t *testing.T) { recordedtest.CheckEnds(t, "application/json", document, "Hello world", whole) },
		"complete, a stream":         func(t *testing.T) { recordedtest.CheckEnds(t, "text/event-stream", events, "Hello world", whole) },
		"responses":                  func(t *testing.T) { recordedtest.CheckEnds(t, "text/event-stream", response, "Hello world", newer) },
		"responses, open at its end": func(t *testing.T) { recordedtest.CheckOpenEnd(t, "text/event-stream", response, "Hello world", newer) },
	} {
		t.Run(name, run)
	}
}

// TestSilentEnd: an answer whose end was told is complete, also if the server then neither goes on nor hangs up. One whose end was
// not told waits for as long as its caller does.
func TestSilentEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay := &recordedtest.Replay{Body: data(hello, world, finish("stop"), use), Open: true}
		c := &openai.Client{Key: "k", Model: "m", HTTP: replay.Client()}
		began := time.Now()
		if got, err := all(c.Chat(t.Context(), ask)); err != nil || got.Text() != "Hello world" || time.Since(began) > 10*time.Second {
			t.Errorf("%+v, %v after %s", got, err, time.Since(began))
		}
		replay.Body = data(hello, world)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if got, err := all(c.Chat(ctx, ask)); genai.KindOf(err) != genai.DeadlineExceeded || time.Since(began) < time.Hour {
			t.Errorf("%+v, %v after %s", got, err, time.Since(began))
		}
	})
}
