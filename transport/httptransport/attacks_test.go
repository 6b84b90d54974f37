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

// connect opens a connection to a server, for somebody who does not keep to the rules. It fails the test if it waits for longer than
// it should ever have to.
func connect(t *testing.T, address string) net.Conn {
	t.Helper()
	_, host, _ := strings.Cut(address, "://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a bound for the test, not a measure
	return conn
}

// untilClosed returns what comes until the server closes the connection.
func untilClosed(t *testing.T, conn net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(conn)
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		t.Errorf("the server keeps the connection; so far it has said %.200q, %d bytes in all", text, len(text))
	}
	return string(text) // a reset closes as well
}

// impatient is a server that waits for nobody, whose calls are counted.
func impatient(t *testing.T) (at *bubble, calls *atomic.Int32) {
	const soon = 50 * time.Millisecond
	calls = &atomic.Int32{}
	s := &httptransport.Server{MaxInFlight: 1, Limits: httptransport.Limits{Header: soon, Body: soon, Idle: soon, Stall: soon}}
	whoami.Serve(s, names(calls))
	return remember(t, s), calls
}

// TestSlowCallers: whoever holds a connection by saying little loses it, and the next one finds room.
func TestSlowCallers(t *testing.T) {
	for name, c := range map[string]struct{ sends, dribbles, answer string }{
		"says nothing":                {"", "", ""},
		"headers that never end":      {"POST /test/whoami HTTP/1.1\r\nHost: localhost\r\n", "X: y\r\n", ""},
		"a header that never ends":    {"POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nX: ", "x", ""},
		"no more than a method":       {"PO", "", ""},
		"a body that never comes":     {"POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n", "", "HTTP/1.1 408 "},
		"a body that dribbles":        {"POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{", " ", "HTTP/1.1 408 "},
		"chunks that dribble":         {"POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "1\r\n \r\n", "HTTP/1.1 408 "},
		"a chunk that is not ended":   {"POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "", "HTTP/1.1 408 "},
		"a trailer that never ends":   {"POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "X: y\r\n", "HTTP/1.1 408 "},
		"no second request":           {"POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", "", "HTTP/1.1 200 "},
		"a preface without a frame":   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", ""},
		"a part of the other preface": {"PRI * HTTP/2.0\r\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at, calls := impatient(t)
				conn := at.connect(t)
				stop, stopped := make(chan struct{}), make(chan struct{})
				go func() { // waited for below
					defer close(stopped)
					fmt.Fprint(conn, c.sends)
					tick := time.NewTicker(5 * time.Millisecond)
					defer tick.Stop()
					for c.dribbles != "" {
						select {
						case <-tick.C:
							if _, err := fmt.Fprint(conn, c.dribbles); err != nil {
								return
							}
						case <-stop:
							return
						}
					}
				}()
				began := time.Now()
				if got := untilClosed(t, conn); !strings.HasPrefix(got, c.answer) {
					t.Errorf("the answer is %q", got)
				}
				if took := time.Since(began); took > 2*time.Second { // what is left of the body may be read for one
					t.Errorf("it held its connection for %v", took)
				}
				conn.Close()
				close(stop)
				<-stopped
				before := calls.Load()
				if before > 0 != strings.Contains(c.answer, "200") {
					t.Errorf("%d calls of a handler", before)
				}
				if _, err := whoami.Dial(at.client(t, "http"))(t.Context(), &note{}); err != nil || calls.Load() != before+1 {
					t.Errorf("the next call: %v", err)
				}
			})
		})
	}
}

// TestSlowOverHTTP2: there a stream ends, and the connection goes on.
func TestSlowOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, _ := impatient(t)
		body, writer := io.Pipe()
		defer writer.Close()
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://127.0.0.1/test/whoami", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := at.via(t, "h2c").RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if text := textOf(t, resp.Body); resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(text, `"kind":"timeout"`) || !strings.Contains(text, `"refused":true`) {
			t.Errorf("got %d %s", resp.StatusCode, text)
		}
	})
}

// TestSlowBodyAtTheEnd: a caller who does not send its request to the end does not keep the server from ending, and is told.
func TestSlowBodyAtTheEnd(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	s := &httptransport.Server{DrainGrace: time.Millisecond}
	whoami.Serve(s, names(&calls))
	address, stop, ended := start(t, "http", s)
	conn := connect(t, address)
	fmt.Fprint(conn, "POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") { // which says that somebody waits for the body
		t.Fatal(line, err)
	}
	stop()
	if err := await(t, ended, "Serve returns"); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text := textOf(t, resp.Body); resp.StatusCode != 503 || !strings.Contains(text, `"refused":true`) || calls.Load() != 0 {
		t.Errorf("got %d %s", resp.StatusCode, text)
	}
}

// TestPatience: a body may take its time as long as it gets on, and a connection that was late in time can be used again.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 400 * time.Millisecond
		var calls atomic.Int32
		s := &httptransport.Server{Limits: httptransport.Limits{Body: limit}}
		whoami.Serve(s, names(&calls))
		conn := remember(t, s).connect(t)
		answers := bufio.NewReader(conn)
		for range 2 {
			const pieces, size = 12, 64 << 10 // which take longer than the limit together
			fmt.Fprintf(conn, "POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n{", pieces*size+2)
			for range pieces {
				time.Sleep(limit * 9 / 10)
				fmt.Fprint(conn, strings.Repeat(" ", size))
			}
			fmt.Fprint(conn, "}")
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text := textOf(t, resp.Body); resp.StatusCode != 200 {
				t.Errorf("got %d %s", resp.StatusCode, text)
			}
			resp.Body.Close()
		}
		conn.Close()
	})
}

// TestStall: a caller who takes nothing of what it asked for ends the handler, and so does one who takes no more of a stream.
func TestStall(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			over := make(chan error, 1)
			s := &httptransport.Server{Limits: httptransport.Limits{Stall: 50 * time.Millisecond}}
			count.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
				return genai.NewStream(ctx, func() (note, error) { return note{Text: strings.Repeat("x", 64<<10)}, nil }, func() { over <- ctx.Err() })
			})
			stream, err := count.Dial(dial(t, serve(t, network, s)))(t.Context(), &note{})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			if err := await(t, over, "the handler ends"); err == nil {
				t.Error("the context of the handler has not ended")
			}
			var last error
			for _, last = range stream.All() {
			}
			if !errors.Is(last, genai.Unavailable) {
				t.Errorf("the stream ended with %v", last)
			}
		})
	}
	t.Run("a value", func(t *testing.T) {
		noLeak(t)
		s := &httptransport.Server{Limits: httptransport.Limits{Stall: 50 * time.Millisecond}, MaxInFlight: 1}
		large, asked := genai.NewBlob("x/y", make([]byte, 24<<20)), make(chan struct{}, 1)
		fetch.Serve(s, func(_ context.Context, req *note) (*note, error) {
			if req.Text == "little" { // which finds room on its way, however busy its reader is
				return req, nil
			}
			asked <- struct{}{}
			return &note{Blob: large}, nil
		})
		address := serve(t, "http", s)
		conn := connect(t, address)
		fmt.Fprint(conn, "POST /test/fetch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nAccept: application/vnd.dovetail.frames\r\n\r\n{}")
		await(t, asked, "the large one is asked for")
		client := fetch.Dial(dial(t, address))
		for { // there is room for one call, which that one has until it is broken off
			_, err := client(t.Context(), &note{Text: "little"})
			if err == nil {
				break
			}
			if !errors.Is(err, genai.Overloaded) {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if got := untilClosed(t, conn); len(got) >= large.Len() {
			t.Error("the whole answer came")
		}
	})
}

var fetch = transport.Op[*note, *note]{Name: "test.fetch"}
