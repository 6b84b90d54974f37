package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

// TestModelsInABrowser: of two models one is ill. The page shows who was tried for an answer, and how the models are.
func TestModelsInABrowser(t *testing.T) {
	b := newBrowser(t)
	server := &wiretest.Server{Chat: func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		if req.Model == "ill-8b" {
			return nil, genai.Errorf(genai.ServerError, "the model is ill")
		}
		return genaitest.Script(genaitest.Pieces("A handler ", "is a function ", "[1].").After(40*time.Millisecond)).Chat(ctx, req)
	}}
	desk := startWith(t, environment("OPENAI_BASE_URL="+server.Start(t)+"/v1", "OPENAI_MODEL=ill-8b, well-70b"), "-listen", "127.0.0.1:0")
	b.open(desk.url)
	row := func(model string) string {
		return b.eval(`return [...document.querySelectorAll('#models tbody tr')].filter(r => r.firstChild.textContent === '` + model + `').map(r => [...r.children].map(c => c.textContent).join('|'))[0] || ''`)
	}
	waitFor(t, "the models", func() bool { return strings.HasPrefix(row("ill-8b"), "ill-8b|closed|0|0|") && row("offline") != "" })

	tried := false
	for range 10 { // the router asks the ill one now and then
		b.write("#question", "What is a handler?")
		b.click("#send")
		waitFor(t, "the answer", func() bool {
			return b.eval("return document.querySelector('#send').textContent") == "Ask" &&
				strings.Contains(b.eval("return [...document.querySelectorAll('.turn.desk')].at(-1).textContent"), "A handler is a function")
		})
		if text := b.eval("return document.querySelector('.tried')?.textContent || ''"); text != "" && !tried {
			tried = true
			if !strings.Contains(text, "ill-8b server_error") || !strings.Contains(text, "well-70b answered (tried again") {
				t.Errorf("what was tried: %q", text)
			}
		}
	}
	if !tried {
		t.Error("the ill model was never tried")
	}
	waitFor(t, "the figures", func() bool {
		return strings.HasPrefix(row("well-70b"), "well-70b|closed|10|0|") && strings.Contains(row("well-70b"), " ms") &&
			!strings.HasPrefix(row("ill-8b"), "ill-8b|closed|0|")
	})
	b.picture("6-models")

	// With the ill one alone, its breaker opens, and the offline model answers.
	desk = startWith(t, environment("OPENAI_BASE_URL="+server.Start(t)+"/v1", "OPENAI_MODEL=ill-8b"), "-listen", "127.0.0.1:0")
	b.call("POST", "/window/rect", map[string]int{"width": 420, "height": 900}, nil) // a telephone
	b.open(desk.url)
	for range 2 {
		b.write("#question", "What is a handler?")
		b.click("#send")
		waitFor(t, "the offline model", func() bool {
			return b.eval("return document.querySelector('#send').textContent") == "Ask" &&
				strings.Contains(b.eval("return [...document.querySelectorAll('.turn.desk')].at(-1).textContent"), "offline answered (fell back")
		})
	}
	waitFor(t, "the open breaker", func() bool {
		return strings.HasPrefix(row("ill-8b"), "ill-8b|open|5|5|") && strings.HasPrefix(row("offline"), "offline|–|2|0|")
	})
	if wide := b.eval("return document.documentElement.scrollWidth > innerWidth"); wide != "false" {
		t.Error("the page is wider than a telephone")
	}
	b.picture("7-open")
	for _, p := range b.problems() {
		t.Errorf("the console says: %s", p)
	}
}
