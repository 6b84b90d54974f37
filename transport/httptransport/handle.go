package httptransport

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A call is one request being served.
type call struct {
	op     *operation
	w      http.ResponseWriter
	frames bool // the caller understands them
	caller string
	reply  *transport.Reply
	ctx    context.Context
	cancel context.CancelCauseFunc
	begun  bool  // the headers of the response have been sent
	pump   *pump // once a stream has begun
}

// call serves one request from its headers to the end of its response.
func (s *Server) call(w http.ResponseWriter, r *http.Request, op *operation, caller string) {
	c := &call{op: op, w: w, caller: caller, frames: strings.Contains(r.Header.Get("Accept"), typeFrames)}
	c.ctx, c.cancel = context.WithCancelCause(&bare{r.Context()})
	defer c.cancel(nil)
	if !op.suits(r.Header) {
		op.describe(w)
		return
	}
	if err := s.begin(c); err != nil {
		if r.ProtoMajor < 2 || err == error(errEnding) {
			w.Header().Set("Connection", "close") // the body stays unread; another connection may find another server
		}
		turnAway(w, err, 0)
		return
	}
	defer s.end(c)
	if r.ProtoMajor < 2 {
		c.contain(r)
		return
	}
	// A handler that ends its goroutine must not end that of net/http, which would reset the stream before its error has
	// been read. HTTP/1.1 has no such trouble: there only the connection is lost.
	done := make(chan struct{})
	go func() { // ends with the handler, which is waited for right below
		defer close(done)
		c.contain(r)
	}()
	<-done
}

// suits reports whether the caller knows the contract of the operation, or one that goes together with it. Callers who say nothing
// about it are expected to know what they do.
func (o *operation) suits(h http.Header) bool {
	known := h[headerContract]
	return len(known) == 0 || strings.Contains(known[0], o.spec.Fingerprint())
}

// describe answers with the contract, to which the caller may agree.
func (o *operation) describe(w http.ResponseWriter) {
	p := transport.ProblemOf(refuse(genai.Precondition, "the server has the contract %s, which the caller does not know", o.spec.Fingerprint()))
	p.Op, p.Refused, p.Contract = o.spec.Name, true, o.spec.Contract()
	writeProblem(w, p)
}

// contain serves a request whatever its handler does.
func (c *call) contain(r *http.Request) {
	returned := false
	defer func() {
		if !returned {
			c.broken(recover())
		}
		if c.pump != nil {
			c.pump.join()
		}
	}()
	c.serve(r)
	returned = true
}

// broken tells the caller of a handler that did not return. A panic that came this far is not the handler's: Op.Serve
// contains those.
func (c *call) broken(panicked any) {
	message := "the handler ended its goroutine instead of returning"
	if panicked != nil {
		message = "the server panicked"
		slog.Error("httptransport: a call panicked", "op", c.op.spec.Name, "panic", panicked, "stack", string(debug.Stack()))
	}
	if panicked == nil && !c.begun {
		c.w.Header().Set("Connection", "close") // which ends with the goroutine, so nobody must send another request on it
	}
	c.fail(&genai.Error{Kind: genai.Internal, Started: genai.StartedYes, Message: message})
	if panicked == nil {
		_ = http.NewResponseController(c.w).Flush() // nobody else does if this goroutine is that of net/http
	}
}

func (c *call) serve(r *http.Request) {
	req, err := c.read(r)
	if err != nil {
		c.refused(err)
		return
	}
	ctx, done, err := c.open(r.Header)
	if err != nil {
		turnAway(c.w, err, 0)
		return
	}
	defer done()
	resp, err := c.op.handler(ctx, req)
	switch {
	case err != nil:
		c.fail(c.because(err))
	case c.op.spec.Streams:
		c.stream(resp)
	default:
		c.answer(resp)
	}
}

// open returns the context of the handler.
func (c *call) open(h http.Header) (ctx context.Context, done func(), err error) {
	attempt, err := attemptIn(h)
	if err != nil {
		return nil, nil, err
	}
	left, limited, err := timeLeft(h)
	if err != nil {
		return nil, nil, err
	}
	if limited && left == 0 {
		return nil, nil, refuse(genai.DeadlineExceeded, "the caller's time was up when the request arrived")
	}
	c.reply = &transport.Reply{}
	e := transport.Envelope{Metadata: metadataIn(h), Attempt: attempt, Priority: priorityIn(h), Key: h.Get(headerKey), Caller: c.caller, Reply: c.reply}
	if ctx, err = e.Open(c.ctx); err != nil {
		return nil, nil, err
	}
	if !limited {
		return ctx, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	return ctx, cancel, nil
}

// because returns the reason where err is a consequence: a call that the server ended was not cancelled by its caller.
func (c *call) because(err error) error {
	if context.Cause(c.ctx) == errShutdown && genai.KindOf(err) == genai.Cancelled {
		return errShutdown
	}
	return err
}

// read returns the request. It reads the body to its end, since net/http notices only then that a caller leaves.
func (c *call) read(r *http.Request) (any, error) {
	var m transport.Message
	framed := false
	switch t := mediaType(r.Header.Get("Content-Type")); t {
	case typeJSON, "":
	case typeFrames:
		framed = true
	default:
		return nil, &mediaError{t}
	}
	body, err := readBody(r.Body, r.ContentLength, c.op.spec.MaxBytes, framed, "request")
	if err != nil {
		return nil, err
	}
	switch {
	case framed:
		if m, err = parseMessage(body); err == nil && m.Len() > c.op.spec.MaxBytes {
			err = tooLarge("request", m.Len(), c.op.spec.MaxBytes)
		}
		if err != nil {
			return nil, err
		}
	case len(body) == 0:
		m.Head = []byte("{}")
	default:
		m.Head = body
	}
	return c.op.spec.DecodeRequest(m)
}

// A mediaError is a request of a media type that we do not take.
type mediaError struct{ mediaType string }

func (e *mediaError) Error() string {
	return fmt.Sprintf("a request is %s, not %q", typeJSON, short(e.mediaType))
}

// refused answers a request that is none.
func (c *call) refused(err error) {
	e := *genai.AsError(err)
	e.Started = genai.StartedNo
	status := 0
	switch wrong, media := err.(*mediaError); {
	case media:
		e = genai.Error{Kind: genai.InvalidRequest, Field: "content-type", Started: genai.StartedNo, Message: wrong.Error()}
		status = http.StatusUnsupportedMediaType
	case e.Kind == genai.Malformed || e.Kind == genai.Unknown:
		e.Kind = genai.InvalidRequest
	case e.Kind == genai.TooLarge:
		c.w.Header().Set("Connection", "close") // the rest of it stays unread
	}
	e.Op = c.op.spec.Name
	turnAway(c.w, &e, status)
}

// readBody reads a body to its end. announced is its length, or -1; max bounds the message in it.
func readBody(r io.Reader, announced, max int64, framed bool, what string) ([]byte, error) {
	limit := max
	if framed {
		limit = int64(math.MaxInt64)
		if max < limit-frameRoom {
			limit = max + frameRoom
		}
	}
	if announced > limit {
		return nil, tooLarge(what, announced, max)
	}
	if announced >= 0 {
		return readAnnounced(r, announced, what)
	}
	body, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, cutBody(what, err)
	}
	switch n, err := io.CopyN(io.Discard, r, 1); {
	case n > 0:
		return nil, &genai.Error{Kind: genai.TooLarge, Message: fmt.Sprintf("the %s has more than %d bytes; it may have %d", what, limit, max)}
	case err != io.EOF:
		return nil, cutBody(what, err)
	}
	return body, nil
}

// readAnnounced reads a body of n bytes, and sees its end: only then is the connection free for what comes next.
func readAnnounced(r io.Reader, n int64, what string) ([]byte, error) {
	if n >= atOnce {
		body, err := readN(r, make([]byte, 0, atOnce), n)
		if err == nil {
			if _, err = io.CopyN(io.Discard, r, 1); err == io.EOF {
				return body, nil
			}
		}
		return nil, cutBody(what, err)
	}
	body, got := make([]byte, n+1), 0 // one more, to be told of the end
	for got <= int(n) {
		m, err := r.Read(body[got:])
		got += m
		switch {
		case err == io.EOF && got == int(n):
			return body[:n], nil
		case err == io.EOF:
			return nil, cutBody(what, io.ErrUnexpectedEOF)
		case err != nil:
			return nil, cutBody(what, err)
		}
	}
	return nil, cutBody(what, nil)
}

// cutBody is the error of a body that did not arrive as it was announced.
func cutBody(what string, err error) error {
	if err == nil {
		err = io.ErrShortBuffer // there is more than was announced, which net/http does not let through
	}
	return &genai.Error{Kind: genai.Unavailable, Message: fmt.Sprintf("the %s was cut: %v", what, err), Err: err}
}

// answer sends a response that does not stream.
func (c *call) answer(resp any) {
	m, err := c.op.spec.EncodeResponse(resp)
	if err == nil && len(m.Parts) > 0 && !c.frames {
		m = transport.Message{}
		m.Head, err = json.Marshal(resp) // what was encoded once can be encoded again, now with base64
	}
	if err != nil {
		c.fail(err)
		return
	}
	contentType, body := typeJSON, [][]byte{m.Head}
	if len(m.Parts) > 0 {
		contentType = typeFrames
		if body, err = framed(m); err != nil {
			c.fail(err)
			return
		}
	}
	h := c.w.Header()
	setMetadata(h, c.reply.Last())
	h["Content-Type"] = headerValue(contentType)
	h["Content-Length"] = []string{strconv.FormatInt(lengthOf(body), 10)}
	c.begun = true
	for _, b := range body {
		if _, err := c.w.Write(b); err != nil {
			return // the caller has left
		}
	}
}

func lengthOf(slices [][]byte) (n int64) {
	for _, s := range slices {
		n += int64(len(s))
	}
	return n
}

// fail tells the caller what went wrong, in whatever way is left.
func (c *call) fail(err error) {
	switch {
	case c.pump != nil:
		c.pump.finish(c.trailer(frameError, eventError, trailer{transport.ProblemOf(err), c.reply.Last()}))
	case !c.begun:
		c.begun = true
		setMetadata(c.w.Header(), c.reply.Last())
		writeProblem(c.w, transport.ProblemOf(err))
	}
}

// turnAway answers a request that no handler will see. status is that of HTTP, or 0 for the one that belongs to the kind.
func turnAway(w http.ResponseWriter, err error, status int) {
	p := transport.ProblemOf(err)
	p.Refused = true
	if status != 0 {
		p.Status = status
	}
	writeProblem(w, p)
}

// writeProblem answers with an error.
func writeProblem(w http.ResponseWriter, p *transport.Problem) {
	body, failed := json.Marshal(p)
	if failed != nil {
		body = []byte(`{"kind":"internal","detail":"an error cannot travel"}`)
	}
	h := w.Header()
	h["Content-Type"] = headerValue(typeProblem)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if p.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.FormatInt((p.RetryAfter+999)/1000, 10)}
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // whoever does not want it any more has left
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// drainTime is how long an orderly end may take beyond the grace, for calls to notice that they were cancelled.
const drainTime = 5 * time.Second
