package anthropic_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
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
		if !json.Valid(text) {
			t.Errorf("the request is not JSON: %s", text)
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) client() *anthropic.Client {
	return &anthropic.Client{BaseURL: s.URL + "/v1", Key: "sk-ant-secret-key", Model: "m", HTTP: s.Client()}
}

// fixed answers with one status, content type and body.
func fixed(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Request-Id", "req-1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func stream(events ...string) http.HandlerFunc {
	return fixed(200, "text/event-stream", data(events...))
}

// data makes a stream of events. Each is called what its type is, as the provider does it.
func data(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		var typed struct{ Type string }
		_ = json.Unmarshal([]byte(e), &typed)
		fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", typed.Type, e)
	}
	return b.String()
}

func begin(index int, block string) string {
	return fmt.Sprintf(`{"type":"content_block_start","index":%d,"content_block":%s}`, index, block)
}

func grow(index int, delta string) string {
	return fmt.Sprintf(`{"type":"content_block_delta","index":%d,"delta":%s}`, index, delta)
}

func end(index int) string { return fmt.Sprintf(`{"type":"content_block_stop","index":%d}`, index) }

func finish(reason string) string {
	return `{"type":"message_delta","delta":{"stop_reason":"` + reason + `","stop_sequence":null},"usage":{"output_tokens":4,"output_tokens_details":{"thinking_tokens":2}}}`
}

var (
	start = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"real","content":[],` +
		`"stop_reason":null,"usage":{"input_tokens":5,"cache_read_input_tokens":3,"cache_creation_input_tokens":1,"output_tokens":1}}}`
	text  = begin(0, `{"type":"text","text":""}`)
	hello = grow(0, `{"type":"text_delta","text":"Hello"}`)
	world = grow(0, `{"type":"text_delta","text":" world"}`)
	ping  = `{"type":"ping"}`
	stop  = `{"type":"message_stop"}`
)

var ask = &genai.ChatRequest{Messages: []genai.Message{genai.User("What is the answer to my very secret question?")}}

// all reads a whole stream: what came, and how it ended.
func all(s *genai.Stream[genai.ChatEvent], err error) (*genai.ChatResponse, error) {
	if err != nil {
		return nil, err
	}
	return genai.FoldChat(s.All())
}
