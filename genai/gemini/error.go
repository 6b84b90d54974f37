package gemini

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/retryafter"
)

// A detail is one of the details of an error, in the forms of google.rpc that say something to a program.
type detail struct {
	Reason     string // ErrorInfo
	RetryDelay string // RetryInfo
	Violations []struct {
		QuotaID string `json:"quotaId"` // QuotaFailure
	}
	Fields []struct {
		Field string // BadRequest
	} `json:"fieldViolations"`
}

// understand reads what the server says about a failure. status is 0 if it came inside of an answer that promised success.
func understand(body []byte, status int, _ http.Header) exchange.Problem {
	f := exchange.Unwrap(body)
	p := exchange.Problem{Message: f.Text("message"), Code: f.Text("status")}
	var list []json.RawMessage
	_ = json.Unmarshal(f["details"], &list) // what it says is only wanted if it can be read
	var reason string
	var daily bool
	var wait time.Duration
	for _, raw := range list {
		var d detail
		if json.Unmarshal(raw, &d) != nil {
			continue
		}
		if d.Reason != "" {
			reason = d.Reason
		}
		wait = max(wait, retryafter.Duration(d.RetryDelay))
		for _, v := range d.Violations {
			daily = daily || strings.Contains(v.QuotaID, "PerDay")
		}
		if len(d.Fields) > 0 && p.Field == "" {
			p.Field = d.Fields[0].Field
		}
	}
	if status == 0 { // inside of an answer the number says what the status would have
		status, _ = strconv.Atoi(f.Text("code"))
	}
	p.Kind = kindOf(reason, p.Code, p.Message, status)
	switch {
	case p.Kind == genai.RateLimited && daily:
		p.Kind = genai.QuotaExhausted // whatever delay is given: the next day does not begin so soon
	case p.Kind.Retryable():
		p.RetryAfter = wait
	}
	if reason != "" {
		p.Code = reason
	}
	return p
}

// kindOf finds the Kind of a failure by the reason in its details, its own status, the status of the response, and by its
// message where these are the same for different things. Only the beginning of a message counts, which is never a
// quotation.
func kindOf(reason, code, message string, status int) genai.Kind {
	switch reason {
	case "API_KEY_INVALID", "API_KEY_EXPIRED", "ACCESS_TOKEN_EXPIRED", "CREDENTIALS_MISSING", "ACCOUNT_STATE_INVALID":
		return genai.Unauthenticated // the first of them comes with a status of 400
	}
	switch code {
	case "INVALID_ARGUMENT", "OUT_OF_RANGE":
		if strings.HasPrefix(message, "The input token count") { // "... exceeds the maximum number of tokens allowed"
			return genai.ContextLength
		}
		if status == http.StatusRequestEntityTooLarge {
			return genai.TooLarge
		}
		return genai.InvalidRequest
	case "FAILED_PRECONDITION":
		return genai.Precondition // such as a country from which the provider takes no requests
	case "UNAUTHENTICATED":
		return genai.Unauthenticated
	case "PERMISSION_DENIED":
		return genai.PermissionDenied
	case "NOT_FOUND":
		return genai.NotFound
	case "ALREADY_EXISTS", "ABORTED":
		return genai.Conflict
	case "RESOURCE_EXHAUSTED":
		if strings.HasPrefix(message, "Your prepayment credits are depleted") {
			return genai.QuotaExhausted
		}
		return genai.RateLimited
	case "UNIMPLEMENTED":
		return genai.Unimplemented
	case "UNAVAILABLE":
		return genai.Overloaded
	case "DEADLINE_EXCEEDED":
		return genai.Timeout
	case "INTERNAL", "UNKNOWN", "DATA_LOSS", "CANCELLED":
		return genai.ServerError
	}
	return exchange.KindOfStatus(status)
}
