package httptransport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

var (
	fails   = transport.Op[*note, *note]{Name: "test.fails"}
	exits   = transport.Op[*note, *note]{Name: "test.exits"}
	panics  = transport.Op[*note, *note]{Name: "test.panics"}
	breaks  = transport.Op[*note, notes]{Name: "test.breaks"} // after two pieces
	wanders = transport.Op[*note, notes]{Name: "test.wanders"}
)

// testServer has one operation for each way a call can go.
func testServer() *httptransport.Server {
	s := &httptransport.Server{}
	echo.Serve(s, func(ctx context.Context, req *note) (*note, error) {
		_ = transport.ReplyOf(ctx).Set("seen", transport.Metadata(ctx, "tenant")+transport.Metadata(ctx, "traceparent"))
		return req, nil
	})
	count.Serve(s, func(ctx context.Context, req *note) (notes, error) {
		stream, err := counting(ctx, req)
		genai.Finally(stream, err, func(error) {
			_ = transport.ReplyOf(ctx).Set("cost", "3")
		})
		return stream, err
	})
	fails.Serve(s, func(ctx context.Context, req *note) (*note, error) {
		_ = transport.ReplyOf(ctx).Set("cost", "1")
		return nil, &genai.Error{Kind: genai.RateLimited, Message: "slow down", Reason: "busy", RetryAfter: 1200e6, Started: genai.StartedYes}
	})
	exits.Serve(s, func(context.Context, *note) (*note, error) { runtime.Goexit(); return nil, nil })
	panics.Serve(s, func(context.Context, *note) (*note, error) { panic("at the disco") })
	breaks.Serve(s, func(ctx context.Context, req *note) (notes, error) {
		n := 0
		return genai.NewStream(ctx, func() (note, error) {
			if n++; n <= 2 {
				return note{N: n}, nil
			}
			switch req.Text {
			case "exit":
				runtime.Goexit()
			case "panic":
				panic("at the disco")
			case "large":
				return note{Text: strings.Repeat("x", 33<<20)}, nil
			}
			_ = transport.ReplyOf(ctx).Set("cost", "2")
			return note{}, genai.Errorf(genai.Overloaded, "too much")
		}, nil)
	})
	wanders.Serve(s, func(ctx context.Context, req *note) (notes, error) {
		return genai.NewStream(ctx, func() (note, error) { return note{}, genai.Errorf(genai.NotFound, "no such thing") }, nil)
	})
	return s
}

// TestWire speaks to a server as PROTOCOL.md says, with nothing but package net/http.
func TestWire(t *testing.T) {
	base := serve(t, "http", testServer())
	type header map[string]string
	tests := []struct {
		name   string
		method string
		path   string
		header header
		body   string

		status     int
		respHeader header
		respBody   string // the whole body, or a part of it if it begins with "..."
	}{
		{"a call", "POST", "/test/echo", header{"Content-Type": "application/json"}, `{"text":"hello"}`,
			200, header{"Content-Type": "application/json", "Content-Length": "16"}, `{"text":"hello"}`},
		{"a charset", "POST", "/test/echo", header{"Content-Type": "Application/JSON; charset=utf-8"}, `{"text":"hello"}`, 200, nil, `{"text":"hello"}`},
		{"no content type", "POST", "/test/echo", nil, `{"text":"hello"}`, 200, nil, `{"text":"hello"}`},
		{"an empty body", "POST", "/test/echo", nil, "", 200, nil, `{"text":""}`},
		{"metadata", "POST", "/test/echo", header{"Dovetail-Md-Tenant": "acme", "Traceparent": "-trace"}, "", 200, header{"Dovetail-Md-Seen": "acme-trace"}, `{"text":""}`},
		{"a blob comes back as base64", "POST", "/test/echo", nil, `{"text":"","blob":{"media_type":"image/png","data":"Ynl0ZXM="}}`,
			200, nil, `{"text":"","blob":{"media_type":"image/png","data":"Ynl0ZXM="}}`},
		{"a stream", "POST", "/test/count", nil, `{"n":2}`, 200, header{"Content-Type": "text/event-stream", "Cache-Control": "no-store"},
			"data: {\"text\":\"0\"}\n\ndata: {\"text\":\"1\",\"n\":1}\n\nevent: end\ndata: {\"metadata\":{\"cost\":\"3\"}}\n\n"},
		{"a stream with blobs", "POST", "/test/count", nil, `{"n":1,"blob":{"media_type":"image/png","data":"Ynl0ZXM="}}`, 200, nil,
			"...data: {\"text\":\"0\",\"blob\":{\"media_type\":\"image/png\",\"data\":\"Ynl0ZXM=\"}}\n\n"},
		{"a stream without pieces", "POST", "/test/count", nil, `{}`, 200, nil, "event: end\ndata: {\"metadata\":{\"cost\":\"3\"}}\n\n"},
		{"frames", "POST", "/test/count", header{"Accept": "text/event-stream, application/vnd.dovetail.frames"}, `{"n":1}`, 200,
			header{"Content-Type": "application/vnd.dovetail.frames"}, "m\x00\x00\x00\x0c{\"text\":\"0\"}e\x00\x00\x00\x19{\"metadata\":{\"cost\":\"3\"}}"},
		{"frames both ways", "POST", "/test/echo", header{"Accept": "application/vnd.dovetail.frames", "Content-Type": "application/vnd.dovetail.frames"},
			"p\x00\x00\x00\x02ABm\x00\x00\x00\x2a" + `{"blob":{"media_type":"image/png","part":1}`[:42] + "", 400, nil, `..."kind":"invalid_request"`},
		{"an error", "POST", "/test/fails", nil, "{}", 429, header{"Content-Type": "application/problem+json", "Retry-After": "2", "Dovetail-Md-Cost": "1"},
			`{"title":"rate limited","status":429,"detail":"slow down","kind":"rate_limited","retryable":true,"reason":"busy","retry_after_ms":1200,"started":"yes"}`},
		{"an error instead of a first piece", "POST", "/test/wanders", nil, "{}", 404, header{"Content-Type": "application/problem+json"}, `..."kind":"not_found"`},
		{"an error behind pieces", "POST", "/test/breaks", nil, "{}", 200, nil, "...data: {\"text\":\"\",\"n\":2}\n\nevent: error\ndata: {\"title\":\"overloaded\",\"status\":503,"},
		{"metadata with an error behind pieces", "POST", "/test/breaks", nil, "{}", 200, nil, `..."metadata":{"cost":"2"}}`},
		{"a piece that is too large", "POST", "/test/breaks", nil, `{"text":"large"}`, 200, nil, `..."kind":"too_large"`},

		{"no such operation", "POST", "/test/nothing", nil, "{}", 501, header{"Content-Type": "application/problem+json"}, `...nobody serves \"/test/nothing\" here","kind":"unimplemented"`},
		{"GET", "GET", "/test/echo", nil, "", 405, header{"Allow": "POST"}, `...test.echo is called with POST`},
		{"a page", "GET", "/", nil, "", 404, nil, `..."kind":"not_found"`},
		{"alive", "GET", "/livez", nil, "", 200, nil, "alive\n"},
		{"ready", "GET", "/readyz", nil, "", 200, nil, "ready\n"},

		{"a form", "POST", "/test/echo", header{"Content-Type": "application/x-www-form-urlencoded"}, "a=b", 415, nil, `...not \"application/x-www-form-urlencoded\"`},
		{"text", "POST", "/test/echo", header{"Content-Type": "text/plain"}, "{}", 415, nil, `..."field":"content-type"`},
		{"another site", "POST", "/test/echo", header{"Sec-Fetch-Site": "cross-site"}, "{}", 403, nil, `..."kind":"permission_denied"`},
		{"another origin", "POST", "/test/echo", header{"Origin": "http://evil.example"}, "{}", 403, nil, `..."kind":"permission_denied"`},
		{"no origin", "POST", "/test/echo", header{"Origin": "null"}, "{}", 403, nil, `..."kind":"permission_denied"`},
		{"a bent name", "POST", "/test/echo", header{"Host": "evil.example:80", "Origin": "http://evil.example:80"}, "{}", 403, nil, `...\"evil.example:80\" is no name of this server`},
		{"a bent name asks for a page", "GET", "/", header{"Host": "evil.example"}, "", 403, nil, `..."kind":"permission_denied"`},
		{"localhost", "POST", "/test/echo", header{"Host": "localhost:1"}, "{}", 200, nil, `{"text":""}`},

		{"not JSON", "POST", "/test/echo", nil, `{"text":`, 400, nil, `..."kind":"invalid_request"`},
		{"no object", "POST", "/test/echo", nil, `[]`, 400, nil, `...not a JSON object`},
		{"more behind it", "POST", "/test/echo", nil, `{} {}`, 400, nil, `..."kind":"invalid_request"`},
		{"the wrong type", "POST", "/test/echo", nil, `{"n":"x"}`, 400, nil, `..."field":"n"`},
		{"no UTF-8", "POST", "/test/echo", nil, "{\"text\":\"\xff\"}", 400, nil, `...not UTF-8`},
		{"too large", "POST", "/test/echo", nil, `{"text":"` + strings.Repeat("x", 2<<20) + `"}`, 413, header{"Content-Type": "application/problem+json"}, `...the request has 2097163 bytes; it may have 1048576`},
		{"cut frames", "POST", "/test/echo", header{"Content-Type": "application/vnd.dovetail.frames"}, "m\x00\x00\x00\x09{}", 400, nil, `...a frame is cut`},
		{"a part that is missing", "POST", "/test/echo", header{"Content-Type": "application/vnd.dovetail.frames"}, "m\x00\x00\x00\x13" + `{"blob":{"part":1}}`, 400, nil, `...frame 1 of 0`},
		{"a part that is missing from JSON", "POST", "/test/echo", nil, `{"blob":{"part":1}}`, 400, nil, `...frame 1 of 0`},
		{"no time left", "POST", "/test/echo", header{"Dovetail-Timeout-Ms": "0"}, "{}", 504, nil, `..."kind":"deadline_exceeded"`},
		{"no number", "POST", "/test/echo", header{"Dovetail-Timeout-Ms": "soon"}, "{}", 400, nil, `..."field":"dovetail-timeout-ms"`},
		{"a negative time", "POST", "/test/echo", header{"Dovetail-Timeout-Ms": "-1"}, "{}", 400, nil, `..."field":"dovetail-timeout-ms"`},
		{"a long time", "POST", "/test/echo", header{"Dovetail-Timeout-Ms": "9999999999999999999"}, "{}", 200, nil, `{"text":""}`},
		{"no attempt", "POST", "/test/echo", header{"Dovetail-Attempt": "0"}, "{}", 400, nil, `..."field":"dovetail-attempt"`},
		{"metadata that may not be", "POST", "/test/echo", header{"Dovetail-Md-Dovetail-X": "1"}, "{}", 400, nil, `..."field":"metadata.dovetail-x"`},

		{"a handler that ends its goroutine", "POST", "/test/exits", nil, "{}", 500, nil, `...ended its goroutine`},
		{"a handler that panics", "POST", "/test/panics", nil, "{}", 500, nil, `..."kind":"internal"`},
		{"a producer that ends its goroutine", "POST", "/test/breaks", nil, `{"text":"exit"}`, 200, nil, `...event: error` + "\n" + `data: {"title":"internal"`},
		{"a producer that panics", "POST", "/test/breaks", nil, `{"text":"panic"}`, 200, nil, `...event: error` + "\n" + `data: {"title":"internal"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), test.method, base+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range test.header {
				req.Header.Set(name, value)
				if name == "Host" {
					req.Host = value
				}
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil && !strings.Contains(test.name, "ends its goroutine") {
				t.Errorf("the body was cut: %v", err)
			}
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d", resp.StatusCode, test.status)
			}
			for name, want := range test.respHeader {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if part, ok := strings.CutPrefix(test.respBody, "..."); ok {
				if !strings.Contains(string(body), part) {
					t.Errorf("the body is %s, want in it %s", clip(body), part)
				}
			} else if string(body) != test.respBody {
				t.Errorf("the body is %s, want %s", clip(body), test.respBody)
			}
			if resp.Header.Get("Content-Type") == "application/problem+json" {
				var p transport.Problem
				if err := json.Unmarshal(body, &p); err != nil || p.Status != resp.StatusCode || p.Kind == "" {
					t.Errorf("the problem is %+v, %v", p, err)
				}
			}
		})
	}
}

func clip(body []byte) string { return fmt.Sprintf("%q", body[:min(len(body), 1000)]) }

// TestChunkedTooLarge: who does not say how much is coming is stopped as well.
func TestChunkedTooLarge(t *testing.T) {
	base := serve(t, "http", testServer())
	endless := io.MultiReader(strings.NewReader(`{"text":"`), endlessly{})
	resp, err := http.Post(base+"/test/echo", "application/json", io.LimitReader(endless, 100<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), "more than 1048576 bytes") {
		t.Errorf("status %d: %s", resp.StatusCode, clip(body))
	}
	http.DefaultClient.CloseIdleConnections()
}

type endlessly struct{}

func (endlessly) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestMounted(t *testing.T) {
	s := testServer()
	s.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "page %s", r.URL.Path) })
	server := httptest.NewServer(s)
	defer server.Close()
	got, err := echo.Dial(dial(t, server.URL))(t.Context(), &note{Text: "hello"})
	if err != nil || got.Text != "hello" {
		t.Errorf("got %v, %v", got, err)
	}
	resp, err := http.Get(server.URL + "/about")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if body, _ := io.ReadAll(resp.Body); string(body) != "page /about" {
		t.Errorf("the page is %q", body)
	}
}

func TestContextHasNothingOfHTTP(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			s := &httptransport.Server{}
			echo.Serve(s, func(ctx context.Context, req *note) (*note, error) {
				for _, key := range []any{http.ServerContextKey, http.LocalAddrContextKey} {
					if v := ctx.Value(key); v != nil {
						req.N++
					}
				}
				if _, ok := ctx.Deadline(); ok {
					req.N++
				}
				if genai.AttemptOf(ctx) != 3 {
					req.N++
				}
				return req, nil
			})
			got, err := echo.Dial(dial(t, serve(t, network, s)))(genai.WithAttempt(t.Context(), 3), &note{})
			if err != nil || got.N != 0 {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestMetadataBothWays(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			c := dial(t, serve(t, network, testServer()))
			ctx := transport.WithMetadata(t.Context(), "tenant", "a,b c")
			ctx = transport.WithMetadata(ctx, "traceparent", "-t")
			ctx, reply := transport.WithReply(ctx)
			if _, err := echo.Dial(c)(ctx, &note{}); err != nil || reply.Get("seen") != "a,b c-t" {
				t.Errorf("replied %v, %v", reply.All(), err)
			}
			ctx, reply = transport.WithReply(ctx)
			stream, err := count.Dial(c)(ctx, &note{N: 3})
			if err != nil || reply.Get("cost") != "" {
				t.Fatalf("replied %v, %v", reply.All(), err)
			}
			drain(t, stream, 3)
			if reply.Get("cost") != "3" {
				t.Errorf("replied %v", reply.All())
			}
			ctx, reply = transport.WithReply(ctx)
			if _, err := fails.Dial(c)(ctx, &note{}); err == nil || reply.Get("cost") != "1" {
				t.Errorf("replied %v, %v", reply.All(), err)
			}
		})
	}
}

func TestGoexitOverHTTP2(t *testing.T) {
	c := dial(t, serve(t, "h2c", testServer()))
	_, err := exits.Dial(c)(t.Context(), &note{})
	if e := genai.AsError(err); e == nil || e.Kind != genai.Internal || !e.Remote {
		t.Errorf("got %v", err)
	}
	stream, err := breaks.Dial(c)(t.Context(), &note{Text: "exit"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err = range stream.All() {
		n++
	}
	if e := genai.AsError(err); n != 3 || e == nil || e.Kind != genai.Internal || !e.Remote {
		t.Errorf("after %d pieces %v", n, err)
	}
}

func TestDuplicatePanics(t *testing.T) {
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, "test.echo has a handler already") {
			t.Errorf("panicked with %q", p)
		}
	}()
	s := testServer()
	echo.Serve(s, func(context.Context, *note) (*note, error) { return nil, nil })
}

// L2 of package transporttest, for the limit of a server.
func TestL2MaxInFlight(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			inside, release := make(chan struct{}), make(chan struct{})
			s := &httptransport.Server{MaxInFlight: 1}
			echo.Serve(s, func(_ context.Context, req *note) (*note, error) {
				inside <- struct{}{}
				<-release
				return req, nil
			})
			call := echo.Dial(dial(t, serve(t, network, s)))
			first := make(chan error, 1)
			go func() { // ends with the call
				_, err := call(t.Context(), &note{})
				first <- err
			}()
			<-inside
			_, err := call(t.Context(), &note{})
			if e := genai.AsError(err); e == nil || e.Kind != genai.Overloaded || e.Started != genai.StartedNo || e.RetryAfter == 0 {
				t.Errorf("got %+v", e)
			}
			close(release)
			if err := <-first; err != nil {
				t.Error(err)
			}
			go func() { <-inside }() // ends with the call that follows
			if _, err := call(t.Context(), &note{}); err != nil {
				t.Errorf("there is room again, but: %v", err)
			}
		})
	}
}

func TestBlobsOfAllSizes(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			s := &httptransport.Server{}
			picture.Serve(s, func(_ context.Context, req *note) (*note, error) { return req, nil })
			call := picture.Dial(dial(t, serve(t, network, s)))
			for _, n := range []int{0, 1, 4096, 1 << 20, 20 << 20} {
				data := bytes.Repeat([]byte{byte(n), 1, 2, 3}, n/4+1)[:n]
				got, err := call(t.Context(), &note{Blob: genai.NewBlob("image/png", data)})
				if err != nil || !bytes.Equal(got.Blob.Bytes(), data) {
					t.Errorf("%d bytes did not come back: %v", n, err)
				}
			}
		})
	}
}
