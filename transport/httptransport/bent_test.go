package httptransport_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// TestBentPaths: an operation has one path. Others, which a proxy in front might have let through as something else, are not it.
func TestBentPaths(t *testing.T) {
	var calls atomic.Int32
	s := &httptransport.Server{Pages: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "a page") })}
	whoami.Serve(s, names(&calls))
	address := serve(t, "http", s)
	for target, want := range map[string]int{
		"/test/whoami":                        200,
		"/test/whoami?a=b":                    200, // a query has no meaning
		"http://localhost/test/whoami":        200,
		"/test/whoami/":                       501,
		"/test//whoami":                       501,
		"//test/whoami":                       501,
		"/./test/whoami":                      501,
		"/test/../test/whoami":                501,
		"/x/../test/whoami":                   501,
		"/test/%2e%2e/test/whoami":            501,
		"/%2e/test/whoami":                    501,
		"/test%2fwhoami":                      501,
		"/test%2Fwhoami":                      501,
		"/%74est/whoami":                      501,
		"/test/whoam%69":                      501,
		"/test/whoami%00":                     501,
		"/test/whoami%20":                     501,
		"/test/whoami;a=b":                    501,
		"/test/whoami.json":                   501,
		"/test\\whoami":                       501,
		"/Test/whoami":                        501,
		"/test/WHOAMI":                        501,
		"/test.whoami":                        501,
		"/test":                               501,
		"/":                                   501,
		"*":                                   501,
		"/test/whoami#x":                      501,
		"http://evil.example/test/whoami":     403,
		"http://localhost@evil.example/test/": 403,
		"test/whoami":                         400,
		"/test/%zz":                           400,
		"":                                    400,
	} {
		before := calls.Load()
		conn := connect(t, address)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", target)
		got := untilClosed(t, conn)
		if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", want)) || (calls.Load() > before) != (want == 200) {
			t.Errorf("%q: want %d, got %q", target, want, got)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "post", "GET", "HEAD"} {
		before := calls.Load()
		conn := connect(t, address)
		fmt.Fprintf(conn, "%s /test/whoami HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: POST\r\nConnection: close\r\n\r\n", method)
		if got := untilClosed(t, conn); !strings.HasPrefix(got, "HTTP/1.1 405 ") || calls.Load() > before {
			t.Errorf("%s: got %q", method, got)
		}
	}
}

// TestSmuggling: what two servers could read in two ways is refused, or read as RFC 9112 wants, and never as one request more.
func TestSmuggling(t *testing.T) {
	var calls atomic.Int32
	s := &httptransport.Server{}
	whoami.Serve(s, names(&calls))
	address := serve(t, "http", s)
	const hidden = "POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
	for name, c := range map[string]struct {
		headers, body string
		status, calls int
	}{
		"two lengths":                {"Content-Length: 2\r\nContent-Length: 4\r\n", "{}", 400, 0},
		"two lengths in one":         {"Content-Length: 2, 4\r\n", "{}", 400, 0},
		"a negative length":          {"Content-Length: -2\r\n", "{}", 400, 0},
		"a length with a sign":       {"Content-Length: +2\r\n", "{}", 400, 0},
		"a length in hexadecimal":    {"Content-Length: 0x2\r\n", "{}", 400, 0},
		"a length beyond all":        {"Content-Length: 99999999999999999999\r\n", "{}", 400, 0},
		"a length that is too large": {"Content-Length: 9223372036854775807\r\n", "{}", 413, 0},
		"chunks twice":               {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 501, 0},
		"chunks and more":            {"Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n", 501, 0},
		"chunks that are none":       {"Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", 501, 0},
		"a space before the colon":   {"Transfer-Encoding : chunked\r\n", "0\r\n\r\n", 400, 0},
		"a folded header":            {"Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n", 200, 1},
		"a chunk without a size":     {"Transfer-Encoding: chunked\r\n", "\r\n{}\r\n0\r\n\r\n", 400, 0},
		"a chunk of a negative size": {"Transfer-Encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n", 400, 0},
		"a chunk that is longer":     {"Transfer-Encoding: chunked\r\n", "2\r\n{}{}\r\n0\r\n\r\n", 400, 0},
		"two hosts":                  {"Host: evil.example\r\n", "", 400, 0},
		"NUL in a header":            {"X: a\x00b\r\n", "", 400, 0},
		"a length and chunks":        {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			before := calls.Load()
			conn := connect(t, address)
			fmt.Fprintf(conn, "POST /test/whoami HTTP/1.1\r\nHost: localhost\r\n%sConnection: close\r\n\r\n%s%s", c.headers, c.body, hidden)
			answers := bufio.NewReader(conn)
			resp, err := http.ReadResponse(answers, nil)
			if errors.Is(err, syscall.ECONNRESET) && c.calls == 0 && calls.Load() == before {
				return // net/http closes without reading on, so that its refusal may be lost on the way
			}
			if err != nil {
				t.Fatal(err)
			}
			text := textOf(t, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("got %d %s", resp.StatusCode, text)
			}
			if second, err := http.ReadResponse(answers, nil); err == nil {
				second.Body.Close()
				t.Errorf("there is a second answer: %d", second.StatusCode)
			}
			if n := int(calls.Load() - before); n != c.calls {
				t.Errorf("%d handlers were called, want %d", n, c.calls)
			}
		})
	}
}

// TestHeaderBombs: headers are bounded, whatever they consist of.
func TestHeaderBombs(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	s := &httptransport.Server{}
	whoami.Serve(s, names(&calls))
	address := serve(t, "http", s)
	for name, headers := range map[string]string{
		"one":            "X: " + strings.Repeat("x", 1<<20) + "\r\n",
		"many":           strings.Repeat("X: y\r\n", 1<<17),
		"a long name":    strings.Repeat("X", 1<<20) + ": y\r\n",
		"of metadata":    strings.Repeat("Dovetail-Md-X: y\r\n", 1<<15),
		"of the request": "",
	} {
		t.Run(name, func(t *testing.T) {
			conn := connect(t, address)
			path := "/test/whoami"
			if headers == "" {
				path = "/" + strings.Repeat("x", 1<<20)
			}
			go func() { // ends with what it writes, or with the connection
				_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 2\r\n\r\n{}", path, headers)
			}()
			if got := untilClosed(t, conn); got != "" && !strings.HasPrefix(got, "HTTP/1.1 431 ") { // a reset may overtake the answer
				t.Errorf("got %q", got)
			}
		})
	}
	conn := connect(t, address) // below the limit of headers, but more than metadata may be
	fmt.Fprintf(conn, "POST /test/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nDovetail-Md-X: %s\r\nContent-Length: 2\r\n\r\n{}", strings.Repeat("x", 9<<10))
	if got := untilClosed(t, conn); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "metadata.x") {
		t.Errorf("too much metadata: %q", got)
	}
	if calls.Load() != 0 {
		t.Errorf("%d handlers were called", calls.Load())
	}
}
