package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

const prompt = "Grüße, \"Frau Müller\":\n\tdie Diagnose <steht> in C:\\neu\\akte & ist 👍 geheim"

// quotations are the forms in which servers quote what they were sent.
func quotations(secret string) map[string]string {
	in := func(text string) string { b, _ := json.Marshal(text); return string(b) }
	return map[string]string{
		"word for word": secret, "JSON": in(secret), "JSON in JSON": in(in(secret)), "JSON in JSON in JSON": in(in(in(secret))),
		"ASCII": strconv.QuoteToASCII(secret), "ASCII in JSON": in(strconv.QuoteToASCII(secret)), "Go": fmt.Sprintf("%q", secret),
		"HTML": html.EscapeString(secret), "HTML by others": strings.NewReplacer("<", "&lt;", ">", "&gt;", `"`, "&quot;", "&", "&amp;").Replace(secret), "JSON in HTML": html.EscapeString(in(secret)), "one line": strings.Join(strings.Fields(secret), " "),
		"surrogates": strings.ReplaceAll(secret, "👍", `\ud83d\udc4d`), "small letters": strings.ToLower(secret),
	}
}

// TestRedact: what is quoted of a secret is gone, however it is quoted, and nothing else is.
func TestRedact(t *testing.T) {
	x := &Exchange{
		server: Server{Key: "sk-live-0123456789", Header: http.Header{"X-Api-Token": {"Token hush-hush-hush"}, "X-Trace": {"not-a-secret-at-all"}}},
		Base:   &url.URL{Scheme: "https", Host: "h", User: url.UserPassword("me", "open-sesame"), RawQuery: "key=AIza-0123456789&api-version=2026-01-01"},
		Texts:  func(yield func(string)) { yield(prompt); yield("swordfish"); yield("no"); yield("") },
	}
	for name, said := range quotations(prompt) {
		message := "before (" + said + ") after"
		raw := `{"error":{"message":"` + said + `"}}`
		x.redact(&message, &raw)
		if !strings.HasPrefix(message, "before (") || !strings.HasSuffix(message, ") after") || !strings.HasPrefix(raw, `{"error":{"message":"`) || !strings.HasSuffix(raw, `"}}`) {
			t.Errorf("%s: too much is gone: %s, %s", name, message, raw)
		}
		for _, word := range []string{"Müller", "Diagnose", "akte", "geheim", "diagnose", "m\\u00fcller"} {
			if strings.Contains(message+raw, word) {
				t.Errorf("%s: %s, %s", name, message, raw)
			}
		}
	}
	// No line is long enough by itself.
	lines := &Exchange{Texts: func(yield func(string)) { yield("\"eins\"\n'zwei'\n\"drei\"\n'vier'\n\"fünf\"") }}
	for name, said := range quotations("\"eins\"\n'zwei'\n\"drei\"\n'vier'\n\"fünf\"") {
		if lines.redact(&said); strings.Contains(said, "eins") || strings.Contains(said, "drei") || strings.Contains(said, "nf") {
			t.Errorf("lines, %s: %s", name, said)
		}
	}
	for said, want := range map[string]string{
		"key sk-live-0123456789 is wrong":         "key [removed] is wrong",
		"key sk-live-01234567**** is wrong":       "key [removed]**** is wrong",
		"bad hush-hush-hush, not-a-secret-at-all": "bad [removed], not-a-secret-at-all",
		"dial https://me:open-sesame@h":           "dial https://me:[removed]@h",
		"GET /?key=AIza-0123456789":               "GET /?key=[removed]",
		"no such api-version: 2026-01-01":         "no such api-version: 2026-01-01",
		"the word swordfish is too short":         "the word [removed] is too short",
		"Diagnose":                                "Diagnose", // a word of the prompt is no quotation
		"no":                                      "no",
		"":                                        "",
		"rate limit reached for requests, no room here": "rate limit reached for requests, no room here",
		"\xff\\u12 \\ &lt; \\x4":                        "\xff\\u12 \\ &lt; \\x4",
	} {
		got := said
		if x.redact(&got); got != want {
			t.Errorf("%q became %q, want %q", said, got, want)
		}
	}
	short := &Exchange{server: Server{Key: "k123"}}
	if said := "a k123 b"; true {
		if short.redact(&said); said != "a k123 b" && said != "a [removed] b" || strings.Contains(said, "k123") {
			t.Errorf("a short key: %q", said)
		}
	}
}

// TestRedactCause: an error of the network keeps its identity, unless it has a secret in it.
func TestRedactCause(t *testing.T) {
	x := &Exchange{server: Server{Key: "sk-live-0123456789"}}
	harmless := errors.New("connection refused")
	if x.cause(harmless) != harmless {
		t.Error("it became another one")
	}
	if got := x.cause(fmt.Errorf("with sk-live-0123456789: %w", harmless)); strings.Contains(got.Error(), "sk-live") || errors.Unwrap(got) != nil {
		t.Errorf("%v", got)
	}
}

// FuzzRedact: whatever stands around a secret, and whatever the secret is, it is not there afterwards, and what is left was there
// before.
func FuzzRedact(f *testing.F) {
	f.Add("before ", prompt, " after")
	f.Add("\\", "\\\\\\u00e4bcdefghijklmnopq", "u12")
	f.Add("&", "lt;lt;lt;lt;lt;lt;lt;lt;", "\xff")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		said := before + "\n" + secret + "\n" + after
		var is folder
		is.fold(secret)
		if len(is.text) < least || strings.Contains(before+after, removed) || strings.Contains(secret, removed) {
			return
		}
		got := said
		(&Exchange{Texts: func(yield func(string)) { yield(secret) }}).redact(&got)
		if strings.Contains(got, secret) {
			t.Fatalf("%q has %q in it", got, secret)
		}
		at := 0
		for piece := range strings.SplitSeq(got, removed) {
			i := strings.Index(said[at:], piece)
			if i < 0 {
				t.Fatalf("%q is not what is left of %q", got, said)
			}
			at += i + len(piece)
		}
	})
}

// BenchmarkRedact is what a refusal costs whose request was long.
func BenchmarkRedact(b *testing.B) {
	long := strings.Repeat("All happy families are alike; each unhappy family is unhappy in its own way. ", 1<<20/77)
	x := &Exchange{server: Server{Key: "sk-live-0123456789"}, Texts: TextsOf(&genai.ChatRequest{Messages: []genai.Message{genai.User(long)}})}
	b.ReportAllocs()
	b.SetBytes(int64(len(long)))
	for b.Loop() {
		message := "Rate limit reached for gpt-4o in organization org-x on tokens per min: Limit 30000, Used 29000, Requested 2000. Please try again in 2s."
		raw := `{"error":{"message":"` + message + `","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`
		x.redact(&message, &raw)
	}
}
