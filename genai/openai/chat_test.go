package openai_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

func TestChat(t *testing.T) {
	leakCheck(t)
	s := serve(t, stream(data(hello, world, finish("stop"), use, done)))
	temperature := 0.0
	req := *ask
	req.Temperature = &temperature
	got, err := chat(t.Context(), s.client(), &req)
	if err != nil {
		t.Fatal(err)
	}
	if got.Text() != "Hello world" || got.ID != "a1" || got.Model != "real" || got.Finish.Reason != genai.FinishStop {
		t.Errorf("got %+v", got)
	}
	if u := got.Usage; u == nil || u.Input != 9 || u.Output != 4 {
		t.Errorf("usage is %+v", u)
	}
	if s.request.URL.Path != "/v1/chat/completions" || s.request.Header.Get("Authorization") != "Bearer sk-secret-key" {
		t.Errorf("asked %s with %q", s.request.URL, s.request.Header)
	}
	if s.request.Header.Get("Idempotency-Key") != "" || s.calls != 1 {
		t.Errorf("%d calls, which net/http might repeat", s.calls)
	}
	if s.body["stream"] != true || s.body["model"] != "m" || s.body["temperature"] != 0.0 {
		t.Errorf("asked for %v", s.body)
	}
	if _, ok := s.body["top_p"]; ok {
		t.Error("what is not set was sent")
	}
}

func TestComplete(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"id":"a1","model":"real","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"length"}]}`))
	got, err := s.client().Complete(t.Context(), ask)
	if err != nil || got.Text() != "Hi" || got.Finish.Reason != genai.FinishLength {
		t.Fatalf("%+v, %v", got, err)
	}
	if s.body["stream"] == true {
		t.Error("a stream was asked for")
	}
}

// TestBadAnswers: whatever comes instead of an answer is an error that says what it is, and never an answer.
func TestBadAnswers(t *testing.T) {
	leakCheck(t)
	problem := `{"error":{"message":"no","type":"tokens","code":"rate_limit_exceeded"}}`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   genai.Kind
		before bool // no stream is handed out
	}{
		"cut before the first piece":   {stream(data(delta(`{"role":"assistant"}`))), genai.Truncated, true},
		"cut after a piece":            {stream(data(hello)), genai.Truncated, false},
		"cut inside of a document":     {stream(data(hello) + `data: {"choices":[{"del`), genai.Truncated, false},
		"nothing":                      {stream(""), genai.Truncated, true},
		"only the end":                 {stream(data(done)), genai.Empty, true},
		"an error instead of a stream": {fixed(200, "application/json", problem), genai.RateLimited, true},
		"an error as the first event":  {stream(data(problem)), genai.RateLimited, true},
		"an error in the middle":       {stream(data(hello, problem)), genai.RateLimited, false},
		"an event called error":        {stream(data(hello) + "event: error\ndata: {\"message\":\"overloaded\",\"type\":\"overloaded_error\"}\n\n"), genai.Overloaded, false},
		"a web page":                   {fixed(200, "text/html", "<!doctype html><html>very secret"), genai.Malformed, true},
		"a web page that fails":        {fixed(502, "text/html", "<html>bad gateway</html>"), genai.ServerError, true},
		"no JSON":                      {stream(data(hello, "hello")), genai.Malformed, false},
		"too many requests":            {fixed(429, "application/json", problem), genai.RateLimited, true},
		"a wrong key":                  {fixed(401, "application/json", `{"error":{"message":"Incorrect API key provided: sk-secret-key","code":"invalid_api_key"}}`), genai.Unauthenticated, true},
		"no such model":                {fixed(404, "application/json", `{"error":{"message":"no","code":"model_not_found"}}`), genai.NotFound, true},
		"too long":                     {fixed(400, "application/json", `{"error":{"message":"no","code":"context_length_exceeded"}}`), genai.ContextLength, true},
		"a redirect to somewhere else": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, "", true},
		"the provider broke it off":    {stream(data(hello, finish("error"))), genai.ServerError, false},
		"a connection that is cut off": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, genai.Unavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answer)
			stream, err := s.client().Chat(t.Context(), ask)
			if (err != nil) != c.before {
				t.Errorf("Chat returned %v", err)
			}
			if err == nil {
				_, err = genai.FoldChat(stream.All())
			}
			if err == nil {
				t.Fatal("it counts as an answer")
			}
			if kind := genai.KindOf(err); c.kind != "" && kind != c.kind {
				t.Errorf("it is %s, want %s: %v", kind, c.kind, err)
			}
			if text := err.Error(); strings.Contains(text, "secret") {
				t.Errorf("the error quotes: %s", text)
			}
			s.Close() // waits for the handlers
			if s.calls != 1 {
				t.Errorf("%d requests", s.calls)
			}
		})
	}
}

func TestHints(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		fixed(429, "application/json", `{"error":{"message":"no","code":"rate_limit_exceeded"}}`)(w, r)
	})
	_, err := s.client().Chat(t.Context(), ask)
	e := genai.AsError(err)
	if e.RetryAfter != 7*time.Second || e.Status != 429 || e.Code != "rate_limit_exceeded" || e.RequestID != "req-1" {
		t.Errorf("%+v", e)
	}
}

// TestCancel: leaving ends the exchange at once, wherever it is.
func TestCancel(t *testing.T) {
	leakCheck(t)
	for name, first := range map[string]string{"before the headers": "", "before a piece": data(delta(`{"role":"assistant"}`)), "after a piece": data(hello)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gone := make(chan struct{})
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if first != "" {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = w.Write([]byte(first))
					_ = http.NewResponseController(w).Flush()
				}
				if name != "after a piece" {
					cancel()
				}
				<-r.Context().Done()
				close(gone)
			})
			stream, err := s.client().Chat(ctx, ask)
			if err == nil {
				if _, err := stream.Next(); err != nil { // the start, or the first piece
					t.Fatal(err)
				}
				cancel()
				for err == nil {
					_, err = stream.Next()
				}
			}
			if !errors.Is(err, context.Canceled) || genai.KindOf(err) != genai.Cancelled {
				t.Errorf("it ended with %v", err)
			}
			<-gone
		})
	}
}

func TestNobodyThere(t *testing.T) {
	c := &openai.Client{BaseURL: "http://127.0.0.1:1", Model: "m"} // a port that a closed server had may be somebody else's by now
	_, err := c.Chat(t.Context(), ask)
	if e := genai.AsError(err); e.Kind != genai.Unavailable || e.Started != genai.StartedNo {
		t.Errorf("%+v", e)
	}
}

func TestEmbed(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"model":"e","data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}],"usage":{"prompt_tokens":5}}`))
	got, err := s.client().Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a", "b"}})
	if err != nil || len(got.Vectors) != 2 || got.Vectors[0][0] != 1 || got.Vectors[1][1] != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	s = serve(t, fixed(200, "application/json", `{"model":"e","data":[{"index":0,"embedding":[1]}]}`))
	if _, err := s.client().Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a", "b"}}); genai.KindOf(err) != genai.Malformed {
		t.Errorf("one vector for two texts: %v", err)
	}
}

func BenchmarkChat(b *testing.B) {
	chunks := make([]string, 256)
	for i := range chunks {
		chunks[i] = hello
	}
	s := serve(b, stream(data(append(chunks, finish("stop"), done)...)))
	c := s.client()
	b.ReportAllocs()
	for b.Loop() {
		stream, err := c.Chat(b.Context(), ask)
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range stream.All() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

var _ genai.Chat = (&openai.Client{}).Chat
