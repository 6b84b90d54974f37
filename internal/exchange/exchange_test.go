package exchange

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// understand is a provider whose errors are {"kind":...,"message":...}.
func understand(body []byte, status int, _ http.Header) Problem {
	var p struct {
		Kind    genai.Kind
		Message string
		Code    *string
	}
	if json.Unmarshal(body, &p) != nil || p.Kind == "" {
		p.Kind = genai.ServerError
	}
	if p.Code == nil {
		p.Code = new(fmt.Sprint("status_", status))
	}
	return Problem{Kind: p.Kind, Message: p.Message, Code: *p.Code}
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
			// What was said is kept, but for what it quotes.
			if said := c.status >= 400 && c.body != "" || name == "an error"; said != (e.Raw != "") || len(e.Raw) > 2100 || strings.Contains(e.Raw, "private") || strings.Contains(e.Raw, "sk-1") {
				t.Errorf("%d bytes are kept: %.200s", len(e.Raw), e.Raw)
			}
			if e.Op != "chat" || e.Target != "them" || e.Status != c.status || e.RequestID != "r1" || calls != 1 {
				t.Errorf("%+v after %d calls", e, calls)
			}
		})
	}
}

// TestAdvice: a server may know better than its status whether it helps to ask again.
func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		status       int
		body, advice string
		kind         genai.Kind
		final        bool
	}{
		{503, `{"kind":"overloaded"}`, "", genai.Overloaded, false},
		{503, `{"kind":"overloaded"}`, "true", genai.Overloaded, false},
		{503, `{"kind":"overloaded"}`, "false", genai.Overloaded, true},
		{429, `{"kind":"quota_exhausted"}`, "false", genai.QuotaExhausted, false}, // is final by its kind
		{429, `{"kind":"quota_exhausted"}`, "true", genai.QuotaExhausted, false},  // what the body says goes before
		{400, `{"kind":"invalid_request","code":""}`, "true", genai.Overloaded, false},
		{400, `{"kind":"invalid_request","code":"bad_top_p"}`, "true", genai.InvalidRequest, false},
		{400, `{"kind":"invalid_request","code":""}`, "maybe", genai.InvalidRequest, false},
	} {
		header := http.Header{}
		if c.advice != "" {
			header.Set("X-Should-Retry", c.advice)
		}
		_, err := echo(t.Context(), Server{BaseURL: "http://there", HTTP: &http.Client{Transport: &Kept{Status: c.status, Header: header, Body: []byte(c.body)}}})
		if e := genai.AsError(err); e == nil || e.Kind != c.kind || e.Final != c.final {
			t.Errorf("%d %s, %q: %+v", c.status, c.body, c.advice, e)
		}
	}
}

// TestNobody: whatever keeps a request from a server, it has not begun.
func TestNobody(t *testing.T) {
	for _, failure := range []error{
		&net.DNSError{Err: "no such host", Name: "there", IsNotFound: true}, &net.DNSError{Err: "i/o timeout", Name: "there", IsTimeout: true},
		x509.UnknownAuthorityError{}, &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "there"}},
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, errors.New("net/http: TLS handshake timeout"),
	} {
		_, err := echo(t.Context(), Server{BaseURL: "http://there", HTTP: &http.Client{Transport: failing{err: failure}}})
		if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedNo || !errors.Is(err, failure) && e.Err == nil {
			t.Errorf("%v: %+v", failure, e)
		}
	}
	// A time limit of the HTTP client is one of the exchange, once the request is on its way.
	_, err := echo(t.Context(), Server{BaseURL: "http://there", HTTP: &http.Client{Transport: failing{os.ErrDeadlineExceeded, true}}})
	if e := genai.AsError(err); e == nil || e.Kind != genai.Timeout || e.Started == genai.StartedNo {
		t.Errorf("%+v", e)
	}
}

// A failing transport fails, before it has read the request or behind it.
type failing struct {
	err  error
	read bool
}

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.read {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	return nil, f.err
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

func TestUnwrap(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"message":"m","code":3}}`:        "m 3",
		`{"error":"m"}`:                             "m ",
		`[{"error":{"message":"m"}}]`:               "m ",
		`{"message":"m","error":null}`:              "m ",
		`{"message":"m","error":{"code":"c"}}`:      "m c",
		`{"error":["m"]}`:                           "m ",
		`{"message":[{"msg":"m"},{"message":"n"}]}`: "m; n ",
		`"m"`:           "m ",
		`<html>`:        " ",
		``:              " ",
		`[]`:            " ",
		`[[{"a":1}]]`:   " ",
		`{"error":[3]}`: " ",
		strings.Repeat(`{"error":`, 9000) + `"m"` + strings.Repeat("}", 9000): " ",
	} {
		f := Unwrap([]byte(body))
		if got := f.Text("message") + " " + f.Text("code"); got != want {
			t.Errorf("%.60s: %q, want %q", body, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	nan := math.NaN()
	for field, check := range map[string]func(*Check){
		"seed":                func(c *Check) { c.Lacks("top_k", false); c.Lacks("seed", true); c.Lacks("later", true) },
		"temperature":         func(c *Check) { c.Number("temperature", &nan) },
		"messages":            func(c *Check) { c.Messages(&genai.ChatRequest{}) },
		"model":               func(c *Check) { c.Model("", "") },
		"tools[1].name":       func(c *Check) { c.Tools([]genai.Tool{{Name: "a"}, {}}) },
		"tools[0].parameters": func(c *Check) { c.Tools([]genai.Tool{{Name: "a", Parameters: json.RawMessage("{")}}) },
		"tool_choice.name":    func(c *Check) { c.Choice(&genai.ToolChoice{Mode: genai.ToolAuto, Name: "a"}) },
		"tool_choice.mode":    func(c *Check) { c.Choice(&genai.ToolChoice{}) },
		"format.schema":       func(c *Check) { c.Schema(&genai.Format{Schema: json.RawMessage("{")}) },
		"image":               func(c *Check) { c.Bytes(genai.NewBlob("", []byte("x")), "image") },
		"call":                func(c *Check) { c.Call(&genai.ToolCall{Name: "a", Incomplete: true}, "call") },
		"call.name":           func(c *Check) { c.Call(&genai.ToolCall{}, "call") },
		"call.arguments":      func(c *Check) { c.Call(&genai.ToolCall{Name: "a", Arguments: "null"}, "call") },
	} {
		c := &Check{X: &Exchange{Op: "chat", Target: "them"}, Provider: "P"}
		if check(c); c.Err == nil || c.Err.Field != field || c.Err.Started != genai.StartedNo {
			t.Errorf("%s: %+v", field, c.Err)
		}
	}
	c := &Check{}
	got := c.Schema(&genai.Format{Schema: json.RawMessage(`{"type":"object"}`), Description: "<d>"})
	if want := `{"description":"<d>","type":"object"}`; strings.TrimSpace(string(got)) != want {
		t.Errorf("%s, want %s", got, want)
	}
}
