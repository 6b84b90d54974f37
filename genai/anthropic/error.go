package anthropic

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// understand reads what the server says about a failure. status is 0 if it came inside of an answer that promised success.
func understand(body []byte, status int, h http.Header) exchange.Problem {
	f := exchange.Unwrap(body)
	var details struct {
		Code string `json:"error_code"`
	}
	_ = json.Unmarshal(f["details"], &details) // what it says is only wanted if it can be read
	p := exchange.Problem{Message: f.Text("message"), Code: f.Text("type")}
	if p.Message == "" {
		p.Message = f.Text("detail")
	}
	p.Kind = kindOf(p.Code, details.Code, p.Message, status)
	if details.Code != "" {
		p.Code = details.Code
	}
	switch p.Kind {
	case genai.InvalidRequest, genai.NotFound:
		p.Field = fieldOf(p.Message)
	case genai.RateLimited:
		p.RetryAfter = reset(h, time.Now())
		if status != 0 && p.RetryAfter == 0 && spent(h) {
			p.Kind = genai.QuotaExhausted
		}
	}
	var envelope struct {
		RequestID string `json:"request_id"`
	}
	_ = json.Unmarshal(body, &envelope) // as above
	p.RequestID = envelope.RequestID
	return p
}

// kindOf finds the Kind of a failure by its detail, its type, its status, and by its message where these three are the same
// for different things. Only the beginning of a message counts, which is never a quotation.
func kindOf(typ, detail, message string, status int) genai.Kind {
	if detail == "enforced_spend_limit_reached" { // comes as rate_limit_error, but lasts for the rest of the month
		return genai.QuotaExhausted
	}
	switch typ {
	case "authentication_error":
		return genai.Unauthenticated
	case "billing_error":
		return genai.QuotaExhausted
	case "permission_error":
		return genai.PermissionDenied
	case "not_found_error":
		return genai.NotFound
	case "conflict_error":
		return genai.Conflict
	case "request_too_large":
		return genai.TooLarge
	case "rate_limit_error":
		return genai.RateLimited
	case "overloaded_error":
		return genai.Overloaded
	case "timeout_error":
		return genai.Timeout
	case "api_error":
		return genai.ServerError
	case "invalid_request_error":
		// The type goes with every status of 4xx, so the status says more; 400 is the one that says nothing.
		if status != 0 && status != http.StatusBadRequest {
			break
		}
		for _, known := range phrases {
			if strings.HasPrefix(message, known.begins) {
				return known.kind
			}
		}
		return genai.InvalidRequest
	}
	return exchange.KindOfStatus(status)
}

// phrases are how the messages of an invalid_request_error begin that is none.
var phrases = []struct {
	begins string
	kind   genai.Kind
}{
	{"prompt is too long", genai.ContextLength},
	{"input length and `max_tokens` exceed context limit", genai.ContextLength},
	{"Your credit balance is too low", genai.QuotaExhausted},
	{"Output blocked by content filtering policy", genai.ContentFiltered}, // seen before and within answers; github.com/anthropics/claude-code/issues/58367
	{"You have reached your specified", genai.QuotaExhausted},             // "API usage limits", and those of a workspace
}

// fieldOf returns the path of the field with which the provider begins its messages, as in "tools.0.input_schema.type:
// Field required"; "" if there is none.
func fieldOf(message string) string {
	path, _, ok := strings.Cut(message, ":")
	if !ok {
		return ""
	}
	for _, c := range path {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '.') {
			return ""
		}
	}
	return path
}

// spent reports whether the provider refuses a request although there is room in each of its limits, and does not say how long to
// wait: then the money of the month is spent. Gateways leave these headers out, so their absence says nothing.
func spent(h http.Header) bool {
	known := false
	for name, values := range h {
		if !strings.HasPrefix(name, "Anthropic-Ratelimit-") || !strings.HasSuffix(name, "-Remaining") || len(values) == 0 {
			continue
		}
		if values[0] == "0" {
			return false
		}
		known = true
	}
	return known && h.Get("Retry-After") == ""
}

// reset returns the wait until every limit of which nothing remains has room again; 0 if the headers do not say.
func reset(h http.Header, now time.Time) (wait time.Duration) {
	for _, limit := range []string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens"} {
		prefix := "Anthropic-Ratelimit-" + limit
		if h.Get(prefix+"-Remaining") != "0" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, h.Get(prefix+"-Reset")); err == nil {
			wait = max(wait, at.Sub(now))
		}
	}
	return wait
}
