package main

import (
	"strings"
	"testing"
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
