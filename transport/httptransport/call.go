package httptransport

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/retryafter"
	"github.com/dovetail-go/dovetail/transport"
)

// Call implements [transport.Client].
func (c *Client) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	m, err := spec.EncodeRequest(req)
	if err != nil {
		return nil, err
	}
	q, err := c.request(ctx, spec, m)
	if err != nil {
		return nil, err
	}
	q.key = c.key(ctx, req)
	if spec.Streams {
		return c.stream(ctx, q)
	}
	resp, at, err := c.exchange(ctx, q)
	if err != nil {
		return nil, err
	}
	defer at.leave()
	defer resp.Body.Close()
	answer, err := receive(spec, resp)
	if err != nil {
		if over := genai.ContextError(ctx); over != nil {
			return nil, over
		}
		return nil, err
	}
	return answer, nil
}

// A request is what is sent, to one server or, if nobody has seen it there, to another.
type request struct {
	spec   *transport.Spec
	header http.Header
	body   body
	key    uint64   // of what ties it to a server
	grants *granter // the body as it was last sent, if the server waits for credit
}

// inOneWrite is how large a request may be that is handed to package net/http as bytes in memory.
const inOneWrite = 64 << 10

// request returns the request that carries m.
func (c *Client) request(ctx context.Context, spec *transport.Spec, m transport.Message) (*request, error) {
	q := &request{spec: spec, body: body{all: [][]byte{m.Head}}}
	contentType, accept := typeJSON, acceptValue
	if spec.Streams {
		accept = acceptPieces
	}
	ahead := spec.Streams && spec.Ahead > 0
	if len(m.Parts) > 0 || ahead {
		contentType = typeFrames
		var err error
		if q.body.all, err = framed(m); err != nil {
			e := *genai.AsError(err)
			e.Started = genai.StartedNo
			return nil, &e
		}
	}
	h := http.Header{"Content-Type": headerValue(contentType), "Accept": headerValue(accept), "User-Agent": nil, headerContract: {spec.Agreed()}}
	if ahead {
		h[headerCredit] = []string{strconv.Itoa(spec.Ahead)}
	}
	e := transport.EnvelopeOf(ctx)
	setMetadata(h, e.Metadata)
	if e.Attempt > 1 {
		h[headerAttempt] = []string{strconv.Itoa(e.Attempt)}
	}
	if e.Priority != genai.Critical {
		h[headerPriority] = []string{string(e.Priority)}
	}
	if e.Key != "" {
		h[headerKey] = []string{e.Key}
	}
	if e.Caller != "" {
		h[headerCaller] = []string{e.Caller}
	}
	if c.Token != nil {
		if token := c.Token(); token != "" {
			h["Authorization"] = []string{"Bearer " + token}
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		setTimeLeft(h, time.Until(deadline))
	}
	q.header = h
	return q, nil
}

// to returns the request as it is sent to a server.
func (q *request) to(ctx context.Context, at *endpoint) *http.Request {
	u := at.base
	u.Path += pathOf(q.spec)
	hr := &http.Request{
		Method: http.MethodPost, URL: &u, Host: u.Host, Header: q.header, ContentLength: lengthOf(q.body.all), Body: q.again(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if q.grants != nil {
		hr.ContentLength = -1
	}
	if at.repeats {
		// Over HTTP/1, package net/http sends a request again if it has written nothing of it, and has proof of that.
		hr.GetBody = func() (io.ReadCloser, error) { return q.again(), nil }
	}
	return hr.WithContext(ctx)
}

// renew gives the request headers that say how much time is left now, since it is to be sent again.
func (q *request) renew(ctx context.Context) {
	q.header = q.header.Clone() // those that were sent may still be read
	if deadline, ok := ctx.Deadline(); ok {
		setTimeLeft(q.header, time.Until(deadline))
	}
}

// again returns a reader of the body.
func (q *request) again() io.ReadCloser {
	if q.header[headerCredit] == nil {
		return q.body.again()
	}
	q.grants = newGranter(q.body.again())
	return q.grants
}

// end ends a request that goes on as long as its response does.
func (q *request) end() {
	if q.grants != nil {
		_ = q.grants.Close()
	}
}

// exchange sends a request and returns the answer to it, if that is a good one, and whose it is; the caller leaves that server
// when it has done with the answer. A server that cannot be reached, or turns the request away since it is about to end, has not
// called its handler: the request goes on to another, as long as there is one.
func (c *Client) exchange(ctx context.Context, q *request) (*http.Response, *endpoint, error) {
	var tried []*endpoint
	var last error
	for {
		at := c.pool.enter(q.key, tried)
		if at == nil && c.pool.again(ctx) {
			at = c.pool.enter(q.key, tried)
		}
		if at == nil {
			return nil, nil, nobody(len(tried), last)
		}
		resp, err := c.agree(ctx, q, at)
		if err == nil {
			return resp, at, nil
		}
		at.leave()
		if genai.KindOf(err) != genai.Unavailable || !q.spec.Unseen(err) || ctx.Err() != nil {
			return nil, nil, err
		}
		at.leaveOut(c.pool.now())
		c.pool.hasten()
		tried, last = append(tried, at), err
		q.renew(ctx)
	}
}

// nobody is the error of a call that none of n servers took.
func nobody(n int, last error) error {
	if n < 2 {
		return last
	}
	e := *genai.AsError(last)
	e.Message = fmt.Sprintf("none of the %d servers took the call; the last one: %s", n, e.Message)
	return &e
}

// maxAgree is how many servers with contracts that we have not seen may answer one call.
const maxAgree = 3

// agree makes an exchange with a server. One with another contract is asked again, in other words, if the two go together; it has
// not called its handler.
func (c *Client) agree(ctx context.Context, q *request, at *endpoint) (*http.Response, error) {
	for n := 0; ; n++ {
		resp, contract, err := c.try(ctx, q, at)
		if contract == nil || n == maxAgree {
			return resp, err
		}
		if err := q.spec.Agree(contract); err != nil {
			return nil, err
		}
		q.renew(ctx)
		q.header[headerContract] = []string{q.spec.Agreed()}
	}
}

// try makes one exchange. If it fails since the server has another contract, that is returned as well.
func (c *Client) try(ctx context.Context, q *request, at *endpoint) (_ *http.Response, contract []byte, _ error) {
	resp, err := at.roundTrip(ctx, q)
	if err != nil || resp.StatusCode != http.StatusOK {
		q.end()
	}
	if err != nil {
		if over := genai.ContextError(ctx); over != nil {
			e := *genai.AsError(over)
			if e.Started = q.body.started(); e.Kind == genai.Timeout {
				at.missed(c.pool.now())
			}
			return nil, nil, &e
		}
		e := lost(err, q, at)
		if e.Started != genai.StartedNo {
			at.missed(c.pool.now())
		}
		return nil, nil, e
	}
	pairs := metadataIn(resp.Header)
	transport.EnvelopeOf(ctx).Reply.Arrive(pairs)
	if resp.StatusCode == http.StatusOK {
		at.answered()
		return resp, nil, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError && mediaType(resp.Header.Get("Content-Type")) != typeProblem {
		at.missed(c.pool.now()) // something between says so
	} else {
		at.answered()
	}
	contract, err = refusal(resp)
	if over := genai.ContextError(ctx); over != nil {
		return nil, nil, over
	}
	return nil, contract, err
}

// lost makes an error of an exchange that brought no answer.
func lost(err error, q *request, at *endpoint) *genai.Error {
	op, dialled := errors.AsType[*net.OpError](err)
	kind := handshake(err)
	if dialled && op.Op == "dial" || kind != "" || unseen(err) || q.body.started() == genai.StartedNo {
		e := unreachable(at, err)
		e.Kind = cmp.Or(kind, e.Kind)
		return e
	}
	e := &genai.Error{Kind: genai.Unavailable, Started: q.body.started(), Err: err, Message: fmt.Sprintf("no answer from %s: %v", at.name, err)}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		e.Kind = genai.Timeout
	}
	return e
}

// receive reads a response that does not stream.
func receive(spec *transport.Spec, resp *http.Response) (any, error) {
	var m transport.Message
	t := mediaType(resp.Header.Get("Content-Type"))
	if t != typeJSON && t != typeFrames {
		return nil, foreign(resp, t)
	}
	text, err := readBody(resp.Body, resp.ContentLength, spec.MaxBytes, t == typeFrames, "response")
	if err == nil {
		if m.Head = text; t == typeFrames {
			m, err = parseMessage(text)
		}
	}
	if err == nil && m.Len() > spec.MaxBytes {
		err = tooLarge("response", m.Len(), spec.MaxBytes)
	}
	if err != nil {
		e := *genai.AsError(err)
		e.Started = genai.StartedYes
		return nil, &e
	}
	return spec.DecodeResponse(m)
}

// refusal returns the error that an answer other than 200 stands for, and the contract of the server if it refuses ours.
func refusal(resp *http.Response) (contract []byte, _ error) {
	t := mediaType(resp.Header.Get("Content-Type"))
	if t != typeProblem {
		return nil, foreign(resp, t)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxTrailer))
	if err != nil {
		return nil, &genai.Error{Kind: genai.Unavailable, Message: fmt.Sprintf("the answer with status %d was cut: %v", resp.StatusCode, err), Err: err}
	}
	p := transport.Problem{}
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, &genai.Error{Kind: transport.KindOf(resp.StatusCode), Message: fmt.Sprintf("the answer has status %d and cannot be understood", resp.StatusCode)}
	}
	if p.Kind == "" {
		p.Status = resp.StatusCode // somebody else's problem, such as a gateway's
	}
	e := p.Err()
	if e.RetryAfter == 0 {
		e.RetryAfter = retryafter.Parse(resp.Header, time.Now())
	}
	if p.Refused && resp.StatusCode == http.StatusPreconditionFailed {
		contract = p.Contract
	}
	return contract, e
}

// foreign makes an error of an answer that no server of ours has given.
func foreign(resp *http.Response, mediaType string) error {
	if mediaType == "" {
		mediaType = "nothing in particular"
	}
	e := &genai.Error{
		Kind: transport.KindOf(resp.StatusCode), RetryAfter: retryafter.Parse(resp.Header, time.Now()),
		Message: fmt.Sprintf("the answer has status %d, is %s, and comes from no server of ours: is something else at this address, or a proxy on the way?", resp.StatusCode, short(mediaType)),
	}
	switch {
	case resp.StatusCode < http.StatusBadRequest:
		e.Kind = genai.Malformed
	case resp.StatusCode == http.StatusBadRequest && resp.Close:
		e.Kind = genai.Unavailable // somebody could not read what is well-formed here: it was cut, or changed, on its way
	}
	return e
}

// A body is what a request consists of. Only [body.again] gives it out: package net/http cannot send it again by itself,
// unless it was given GetBody.
type body struct {
	all  [][]byte
	gone atomic.Bool // all of it was handed to a connection
}

// again returns a reader of all of it. Package net/http sends what it knows to be in memory together with the headers, which
// halves the system calls. It takes all of that or nothing, so little is lost by not watching.
func (b *body) again() io.ReadCloser {
	if len(b.all) == 1 && len(b.all[0]) <= inOneWrite {
		b.gone.Store(true)
		return io.NopCloser(bytes.NewReader(b.all[0]))
	}
	b.gone.Store(false)
	return &bodyReader{slices.Clone(b.all), &b.gone}
}

// A bodyReader reads a body and tells when it has come to its end.
type bodyReader struct {
	rest [][]byte
	gone *atomic.Bool
}

// Read implements [io.Reader].
func (b *bodyReader) Read(p []byte) (n int, err error) {
	for len(b.rest) > 0 && n < len(p) {
		m := copy(p[n:], b.rest[0])
		n += m
		if b.rest[0] = b.rest[0][m:]; len(b.rest[0]) == 0 {
			b.rest = b.rest[1:]
		}
	}
	if len(b.rest) > 0 {
		return n, nil
	}
	b.gone.Store(true)
	return n, io.EOF
}

// Close implements [io.Closer].
func (b *bodyReader) Close() error { return nil }

// started says what is known when no answer came. A server of ours calls a handler when it has the whole request.
func (b *body) started() genai.Started {
	if b.gone.Load() {
		return genai.StartedUnknown
	}
	return genai.StartedNo
}
