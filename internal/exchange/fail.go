package exchange

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
	"github.com/dovetail-go/dovetail/internal/retryafter"
)

const (
	maxErrorBody    = 64 << 10
	maxErrorMessage = 500
	maxErrorCode    = 100
	maxErrorRaw     = 2 << 10
)

// Refuse makes an Error of something that was noticed before anything was sent.
func (x *Exchange) Refuse(kind genai.Kind, field, message string) *genai.Error {
	return &genai.Error{Kind: kind, Op: x.Op, Target: x.Target, Field: field, Message: message, Started: genai.StartedNo}
}

// Fail makes an Error of what went wrong after that.
func (x *Exchange) Fail(kind genai.Kind, message string) *genai.Error {
	e := &genai.Error{Kind: kind, Op: x.Op, Target: x.Target, Message: message}
	if x.Resp != nil {
		e.Status = x.Resp.StatusCode
		e.RequestID = x.requestID()
		e.Started = genai.StartedYes
		if kind.Retryable() || kind == genai.QuotaExhausted {
			e.RetryAfter = retryafter.Parse(x.Resp.Header, time.Now())
		}
		if e.Status >= 400 {
			e.Started = genai.StartedUnknown
		}
	}
	return e
}

// Problem makes an Error of a problem that came inside of an answer that promised success.
func (x *Exchange) Problem(body []byte) *genai.Error { return x.problem(body, 0) }

func (x *Exchange) problem(body []byte, status int) *genai.Error {
	p := x.server.Understand(body, status, x.Resp.Header)
	e := x.Fail(p.Kind, p.Message)
	e.Code, e.Field, e.Raw = p.Code, p.Field, x.raw(body)
	if e.RequestID == "" {
		e.RequestID = p.RequestID
	}
	// What is cut first may end inside of a quotation that is then too short to be found. So it is cut twice.
	limits := map[*string]int{&e.Message: maxErrorMessage, &e.Code: maxErrorCode, &e.Field: maxErrorCode, &e.RequestID: maxErrorCode, &e.Raw: maxErrorRaw}
	for text, limit := range limits {
		*text = Clip(*text, 4*limit)
	}
	x.redact(&e.Message, &e.Code, &e.Field, &e.RequestID, &e.Raw)
	for text, limit := range limits {
		*text = Clip(*text, limit)
	}
	if e.RetryAfter == 0 {
		e.RetryAfter = p.RetryAfter
	}
	if e.Message == "" && status != 0 {
		e.Message = http.StatusText(status)
	}
	if status != 0 {
		x.advised(e, p)
	}
	if x.kept() {
		e.Message, e.Raw = unquoted(e.Message), ""
	}
	if status == 0 {
		e.Started = genai.StartedYes
	}
	return e
}

// advised heeds what the server says about repeating the request. That it is of no use is Final. That it is of use counts where
// nothing but the status says what is wrong: the server is not able to, at the moment.
func (x *Exchange) advised(e *genai.Error, p Problem) {
	switch x.Resp.Header.Get("X-Should-Retry") {
	case "false":
		e.Final = e.Kind.Retryable()
	case "true":
		if e.Kind == genai.InvalidRequest && p.Code == "" {
			e.Kind = genai.Overloaded
		}
	}
}

// kept reports whether the answer comes out of a file, and so is not one to the request of this exchange.
func (x *Exchange) kept() bool {
	if x.server.HTTP == nil {
		return false
	}
	_, kept := x.server.HTTP.Transport.(*Kept)
	return kept
}

// raw returns as much of the body of a failure as may be looked at.
func (x *Exchange) raw(body []byte) string { return string(body[:min(len(body), 5*maxErrorRaw)]) }

// cause returns err, which ends up in an Error, unless it says something that must not be shown.
func (x *Exchange) cause(err error) error {
	said := err.Error()
	shown := said
	if x.redact(&shown); shown != said {
		return errors.New(shown)
	}
	return err
}

// refusal makes an Error of a response whose status is not one of success.
func (x *Exchange) refusal(resp *http.Response) *genai.Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what is cut here is only an explanation
	e := x.problem(body, resp.StatusCode)
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Kind, e.Field, e.Started = genai.Precondition, "BaseURL", genai.StartedNo
		e.Message = "the server answers with a redirect, which is not followed, so that the key goes to nobody else"
	case resp.StatusCode < 500 && e.Kind != genai.Timeout && e.Kind != genai.Overloaded:
		e.Started = genai.StartedNo
	}
	return e
}

// Cut makes an Error of an answer that broke off while it was read, or could not be understood. An Error of this exchange
// stays as it is.
func (x *Exchange) Cut(ctx context.Context, err error) error {
	if err := genai.ContextError(ctx); err != nil {
		return err
	}
	switch err {
	case jsonscan.ErrCut:
		return x.Fail(genai.Truncated, "the answer ends inside of a JSON document")
	case jsonscan.ErrMalformed:
		return x.Fail(genai.Malformed, "the answer has something else in it than the JSON of this interface")
	}
	if e, ok := errors.AsType[*genai.Error](err); ok {
		if e.Op != "" {
			return e
		}
		mine := x.Fail(e.Kind, e.Message)
		mine.Code = e.Code
		return mine
	}
	e := x.Fail(genai.Truncated, "the connection broke off inside of the answer")
	e.Err = x.cause(err)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.Kind = genai.Timeout
	}
	return e
}

// requestID returns the name under which a provider knows a request.
func (x *Exchange) requestID() string {
	for _, name := range x.server.IDs {
		if id := x.Resp.Header.Get(name); id != "" {
			return Clip(id, maxErrorCode)
		}
	}
	return ""
}

// Clip shortens text to at most n bytes, without a character cut in half.
func Clip(text string, n int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
