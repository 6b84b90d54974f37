package gemini_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// TestEnds: what is an answer, and what is not, however the connection ends.
func TestEnds(t *testing.T) {
	recordedtest.CheckLeaks(t)
	events := data(hello, world, done(`{"text":""}`, "STOP"))
	document := `{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello world"}]},"finishReason":"STOP"}],"modelVersion":"real","responseId":"r1"}`
	on := func(f func(c *gemini.Client, ctx context.Context) (*genai.ChatResponse, error)) func(context.Context, string, *http.Client) (string, error) {
		return func(ctx context.Context, url string, via *http.Client) (string, error) {
			got, err := f(&gemini.Client{BaseURL: url, Key: "k", Model: "m", HTTP: via}, ctx)
			if err != nil {
				return "", err
			}
			return got.Text(), nil
		}
	}
	streamed := on(func(c *gemini.Client, ctx context.Context) (*genai.ChatResponse, error) { return all(c.Chat(ctx, ask)) })
	whole := on(func(c *gemini.Client, ctx context.Context) (*genai.ChatResponse, error) { return c.Complete(ctx, ask) })
	t.Run("chat", func(t *testing.T) { recordedtest.CheckEnds(t, "text/event-stream", events, "Hello world", streamed) })
	t.Run("complete", func(t *testing.T) { recordedtest.CheckEnds(t, "application/json", document, "Hello world", whole) })
}

// TestOneEnd: several documents may have a reason to finish; one end is told, and a count of tokens as often as it changes.
func TestOneEnd(t *testing.T) {
	counted := func(n string) string {
		return `{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":` + n + `},"modelVersion":"real"}`
	}
	replay := &recordedtest.Replay{Body: data(counted("9"), counted("9"), done(`{"text":"b"}`, "STOP"), counted("8"), done(`{"text":"c"}`, "MAX_TOKENS"), counted("7"))}
	s, err := (&gemini.Client{Key: "k", Model: "m", HTTP: replay.Client()}).Chat(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	var ends []genai.Finish
	var inputs []int
	for e, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Finish != nil {
			ends = append(ends, *e.Finish)
		}
		if e.Usage != nil {
			inputs = append(inputs, e.Usage.Input)
		}
	}
	if !slices.Equal(ends, []genai.Finish{{Reason: genai.FinishLength, Raw: "MAX_TOKENS"}}) {
		t.Errorf("the ends are %+v", ends)
	}
	if len(inputs) == 0 || inputs[0] != 9 || len(slices.Compact(slices.Clone(inputs))) != len(inputs) {
		t.Errorf("counted %v", inputs)
	}
}

// TestSilentEnd: an answer whose end was told is complete, also if the server then neither goes on nor hangs up. One whose end was
// not told waits for as long as its caller does.
func TestSilentEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay := &recordedtest.Replay{Body: data(hello, world, done(`{"text":""}`, "STOP")), Open: true}
		c := &gemini.Client{Key: "k", Model: "m", HTTP: replay.Client()}
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
