package recordedtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// A watched transport tells when the first bytes of an answer have arrived.
type watched struct {
	next  http.RoundTripper
	began func()
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err == nil {
		resp.Body = &watchedBody{resp.Body, w.began}
	}
	return resp, err
}

type watchedBody struct {
	io.ReadCloser
	began func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.began()
	}
	return n, err
}

// CheckEnds has a client ask a server that answers with body in every way in which an answer ends or does not. ask returns the text
// of the answer. What is all there is the answer, whatever becomes of the connection behind it; everything else is an error of the
// right kind, and there is no answer.
func CheckEnds(t *testing.T, contentType, body, text string, ask func(ctx context.Context, url string, via *http.Client) (string, error)) {
	t.Helper()
	half := body[:len(body)/2]
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, body) // to memory
	_ = z.Close()
	send := func(w http.ResponseWriter, text string) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
	}
	compressed := func(w http.ResponseWriter, r *http.Request, what []byte) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Errorf("it does not accept what everybody sends: %q", r.Header)
		}
		w.Header().Set("Content-Encoding", "gzip")
		send(w, string(what))
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request, began <-chan struct{}, leave context.CancelCauseFunc)
		kind   genai.Kind // empty: it is an answer
	}{
		"all": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			send(w, body)
		}, ""},
		"all, with its length": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			send(w, body)
		}, ""},
		"all in gzip": {func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			compressed(w, r, zipped.Bytes())
		}, ""},
		"half": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			send(w, half)
		}, genai.Truncated},
		"half of its length": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			send(w, half)
		}, genai.Truncated},
		"half of the gzip": {func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			compressed(w, r, zipped.Bytes()[:zipped.Len()/2])
		}, genai.Truncated},
		"half, and the connection breaks": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			send(w, half)
			panic(http.ErrAbortHandler)
		}, genai.Truncated},
		"half, and the connection is reset": {func(w http.ResponseWriter, _ *http.Request, began <-chan struct{}, _ context.CancelCauseFunc) {
			send(w, half)
			<-began // a reset may overtake what was sent before it
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}, genai.Truncated},
		"half, and then silence": {func(w http.ResponseWriter, r *http.Request, began <-chan struct{}, leave context.CancelCauseFunc) {
			send(w, half)
			<-began
			leave(genai.Errorf(genai.Timeout, "it is silent"))
			<-r.Context().Done()
		}, genai.Timeout},
		"silence": {func(_ http.ResponseWriter, r *http.Request, _ <-chan struct{}, leave context.CancelCauseFunc) {
			leave(genai.Errorf(genai.Timeout, "it is silent"))
			<-r.Context().Done()
		}, genai.Timeout},
		"nothing": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			send(w, "")
		}, genai.Truncated},
		"no content": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			w.WriteHeader(http.StatusNoContent)
		}, genai.Truncated},
		"a page": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			send(w, "<!doctype html><html></html>")
		}, genai.Malformed},
		"a page of a proxy": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>Bad Gateway</html>")
		}, genai.ServerError},
		"an answer of before": {func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}, _ context.CancelCauseFunc) {
			w.WriteHeader(http.StatusNotModified)
		}, genai.Precondition},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, leave := context.WithCancelCause(t.Context())
			defer leave(nil)
			began := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // the server notices only then that its client has left
				c.answer(w, r, began, leave)
			}))
			defer server.Close()
			via := &http.Client{Transport: &watched{server.Client().Transport, sync.OnceFunc(func() { close(began) })}}
			got, err := ask(ctx, server.URL, via)
			if c.kind == "" && (err != nil || got != text) {
				t.Errorf("%q, %v; want %q", got, err, text)
			}
			if c.kind != "" && genai.KindOf(err) != c.kind {
				t.Errorf("%q, %v; want %s", got, err, c.kind)
			}
		})
	}
}

// CheckOpenEnd has a client ask a server that keeps the connection open behind the end of a stream. The client must not wait for it.
func CheckOpenEnd(t *testing.T, contentType, body, text string, ask func(ctx context.Context, url string, via *http.Client) (string, error)) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	if got, err := ask(t.Context(), server.URL, server.Client()); err != nil || got != text {
		t.Errorf("%q, %v; want %q", got, err, text)
	}
}
