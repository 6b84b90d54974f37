package wiretest

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/sse"
)

// A dialect is how one provider speaks: all that the server needs to know about it.
type dialect struct {
	name    string
	route   func(r *http.Request) (operation, string, bool) // what a request asks for, and the model that its path names
	key     func(h http.Header) string                      // the key that a request came with
	chat    func(body []byte, c *call) error                // decodes a request, into a call whose fields the path has filled in
	stream  string                                          // the content type of a stream
	encoder func(c *call) encoder
	embed   func(body []byte, c *call) error                   // nil: the dialect has no embeddings
	vectors func(c *call, resp *genai.Embeddings) any          // the document of an answer to embed
	problem func(e *genai.Error, p problem, inStream bool) any // the document that reports a failure
	kinds   map[genai.Kind]problem                             // how failures are called; "" is any other
	garbage string
	header  func(e *genai.Error, h http.Header) // what a failure says in the headers, besides Retry-After
}

// An operation is what a request asks a server for.
type operation int

const (
	opChat operation = iota
	opStream
	opEmbed
)

// A call is a request as it was understood.
type call struct {
	op     operation
	req    *genai.ChatRequest
	embed  *genai.EmbedRequest
	stream bool
	usage  bool // the client asks for usage
	began  time.Time
	query  url.Values
	batch  bool // several texts in a request that could have been for one
}

// An encoder puts the events of one answer into the bytes of a dialect.
type encoder interface {
	event(e genai.ChatEvent) ([]byte, bool) // nil if there is nothing to be said; whether it has a piece in it
	end() []byte                            // what stands behind the last event of a complete answer
	whole(resp *genai.ChatResponse) any     // the document of a whole answer
}

// A problem is how a provider calls a Kind.
type problem struct {
	status     int
	kind, code string
	words      string // what the message begins with, where a provider has no other way to say it
}

// dialects are tried in this order.
var dialects = []*dialect{&openAI, &responses, &anthropic, &ollama, &gemini}

// problemOf finds the words for e.
func (d *dialect) problemOf(e *genai.Error) problem {
	p, ok := d.kinds[e.Kind]
	if !ok {
		p = d.kinds[""]
	}
	if e.Status != 0 {
		p.status = e.Status
	}
	if e.Code != "" {
		p.code = e.Code
	}
	return p
}

// message returns what the document says to people.
func (p problem) message(e *genai.Error) string {
	if p.words != "" {
		return p.words + ": " + e.Message
	}
	return e.Message
}

// kindOfStatus is what a bare status usually means.
func kindOfStatus(status int) genai.Kind {
	switch status {
	case http.StatusUnauthorized:
		return genai.Unauthenticated
	case http.StatusPaymentRequired:
		return genai.QuotaExhausted
	case http.StatusForbidden:
		return genai.PermissionDenied
	case http.StatusNotFound:
		return genai.NotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return genai.Timeout
	case http.StatusConflict:
		return genai.Conflict
	case http.StatusRequestEntityTooLarge:
		return genai.TooLarge
	case http.StatusTooManyRequests:
		return genai.RateLimited
	case http.StatusServiceUnavailable, 529:
		return genai.Overloaded
	}
	if status < 500 {
		return genai.InvalidRequest
	}
	return genai.ServerError
}

// severs reports whether a failure is one of the connection, which no document can report.
func severs(err error) bool {
	e := genai.AsError(err)
	switch e.Kind {
	case genai.Unavailable, genai.Truncated, genai.Cancelled, genai.DeadlineExceeded:
		return e.Status == 0
	}
	return false
}

// retryAfter says how long the client should wait, in seconds: the header has no fractions.
func retryAfter(e *genai.Error, h http.Header) {
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
}

// errBadRequest is what a decoder returns for a request that its provider would refuse.
func errBadRequest(field, message string) error {
	return &genai.Error{Kind: genai.InvalidRequest, Field: field, Message: message}
}

// An object is a JSON object that is made on the spot.
type object = map[string]any

// document returns v as JSON.
func document(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(errors.Join(errors.New("wiretest: a document of ours has no form in JSON"), err))
	}
	return text
}

// data returns v as an event of an event stream.
func data(v any) []byte { return sse.AppendEvent(nil, sse.Event{Data: document(v)}) }

// named returns v as an event with a type.
func named(kind string, v any) []byte {
	return sse.AppendEvent(nil, sse.Event{Type: []byte(kind), Data: document(v)})
}
