package openai_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// A server is a model server that answers as it is told and remembers what it was asked.
type server struct {
	*httptest.Server
	request *http.Request
	body    map[string]any
	calls   int
}

func serve(t testing.TB, answer http.HandlerFunc) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls++
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.request, s.body = r, map[string]any{}
		if err := json.Unmarshal(text, &s.body); err != nil {
			t.Errorf("the request is not JSON: %v", err)
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) client() *openai.Client {
	return &openai.Client{BaseURL: s.URL + "/v1", Key: "sk-secret-key", Model: "m", HTTP: s.Client()}
}

// fixed answers with one status, content type and body.
func fixed(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Request-Id", "req-1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func stream(body string) http.HandlerFunc { return fixed(200, "text/event-stream", body) }

// data makes a stream of chunks.
func data(chunks ...string) string {
	var b strings.Builder
	for _, c := range chunks {
		fmt.Fprintf(&b, "data: %s\n\n", c)
	}
	return b.String()
}

// delta is a chunk with one delta in it.
func delta(d string) string {
	return `{"id":"a1","model":"real","choices":[{"index":0,"delta":` + d + `,"finish_reason":null}]}`
}

func finish(reason string) string {
	return `{"id":"a1","model":"real","choices":[{"index":0,"delta":{},"finish_reason":"` + reason + `"}]}`
}

var (
	hello = delta(`{"role":"assistant","content":"Hello"}`)
	world = delta(`{"content":" world"}`)
	use   = `{"id":"a1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,` +
		`"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}}`
	done = "[DONE]"
)

var ask = &genai.ChatRequest{Messages: []genai.Message{genai.User("What is the answer to my very secret question?")}}

// all reads a whole stream: what came, and how it ended.
func all(s *genai.Stream[genai.ChatEvent], err error) (*genai.ChatResponse, error) {
	if err != nil {
		return nil, err
	}
	return genai.FoldChat(s.All())
}

func chat(ctx context.Context, c *openai.Client, req *genai.ChatRequest) (*genai.ChatResponse, error) {
	return all(c.Chat(ctx, req))
}

// leakCheck fails the test if goroutines are left when it ends and its server is closed.
func leakCheck(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(time.Minute) // on a machine that has other things to do
		for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			time.Sleep(time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before {
			stacks := make([]byte, 1<<20)
			t.Errorf("%d goroutines before, %d after:\n%s", before, n, stacks[:runtime.Stack(stacks, true)])
		}
	})
}
