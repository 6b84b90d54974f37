package anthropic_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func problem(typ, message string) string {
	return `{"type":"error","error":{"type":"` + typ + `","message":"` + message + `"},"request_id":"req_in_body"}`
}

// TestBadAnswers: whatever comes instead of an answer is an error that says what it is, and never an answer.
func TestBadAnswers(t *testing.T) {
	recordedtest.CheckLeaks(t)
	json := func(status int, body string) http.HandlerFunc { return fixed(status, "application/json", body) }
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   genai.Kind
		before bool // no stream is handed out
	}{
		"cut before the first piece":    {stream(start, ping), genai.Truncated, true},
		"cut after a piece":             {stream(start, text, hello), genai.Truncated, false},
		"cut behind a block":            {stream(start, text, hello, end(0)), genai.Truncated, false},
		"cut before the reason":         {stream(start, text, hello, end(0), `{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":3}}`), genai.Truncated, false},
		"cut inside of a document":      {fixed(200, "text/event-stream", data(start, text, hello)+`data: {"type":"content_blo`), genai.Truncated, false},
		"a sentinel and no end":         {fixed(200, "text/event-stream", data(start, text, hello)+"data: [DONE]\n\n"), genai.Truncated, false},
		"nothing":                       {stream(), genai.Truncated, true},
		"only the end":                  {stream(start, stop), genai.Empty, true},
		"a connection that is cut off":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, genai.Unavailable, true},
		"an error instead of a stream":  {json(200, problem("overloaded_error", "m")), genai.Overloaded, true},
		"an error as the first event":   {stream(problem("rate_limit_error", "m")), genai.RateLimited, true},
		"an error in the middle":        {stream(start, text, hello, problem("overloaded_error", "m")), genai.Overloaded, false},
		"a failure in the middle":       {stream(start, text, hello, problem("api_error", "m")), genai.ServerError, false},
		"an error without a type":       {fixed(200, "text/event-stream", data(start, text, hello)+"event: error\ndata: {\"error\":{\"message\":\"m\"}}\n\n"), genai.ServerError, false},
		"an error in other words":       {stream(start, text, hello, `{"error":{"message":"m","code":3}}`), genai.ServerError, false},
		"a web page":                    {fixed(200, "text/html", "<!doctype html><html>very secret"), genai.Malformed, true},
		"a web page that fails":         {fixed(502, "text/html", "<html>bad gateway</html>"), genai.ServerError, true},
		"no JSON":                       {fixed(200, "text/event-stream", data(start, text, hello)+"data: hello\n\n"), genai.Malformed, false},
		"an array":                      {stream(start, text, hello, `[]`), genai.Malformed, false},
		"a document that is something":  {json(200, `{"ok":true}`), genai.Malformed, true},
		"a document that is cut":        {json(200, `{"type":"message","content":[{"type":"te`), genai.Truncated, true},
		"a document without content":    {json(200, `{"type":"message","content":[],"stop_reason":null}`), genai.Empty, true},
		"a block without a type":        {stream(start, begin(0, `{"text":"x"}`)), genai.Malformed, true},
		"a block that never began":      {stream(start, text, hello, grow(3, `{"type":"input_json_delta","partial_json":"{"}`)), genai.Malformed, false},
		"a call without a name":         {stream(start, begin(0, `{"type":"tool_use","id":"1","input":{}}`)), genai.Malformed, true},
		"a wrong key":                   {json(401, problem("authentication_error", "invalid x-api-key sk-ant-secret-key")), genai.Unauthenticated, true},
		"no credit":                     {json(402, problem("billing_error", "m")), genai.QuotaExhausted, true},
		"no credit, the old way":        {json(400, problem("invalid_request_error", "Your credit balance is too low to access the Anthropic API.")), genai.QuotaExhausted, true},
		"a limit that we set":           {json(400, problem("invalid_request_error", "You have reached your specified API usage limits. You will regain access later.")), genai.QuotaExhausted, true},
		"the spending of a month":       {json(429, `{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}`), genai.QuotaExhausted, true},
		"too many requests":             {json(429, problem("rate_limit_error", "m")), genai.RateLimited, true},
		"not allowed":                   {json(403, problem("permission_error", "m")), genai.PermissionDenied, true},
		"no such model":                 {json(404, problem("not_found_error", "model: nothing")), genai.NotFound, true},
		"a conflict":                    {json(409, problem("conflict_error", "m")), genai.Conflict, true},
		"too large":                     {json(413, problem("request_too_large", "m")), genai.TooLarge, true},
		"too large, by a proxy":         {fixed(413, "text/html", "<html>"), genai.TooLarge, true},
		"too long":                      {json(400, problem("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")), genai.ContextLength, true},
		"too long with the answer":      {json(400, problem("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3")), genai.ContextLength, true},
		"a quotation of such an error":  {json(400, problem("invalid_request_error", "messages.0: prompt is too long, Your credit balance is too low")), genai.InvalidRequest, true},
		"a filter":                      {json(400, problem("invalid_request_error", "Output blocked by content filtering policy")), genai.ContentFiltered, true},
		"wrong":                         {json(400, problem("invalid_request_error", "max_tokens: must be greater than 0")), genai.InvalidRequest, true},
		"a type that goes with any 4xx": {json(404, problem("invalid_request_error", "m")), genai.NotFound, true},
		"the type against the status":   {json(500, problem("overloaded_error", "m")), genai.Overloaded, true},
		"a failure":                     {json(500, problem("api_error", "Internal server error")), genai.ServerError, true},
		"too slow":                      {json(504, problem("timeout_error", "m")), genai.Timeout, true},
		"overloaded":                    {json(529, problem("overloaded_error", "Overloaded")), genai.Overloaded, true},
		"overloaded, and nothing said":  {json(529, ``), genai.Overloaded, true},
		"a type that is new":            {json(418, problem("teapot_error", "m")), genai.InvalidRequest, true},
		"a gateway's error":             {json(400, `{"error":"no"}`), genai.InvalidRequest, true},
		"a redirect to somewhere else": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, genai.Precondition, true},
		"an answer that quotes the asker": {json(400, problem("invalid_request_error", "about 'my very secret question' nothing")), genai.InvalidRequest, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, whole := range []bool{false, true} {
				s := serve(t, c.answer)
				var err error
				if whole {
					var resp *genai.ChatResponse
					if resp, err = s.client().Complete(t.Context(), ask); resp != nil {
						t.Errorf("an answer: %+v", resp)
					}
				} else {
					var stream *genai.Stream[genai.ChatEvent]
					stream, err = s.client().Chat(t.Context(), ask)
					if (err != nil) != c.before {
						t.Errorf("Chat returned %v", err)
					}
					if err == nil {
						_, err = genai.FoldChat(stream.All())
					}
				}
				if err == nil {
					t.Fatal("it counts as an answer")
				}
				e := genai.AsError(err)
				if e.Kind != c.kind || e.Op != "chat" || e.Target == "" || e.Message == "" && e.Status < 500 {
					t.Errorf("it is %s, want %s: %+v", e.Kind, c.kind, e)
				}
				if e.Status != 0 && e.RequestID == "" && e.Status != 307 {
					t.Error("the id of the request is lost")
				}
				if text := err.Error(); strings.Contains(text, "secret") {
					t.Errorf("the error quotes: %s", text)
				}
				s.Close() // waits for the handlers
				if s.calls != 1 {
					t.Errorf("%d requests", s.calls)
				}
			}
		})
	}
}

// TestHints: what an error carries beside its kind.
func TestHints(t *testing.T) {
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for name, c := range map[string]struct {
		header http.Header
		status int
		body   string
		want   genai.Error
		least  time.Duration
	}{
		"how long to wait": {
			header: http.Header{"Retry-After": {"7"}, "Request-Id": {"r1"}, "Anthropic-Ratelimit-Tokens-Remaining": {"0"}, "Anthropic-Ratelimit-Tokens-Reset": {later}},
			status: 429, body: problem("rate_limit_error", "m"),
			want: genai.Error{RetryAfter: 7 * time.Second, Code: "rate_limit_error", RequestID: "r1", Started: genai.StartedNo},
		},
		"when there is room again": {
			header: http.Header{
				"Anthropic-Ratelimit-Requests-Remaining": {"12"}, "Anthropic-Ratelimit-Requests-Reset": {"2099-01-01T00:00:00Z"},
				"Anthropic-Ratelimit-Input-Tokens-Remaining": {"0"}, "Anthropic-Ratelimit-Input-Tokens-Reset": {later},
			},
			status: 429, body: problem("rate_limit_error", "m"), least: 59 * time.Minute,
			want: genai.Error{Code: "rate_limit_error", RequestID: "req_in_body", Started: genai.StartedNo},
		},
		"that the money is spent": {
			header: http.Header{"Anthropic-Ratelimit-Requests-Remaining": {"12"}, "Anthropic-Ratelimit-Tokens-Remaining": {"5000"}},
			status: 429, body: problem("rate_limit_error", "m"),
			want: genai.Error{Kind: genai.QuotaExhausted, Code: "rate_limit_error", RequestID: "req_in_body", Started: genai.StartedNo},
		},
		"that there is room, but not yet": {
			header: http.Header{"Anthropic-Ratelimit-Requests-Remaining": {"12"}, "Retry-After": {"2"}},
			status: 429, body: problem("rate_limit_error", "m"),
			want: genai.Error{Kind: genai.RateLimited, RetryAfter: 2 * time.Second, Code: "rate_limit_error", RequestID: "req_in_body", Started: genai.StartedNo},
		},
		"that a limit is reached": {
			header: http.Header{"Anthropic-Ratelimit-Requests-Remaining": {"12"}, "Anthropic-Ratelimit-Tokens-Remaining": {"0"}},
			status: 429, body: problem("rate_limit_error", "m"),
			want: genai.Error{Kind: genai.RateLimited, Code: "rate_limit_error", RequestID: "req_in_body", Started: genai.StartedNo},
		},
		"which field": {
			status: 400, body: problem("invalid_request_error", "tools.0.custom.input_schema.type: Field required"),
			want: genai.Error{Code: "invalid_request_error", Field: "tools.0.custom.input_schema.type", RequestID: "req_in_body", Started: genai.StartedNo},
		},
		"no field": {
			status: 400, body: problem("invalid_request_error", "Schema is too complex: simplify"),
			want: genai.Error{Code: "invalid_request_error", RequestID: "req_in_body", Started: genai.StartedNo},
		},
		"that nobody knows whether it began": {
			status: 529, body: problem("overloaded_error", "m"),
			want: genai.Error{Code: "overloaded_error", RequestID: "req_in_body"},
		},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for name, values := range c.header {
				w.Header()[name] = values
			}
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		_, err := s.client().Chat(t.Context(), ask)
		e := *genai.AsError(err)
		if c.least > 0 && e.RetryAfter >= c.least && e.RetryAfter <= c.least+time.Minute {
			e.RetryAfter = 0
		}
		if c.want.Kind != "" && e.Kind != c.want.Kind {
			t.Errorf("%s: it is %s", name, e.Kind)
		}
		if e.Status != c.status || e.RetryAfter != c.want.RetryAfter || e.Code != c.want.Code || e.Field != c.want.Field || e.RequestID != c.want.RequestID || e.Started != c.want.Started {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	c := &anthropic.Client{BaseURL: "http://127.0.0.1:1", Key: "k", Model: "m"} // a port that a closed server had may be somebody else's by now
	_, err := c.Chat(t.Context(), ask)
	if e := genai.AsError(err); e.Kind != genai.Unavailable || e.Started != genai.StartedNo {
		t.Errorf("%+v", e)
	}
}
