package ollama_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func TestChat(t *testing.T) {
	recordedtest.CheckLeaks(t)
	s := serve(t, stream(hello, "", world, `{"news":1}`, done("stop")))
	got, err := all(s.client().Chat(t.Context(), ask))
	if err != nil {
		t.Fatal(err)
	}
	want := &genai.ChatResponse{
		Model: "real", Message: genai.Assistant("Hello world"), Finish: genai.Finish{Reason: genai.FinishStop, Raw: "stop"},
		Usage: &genai.Usage{Input: 9, Output: 4},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s.request.URL.Path != "/api/chat" || s.request.Header.Get("Authorization") != "Bearer sk-secret-key" || s.calls != 1 {
		t.Errorf("asked %s with %q", s.request.URL, s.request.Header)
	}
}

// TestAnswers: what stands in the lines of an answer.
func TestAnswers(t *testing.T) {
	thought := func(text string) genai.Part {
		return genai.Part{Reasoning: &genai.Reasoning{Text: text}, Opaque: &genai.Opaque{Origin: "there", Type: "thinking"}}
	}
	for name, c := range map[string]struct {
		lines []string
		want  genai.ChatResponse
	}{
		"a thought and calls": {
			[]string{
				say(`{"thinking":"H"}`), say(`{"thinking":"m","content":""}`),
				say(`{"content":"","tool_calls":[{"function":{"index":4,"name":"a","arguments":{"x": 1}}},{"id":"c7","function":{"name":"b"}}]}`),
				say(`{"tool_calls":[{"function":{"name":"a","arguments":"{\"x\":2}"}}]}`), done("stop"),
			},
			genai.ChatResponse{
				Message: genai.Message{Role: genai.RoleAssistant, Parts: []genai.Part{
					thought("Hm"), {ToolCall: &genai.ToolCall{ID: "call_0", Name: "a", Arguments: `{"x": 1}`}},
					{ToolCall: &genai.ToolCall{ID: "c7", Name: "b", Arguments: `{}`}}, {ToolCall: &genai.ToolCall{ID: "call_2", Name: "a", Arguments: `{"x":2}`}},
				}},
				Finish: genai.Finish{Reason: genai.FinishToolCalls, Raw: "stop"}, Usage: &genai.Usage{Input: 9, Output: 4},
			},
		},
		"all in one line": {
			[]string{`{"model":"real","message":{"thinking":"Hm","content":"Yes"},"done":true,"done_reason":"length","eval_count":3}`},
			genai.ChatResponse{
				Message: genai.Message{Role: genai.RoleAssistant, Parts: []genai.Part{thought("Hm"), {Text: "Yes"}}},
				Finish:  genai.Finish{Reason: genai.FinishLength, Raw: "length"}, Usage: &genai.Usage{Output: 3, LowerBound: true},
			},
		},
		"thoughts only": {
			[]string{say(`{"thinking":"Hm"}`), done("length")},
			genai.ChatResponse{
				Message: genai.Message{Role: genai.RoleAssistant, Parts: []genai.Part{thought("Hm")}},
				Finish:  genai.Finish{Reason: genai.FinishLength, Raw: "length"}, Usage: &genai.Usage{Input: 9, Output: 4},
			},
		},
		"an old server": {
			[]string{say(`{"content":"Hi"}`), `{"model":"real","done":true}`},
			genai.ChatResponse{Message: genai.Assistant("Hi"), Finish: genai.Finish{Reason: genai.FinishOther}},
		},
		"nothing but loading": {
			[]string{`{"model":"real","message":{"role":"assistant","content":""},"done_reason":"load","done":true}`},
			genai.ChatResponse{Message: genai.Message{Role: genai.RoleAssistant}, Finish: genai.Finish{Reason: genai.FinishOther, Raw: "load"}},
		},
		"more than one line in one": {
			[]string{say(`{"content":"a"}`) + "\r", "\t" + say(`{"content":"b"}`), done("stop"), `{"error":"behind the end"}`},
			genai.ChatResponse{Message: genai.Assistant("ab"), Finish: genai.Finish{Reason: genai.FinishStop, Raw: "stop"}, Usage: &genai.Usage{Input: 9, Output: 4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Model = "real"
			client := &ollama.Client{BaseURL: "http://there", Model: "m", HTTP: (&recordedtest.Replay{Body: data(c.lines...)}).Client()}
			got, err := all(client.Chat(t.Context(), ask))
			if err != nil || !reflect.DeepEqual(got, &c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
			whole, err := client.Complete(t.Context(), ask)
			if err != nil || !reflect.DeepEqual(whole, got) {
				t.Errorf("whole: %+v, %v; streamed %+v", whole, err, got)
			}
		})
	}
}

// TestIDs: calls without an id get one that no other call of the conversation has.
func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, created := range []string{"2026-06-19T16:26:52.429441648-07:00", "2026-06-19T16:26:52.429441649-07:00"} {
		line := `{"model":"real","created_at":"` + created + `","message":{"tool_calls":[{"function":{"name":"a"}},{"function":{"name":"a"}}]},"done":true}`
		client := &ollama.Client{Model: "m", HTTP: (&recordedtest.Replay{Body: data(line)}).Client()}
		got, err := all(client.Chat(t.Context(), ask))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range got.Message.ToolCalls() {
			seen[c.ID] = true
		}
	}
	if len(seen) != 4 || seen[""] {
		t.Errorf("ids are %v", seen)
	}
}

func TestBadAnswers(t *testing.T) {
	recordedtest.CheckLeaks(t)
	refuse := func(status int, message string) http.HandlerFunc {
		return fixed(status, "application/json", `{"error":"`+message+`"}`)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   genai.Kind
		before bool // no stream is handed out
		field  string
	}{
		"cut before the first piece":   {answer: stream(say(`{"content":""}`)), kind: genai.Truncated, before: true},
		"cut after a piece":            {answer: stream(hello), kind: genai.Truncated},
		"cut inside of a line":         {answer: stream(hello, `{"model":"real","mess`), kind: genai.Truncated},
		"nothing":                      {answer: stream(), kind: genai.Truncated, before: true},
		"an error as the first line":   {answer: stream(`{"error":"model \"x\" not found, try pulling it first"}`), kind: genai.NotFound, before: true, field: "model"},
		"an error in the middle":       {answer: stream(hello, `{"error":"an error was encountered while running the model: unexpected EOF"}`, done("stop")), kind: genai.ServerError},
		"an error that is an object":   {answer: stream(hello, `{"error":{"message":"m"}}`), kind: genai.ServerError},
		"a call without a name":        {answer: stream(say(`{"tool_calls":[{"id":"1"}]}`)), kind: genai.Malformed, before: true},
		"no JSON":                      {answer: stream(hello, "hello"), kind: genai.Malformed},
		"an array":                     {answer: stream(hello, "[]"), kind: genai.Malformed},
		"a web page":                   {answer: fixed(200, "text/html", "<!doctype html><html>very secret"), kind: genai.Malformed, before: true},
		"a connection that is cut off": {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, kind: genai.Unavailable, before: true},
		"no such model":                {answer: refuse(404, "model 'x' not found"), kind: genai.NotFound, before: true},
		"no tools":                     {answer: refuse(400, `registry.ollama.ai/library/gemma3:4b does not support tools`), kind: genai.Unsupported, before: true, field: "tools"},
		"no thinking":                  {answer: refuse(400, `\"m\" does not support thinking`), kind: genai.Unsupported, before: true, field: "reasoning"},
		"too long":                     {answer: refuse(400, "the input length exceeds the context length"), kind: genai.ContextLength, before: true},
		"a quotation of such an error": {answer: refuse(400, "invalid: the input length exceeds the context length"), kind: genai.InvalidRequest, before: true},
		"busy":                         {answer: refuse(503, "server busy, please try again.  maximum pending requests exceeded"), kind: genai.Overloaded, before: true},
		"busy, in the middle":          {answer: stream(hello, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`), kind: genai.Overloaded},
		"no memory":                    {answer: refuse(500, "model requires more system memory (5.6 GiB) than is available (1.2 GiB)"), kind: genai.Overloaded, before: true},
		"a failure":                    {answer: refuse(500, "llama runner process has terminated: exit status 2"), kind: genai.ServerError, before: true},
		"wrong":                        {answer: refuse(400, "invalid options: num_ctx"), kind: genai.InvalidRequest, before: true},
		"who are you":                  {answer: refuse(401, "unauthorized"), kind: genai.Unauthenticated, before: true},
		"too many requests":            {answer: refuse(429, "m"), kind: genai.RateLimited, before: true},
		"something that quotes":        {answer: refuse(400, "about 'my very secret question' for sk-secret-key"), kind: genai.InvalidRequest, before: true},
		"a redirect to somewhere else": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, kind: genai.Precondition, before: true, field: "BaseURL"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, whole := range []bool{false, true} {
				s := serve(t, c.answer)
				var err error
				if whole {
					var resp *genai.ChatResponse
					if resp, err = s.client().Complete(t.Context(), ask); resp != nil {
						t.Errorf("an answer: %+v", resp)
					}
				} else {
					var stream *genai.Stream[genai.ChatEvent]
					stream, err = s.client().Chat(t.Context(), ask)
					if (err != nil) != c.before {
						t.Errorf("Chat returned %v", err)
					}
					if err == nil {
						_, err = genai.FoldChat(stream.All())
					}
				}
				if err == nil {
					t.Fatal("it counts as an answer")
				}
				e := genai.AsError(err)
				if e.Kind != c.kind || e.Field != c.field || e.Op != "chat" || e.Target == "" || e.Message == "" {
					t.Errorf("it is %s, want %s: %+v", e.Kind, c.kind, e)
				}
				if text := err.Error(); strings.Contains(text, "secret") {
					t.Errorf("the error quotes: %s", text)
				}
				s.Close() // waits for the handlers
				if s.calls != 1 {
					t.Errorf("%d requests", s.calls)
				}
			}
		})
	}
}

// TestCancel: leaving ends the exchange at once, wherever it is.
func TestCancel(t *testing.T) {
	recordedtest.CheckLeaks(t)
	for name, first := range map[string]string{"before the headers": "", "before a piece": data(say(`{"content":""}`)), "after a piece": data(hello)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gone := make(chan struct{})
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if first != "" {
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
				if _, err := stream.Next(); err != nil {
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

// FuzzAnswer: whatever a server sends, there is an answer or an error of a kind, the same ones however the bytes are cut, and
// an answer has an end.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(data(hello, world, done("stop"))))
	f.Add([]byte(data(say(`{"thinking":"a"}`), say(`{"tool_calls":[{"function":{"name":"a","arguments":{}}}]}`), done("stop"))))
	f.Add([]byte(data(hello, `{"error":"m"}`)))
	f.Add([]byte(done("length")))
	f.Fuzz(func(t *testing.T, body []byte) {
		ask := func(bytes bool) (*genai.ChatResponse, error) {
			c := &ollama.Client{Model: "m", MaxBytes: 1 << 16, HTTP: (&recordedtest.Replay{Body: string(body), Bytes: bytes}).Client()}
			return all(c.Chat(t.Context(), ask))
		}
		got, err := ask(false)
		if err != nil {
			if e, ok := errors.AsType[*genai.Error](err); !ok || !e.Kind.Known() || e.Kind == genai.Unknown || e.Kind == genai.Internal {
				t.Fatalf("%v", err)
			}
		} else if got.Finish.Reason == "" {
			t.Fatalf("an answer without an end: %+v", got)
		}
		if again, other := ask(true); genai.KindOf(other) != genai.KindOf(err) || !reflect.DeepEqual(again, got) {
			t.Fatalf("all at once %+v, %v, byte by byte %+v, %v", got, err, again, other)
		}
	})
}

func BenchmarkChat(b *testing.B) {
	var lines []string
	for range 256 {
		lines = append(lines, hello)
	}
	s := serve(b, stream(append(lines, done("stop"))...))
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

var _ genai.Chat = (&ollama.Client{}).Chat
var _ genai.Completer = (&ollama.Client{}).Complete
var _ genai.Embedder = (&ollama.Client{}).Embed
var _ genai.Handler[string, *genai.Stream[ollama.Progress]] = (&ollama.Client{}).Pull
