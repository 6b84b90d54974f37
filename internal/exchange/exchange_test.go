package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// understand is a provider whose errors are {"kind":...,"message":...}.
func understand(body []byte, status int, _ http.Header) Problem {
	var p struct {
		Kind    genai.Kind
		Message string
	}
	if json.Unmarshal(body, &p) != nil || p.Kind == "" {
		p.Kind = genai.ServerError
	}
	return Problem{Kind: p.Kind, Message: p.Message, Code: fmt.Sprint("status_", status)}
}

// echo asks a server for a stream in which every event is a piece of text, and "end" is the end.
func echo(ctx context.Context, s Server) (*genai.Stream[genai.ChatEvent], error) {
	s.Understand = understand
	return Stream(ctx, func(ctx context.Context) (*Reply, error) {
		x, err := Begin("chat", s)
		if err != nil {
			return nil, err
		}
		x.Texts = func(yield func(string)) { yield("the text of a very private prompt") }
		if err := x.Post(ctx, "/echo", http.Header{}, []byte("{}")); err != nil {
			return nil, err
		}
		r, done := x.Reply(ctx), false
		take := func(kind, data []byte) error {
			switch {
			case string(kind) == "error":
				return x.Problem(data)
			case string(data) == "end":
				done = true
				return io.EOF
			}
			r.Push(genai.ChatEvent{Text: string(data)})
			return nil
		}
		r.Events(&Events{Take: take, Whole: func(data []byte) error { return take(nil, data) }, Finished: func() bool { return done }})
		return r, nil
	})
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "data: one\n\ndata: two\n\ndata: end\n\n")
	}))
	defer server.Close()
	stream, err := echo(context.Background(), Server{BaseURL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range stream.All() {
		fmt.Println(event.Text, err)
	}
	// Output:
	// one <nil>
	// two <nil>
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		body    string
		kind    genai.Kind
		started genai.Started
		message string
	}{
		"cut":                 {200, "data: one\n\n", genai.Truncated, genai.StartedYes, "before the answer did"},
		"cut inside":          {200, "data: one\n\ndata: {", genai.Truncated, genai.StartedYes, "before the answer did"},
		"nothing":             {200, "", genai.Truncated, genai.StartedYes, "before it began"},
		"a web page":          {200, "<html>", genai.Malformed, genai.StartedYes, "web page"},
		"an error":            {200, "data: one\n\nevent: error\ndata: {\"kind\":\"overloaded\",\"message\":\"m\"}\n\n", genai.Overloaded, genai.StartedYes, "m"},
		"too long":            {200, "data: " + strings.Repeat("x", 5000), genai.TooLarge, genai.StartedYes, "1000 bytes"},
		"refused":             {400, `{"kind":"invalid_request","message":"no"}`, genai.InvalidRequest, genai.StartedNo, "no"},
		"failed":              {500, `{}`, genai.ServerError, genai.StartedUnknown, "Internal Server Error"},
		"overloaded":          {429, `{"kind":"overloaded"}`, genai.Overloaded, genai.StartedUnknown, ""},
		"a redirect":          {307, ``, genai.Precondition, genai.StartedNo, "not followed"},
		"quotes the key":      {400, `{"kind":"invalid_request","message":"bad key sk-123456789 given"}`, genai.InvalidRequest, genai.StartedNo, "bad key [removed] given"},
		"quotes the header":   {400, `{"kind":"invalid_request","message":"bad hush-hush-hush given"}`, genai.InvalidRequest, genai.StartedNo, "bad [removed] given"},
		"quotes the prompt":   {400, `{"kind":"invalid_request","message":"in 'a very private prompt': no"}`, genai.InvalidRequest, genai.StartedNo, "in '[removed]': no"},
		"says far too much":   {400, `{"kind":"invalid_request","message":"` + strings.Repeat("ä", 3000) + `"}`, genai.InvalidRequest, genai.StartedNo, "ä…"},
		"says it in no UTF-8": {400, "{\"kind\":\"invalid_request\",\"message\":\"\xff\"}", genai.InvalidRequest, genai.StartedNo, "\ufffd"},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("X-Id", "r1")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			s, err := echo(t.Context(), Server{
				BaseURL: server.URL, Name: "them", Key: "sk-123456789", Max: 1000, IDs: []string{"X-Other", "X-Id"},
				Header: http.Header{"X-Token": {"hush-hush-hush"}},
			})
			if err == nil {
				for _, e := range s.All() {
					err = e
				}
			}
			e, ok := errors.AsType[*genai.Error](err)
			if !ok {
				t.Fatalf("it ended with %v", err)
			}
			if e.Kind != c.kind || e.Started != c.started || !strings.Contains(e.Message, c.message) || len(e.Message) > 600 {
				t.Errorf("%+v", e)
			}
			if e.Op != "chat" || e.Target != "them" || e.Status != c.status || e.RequestID != "r1" || calls != 1 {
				t.Errorf("%+v after %d calls", e, calls)
			}
		})
	}
}

func TestBegin(t *testing.T) {
	for name, s := range map[string]Server{
		"BaseURL": {BaseURL: "localhost:8000"},
		"Key":     {BaseURL: "http://x", Key: "sk-1\n"},
		"Header":  {BaseURL: "http://x", Header: http.Header{"idempotency-key": {"1"}}},
	} {
		x, err := Begin("chat", s)
		if e, ok := errors.AsType[*genai.Error](err); !ok || x != nil || e.Field != name || e.Started != genai.StartedNo {
			t.Errorf("%s: %v, %v", name, x, err)
		}
	}
}

func TestBody(t *testing.T) {
	x, err := Begin("chat", Server{BaseURL: "http://x"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.Body(map[string]any{"a": 1, "b": "<&>"}, map[string]json.RawMessage{"a": json.RawMessage("2")})
	if want := `{"a":2,"b":"<&>"}` + "\n"; string(got) != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := x.Body(struct{}{}, map[string]json.RawMessage{"a": json.RawMessage("{")}); genai.KindOf(err) != genai.InvalidRequest {
		t.Error("an extra field that is not JSON was taken: ", err)
	}
}
