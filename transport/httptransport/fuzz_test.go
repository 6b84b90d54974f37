package httptransport

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/sse"
	"github.com/dovetail-go/dovetail/transport"
)

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte("m\x00\x00\x00\x02{}"))
	f.Add([]byte("p\x00\x00\x00\x01Am\x00\x00\x00\x02{}"))
	f.Add([]byte("p\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parseMessage(body)
		if err != nil {
			if genai.KindOf(err) != genai.Malformed {
				t.Errorf("the error is %v", err)
			}
			return
		}
		slices, err := framed(m)
		if err != nil {
			t.Fatal(err)
		}
		if again := bytes.Join(slices, nil); !bytes.Equal(again, body) {
			t.Errorf("%q was read from %q", again, body)
		}
	})
}

// FuzzFrames: what is read does not depend on how it arrives, is what parseMessage reads, and is within the limit.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("m\x00\x00\x00\x02{}e\x00\x00\x00\x02{}"))
	f.Add([]byte("p\x00\x00\x00\x01Am\x00\x00\x00\x02{}x\x00\x00\x00\x02{}"))
	f.Add([]byte("p\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		const max = 1000
		whole, bites := readAllFrames(t, bytes.NewReader(body), max), readAllFrames(t, iotest.OneByteReader(bytes.NewReader(body)), max)
		if whole != bites {
			t.Errorf("at once: %s\nin bites: %s", whole, bites)
		}
	})
}

func readAllFrames(t *testing.T, src io.Reader, max int64) string {
	r := bufio.NewReader(src)
	var log strings.Builder
	var buffer []byte
	for {
		kind, m, err := readFrames(r, &buffer, max)
		if err != nil {
			log.WriteString(err.Error())
			return log.String()
		}
		if kind == frameMessage && m.Len() > max {
			t.Fatalf("a message of %d bytes", m.Len())
		}
		log.WriteByte(kind)
		log.Write(m.Head)
		for _, p := range m.Parts {
			log.Write(p)
			log.WriteByte('|')
		}
	}
}

// FuzzReceiver: whatever a server sends, a stream is complete only if it says so, and no piece is beyond the limit.
func FuzzReceiver(f *testing.F) {
	f.Add(true, []byte("m\x00\x00\x00\x02{}e\x00\x00\x00\x02{}"))
	f.Add(true, []byte("m\x00\x00\x00\x02{}x\x00\x00\x00\x15{\"kind\":\"overloaded\"}"))
	f.Add(false, []byte("data: {}\n\nevent: end\ndata: {\"metadata\":{\"a\":\"b\"}}\n\n"))
	f.Add(false, []byte("data: {}\n\nevent: error\ndata: {\"kind\":\"overloaded\"}\n\n"))
	f.Fuzz(func(t *testing.T, frames bool, body []byte) {
		const max = 100
		r := &receiver{body: io.NopCloser(bytes.NewReader(body)), cancel: func() {}, max: max}
		next := r.nextEvent
		if frames {
			r.src, next = bufio.NewReader(r.body), r.nextFrame
		} else {
			r.events = sse.NewReader(r.body, maxTrailer)
		}
		for {
			m, err := next()
			switch {
			case err == io.EOF:
				if frames && bytes.IndexByte(body, frameEnd) < 0 || !frames && !bytes.Contains(body, []byte("end")) {
					t.Error("the stream is complete, but did not say so")
				}
				return
			case err != nil:
				if e, ok := err.(*genai.Error); !ok || e.Kind == "" {
					t.Errorf("the error is %#v", err)
				}
				return
			case m.Len() > max:
				t.Errorf("a piece of %d bytes", m.Len())
			}
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add("Dovetail-Md-A", "b", "100", "2")
	f.Add("Baggage", "b", "-1", "0")
	f.Fuzz(func(t *testing.T, name, value, timeout, attempt string) {
		h := http.Header{}
		h.Set(name, value)
		h.Set(headerTimeout, timeout)
		h.Set(headerAttempt, attempt)
		if left, ok, err := timeLeft(h); err == nil && (left < 0 || !ok && timeout != "") {
			t.Errorf("%q is %v", timeout, left)
		}
		if n, err := attemptIn(h); err == nil && n < 1 {
			t.Errorf("%q is %d", attempt, n)
		}
		e := transport.Envelope{Metadata: metadataIn(h)}
		if _, err := e.Open(t.Context()); err != nil {
			return
		}
		again := http.Header{}
		setMetadata(again, e.Metadata)
		for name, value := range metadataIn(again) {
			if e.Metadata[name] != value {
				t.Errorf("%s: %q has become %q", name, e.Metadata[name], value)
			}
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, text := range []string{"http://host:1/x", "unix:/s", "h2c://[::1]:1", "nats://x", "http://a:b@c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseAddress(text)
		if err == nil && at.host == "" {
			t.Errorf("%q has no host", text)
		}
		if err != nil && genai.AsError(err).Field != "address" {
			t.Errorf("%q: %v", text, err)
		}
	})
}
