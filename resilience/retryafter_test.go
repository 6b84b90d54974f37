package resilience_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
	"github.com/dovetail-go/dovetail/resilience"
)

// A retryAfterCase is a row of the shared table: what a server says, and the wait that it leads to.
type retryAfterCase struct {
	Name      string
	Now       time.Time
	Headers   map[string]string
	Body      string
	Deadline  float64 `json:"deadline_s"`
	Saturated bool    // the hint is too large for its type: any value above the cap will do
	Want      struct {
		Hint   *float64 `json:"hint_s"`
		Action string
	}
}

// TestRetryAfterTable plays the whole table to the clients of all providers, with retries around them, at the time that it names: what the
// error says, and when the second attempt comes.
func TestRetryAfterTable(t *testing.T) {
	var table struct {
		Cap   float64 `json:"cap_s"`
		Cases []retryAfterCase
	}
	recordedtest.Table(t, "retry-after", &table)
	if len(table.Cases) < 96 || table.Cap != 60 {
		t.Fatalf("%d cases, and a cap of %v s", len(table.Cases), table.Cap)
	}
	const base = "http://there.test"
	clients := map[string]func(via *http.Client) genai.Chat{
		"openai":    func(via *http.Client) genai.Chat { return (&openai.Client{BaseURL: base, HTTP: via}).Chat },
		"responses": func(via *http.Client) genai.Chat { return (&openai.Client{BaseURL: base, HTTP: via}).Responses },
		"anthropic": func(via *http.Client) genai.Chat { return (&anthropic.Client{BaseURL: base, HTTP: via}).Chat },
		"gemini":    func(via *http.Client) genai.Chat { return (&gemini.Client{BaseURL: base, HTTP: via}).Chat },
		"ollama":    func(via *http.Client) genai.Chat { return (&ollama.Client{BaseURL: base, HTTP: via}).Chat },
	}
	for _, c := range table.Cases {
		for name, client := range clients {
			if c.Body != "" && c.Want.Hint != nil && name != "gemini" {
				continue // who says it in the body
			}
			t.Run(c.Name+"/"+name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { c.play(t, client) }) })
		}
	}
}

// A clocked notes when the attempts come.
type clocked struct {
	next http.RoundTripper
	at   []time.Time
}

func (c *clocked) RoundTrip(r *http.Request) (*http.Response, error) {
	c.at = append(c.at, time.Now())
	return c.next.RoundTrip(r)
}

func (c *retryAfterCase) play(t *testing.T, client func(via *http.Client) genai.Chat) {
	time.Sleep(time.Until(c.Now))
	server := &clocked{next: &recordedtest.Replay{Status: http.StatusTooManyRequests, Headers: c.Headers, Body: c.Body}}
	chat := genai.With(client(&http.Client{Transport: server}), &resilience.Retry{Attempts: 2})
	ctx := t.Context()
	if c.Deadline > 0 {
		var cancel func()
		ctx, cancel = context.WithDeadline(ctx, c.Now.Add(time.Duration(c.Deadline*float64(time.Second))))
		defer cancel()
	}
	_, err := chat(ctx, &genai.ChatRequest{Model: "m", Messages: []genai.Message{genai.User("hello")}, MaxTokens: new(9)})
	e := genai.AsError(err)
	if e == nil || e.Kind != genai.RateLimited {
		t.Fatal(err)
	}
	// The error of a call that was repeated is that of its last attempt, which came later: a date is nearer then.
	var hint time.Duration
	if len(e.Attempts) > 0 {
		hint = e.Attempts[0].RetryAfter
	}
	seconds := 0.0
	if c.Want.Hint != nil {
		seconds = *c.Want.Hint
	}
	want := time.Duration(seconds * float64(time.Second))
	if c.Saturated && hint < time.Hour || !c.Saturated && (hint-want).Abs() > time.Nanosecond {
		t.Errorf("the hint is %v, want %v", hint, want)
	}
	spent := time.Since(c.Now)
	const own = 400 * time.Millisecond // the longest first wait without a hint
	switch c.Want.Action {
	case "wait":
		if least, longest := hint, max(hint, own)*5/4; len(server.at) != 2 || spent < least || spent > longest {
			t.Errorf("%d attempts, a wait of %v; want at least %v and at most %v", len(server.at), spent, least, longest)
		}
	case "own_backoff":
		if len(server.at) != 2 || spent > own {
			t.Errorf("%d attempts, a wait of %v; want at most %v", len(server.at), spent, own)
		}
	case "do_not_sleep":
		if len(server.at) != 1 || spent != 0 {
			t.Errorf("%d attempts, after %v", len(server.at), spent)
		}
	default:
		t.Errorf("what is %q?", c.Want.Action)
	}
}
