package wiretest_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

// TestReplayForms: a form is known again by its contents, though its boundary is another one each time.
func TestReplayForms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tape.jsonl")
	server := &wiretest.Server{Faults: []wiretest.Fault{{Body: `{"text":"hello"}`}}}
	replay := &wiretest.Replay{File: file}
	for _, transport := range []http.RoundTripper{&wiretest.Record{File: file, Next: server.Client(t).Transport}, replay} {
		got, err := with(transport).Transcribe(t.Context(), &genai.TranscribeRequest{Audio: genai.NewBlob("audio/mpeg", []byte("sound"))})
		if err != nil || got.Text != "hello" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	replay.Verify(t)
	if _, err := with(&wiretest.Replay{File: file}).Transcribe(t.Context(), &genai.TranscribeRequest{Audio: genai.NewBlob("audio/mpeg", []byte("noise"))}); err == nil {
		t.Error("another recording of sound has the same answer")
	}
}

// TestReplayOfOthers: what others recorded is found, though they did not take the same things out of it.
func TestReplayOfOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tape.jsonl")
	const line = `{"method":"POST","path":"/chat?of=org-0123456789abcdefghij","request":{"q": "org-0123456789abcdefghij"},"status":200,"body":"a"}` + "\n"
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &wiretest.Replay{File: file}}
	resp, err := client.Post("http://host/chat?of=org-0123456789abcdefghij", "application/json", strings.NewReader(`{"q":"org-0123456789abcdefghij"}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "a" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestNoProxy: a proxy on this machine would be a way out of it.
func TestNoProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the proxy was asked for %s", r.URL) }))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	http.DefaultTransport = &http.Transport{Proxy: http.ProxyURL(at)}
	t.Run("in a test", func(t *testing.T) {
		r := &recorder{TB: t}
		wiretest.NoNetwork(r)
		if _, err := http.Get("http://example.test/"); err == nil || len(r.failures) != 1 {
			t.Errorf("%v, %q", err, r.failures)
		}
	})
}

// TestHandled: a call that somebody in front of the wire runs is not shown on it.
func TestHandled(t *testing.T) {
	model := genaitest.Script(genaitest.Events(genai.ChatEvent{Text: "a"},
		genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "c1", Name: "look", Arguments: "{}", Handled: true}}, genai.ChatEvent{Text: "b"}).Finish(genai.FinishStop))
	resp, err := read(openAI(t, &wiretest.Server{Chat: model.Chat}).Chat(t.Context(), ask("hi")))
	if err != nil || resp.Text() != "ab" || len(resp.Message.ToolCalls()) > 0 {
		t.Errorf("%s, %v", show(resp), err)
	}
}

// TestReset: a connection that is reset looks different to a client from one that is cut.
func TestReset(t *testing.T) {
	for mishap, reset := range map[wiretest.Mishap]bool{wiretest.Reset: true, wiretest.Cut: false} {
		model := genaitest.Script(genaitest.Pieces("a", "b"))
		server := &wiretest.Server{Chat: model.Chat, Faults: []wiretest.Fault{{After: 1, Then: mishap}}}
		at, err := url.Parse(server.Start(t))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", at.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		const body = `{"stream":true,"messages":[{"role":"user","content":"a"}]}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://host/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := req.Write(conn); err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(conn); errors.Is(err, syscall.ECONNRESET) != reset || err != nil != reset {
			t.Errorf("%s: %q, %v", mishap, text, err)
		}
	}
}
