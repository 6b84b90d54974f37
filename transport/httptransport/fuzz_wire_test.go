package httptransport

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

type slip struct {
	Text string     `json:"text"`
	N    int        `json:"n,omitzero"`
	Blob genai.Blob `json:"blob,omitzero"`
}

var (
	slipEcho   = transport.Op[*slip, *slip]{Name: "fuzz.echo", MaxBytes: 1000}
	slipStream = transport.Op[*slip, *genai.Stream[slip]]{Name: "fuzz.stream", MaxBytes: 1000, Ahead: 2}
)

// specOf returns the operation as a server sees it.
func specOf(op transport.Op[*slip, *slip]) (spec *transport.Spec) {
	op.Serve(handled(func(s *transport.Spec) { spec = s }), nil)
	return spec
}

type handled func(*transport.Spec)

func (f handled) Handle(spec *transport.Spec, _ genai.AnyHandler) { f(spec) }

// FuzzCredit: of a request that goes on behind its message, the message is what the same bytes are without credit, within the limit; and
// the caller has left unless nothing but credit comes behind it.
func FuzzCredit(f *testing.F) {
	f.Add([]byte("m\x00\x00\x00\x02{}c\x00\x00\x00\x04\x00\x00\x00\x05"))
	f.Add([]byte("p\x00\x00\x00\x01Am\x00\x00\x00\x02{}"))
	f.Add([]byte("m\x00\x00\x00\x02{}c\x00\x00\x00\x04\xff\xff\xff\xffc\x00\x00\x00\x04\x00"))
	f.Add([]byte("c\x00\x00\x00\x04\x00\x00\x00\x05"))
	f.Fuzz(func(t *testing.T, body []byte) {
		const max = 1000
		src := bytes.NewReader(body)
		first, err := readOne(src, max)
		if err != nil {
			if kind := genai.KindOf(err); kind != genai.Malformed && kind != genai.TooLarge && kind != genai.Unavailable {
				t.Errorf("the error is %v", err)
			}
			return
		}
		if int64(len(first)) > max+frameRoom || !bytes.HasPrefix(body, first) {
			t.Fatalf("%d bytes were read of %d", len(first), len(body))
		}
		if m, err := parseMessage(first); err != nil && len(m.Parts) < maxParts {
			t.Errorf("%q is no message: %v", first, err)
		}
		rest := body[len(first):]
		left, granted := false, int64(1)
		c := readCredit(src, 1, func() { left = true })
		<-c.ended
		for len(rest) >= frameHeader+4 && string(rest[:frameHeader]) == "c\x00\x00\x00\x04" {
			granted += int64(binary.BigEndian.Uint32(rest[frameHeader:]))
			rest = rest[frameHeader+4:]
		}
		if c.left != granted || c.all == left || left != (len(rest) > 0) {
			t.Errorf("behind the message is %q: granted %d of %d, left %t, all %t", body[len(first):], c.left, granted, left, c.all)
		}
	})
}

// FuzzRefusal: whatever a server, or something that is none, answers instead of a response, it becomes an error of a known kind, and only
// a contract that was refused is agreed to.
func FuzzRefusal(f *testing.F) {
	f.Add(429, "application/problem+json", "2", []byte(`{"kind":"rate_limited","retry_after_ms":1200,"started":"no"}`))
	f.Add(412, "application/problem+json", "", []byte(`{"kind":"failed_precondition","refused":true,"contract":{"op":"fuzz.echo","fingerprint":"0123456789abcdef","request":"#A","response":"#A","types":{"A":{"text":"string"}}}}`))
	f.Add(502, "text/html", "Wed, 21 Oct 2065 07:28:00 GMT", []byte("<html>"))
	f.Add(302, "", "-1", []byte(nil))
	spec := specOf(slipEcho)
	f.Fuzz(func(t *testing.T, status int, contentType, after string, body []byte) {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}, "Retry-After": {after}}, Body: io.NopCloser(bytes.NewReader(body))}
		contract, err := refusal(resp)
		e, ok := err.(*genai.Error)
		if !ok || e.Kind == "" || e.RetryAfter < 0 {
			t.Fatalf("the error is %#v", err)
		}
		if contract == nil {
			return
		}
		if status != http.StatusPreconditionFailed {
			t.Errorf("a contract came with status %d", status)
		}
		before := spec.Agreed()
		if err := spec.Agree(contract); err != nil && (genai.AsError(err).Started != genai.StartedNo || spec.Agreed() != before) {
			t.Errorf("%s: %v, and %q is agreed", contract, err, spec.Agreed())
		}
		if agreed := spec.Agreed(); !strings.HasPrefix(agreed, spec.Fingerprint()) || len(agreed) > 8*17 || strings.ContainsAny(agreed, "\r\n ") {
			t.Errorf("agreed is %q", agreed)
		}
	})
}

// FuzzServer: whatever a request says in its headers and its body, it is answered in a way that the protocol knows, and its handler is called
// once, or not at all if the answer says so.
func FuzzServer(f *testing.F) {
	f.Add(false, "application/json", "", "", "", "", "", "", []byte(`{"text":"a"}`))
	f.Add(true, "application/json", "text/event-stream", "1000", "3", "", "", "", []byte(`{"n":3}`))
	f.Add(true, typeFrames, acceptPieces, "1000", "1", "2", "a-key", "0123456789abcdef", []byte("m\x00\x00\x00\x07{\"n\":3}c\x00\x00\x00\x04\x00\x00\x00\x05"))
	f.Add(false, typeFrames, acceptValue, "", "", "-1", " key", "", []byte("p\x00\x00\x00\x01Am\x00\x00\x00\x13{\"blob\":{\"part\":1}}"))
	f.Fuzz(func(t *testing.T, streams bool, contentType, accept, timeout, attempt, credit, key, contract string, body []byte) {
		s := &Server{}
		calls := 0
		slipEcho.Serve(s, func(_ context.Context, req *slip) (*slip, error) { calls++; return req, nil })
		slipStream.Serve(s, func(ctx context.Context, req *slip) (*genai.Stream[slip], error) {
			calls++
			if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= 0 {
				return nil, genai.ContextError(ctx)
			}
			n := min(max(req.N, 0), 10)
			return genai.NewStream(ctx, func() (slip, error) {
				if n == 0 {
					return slip{}, io.EOF
				}
				n--
				return slip{N: n, Blob: req.Blob}, nil
			}, nil)
		})
		path := "/fuzz/echo"
		if streams {
			path = "/fuzz/stream"
		}
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		for name, value := range map[string]string{"Content-Type": contentType, "Accept": accept, headerTimeout: timeout, headerAttempt: attempt, headerCredit: credit, headerKey: key, headerContract: contract} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		answer := w.Body.Bytes()
		switch t2 := w.Header().Get("Content-Type"); {
		case w.Code != http.StatusOK:
			var p transport.Problem
			if err := json.Unmarshal(answer, &p); err != nil || t2 != typeProblem || p.Status != w.Code || p.Kind == "" {
				t.Errorf("status %d is %q: %s", w.Code, t2, answer)
			}
			if p.Refused != (calls == 0) {
				t.Errorf("the handler was called %d times, and refused is %t: %s", calls, p.Refused, answer)
			}
		case t2 == typeEvents:
			if !bytes.Contains(answer, []byte("event: end\n")) && !bytes.Contains(answer, []byte("event: error\n")) {
				t.Errorf("a stream without its end: %q", answer)
			}
		case t2 == typeFrames && streams:
			if log := readAllFrames(t, bytes.NewReader(answer), 1000); !strings.HasSuffix(log, "EOF") {
				t.Errorf("a stream that cannot be read: %s", log)
			}
		case t2 == typeFrames:
			if _, err := parseMessage(answer); err != nil {
				t.Error(err)
			}
		case t2 == typeJSON:
			if err := json.Unmarshal(answer, &slip{}); err != nil {
				t.Errorf("%q: %v", answer, err)
			}
		default:
			t.Errorf("an answer of the type %q", t2)
		}
		if w.Code == http.StatusOK && calls != 1 {
			t.Errorf("an answer, and the handler was called %d times", calls)
		}
	})
}
