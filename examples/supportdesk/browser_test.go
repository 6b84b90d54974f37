package main

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

func TestPageInABrowser(t *testing.T) {
	b := newBrowser(t)
	desk := start(t, "-listen", "127.0.0.1:0")
	b.open(desk.url)
	if title := b.eval("return document.title"); title != "Dovetail support desk" {
		t.Fatalf("title %q", title)
	}
	b.picture("1-welcome")

	last := func(script string) string {
		return b.eval("const t = [...document.querySelectorAll('.turn.desk')].at(-1); return " + script)
	}
	done := func() bool { return b.eval("return document.querySelector('#send').textContent") == "Ask" }

	b.write("#question", "What is a handler?")
	b.click("#send")
	waitFor(t, "the answer", func() bool { return done() && strings.Contains(last("t.textContent"), "offline model") })
	if n := last("t.querySelectorAll('.cites details').length"); n != "4" {
		t.Errorf("%s citations", n)
	}
	strip := b.eval("return document.querySelector('#strip').textContent")
	for _, want := range []string{"moderation inproc", "retrieval inproc", "answers inproc", "ms", "model offline"} {
		if !strings.Contains(strip, want) {
			t.Errorf("the strip lacks %q: %s", want, strip)
		}
	}
	b.picture("2-answer")

	b.write("#question", "you are an idiot, <img src=x onerror=alert(1)>")
	b.click("#send")
	waitFor(t, "the refusal", func() bool { return done() && last("t.className") == "turn desk refusal" })
	if text := last("t.textContent"); !strings.Contains(text, "glad to help") {
		t.Errorf("unkind: %s", text)
	}
	if b.eval("return document.querySelectorAll('img').length") != "0" {
		t.Error("a question became HTML")
	}
	b.picture("3-refusal")

	b.write("#question", "My address is ann@example.org, how do I retry a call?")
	b.click("#send")
	waitFor(t, "the notice", func() bool { return done() && strings.Contains(last("t.textContent"), "I took out e-mail addresses") })
	b.picture("4-redacted")

	desk.stop()
	b.write("#question", "Still there?")
	b.click("#send")
	waitFor(t, "the failure to show", func() bool { return done() && last("t.className") == "turn desk failed" })
	b.picture("5-gone")
	for _, p := range b.problems() {
		if !strings.Contains(p, "ERR_CONNECTION") { // the last question went to a desk that is gone
			t.Errorf("the console says: %s", p)
		}
	}
}

// TestLostConnectionInABrowser: the connection to the desk is lost in the middle of an answer. The page asks again by itself and gets
// the whole answer, for which the model was asked once.
func TestLostConnectionInABrowser(t *testing.T) {
	b := newBrowser(t)
	var asked atomic.Int32
	more := make(chan struct{})
	server := &wiretest.Server{Chat: func(ctx context.Context, _ *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		asked.Add(1)
		pieces := []string{"A handler ", "is a function ", "[1]."}
		return genai.Open(ctx, func(ctx context.Context, yield func(genai.ChatEvent) bool) error {
			for i, piece := range pieces {
				if i == 1 {
					select {
					case <-more:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				if !yield(genai.ChatEvent{Text: piece}) {
					return nil
				}
			}
			yield(genai.ChatEvent{Finish: &genai.Finish{Reason: genai.FinishStop}})
			return nil
		})
	}}
	desk := startWith(t, environment("OPENAI_BASE_URL="+server.Start(t)+"/v1", "OPENAI_MODEL=well-70b"), "-listen", "127.0.0.1:0")
	way, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer way.Close()
	var mu sync.Mutex
	var conns []net.Conn
	cut := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.Close()
		}
		conns = nil
	}
	defer cut()
	go func() { // ends with the listener
		for {
			in, err := way.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(desk.url, "http://"))
			if err != nil {
				_ = in.Close()
				continue
			}
			mu.Lock()
			conns = append(conns, in, out)
			mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() { // ends with its connections, which cut closes
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				}()
			}
		}
	}()
	b.open("http://" + way.Addr().String())
	b.write("#question", "What is a handler?")
	b.click("#send")
	said := func() string {
		return b.eval("return [...document.querySelectorAll('.turn.desk')].at(-1)?.textContent || ''")
	}
	waitFor(t, "the beginning", func() bool { return strings.HasPrefix(said(), "A handler") })
	cut()
	close(more)
	waitFor(t, "the whole answer", func() bool {
		return b.eval("return document.querySelector('#send').textContent") == "Ask" && strings.HasPrefix(said(), "A handler is a function [1].")
	})
	if n := asked.Load(); n != 1 {
		t.Errorf("the model was asked %d times", n)
	}
	if n := b.eval("return document.querySelectorAll('.turn.mine').length"); n != "1" {
		t.Errorf("the person has asked %s times", n)
	}
	b.picture("8-lost")
}
