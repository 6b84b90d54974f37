package exchange

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// Fields are the members of what a server sent as the description of a failure.
type Fields map[string]json.RawMessage

// Text returns a member that should be text: a string as it is, a number as its digits, and the strings in an array or in
// the "msg" of its objects. Every member may be missing or have another type than documented.
func (f Fields) Text(name string) string { return textOf(f[name]) }

// Unwrap finds the fields that describe a failure: in a document, in its member "error", or in the first of an array of
// such documents. Where the error is only a text, it is the member "message". What cannot be understood has no fields.
func Unwrap(body []byte) Fields { return unwrap(body, 4) }

// unwrap looks into so many envelopes, since each of them is decoded again.
func unwrap(body []byte, depth int) Fields {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' {
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil || len(list) == 0 || bytes.HasPrefix(list[0], []byte("[")) {
			return nil
		}
		body = list[0]
	}
	if _, ok := asString(body); ok {
		return Fields{"message": body}
	}
	var fields Fields
	if json.Unmarshal(body, &fields) != nil {
		return nil
	}
	if inner := fields["error"]; depth > 0 && len(inner) > 0 && string(inner) != "null" {
		f := unwrap(inner, depth-1)
		if f.Text("message") == "" && fields["message"] != nil {
			if f == nil {
				f = Fields{}
			}
			f["message"] = fields["message"]
		}
		return f
	}
	return fields
}

func asString(raw []byte) (string, bool) {
	var text string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return text, true
}

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

// KindOfStatus is what a status means where nothing else says more. A status of 0 is a failure inside of an answer.
func KindOfStatus(status int) genai.Kind {
	switch status {
	case http.StatusUnauthorized:
		return genai.Unauthenticated
	case http.StatusPaymentRequired:
		return genai.QuotaExhausted
	case http.StatusForbidden:
		return genai.PermissionDenied
	case http.StatusNotFound, http.StatusGone:
		return genai.NotFound
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return genai.Unimplemented
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return genai.Timeout
	case http.StatusConflict:
		return genai.Conflict
	case http.StatusRequestEntityTooLarge:
		return genai.TooLarge
	case http.StatusTooManyRequests:
		return genai.RateLimited
	case 498, http.StatusServiceUnavailable, 529:
		return genai.Overloaded
	}
	if status >= 400 && status < 500 {
		return genai.InvalidRequest
	}
	return genai.ServerError
}
