package exchange

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

const defaultMax = 64 << 20

// Headers that every request has. Whoever adds to one of them gets a slice of their own.
var userAgent, jsonType = []string{"dovetail"}, []string{"application/json"}

// A Server is who is asked, and in which language.
type Server struct {
	Name    string // what errors call the server; empty: its host
	BaseURL string // what every path stands behind; a query is kept
	Key     string // never to be quoted; how it is sent is up to the client
	Header  http.Header
	HTTP    *http.Client // nil: a plain one
	Max     int          // the bytes that an answer may take; 0 means 64 MiB

	IDs []string // the response headers that may hold the provider's name for a request, the best first

	// Understand reads the body of an error, or the error inside of an answer that promised success; then status is 0.
	Understand func(body []byte, status int, h http.Header) Problem
}

// A Problem is what a server says about a failure. Only Kind must be set.
type Problem struct {
	Kind       genai.Kind
	Message    string
	Code       string
	Field      string // of the request
	RequestID  string
	RetryAfter time.Duration // for when the Retry-After header says nothing
}

// An Exchange is one request and what became of it, as far as errors tell.
type Exchange struct {
	Op, Target string
	Base       *url.URL           // where the server is; the exchange's own
	Texts      func(func(string)) // calls a function with every text that errors must not quote; nil: there is none
	Resp       *http.Response     // nil until there is one
	server     Server
	body       requestBody
	upload     io.ReadCloser // instead of body
}

// A requestBody can be read once: without a way back to its start, net/http never sends it a second time by itself.
type requestBody struct {
	bytes bytes.Reader // not embedded: its WriteTo would go past begun
	begun atomic.Bool  // net/http had a connection and asked for bytes
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.begun.Store(true)
	return b.bytes.Read(p)
}

func (b *requestBody) Close() error { return nil }

// Begin makes an exchange, unless the client is not set up for it.
func Begin(op string, s Server) (*Exchange, error) {
	x := &Exchange{Op: op, Target: s.Name, server: s}
	u, err := url.Parse(s.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, x.Refuse(genai.InvalidRequest, "BaseURL", "it must be an absolute URL with http or https")
	}
	x.Base = u
	if x.Target == "" {
		x.Target = u.Host
	}
	for i := range len(s.Key) {
		if s.Key[i] <= ' ' || s.Key[i] > '~' {
			return nil, x.Refuse(genai.Unauthenticated, "Key", "the key has a space, a line end or another character that none has")
		}
	}
	for name := range s.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Idempotency-Key", "X-Idempotency-Key":
			return nil, x.Refuse(genai.InvalidRequest, "Header",
				"a header of this name makes HTTP clients and proxies repeat requests, and no model server knows it")
		}
	}
	return x, nil
}

// Max returns how many bytes an answer may take.
func (x *Exchange) Max() int {
	if x.server.Max > 0 {
		return x.server.Max
	}
	return defaultMax
}

// Post sends body to path, which is put behind the path of Base, and returns nil if the status of the response is one of
// success. Its body is then open, and up to the caller. body is JSON unless h says otherwise. h is changed: the fields of the
// Server win over it.
func (x *Exchange) Post(ctx context.Context, path string, h http.Header, body []byte) error {
	x.body.bytes.Reset(body)
	if h["Content-Type"] == nil {
		h["Content-Type"] = jsonType
	}
	return x.send(ctx, http.MethodPost, path, h, int64(len(body)))
}

// Get is [Exchange.Post] without a body, for what is only looked up.
func (x *Exchange) Get(ctx context.Context, path string, h http.Header) error {
	return x.send(ctx, http.MethodGet, path, h, 0)
}

func (x *Exchange) send(ctx context.Context, method, path string, h http.Header, length int64) error {
	u := *x.Base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	u.RawPath = ""
	u.Fragment = ""
	h["User-Agent"] = userAgent
	for name, values := range x.server.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	req := (&http.Request{
		Method: method, URL: &u, Host: u.Host, ContentLength: length,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
	}).WithContext(ctx)
	switch {
	case x.upload != nil:
		req.Body = x.upload
	case length > 0:
		req.Body = &x.body
	}
	resp, err := x.roundTrip(req)
	if err != nil {
		return x.unreachable(ctx, err)
	}
	x.Resp = resp
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	defer resp.Body.Close()
	failure := x.refusal(resp)
	if err := genai.ContextError(ctx); err != nil {
		return err
	}
	return failure
}

// roundTrip does what http.Client.Do does, as far as it is needed here: most of that is about redirects, which are not followed.
func (x *Exchange) roundTrip(req *http.Request) (*http.Response, error) {
	var client http.Client
	if x.server.HTTP != nil {
		client = *x.server.HTTP
	}
	if client.Jar != nil || client.Timeout != 0 || req.URL.User != nil { // which becomes a header
		client.CheckRedirect = stay
		return client.Do(req)
	}
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	resp, err := transport.RoundTrip(req)
	if err == nil && (resp == nil || resp.Body == nil) {
		return nil, errors.New("the transport has returned neither an answer nor an error")
	}
	return resp, err
}

// stay keeps a redirect from being followed: the key would go to whoever it names.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// unreachable makes an Error of a request that got no response.
func (x *Exchange) unreachable(ctx context.Context, err error) error {
	if err := genai.ContextError(ctx); err != nil {
		return err
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the URL, which may have secrets in it
	}
	e := x.Fail(genai.Unavailable, "")
	e.Err = x.cause(err)
	e.Message = "no answer: " + Clip(e.Err.Error(), maxErrorMessage)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.Kind = genai.Timeout
	}
	if !x.body.begun.Load() {
		e.Kind, e.Started = genai.Unavailable, genai.StartedNo
	}
	return e
}
