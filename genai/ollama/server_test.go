package ollama_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
)

// A server is a model server that answers as it is told and remembers what it was asked.
type server struct {
	*httptest.Server
	request *http.Request
	body    string
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
		s.request, s.body = r, strings.TrimSpace(string(text))
		if r.Method == http.MethodPost && !json.Valid(text) {
			t.Errorf("the request is not JSON: %s", text)
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) client() *ollama.Client {
	return &ollama.Client{BaseURL: s.URL, Key: "sk-secret-key", Model: "m", HTTP: s.Client()}
}

// fixed answers with one status, content type and body.
func fixed(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func stream(lines ...string) http.HandlerFunc {
	return fixed(200, "application/x-ndjson", data(lines...))
}

func data(lines ...string) string { return strings.Join(append(lines, ""), "\n") }

func say(message string) string { return `{"model":"real","message":` + message + `,"done":false}` }

func done(reason string) string {
	return `{"model":"real","message":{"role":"assistant","content":""},"done":true,"done_reason":"` + reason + `","total_duration":5,"prompt_eval_count":9,"eval_count":4}`
}

var (
	hello = say(`{"role":"assistant","content":"Hello"}`)
	world = say(`{"role":"assistant","content":" world"}`)
	ask   = &genai.ChatRequest{Messages: []genai.Message{genai.User("What is the answer to my very secret question?")}}
)

func ptr[T any](v T) *T { return &v }

// all reads a whole stream: what came, and how it ended.
func all(s *genai.Stream[genai.ChatEvent], err error) (*genai.ChatResponse, error) {
	if err != nil {
		return nil, err
	}
	return genai.FoldChat(s.All())
}
