package httptransport

import (
	"bytes"
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
	c.once.Do(c.connect)
	if c.err != nil {
		return nil, c.err
	}
	m, err := spec.EncodeRequest(req)
	if err != nil {
		return nil, err
	}
	hr, sent, err := c.request(ctx, spec, m)
	if err != nil {
		return nil, err
	}
	if spec.Streams {
		return c.stream(ctx, spec, hr, sent)
	}
	resp, err := c.exchange(ctx, spec, hr.WithContext(ctx), sent)
	if err != nil {
		return nil, err
	}
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

// inOneWrite is how large a request may be that is handed to package net/http as bytes in memory.
const inOneWrite = 64 << 10

// request returns the request that carries m, without a context.
func (c *Client) request(ctx context.Context, spec *transport.Spec, m transport.Message) (*http.Request, *body, error) {
	b := &body{all: [][]byte{m.Head}}
	contentType, accept := typeJSON, acceptValue
	if spec.Streams {
		accept = acceptPieces
	}
	if len(m.Parts) > 0 {
		contentType = typeFrames
		var err error
		if b.all, err = framed(m); err != nil {
			e := *genai.AsError(err)
			e.Started = genai.StartedNo
			return nil, nil, &e
		}
	}
	h := http.Header{"Content-Type": headerValue(contentType), "Accept": headerValue(accept), "User-Agent": nil, headerContract: {spec.Agreed()}}
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
	u := c.base
	u.Path += pathOf(spec)
	hr := &http.Request{
		Method: http.MethodPost, URL: &u, Host: u.Host, Header: h, ContentLength: lengthOf(b.all),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	hr.Body = b.again()
	if c.Transport == nil && c.base.Scheme == "http" && !c.h2c {
		// Over HTTP/1, package net/http sends a request again if it has written nothing of it, and has proof of that.
		hr.GetBody = func() (io.ReadCloser, error) { return b.again(), nil }
	}
	return hr, b, nil
}

// maxAgree is how many servers with contracts that we have not seen may answer one call.
const maxAgree = 3

// exchange sends a request and returns the answer to it, if that is a good one. A server with another contract is asked again, in
// other words, if the two go together; it has not called its handler.
func (c *Client) exchange(ctx context.Context, spec *transport.Spec, hr *http.Request, sent *body) (*http.Response, error) {
	for n := 0; ; n++ {
		resp, contract, err := c.try(ctx, hr, sent)
		if contract == nil || n == maxAgree {
			return resp, err
		}
		if err := spec.Agree(contract); err != nil {
			return nil, err
		}
		hr = hr.Clone(hr.Context())
		hr.Header[headerContract] = []string{spec.Agreed()}
		hr.Body = sent.again()
	}
}

// try makes one exchange. If it fails since the server has another contract, that is returned as well.
func (c *Client) try(ctx context.Context, hr *http.Request, sent *body) (_ *http.Response, contract []byte, _ error) {
	resp, err := c.roundTrip(hr, sent)
	if err != nil {
		if over := genai.ContextError(ctx); over != nil {
			e := *genai.AsError(over)
			e.Started = sent.started()
			return nil, nil, &e
		}
		return nil, nil, c.lost(err, sent)
	}
	pairs := metadataIn(resp.Header)
	transport.EnvelopeOf(ctx).Reply.Arrive(pairs)
	if resp.StatusCode == http.StatusOK {
		return resp, nil, nil
	}
	defer resp.Body.Close()
	contract, err = refusal(resp)
	if over := genai.ContextError(ctx); over != nil {
		return nil, nil, over
	}
	return nil, contract, err
}

// lost makes an error of an exchange that brought no answer.
func (c *Client) lost(err error, sent *body) error {
	e := &genai.Error{Kind: genai.Unavailable, Started: sent.started(), Err: err}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" || unseen(err) {
		e.Started = genai.StartedNo
	}
	if kind := handshake(err); kind != "" {
		e.Kind, e.Started = kind, genai.StartedNo
	}
	if e.Started == genai.StartedNo {
		e.Message = fmt.Sprintf("cannot reach %s: %v", c.Address, err)
		return e
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		e.Kind = genai.Timeout
	}
	e.Message = fmt.Sprintf("no answer from %s: %v", c.Address, err)
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
	if resp.StatusCode < http.StatusBadRequest {
		e.Kind = genai.Malformed
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
