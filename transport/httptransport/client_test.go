package httptransport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// raw starts a server that reads one request on each connection and lets answer do with it as it likes. It returns the
// address, and a counter of requests.
func raw(t testing.TB, answer func(conn net.Conn)) (address string, requests *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	requests = &atomic.Int32{}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			req, err := http.ReadRequest(r)
			if err == nil {
				_, err = io.Copy(io.Discard, req.Body)
			}
			if err == nil {
				requests.Add(1)
				answer(conn)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String(), requests
}

func says(text string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

// reset closes a connection the hard way.
func reset(before string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, before)
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
}

func respond(status int, contentType, body string, headers ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d Status\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s", // it is: see raw
		status, contentType, len(body), strings.Join(append(headers, ""), "\r\n"), body)
}

const chunkedHead = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"

func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

func events(chunks ...string) string {
	return fmt.Sprintf(chunkedHead, "text/event-stream") + strings.Join(chunks, "")
}

func frames(chunks ...string) string {
	return fmt.Sprintf(chunkedHead, "application/vnd.dovetail.frames") + strings.Join(chunks, "")
}

const html = "<html>SECRET of the proxy</html>"

func TestBadAnswers(t *testing.T) {
	tests := []struct {
		name    string
		answer  func(net.Conn)
		kind    genai.Kind
		started genai.Started
		message string
	}{
		{"closed without an answer", says(""), genai.Unavailable, genai.StartedUnknown, "no answer from http://"},
		{"reset without an answer", reset(""), genai.Unavailable, genai.StartedUnknown, "no answer from http://"},
		{"half a status line", says("HTTP/1.1 20"), genai.Unavailable, genai.StartedUnknown, "no answer"},
		{"something else", says("SSH-2.0-OpenSSH\r\n"), genai.Unavailable, genai.StartedUnknown, "no answer"},
		{"half a body", says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"text\""), genai.Unavailable, genai.StartedYes, "the response was cut"},
		{"reset in the body", reset("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"text\""), genai.Unavailable, genai.StartedYes, "the response was cut"},
		{"half a chunked body", says(fmt.Sprintf(chunkedHead, "application/json") + chunk(`{"text"`)), genai.Unavailable, genai.StartedYes, "the response was cut"},
		{"HTML", says(respond(200, "text/html", html)), genai.Malformed, genai.StartedUnknown, "status 200, is text/html"},
		{"no type", says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), genai.Malformed, genai.StartedUnknown, "nothing in particular"},
		{"HTML of a proxy", says(respond(502, "text/html; charset=utf-8", html)), genai.Unavailable, genai.StartedUnknown, "status 502, is text/html"},
		{"a proxy that waited too long", says(respond(504, "text/html", html)), genai.Timeout, genai.StartedUnknown, "status 504"},
		{"a proxy that sends away", says(respond(302, "text/html", html, "Location: http://127.0.0.1:1/")), genai.Malformed, genai.StartedUnknown, "status 302"},
		{"a proxy that keeps the method", says(respond(307, "text/html", html, "Location: http://127.0.0.1:1/")), genai.Malformed, genai.StartedUnknown, "status 307"},
		{"a login", says(respond(401, "text/plain", html)), genai.Unauthenticated, genai.StartedUnknown, "status 401"},
		{"another server", says(respond(404, "text/plain", "404 page not found")), genai.Unimplemented, genai.StartedUnknown, "status 404"},
		{"a gateway's problem", says(respond(429, "application/problem+json", `{"title":"slow","detail":"slow down"}`, "Retry-After: 7")), genai.RateLimited, genai.StartedUnknown, "slow down"},
		{"a problem that is none", says(respond(500, "application/problem+json", html)), genai.Unknown, genai.StartedUnknown, "status 500 and cannot be understood"},
		{"half a problem", says("HTTP/1.1 500 No\r\nContent-Type: application/problem+json\r\nContent-Length: 100\r\n\r\n{"), genai.Unavailable, genai.StartedUnknown, "status 500 was cut"},
		{"a newer kind", says(respond(500, "application/problem+json", `{"kind":"brand_new","started":"maybe"}`)), genai.Unknown, genai.StartedUnknown, ""},
		{"no JSON", says(respond(200, "application/json", html)), genai.Malformed, genai.StartedYes, ""},
		{"the wrong JSON", says(respond(200, "application/json", `{"n":"x"}`)), genai.Malformed, genai.StartedYes, "cannot be"},
		{"nothing", says(respond(200, "application/json", "")), genai.Malformed, genai.StartedYes, ""},
		{"too large", says(respond(200, "application/json", `{"text":"`+strings.Repeat("x", 2<<20)+`"}`)), genai.TooLarge, genai.StartedYes, "has 2097163 bytes; it may have 1048576"},
		{"too large by announcement", says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{"), genai.TooLarge, genai.StartedYes, "has 99999999999 bytes"},
		{"too large in chunks", says(fmt.Sprintf(chunkedHead, "application/json") + chunk(strings.Repeat("x", 2<<20))), genai.TooLarge, genai.StartedYes, "more than 1048576 bytes"},
		{"cut frames", says(respond(200, "application/vnd.dovetail.frames", "m\x00\x00\x00\x09{}")), genai.Malformed, genai.StartedYes, "a frame is cut"},
		{"frames without a message", says(respond(200, "application/vnd.dovetail.frames", "p\x00\x00\x00\x02{}")), genai.Malformed, genai.StartedYes, "a frame is cut"},
		{"frames of another kind", says(respond(200, "application/vnd.dovetail.frames", "e\x00\x00\x00\x02{}")), genai.Malformed, genai.StartedYes, "unknown kind"},
		{"frames behind the message", says(respond(200, "application/vnd.dovetail.frames", "m\x00\x00\x00\x02{}m")), genai.Malformed, genai.StartedYes, "something after"},
		{"a part that is missing", says(respond(200, "application/vnd.dovetail.frames", "m\x00\x00\x00\x13"+`{"blob":{"part":1}}`)), genai.Malformed, genai.StartedYes, "frame 1 of 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			address, requests := raw(t, test.answer)
			got, err := echo.Dial(dial(t, address))(t.Context(), &note{Text: "the prompt"})
			e := genai.AsError(err)
			if e == nil || got != nil {
				t.Fatalf("got %v, %v", got, err)
			}
			if e.Kind != test.kind || e.Started != test.started || !strings.Contains(e.Message, test.message) {
				t.Errorf("got %v, started %q; want %s, started %q, %q", err, e.Started, test.kind, test.started, test.message)
			}
			if strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "the prompt") {
				t.Errorf("the error tells what is nobody's business: %v", err)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests were sent, want 1", n)
			}
			if test.name == "a gateway's problem" && e.RetryAfter != 7*time.Second {
				t.Errorf("RetryAfter is %v", e.RetryAfter)
			}
		})
	}
}

func TestBadStreams(t *testing.T) {
	piece, end := "data: {\"text\":\"x\"}\n\n", "event: end\ndata: {}\n\n"
	frame, finish := "m\x00\x00\x00\x0c{\"text\":\"x\"}", "e\x00\x00\x00\x02{}"
	large := strings.Repeat("x", 2<<20)
	tests := []struct {
		name    string
		answer  func(net.Conn)
		pieces  int
		kind    genai.Kind // empty: the stream is complete
		message string
	}{
		{"complete", says(events(chunk(piece+piece), chunk(end), "0\r\n\r\n")), 2, "", ""},
		{"complete but for the end of the body", says(events(chunk(piece), chunk(end))), 1, "", ""},
		{"comments and strangers", says(events(chunk(": ping\n\n"), chunk("event: news\ndata: {}\n\n"), chunk(piece), chunk(end), "0\r\n\r\n")), 1, "", ""},
		{"no piece", says(events(chunk(end), "0\r\n\r\n")), 0, "", ""},
		{"an end without data", says(events(chunk(piece), chunk("event: end\ndata:\n\n"), "0\r\n\r\n")), 1, genai.Malformed, "the end of the stream"},
		{"no end", says(events(chunk(piece+piece), "0\r\n\r\n")), 2, genai.Unavailable, "cut before its end"},
		{"nothing", says(events("0\r\n\r\n")), 0, genai.Unavailable, "cut before its end"},
		{"cut", says(events(chunk(piece))), 1, genai.Unavailable, "cut before its end"},
		{"cut in a piece", says(events(chunk(piece), chunk("data: {\"te"))), 1, genai.Unavailable, "cut before its end"},
		{"cut in the end", says(events(chunk(piece), chunk("event: end\ndata: {}\n"))), 1, genai.Unavailable, "cut before its end"},
		{"reset", reset(events(chunk(piece))), 1, genai.Unavailable, "cut before its end"},
		{"a failure", says(events(chunk(piece), chunk("event: error\ndata: {\"kind\":\"overloaded\",\"detail\":\"too much\"}\n\n"))), 1, genai.Overloaded, "too much"},
		{"a failure without words", says(events(chunk(piece), chunk("event: error\ndata: {}\n\n"))), 1, genai.Unknown, ""},
		{"a failure that is none", says(events(chunk(piece), chunk("event: error\ndata: no\n\n"))), 1, genai.Malformed, "the end of the stream"},
		{"no JSON", says(events(chunk(piece), chunk("data: [DONE]\n\n"))), 1, genai.Malformed, ""},
		{"a large piece", says(events(chunk(piece), chunk("data: {\"text\":\""+large+"\"}\n\n"))), 1, genai.TooLarge, ""},
		{"HTML", says(respond(200, "text/html", html)), 0, genai.Malformed, "text/html"},
		{"JSON", says(respond(200, "application/json", "{}")), 0, genai.Malformed, "application/json"},

		{"frames", says(frames(chunk(frame+frame+finish), "0\r\n\r\n")), 2, "", ""},
		{"frames in small bites", says(frames(chunk("m\x00\x00"), chunk("\x00\x0c{\"text\""), chunk(":\"x\"}"), chunk(finish), "0\r\n\r\n")), 1, "", ""},
		{"frames without an end", says(frames(chunk(frame+frame), "0\r\n\r\n")), 2, genai.Unavailable, "cut before its end"},
		{"frames cut in the header", says(frames(chunk(frame), chunk("m\x00"), "0\r\n\r\n")), 1, genai.Unavailable, "cut before its end"},
		{"frames cut in a piece", says(frames(chunk(frame), chunk("m\x00\x00\x00\x0c{\"te"), "0\r\n\r\n")), 1, genai.Unavailable, "cut before its end"},
		{"frames that are too large", says(frames(chunk(frame), chunk("m\xff\xff\xff\xff"))), 1, genai.TooLarge, "has 4294967295 bytes; it may have 1048576"},
		{"parts that are too large", says(frames(chunk(frame), chunk("p\x00\x0f\xff\xff"+large[:1<<20-1]+"m\x00\x00\x00\x02{}"))), 1, genai.TooLarge, "1048577 bytes"},
		{"an end that is too large", says(frames(chunk(frame), chunk("e\xff\xff\xff\xff"))), 1, genai.TooLarge, "end of the stream"},
		{"frames of another kind", says(frames(chunk(frame), chunk("?\x00\x00\x00\x02{}"))), 1, genai.Malformed, "unknown kind"},
		{"a part of nothing", says(frames(chunk(frame), chunk("p\x00\x00\x00\x02{}"+finish))), 1, genai.Malformed, "part of no message"},
		{"a failure in a frame", says(frames(chunk(frame), chunk("x\x00\x00\x00\x15{\"kind\":\"overloaded\"}"))), 1, genai.Overloaded, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			address, requests := raw(t, test.answer)
			stream, err := count.Dial(dial(t, address))(t.Context(), &note{})
			n := 0
			if err == nil {
				for n = 0; ; n++ {
					if _, err = stream.Next(); err != nil {
						break
					}
				}
			}
			e := genai.AsError(err)
			switch {
			case n != test.pieces:
				t.Errorf("%d pieces, want %d", n, test.pieces)
			case test.kind == "" && err != io.EOF:
				t.Errorf("the stream ended with %v", err)
			case test.kind != "" && (e.Kind != test.kind || !strings.Contains(e.Message, test.message)):
				t.Errorf("the stream ended with %v, want %s: %s", err, test.kind, test.message)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests were sent, want 1", n)
			}
		})
	}
}

func TestNotReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	_ = l.Close()
	for _, address := range []string{"http://" + free, "h2c://" + free, "https://" + free, "unix:/nowhere/at.all"} {
		t.Run(address, func(t *testing.T) {
			_, err := echo.Dial(dial(t, address))(t.Context(), &note{})
			e := genai.AsError(err)
			if e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedNo || !strings.Contains(e.Message, "cannot reach "+address) {
				t.Errorf("got %v", err)
			}
			_, err = count.Dial(dial(t, address))(t.Context(), &note{})
			if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedNo {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestSilence: the caller's time is up before an answer begins, and before it ends.
func TestSilence(t *testing.T) {
	for name, begin := range map[string]string{
		"no headers": "", "half the headers": "HTTP/1.1 200 OK\r\nContent-", "no body": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where a request is there before the caller's time is up, however busy the machine is
				ours, theirs := net.Pipe()
				over := make(chan error, 1)
				go func() { // waited for below
					req, err := http.ReadRequest(bufio.NewReader(theirs))
					if err == nil {
						_, err = io.Copy(io.Discard, req.Body)
					}
					if err == nil {
						_, _ = io.WriteString(theirs, begin)
						_, _ = io.Copy(io.Discard, theirs) // until the client leaves
					}
					_ = theirs.Close()
					over <- err
				}()
				via := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				defer cancel()
				_, err := echo.Dial(&httptransport.Client{Address: "http://127.0.0.1", Transport: via})(ctx, &note{})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if err := <-over; err != nil { // the connection was closed
					t.Error(err)
				}
				via.CloseIdleConnections()
			})
		})
	}
}

// TestSlowRequest: whoever leaves before the request was sent knows that nothing began.
func TestSlowRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts nothing, so that the kernel takes what fits its buffers and no more
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	data := make([]byte, 30<<20)
	var spec specOf
	picture.Serve(&spec, func(context.Context, *note) (*note, error) { return nil, nil })
	_, err = dial(t, "http://"+l.Addr().String()).Call(ctx, spec.Spec, &note{Blob: genai.NewBlob("image/png", data)})
	if e := genai.AsError(err); e == nil || e.Kind != genai.DeadlineExceeded || e.Started != genai.StartedNo {
		t.Errorf("got %v, started %q", err, e.Started)
	}
}

// specOf is a server that keeps what it is given.
type specOf struct{ *transport.Spec }

func (s *specOf) Handle(spec *transport.Spec, _ genai.AnyHandler) { s.Spec = spec }

func TestConnectionsAreUsedAgain(t *testing.T) {
	var opened atomic.Int32
	server := &http.Server{Handler: testServer(), ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the server
		defer close(done)
		_ = server.Serve(l)
	}()
	defer func() {
		_ = server.Close()
		<-done
	}()
	c := dial(t, "http://"+l.Addr().String())
	for range 20 {
		if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
			t.Fatal(err)
		}
		if _, err := fails.Dial(c)(t.Context(), &note{}); err == nil {
			t.Fatal("it worked")
		}
		stream, err := count.Dial(c)(t.Context(), &note{N: 5})
		if err != nil {
			t.Fatal(err)
		}
		drain(t, stream, 5)
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestNothingIsSentThatCannotTravel(t *testing.T) {
	address, requests := raw(t, says(""))
	c := dial(t, address)
	for name, req := range map[string]*note{"nil": nil, "no UTF-8": {Text: "\xff"}, "too large": {Text: strings.Repeat("x", 2<<20)}} {
		_, err := echo.Dial(c)(t.Context(), req)
		if e := genai.AsError(err); e == nil || e.Started != genai.StartedNo {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestOwnTransport(t *testing.T) {
	address := serve(t, "http", testServer())
	used := false
	c := &httptransport.Client{Address: address + "/", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		used = true
		if r.GetBody != nil {
			t.Error("the body could be sent again")
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	defer c.CloseIdleConnections()
	defer http.DefaultClient.CloseIdleConnections()
	if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil || !used {
		t.Errorf("used %v, %v", used, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
