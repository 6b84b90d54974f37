package openai

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/retryafter"
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

// requestIDs are the headers in which servers name a request.
var requestIDs = []string{"X-Request-Id", "Request-Id", "Apim-Request-Id", "Mistral-Correlation-Id", "X-Generation-Id"}

// understand reads what a server says about a failure. status is 0 if it came inside of an answer that promised success.
func understand(body []byte, status int, h http.Header) exchange.Problem {
	p := parseProblem(body)
	out := exchange.Problem{Kind: classify(p, status), Message: p.message, Code: p.code}
	if out.Code == "" {
		out.Code = p.kind
	}
	if out.Code == "" && p.status != 0 && p.status != status {
		out.Code = strconv.Itoa(p.status)
	}
	if out.Kind == genai.InvalidRequest || out.Kind == genai.Unsupported {
		out.Field = p.param
	}
	if out.Kind == genai.RateLimited && status != 0 {
		out.RetryAfter = retryafter.Reset(h)
	}
	return out
}
