package httptransport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// TestFarewell: whoever has a connection of HTTP/1.1 on which nothing goes on is told when it ends, in the form of an answer, so
// that a request that was on its way has one.
func TestFarewell(t *testing.T) {
	noLeak(t)
	s := &httptransport.Server{}
	var calls atomic.Int32
	echo.Serve(s, func(_ context.Context, req *note) (*note, error) { calls.Add(1); return req, nil })
	address, stop, ended := start(t, "http", s)
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a bound for the test, not a measure
	request := "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
	fmt.Fprint(conn, request)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", resp, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	stop()
	if resp, err = http.ReadResponse(r, nil); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, request) // which crosses the farewell
	p := transport.Problem{}
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusRequestTimeout || !resp.Close || p.Kind != genai.Unavailable || !p.Refused {
		t.Errorf("the farewell is %+v with %+v", resp, p)
	}
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		t.Errorf("after the farewell came %q, %v", rest, err)
	}
	conn.Close()
	if err := await(t, ended, "the server ends"); err != nil {
		t.Error(err)
	}
	if calls.Load() != 1 {
		t.Errorf("the handler was called %d times", calls.Load())
	}
}

// TestFarewellToNewcomers: a connection over which nothing was sent yet is told as well. Package net/http would read a request that
// comes over it after the end has begun, and drop it without a word.
func TestFarewellToNewcomers(t *testing.T) {
	noLeak(t)
	s := &httptransport.Server{}
	var calls atomic.Int32
	echo.Serve(s, func(_ context.Context, req *note) (*note, error) { calls.Add(1); return req, nil })
	address, stop, ended := start(t, "http", s)
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))        // a bound for the test, not a measure
	if status := get(t, address, "/readyz"); status != 200 { // by now the server has accepted both
		t.Fatalf("/readyz says %d", status)
	}
	stop()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("the newcomer was told %+v, %v", resp, err)
	}
	fmt.Fprint(conn, "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
	conn.Close()
	if err := await(t, ended, "the server ends"); err != nil {
		t.Error(err)
	}
	if calls.Load() != 0 {
		t.Errorf("the handler was called %d times", calls.Load())
	}
}

// TestEndsBeforeTheRequest: the connection that was chosen for a call ends before anything of it was written. A server that is
// back at the same address gets the call, once.
func TestEndsBeforeTheRequest(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		for _, size := range []int{10, 200_000} { // in memory as one piece, and read bit by bit
			t.Run(fmt.Sprint(network, size), func(t *testing.T) {
				noLeak(t)
				var calls atomic.Int32
				run := func(address string) (string, func()) {
					l, err := net.Listen("tcp", address)
					if err != nil {
						t.Fatal(err)
					}
					s := &httptransport.Server{}
					echo.Serve(s, func(_ context.Context, req *note) (*note, error) { calls.Add(1); return req, nil })
					ctx, cancel := context.WithCancel(context.Background())
					ended := make(chan error, 1)
					go func() { ended <- s.Serve(ctx, l) }() // waited for by the function that is returned
					return l.Addr().String(), func() {
						cancel()
						if err := await(t, ended, "the server ends"); err != nil {
							t.Error(err)
						}
					}
				}
				at, end := run("127.0.0.1:0")
				call := echo.Dial(dial(t, network+"://"+at))
				if _, err := call(t.Context(), &note{}); err != nil {
					t.Fatal(err)
				}
				reused := 0
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
					if !info.Reused {
						return
					}
					reused++
					end()
					_, end = run(at)
				}})
				got, err := call(ctx, &note{Text: strings.Repeat("x", size)})
				if err != nil || len(got.Text) != size {
					t.Errorf("the call failed: %v", err)
				}
				if reused != 1 || calls.Load() != 2 {
					t.Errorf("the connection was chosen %d times; the handlers were called %d times", reused, calls.Load())
				}
				end()
			})
		}
	}
}

// TestSeenIsNotSentAgain: a request that has reached its server is not sent again when the connection breaks, even if the
// connection is an old one; nor is one that had come halfway.
func TestSeenIsNotSentAgain(t *testing.T) {
	for name, last := range map[string]func(conn net.Conn){
		"closed": func(conn net.Conn) { conn.Close() },
		"reset":  func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0); conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var requests atomic.Int32
			ended := make(chan struct{})
			go func() { // ends with the listener; waited for below
				defer close(ended)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					for r := bufio.NewReader(conn); ; {
						req, err := http.ReadRequest(r)
						if err != nil {
							conn.Close()
							break
						}
						_, _ = io.Copy(io.Discard, req.Body)
						if requests.Add(1) > 1 {
							last(conn)
							break
						}
						fmt.Fprint(conn, respond(200, "application/json", `{"text":"yes"}`))
					}
				}
			}()
			call := echo.Dial(dial(t, "http://"+l.Addr().String()))
			if _, err := call(t.Context(), &note{}); err != nil {
				t.Fatal(err)
			}
			_, err = call(t.Context(), &note{})
			if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedUnknown {
				t.Errorf("got %+v", e)
			}
			if n := requests.Load(); n != 2 {
				t.Errorf("two calls were sent %d times", n)
			}
			l.Close()
			await(t, ended, "the server ends")
		})
	}
}
