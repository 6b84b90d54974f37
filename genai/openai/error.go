package openai

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

// A problem is what a server says about a failure. Every member may be missing or have another type than documented.
type problem struct {
	message, code, kind, param string
	status                     int // the number that some send as code
	inner                      string
	metadata                   struct {
		limit   string
		kind    string
		reset   string // when a limit has room again, in milliseconds since 1970
		flagged bool
	}
}

// parseProblem reads the body of an error, or the error inside of a body that promised something else. It knows the
// envelope {"error":{...}}, {"error":"text"}, and the fields without an envelope. Anything else is an empty problem.
func parseProblem(body []byte) problem {
	f := exchange.Unwrap(body)
	p := problem{message: f.Text("message"), kind: f.Text("type"), param: f.Text("param"), code: f.Text("code")}
	if p.message == "" {
		p.validation(f["detail"])
		p.message = f.Text("detail")
	}
	if inner := exchange.Unwrap(f["message"]); p.message == "" && inner != nil { // of Mistral
		p.validation(inner["detail"])
		p.message = inner.Text("detail")
	}
	if p.code == "" { // xAI has it beside an error that is a text
		var outer exchange.Fields
		_ = json.Unmarshal(body, &outer) // what it says is only wanted if it can be read
		p.code = outer.Text("code")
	}
	if n, err := strconv.Atoi(p.code); err == nil && n >= 400 && n <= 599 {
		p.code, p.status = "", n
	}
	var inner struct{ Code string }
	if json.Unmarshal(f["innererror"], &inner) == nil {
		p.inner = inner.Code
	}
	var metadata struct { // of OpenRouter
		LimitSource  string          `json:"limit_source"`
		ErrorType    string          `json:"error_type"`
		Reasons      json.RawMessage `json:"reasons"`
		FlaggedInput json.RawMessage `json:"flagged_input"`
		Headers      json.RawMessage `json:"headers"`
	}
	if json.Unmarshal(f["metadata"], &metadata) == nil {
		p.metadata.limit, p.metadata.kind = metadata.LimitSource, metadata.ErrorType
		var headers exchange.Fields
		_ = json.Unmarshal(metadata.Headers, &headers) // as above
		p.metadata.reset = headers.Text("X-RateLimit-Reset")
		p.metadata.flagged = metadata.Reasons != nil || metadata.FlaggedInput != nil
	}
	return p
}

// validation reads what servers made with FastAPI say about fields of the request: the first one that is wrong.
func (p *problem) validation(raw json.RawMessage) {
	var list []struct {
		Type string
		Loc  []json.RawMessage
	}
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 || len(list[0].Loc) < 2 {
		return
	}
	var path []string
	for _, step := range list[0].Loc[1:] { // the first says "body"
		path = append(path, strings.Trim(string(step), `"`))
	}
	p.param = strings.Join(path, ".")
	if p.code == "" {
		p.code = list[0].Type
	}
}

// requestIDs are the headers in which servers name a request.
var requestIDs = []string{"X-Request-Id", "Request-Id", "Apim-Request-Id", "Mistral-Correlation-Id", "X-Generation-Id"}

// understand reads what a server says about a failure. status is 0 if it came inside of an answer that promised success.
func understand(body []byte, status int, h http.Header) exchange.Problem {
	p := parseProblem(body)
	out := exchange.Problem{Kind: classify(p, status), Message: p.message, Code: p.code}
	if out.Code == "" && p.kind != "error" { // which is only the name of the event
		out.Code = p.kind
	}
	if out.Code == "" && p.status != 0 && p.status != status {
		out.Code = strconv.Itoa(p.status)
	}
	if out.Kind == genai.InvalidRequest || out.Kind == genai.Unsupported || out.Kind == genai.NotFound {
		out.Field = p.param
	}
	if out.Kind == genai.RateLimited && status != 0 {
		out.RetryAfter = retryafter.Reset(h)
		if at, err := strconv.ParseInt(p.metadata.reset, 10, 64); err == nil && out.RetryAfter == 0 {
			out.RetryAfter = max(time.Until(time.UnixMilli(at)), 0)
		}
	}
	return out
}
