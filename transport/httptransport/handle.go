package httptransport

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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
	op      *operation
	w       http.ResponseWriter
	frames  bool // the caller understands them
	http2   bool
	caller  string
	spare   *spare // nil if there is none
	limits  *Limits
	method  Method
	reply   *transport.Reply
	ctx     context.Context
	cancel  context.CancelCauseFunc
	inner   context.Context // the handler's
	tooLong *genai.Error    // what it ends with if the call takes too long
	begun   bool            // the headers of the response have been sent
	pump    *pump           // once a stream has begun
	credit  *credit         // nil if the caller takes all pieces as they come
}

// call serves one request from its headers to the end of its response.
func (s *Server) call(w http.ResponseWriter, r *http.Request, op *operation, caller string, spare *spare) {
	c := &call{op: op, w: w, caller: caller, spare: spare, limits: &s.Limits, method: s.Limits.Methods[op.spec.Name], http2: r.ProtoMajor >= 2, frames: strings.Contains(r.Header.Get("Accept"), typeFrames)}
	c.ctx, c.cancel = context.WithCancelCause(&bare{r.Context()})
	defer c.cancel(nil)
	if !op.suits(r.Header) {
		op.describe(w, r)
		return
	}
	if err := s.begin(c); err != nil {
		if err == error(errEnding) {
			w.Header().Set("Connection", "close") // another connection may find another server
		}
		turnAwayUnread(w, r, err, 0)
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
func (o *operation) describe(w http.ResponseWriter, r *http.Request) {
	p := transport.ProblemOf(refuse(genai.Precondition, "the server has the contract %s, which the caller does not know", o.spec.Fingerprint()))
	p.Op, p.Refused, p.Contract = o.spec.Name, true, o.spec.Contract()
	writeUnread(w, r, p)
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
			c.pump.watch.release()
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
	if err != nil && context.Cause(c.ctx) == errShutdown {
		turnAwayUnread(c.w, r, errEnding, 0)
		return
	}
	if err != nil {
		c.refused(r, err)
		return
	}
	if c.credit != nil {
		defer c.credit.finish(c.w)
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
	var cancel context.CancelFunc
	switch most := c.method.MaxTime; {
	case most > 0 && (!limited || most < left):
		c.tooLong = &genai.Error{Kind: genai.Timeout, Started: genai.StartedYes, Message: fmt.Sprintf("the call took longer than %v, which is the limit of %s here", most, c.op.spec.Name)}
		ctx, cancel = context.WithTimeoutCause(ctx, most, c.tooLong)
	case limited:
		ctx, cancel = context.WithTimeout(ctx, left)
	default:
		cancel = func() {}
	}
	c.inner = ctx
	return ctx, cancel, nil
}

// because returns the reason where err is a consequence: a call that the server ended was not cancelled by its caller.
func (c *call) because(err error) error {
	switch kind := genai.KindOf(err); {
	case context.Cause(c.ctx) == errShutdown && kind == genai.Cancelled:
		return errShutdown
	case kind == genai.Cancelled && c.ctx.Err() != nil:
		return errLeft // whoever has left does not read this: who reads it has lost a part of the connection only
	case kind == genai.DeadlineExceeded && c.tooLong != nil && context.Cause(c.inner) == error(c.tooLong):
		return c.tooLong // it was not the caller's
	}
	return err
}

// read returns the request. It reads the body to its end, since net/http notices only then that a caller leaves; if credit comes
// behind the message, that is read beside the handler.
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
	first, err := creditIn(r.Header)
	if err != nil {
		return nil, err
	}
	watch := watchReading(c.w, c.limits.Body, c.spare)
	defer watch.release()
	watch.start()
	var body []byte
	from := &watchedReader{r.Body, watch, 0}
	if goesOn := first > 0 && framed && c.frames && c.op.spec.Streams; goesOn {
		_ = http.NewResponseController(c.w).EnableFullDuplex() // HTTP/2 needs no leave
		body, err = readOne(from, c.op.spec.MaxBytes)
	} else {
		first = 0
		body, err = readBody(from, r.ContentLength, c.op.spec.MaxBytes, framed, "request")
	}
	if err = watch.inTime(err); err != nil {
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
	req, err := c.op.spec.DecodeRequest(m)
	if err == nil && first > 0 {
		c.credit = readCredit(r.Body, first, func() { c.cancel(nil) })
	}
	return req, err
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
	if lengthOf(body) <= writeStride { // it finds room in a connection, or the caller has not read the answers before it
		_ = writeAll(c.w, body) // whoever does not want it any more has left
		return
	}
	watch := watchWriting(c.w, c.limits.Stall, c.spare)
	defer watch.release()
	_ = watch.writeAll(body, c.flush)
}

func writeAll(w io.Writer, slices [][]byte) error {
	for _, b := range slices {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func lengthOf(slices [][]byte) (n int64) {
	for _, s := range slices {
		n += int64(len(s))
	}
	return n
}

// flush sends what is buffered. Over HTTP/2 that would make one frame more, and package net/http does it by itself.
func (c *call) flush() error {
	if c.http2 {
		return nil
	}
	return http.NewResponseController(c.w).Flush()
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

// drainTime is how long an orderly end may take beyond the grace, for calls to notice that they were cancelled.
const drainTime = 5 * time.Second
