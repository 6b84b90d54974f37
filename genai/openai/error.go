package openai

import (
	"encoding/json"
	"net/http"
	"strconv"

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
	f := exchange.Unwrap(body)
	p := problem{message: f.Text("message"), kind: f.Text("type"), param: f.Text("param"), code: f.Text("code")}
	if p.message == "" {
		p.message = f.Text("detail")
	}
	if n, err := strconv.Atoi(p.code); err == nil && n >= 400 && n <= 599 {
		p.code, p.status = "", n
	}
	var inner struct{ Code string }
	if json.Unmarshal(f["innererror"], &inner) == nil {
		p.inner = inner.Code
	}
	var metadata struct {
		LimitSource  string          `json:"limit_source"`
		Reasons      json.RawMessage `json:"reasons"`
		FlaggedInput json.RawMessage `json:"flagged_input"`
	}
	if json.Unmarshal(f["metadata"], &metadata) == nil {
		p.metadata.limit = metadata.LimitSource
		p.metadata.flagged = metadata.Reasons != nil || metadata.FlaggedInput != nil
	}
	return p
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
