package openai

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/retryafter"
)

const (
	maxErrorBody    = 64 << 10
	maxErrorMessage = 500
	maxErrorCode    = 100
)

// A problem is what a server says about a failure. Every member may be missing or have another type than documented.
type problem struct {
	message, code, kind, param string
	status                     int // the number that some send as code
	inner                      string
	metadata                   struct {
		limit   string
		flagged bool
	}
}

// parseProblem reads the body of an error, or the error inside of a body that promised something else. It knows the
// envelope {"error":{...}}, {"error":"text"}, and the fields without an envelope. Anything else is an empty problem.
func parseProblem(body []byte) problem {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' {
		var list []json.RawMessage
		if json.Unmarshal(body, &list) == nil && len(list) > 0 {
			body = list[0]
		}
	}
	if text, ok := asString(body); ok {
		return problem{message: text}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return problem{}
	}
	if inner := fields["error"]; len(inner) > 0 && string(inner) != "null" {
		p := parseProblem(inner)
		if p.message == "" {
			p.message = textOf(fields["message"])
		}
		return p
	}
	p := problem{message: textOf(fields["message"]), kind: textOf(fields["type"]), param: textOf(fields["param"])}
	if p.message == "" {
		p.message = textOf(fields["detail"])
	}
	p.code = textOf(fields["code"])
	if n, err := strconv.Atoi(p.code); err == nil && n >= 400 && n <= 599 {
		p.code, p.status = "", n
	}
	var inner struct{ Code string }
	if json.Unmarshal(fields["innererror"], &inner) == nil {
		p.inner = inner.Code
	}
	var metadata struct {
		LimitSource  string          `json:"limit_source"`
		Reasons      json.RawMessage `json:"reasons"`
		FlaggedInput json.RawMessage `json:"flagged_input"`
	}
	if json.Unmarshal(fields["metadata"], &metadata) == nil {
		p.metadata.limit = metadata.LimitSource
		p.metadata.flagged = metadata.Reasons != nil || metadata.FlaggedInput != nil
	}
	return p
}

func asString(raw []byte) (string, bool) {
	var text string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return text, true
}

// textOf returns a string as it is, a number as its digits, and the strings in an array or in the "msg" of its objects.
func textOf(raw json.RawMessage) string {
	if text, ok := asString(raw); ok {
		return text
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	var texts []string
	for _, element := range list {
		var object struct{ Msg, Message string }
		if text, ok := asString(element); ok {
			texts = append(texts, text)
		} else if json.Unmarshal(element, &object) == nil && object.Msg+object.Message != "" {
			texts = append(texts, object.Msg+object.Message)
		}
	}
	return strings.Join(texts, "; ")
}

// refusal makes an Error of an answer whose status is not one of success.
func (x *exchange) refusal(resp *http.Response) *genai.Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what is cut here is only an explanation
	e := x.problem(parseProblem(body), resp.StatusCode)
	if e.Kind == genai.RateLimited && e.RetryAfter == 0 {
		e.RetryAfter = retryafter.Reset(resp.Header)
	}
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Kind, e.Field, e.Started = genai.Precondition, "BaseURL", genai.StartedNo
		e.Message = "the server answers with a redirect, which is not followed, so that the key goes to nobody else"
	case resp.StatusCode < 500 && e.Kind != genai.Timeout && e.Kind != genai.Overloaded:
		e.Started = genai.StartedNo
	}
	return e
}

// problem makes an Error of what the server said. status is 0 if it came inside of an answer that promised success.
func (x *exchange) problem(p problem, status int) *genai.Error {
	e := x.fail(classify(p, status), "")
	if e.Code = p.code; e.Code == "" {
		e.Code = p.kind
	}
	if e.Code == "" && p.status != 0 && p.status != status {
		e.Code = strconv.Itoa(p.status)
	}
	e.Code = clip(e.Code, maxErrorCode)
	e.Message = clip(x.redact(p.message), maxErrorMessage)
	if e.Kind == genai.InvalidRequest || e.Kind == genai.Unsupported {
		e.Field = clip(p.param, maxErrorCode)
	}
	if e.Message == "" && status != 0 {
		e.Message = http.StatusText(status)
	}
	if status == 0 {
		e.Started = genai.StartedYes
	}
	return e
}

// fail makes an Error of this exchange.
func (x *exchange) fail(kind genai.Kind, message string) *genai.Error {
	e := &genai.Error{Kind: kind, Op: x.op, Target: x.target, Message: message}
	if x.resp != nil {
		e.Status = x.resp.StatusCode
		e.RequestID = requestID(x.resp.Header)
		e.Started = genai.StartedYes
		if kind.Retryable() || kind == genai.QuotaExhausted {
			e.RetryAfter = retryafter.Parse(x.resp.Header, time.Now())
		}
		if e.Status >= 400 {
			e.Started = genai.StartedUnknown
		}
	}
	return e
}

// requestID returns the name under which a provider knows a request.
func requestID(h http.Header) string {
	for _, name := range []string{"X-Request-Id", "Request-Id", "Apim-Request-Id", "Mistral-Correlation-Id", "X-Generation-Id"} {
		if id := h.Get(name); id != "" {
			return clip(id, maxErrorCode)
		}
	}
	return ""
}

// clip shortens text to at most n bytes, without a character cut in half.
func clip(text string, n int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
