package openai

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
)

// A Client is a server with OpenAI's interface. The zero value is OpenAI itself and lacks nothing but a Key. It is safe
// for concurrent use; its fields must not be changed while it is used.
type Client struct {
	BaseURL string // up to the version, such as "http://localhost:8000/v1"; empty: https://api.openai.com/v1. A query is kept
	Key     string // sent as a bearer token; empty: none, which OpenAI itself refuses
	Model   string // for requests that name none
	Name    string // what errors call the server; empty: its host

	// Header is sent with every request, over the fields that the client sets itself. A server that wants its key in a
	// header of its own, as Azure does in Api-Key, gets it here.
	Header http.Header

	// HTTP sends the requests; nil: a plain client. Its CheckRedirect is not used. Leave its Timeout at zero: it would
	// cut long answers, and the context of a call limits it better.
	HTTP *http.Client

	// MaxBytes bounds the memory that one answer may take: a whole answer, or one event of a stream. What is longer
	// fails as TooLarge. 0 means 64 MiB.
	MaxBytes int
}

const (
	openAI     = "https://api.openai.com/v1"
	defaultMax = 64 << 20
)

// An exchange is one request and what became of it, as far as errors tell.
type exchange struct {
	op, target string
	key        string
	texts      func(func(string)) // calls a function with every text that errors must not quote
	official   bool               // the server is OpenAI's own, or Azure's, which are strict and up to date
	body       requestBody
	resp       *http.Response
}

// A requestBody can be read once: without a way back to its start, net/http never sends it a second time by itself.
type requestBody struct {
	bytes.Reader
	begun atomic.Bool // net/http had a connection and asked for bytes
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.begun.Store(true)
	return b.Reader.Read(p)
}

func (b *requestBody) Close() error { return nil }

// begin makes an exchange, unless the client is not set up for it.
func (c *Client) begin(op string) (*exchange, *url.URL, error) {
	x := &exchange{op: op, target: c.Name, key: c.Key}
	base := c.BaseURL
	if base == "" {
		base = openAI
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, nil, x.refuse(genai.InvalidRequest, "BaseURL", "it must be an absolute URL with http or https")
	}
	host := u.Hostname()
	if x.target == "" {
		x.target = u.Host
	}
	x.official = host == "api.openai.com" || strings.HasSuffix(host, ".openai.azure.com")
	if host == "api.openai.com" && c.Key == "" && c.Header.Get("Authorization") == "" {
		return nil, nil, x.refuse(genai.Unauthenticated, "Key", "api.openai.com needs a key")
	}
	for i := range len(c.Key) {
		if c.Key[i] <= ' ' || c.Key[i] > '~' {
			return nil, nil, x.refuse(genai.Unauthenticated, "Key", "the key has a space, a line end or another character that none has")
		}
	}
	for name := range c.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Idempotency-Key", "X-Idempotency-Key":
			return nil, nil, x.refuse(genai.InvalidRequest, "Header",
				"a header of this name makes HTTP clients and proxies repeat requests, and no model server knows it")
		}
	}
	return x, u, nil
}

// refuse makes an Error of something that was noticed before anything was sent.
func (x *exchange) refuse(kind genai.Kind, field, message string) *genai.Error {
	return &genai.Error{Kind: kind, Op: x.op, Target: x.target, Field: field, Message: message, Started: genai.StartedNo}
}

// send posts body and returns the response if its status is one of success. Whoever gets it closes its body.
func (c *Client) send(ctx context.Context, x *exchange, base *url.URL, path, accept string, body []byte) error {
	x.body.Reset(body)
	base.Path = strings.TrimSuffix(base.Path, "/") + path
	base.RawPath = ""
	base.Fragment = ""
	req := (&http.Request{
		Method: http.MethodPost, URL: base, Host: base.Host, Body: &x.body, ContentLength: int64(len(body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Content-Type": {"application/json"},
			"Accept":       {accept},
			"User-Agent":   {"dovetail"},
		},
	}).WithContext(ctx)
	if c.Key != "" {
		req.Header["Authorization"] = []string{"Bearer " + c.Key}
	}
	for name, values := range c.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	var client http.Client
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = stay
	resp, err := client.Do(req)
	if err != nil {
		return x.unreachable(ctx, err)
	}
	x.resp = resp
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

// stay keeps a redirect from being followed: the key would go to whoever it names.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// unreachable makes an Error of a request that got no response.
func (x *exchange) unreachable(ctx context.Context, err error) error {
	if err := genai.ContextError(ctx); err != nil {
		return err
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the URL, which may have secrets in it
	}
	e := x.fail(genai.Unavailable, "no answer: "+x.redact(err.Error()))
	e.Err = err
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.Kind = genai.Timeout
	}
	if !x.body.begun.Load() {
		e.Kind, e.Started = genai.Unavailable, genai.StartedNo
	}
	return e
}

// cut makes an Error of an answer that broke off while it was read.
func (x *exchange) cut(ctx context.Context, err error) error {
	if err := genai.ContextError(ctx); err != nil {
		return err
	}
	if e, ok := errors.AsType[*genai.Error](err); ok {
		mine := x.fail(e.Kind, e.Message)
		mine.Code = e.Code
		return mine
	}
	e := x.fail(genai.Truncated, "the connection broke off inside of the answer")
	e.Err = err
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.Kind = genai.Timeout
	}
	return e
}

func (c *Client) maxBytes() int {
	if c.MaxBytes > 0 {
		return c.MaxBytes
	}
	return defaultMax
}
