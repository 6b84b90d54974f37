package gemini_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/gemini"
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

func (s *server) client() *gemini.Client {
	return &gemini.Client{BaseURL: s.URL + "/v1beta", Key: "sk-secret-key", Model: "m", HTTP: s.Client()}
}

// fixed answers with one status, content type and body.
func fixed(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func stream(docs ...string) http.HandlerFunc { return fixed(200, "text/event-stream", data(docs...)) }

// data makes a stream of events, with the line ends of the provider.
func data(docs ...string) string {
	var b strings.Builder
	for _, d := range docs {
		b.WriteString("data: " + d + "\r\n\r\n")
	}
	return b.String()
}

// say is a document with one candidate that has parts.
func say(parts string) string {
	return `{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"},"index":0}],"modelVersion":"real","responseId":"r1"}`
}

// done is the last document.
func done(parts, reason string) string {
	return `{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"},"finishReason":"` + reason + `","index":0}],"modelVersion":"real","responseId":"r1",` +
		`"usageMetadata":{"promptTokenCount":9,"cachedContentTokenCount":3,"toolUsePromptTokenCount":2,"candidatesTokenCount":4,"thoughtsTokenCount":5,"totalTokenCount":20}}`
}

var (
	hello = say(`{"text":"Hello"}`)
	world = say(`{"text":" world"}`)
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
