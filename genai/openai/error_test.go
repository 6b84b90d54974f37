package openai_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// TestErrors: every failure that servers with this interface are known to report has its Kind, whoever says it and in
// whatever shape. Structure goes before status, and status before words.
func TestErrors(t *testing.T) {
	e := func(typ, code string) string {
		return fmt.Sprintf(`{"error":{"message":"m","type":%s,"param":null,"code":%s}}`, typ, code)
	}
	for name, tt := range map[string]struct {
		status int
		body   string
		kind   genai.Kind
		code   string
		field  string
	}{
		// OpenAI.
		"invalid":                      {400, `{"error":{"message":"m","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value"}}`, genai.InvalidRequest, "decimal_above_max_value", "temperature"},
		"invalid, 422":                 {422, e(`"invalid_request_error"`, `null`), genai.InvalidRequest, "invalid_request_error", ""},
		"parameter":                    {400, `{"error":{"message":"m","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`, genai.Unsupported, "unsupported_parameter", "max_tokens"},
		"value":                        {400, `{"error":{"message":"m","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`, genai.Unsupported, "unsupported_value", "temperature"},
		"unknown parameter":            {400, `{"error":{"message":"m","type":"invalid_request_error","param":"x","code":"unknown_parameter"}}`, genai.Unsupported, "unknown_parameter", "x"},
		"context":                      {400, e(`"invalid_request_error"`, `"context_length_exceeded"`), genai.ContextLength, "context_length_exceeded", ""},
		"too large":                    {413, e(`"invalid_request_error"`, `null`), genai.TooLarge, "invalid_request_error", ""},
		"filtered":                     {400, e(`"invalid_request_error"`, `"content_policy_violation"`), genai.ContentFiltered, "content_policy_violation", ""},
		"prompt":                       {400, e(`"invalid_request_error"`, `"invalid_prompt"`), genai.ContentFiltered, "invalid_prompt", ""},
		"picture":                      {400, e(`"image_generation_user_error"`, `"moderation_blocked"`), genai.ContentFiltered, "moderation_blocked", ""},
		"key":                          {401, e(`"invalid_request_error"`, `"invalid_api_key"`), genai.Unauthenticated, "invalid_api_key", ""},
		"country":                      {403, e(`"request_forbidden"`, `"unsupported_country_region_territory"`), genai.PermissionDenied, "unsupported_country_region_territory", ""},
		"permission":                   {403, e(`"invalid_request_error"`, `null`), genai.PermissionDenied, "invalid_request_error", ""},
		"model":                        {404, `{"error":{"message":"m","type":"invalid_request_error","param":"model","code":"model_not_found"}}`, genai.NotFound, "model_not_found", "model"},
		"model, 400":                   {400, e(`"invalid_request_error"`, `"model_not_found"`), genai.NotFound, "model_not_found", ""},
		"path":                         {404, `{"error":{"message":"Invalid URL (POST /v1/x)","type":"invalid_request_error"}}`, genai.NotFound, "invalid_request_error", ""},
		"method":                       {405, e(`"invalid_request_error"`, `null`), genai.Unimplemented, "invalid_request_error", ""},
		"conflict":                     {409, e(`"conflict_error"`, `null`), genai.Conflict, "conflict_error", ""},
		"conversation":                 {400, e(`"invalid_request_error"`, `"conversation_locked"`), genai.Conflict, "conversation_locked", ""},
		"previous response":            {400, e(`"invalid_request_error"`, `"previous_response_not_found"`), genai.NotFound, "previous_response_not_found", ""},
		"rate":                         {429, e(`"requests"`, `"rate_limit_exceeded"`), genai.RateLimited, "rate_limit_exceeded", ""},
		"rate, no code":                {429, e(`"tokens"`, `null`), genai.RateLimited, "tokens", ""},
		"rate, nothing":                {429, ``, genai.RateLimited, "", ""},
		"quota, by type":               {429, e(`"insufficient_quota"`, `null`), genai.QuotaExhausted, "insufficient_quota", ""},
		"quota, by code":               {429, e(`"insufficient_quota"`, `"insufficient_quota"`), genai.QuotaExhausted, "insufficient_quota", ""},
		"quota, credit":                {429, e(`"insufficient_quota"`, `"credit_balance_exhausted"`), genai.QuotaExhausted, "credit_balance_exhausted", ""},
		"quota, organization":          {429, e(`"insufficient_quota"`, `"organization_spend_limit_exceeded"`), genai.QuotaExhausted, "organization_spend_limit_exceeded", ""},
		"quota, project":               {429, e(`"insufficient_quota"`, `"project_spend_limit_exceeded"`), genai.QuotaExhausted, "project_spend_limit_exceeded", ""},
		"quota, usage":                 {429, e(`"insufficient_quota"`, `"organization_usage_limit_exceeded"`), genai.QuotaExhausted, "organization_usage_limit_exceeded", ""},
		"quota, against the type":      {429, e(`"requests"`, `"insufficient_quota"`), genai.QuotaExhausted, "insufficient_quota", ""},
		"billing":                      {400, e(`"invalid_request_error"`, `"billing_hard_limit_reached"`), genai.QuotaExhausted, "billing_hard_limit_reached", ""},
		"overloaded":                   {503, e(`"server_error"`, `null`), genai.Overloaded, "server_error", ""},
		"slow down":                    {503, e(`"server_error"`, `"slow_down"`), genai.Overloaded, "slow_down", ""},
		"server error":                 {500, e(`"server_error"`, `null`), genai.ServerError, "server_error", ""},
		"bad gateway":                  {502, `<html>502</html>`, genai.ServerError, "", ""},
		"cloudflare":                   {520, `error code: 520`, genai.ServerError, "", ""},
		"cloudflare, 525":              {525, ``, genai.ServerError, "", ""},
		"timeout":                      {408, ``, genai.Timeout, "", ""},
		"gateway timeout":              {504, `upstream timed out`, genai.Timeout, "", ""},
		"the code against the status":  {500, e(`"server_error"`, `"rate_limit_exceeded"`), genai.RateLimited, "rate_limit_exceeded", ""},
		"the status against the words": {500, `{"error":{"message":"This model's maximum context length is 5","type":"x"}}`, genai.ServerError, "x", ""},
		"a number in the words":        {400, `{"error":{"message":"messages[0]: 429 rate limit, insufficient_quota, This model's maximum context length is 5"}}`, genai.InvalidRequest, "", ""},
		"a teapot":                     {418, ``, genai.InvalidRequest, "", ""},

		// Azure.
		"azure: filtered":   {400, `{"error":{"message":"m","param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true}}}}}`, genai.ContentFiltered, "content_filter", ""},
		"azure: by inner":   {400, `{"error":{"message":"m","code":null,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, genai.ContentFiltered, "", ""},
		"azure: deployment": {404, `{"error":{"code":"DeploymentNotFound","message":"m"}}`, genai.NotFound, "DeploymentNotFound", ""},
		"azure: key":        {401, `{"error":{"code":"401","message":"Access denied due to invalid subscription key"}}`, genai.Unauthenticated, "", ""},
		"azure: rate":       {429, `{"error":{"code":"429","message":"Requests have exceeded the call rate limit"}}`, genai.RateLimited, "", ""},
		"azure: operation":  {400, `{"error":{"code":"OperationNotSupported","message":"m"}}`, genai.Unsupported, "OperationNotSupported", ""},

		// Groq.
		"groq: flex":      {498, e(`"invalid_request_error"`, `"capacity_exceeded"`), genai.Overloaded, "capacity_exceeded", ""},
		"groq: flex, 498": {498, ``, genai.Overloaded, "", ""},
		"groq: tokens":    {429, e(`"tokens"`, `"rate_limit_exceeded"`), genai.RateLimited, "rate_limit_exceeded", ""},
		"groq: tool":      {400, `{"error":{"message":"m","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<tool"}}`, genai.Malformed, "tool_use_failed", ""},

		// OpenRouter.
		"openrouter: credits":    {402, `{"error":{"message":"m","code":402}}`, genai.QuotaExhausted, "", ""},
		"openrouter: in flight":  {402, `{"error":{"message":"m","code":402,"metadata":{"limit_source":"openrouter_in_flight_budget"}}}`, genai.RateLimited, "", ""},
		"openrouter: moderation": {403, `{"error":{"message":"m","code":403,"metadata":{"reasons":["violence"],"flagged_input":"very secret"}}}`, genai.ContentFiltered, "", ""},
		"openrouter: forbidden":  {403, `{"error":{"message":"m","code":403}}`, genai.PermissionDenied, "", ""},
		"openrouter: upstream":   {502, `{"error":{"message":"m","code":502}}`, genai.ServerError, "", ""},
		"openrouter: nobody":     {503, `{"error":{"message":"m","code":503}}`, genai.Overloaded, "", ""},
		"openrouter: rate":       {429, `{"error":{"message":"Provider returned error","code":429,"metadata":{"error_type":"rate_limit_exceeded"}}}`, genai.RateLimited, "", ""},
		"openrouter: daily":      {429, `{"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits","code":429}}`, genai.QuotaExhausted, "", ""},
		"openrouter: in 200":     {200, `{"error":{"message":"m","code":429},"choices":[{"message":{"content":null}}]}`, genai.RateLimited, "429", ""},
		"openrouter: model":      {400, `{"error":{"message":"a/b is not a valid model ID","code":400}}`, genai.NotFound, "", ""},

		// vLLM, SGLang, llama.cpp, Ollama.
		"vllm: context":      {400, `{"object":"error","message":"This model's maximum context length is 6048 tokens. However, you requested 6616 tokens","type":"BadRequestError","param":null,"code":400}`, genai.ContextLength, "BadRequestError", ""},
		"vllm: enveloped":    {400, `{"error":{"message":"This model's maximum context length is 6048 tokens.","type":"BadRequestError","param":null,"code":400}}`, genai.ContextLength, "BadRequestError", ""},
		"vllm: model":        {404, `{"error":{"message":"The model x does not exist.","type":"NotFoundError","param":"model","code":404}}`, genai.NotFound, "NotFoundError", "model"},
		"vllm: failure":      {500, `{"error":{"message":"m","type":"InternalServerError","param":null,"code":500}}`, genai.ServerError, "InternalServerError", ""},
		"vllm: in 200":       {200, `{"error":{"message":"m","type":"BadRequestError","code":400}}`, genai.InvalidRequest, "BadRequestError", ""},
		"fastapi":            {422, `{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}`, genai.InvalidRequest, "missing", "messages"},
		"llama.cpp: context": {400, `{"error":{"code":400,"message":"request (9 tokens) exceeds the available context size (5 tokens)","type":"exceed_context_size_error"}}`, genai.ContextLength, "exceed_context_size_error", ""},
		"llama.cpp: loading": {503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, genai.Overloaded, "unavailable_error", ""},
		"llama.cpp: lacks":   {501, `{"error":{"code":501,"message":"m","type":"not_supported_error"}}`, genai.Unsupported, "not_supported_error", ""},
		"ollama: text":       {404, `{"error":{"message":"model \"x\" not found","type":"api_error","param":null,"code":null}}`, genai.NotFound, "api_error", ""},

		// Gateways.
		"gateway: anthropic": {400, `{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum","type":"invalid_request_error"}}`, genai.ContextLength, "invalid_request_error", ""},
		"gateway: gemini":    {400, `[{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}]`, genai.ContextLength, "", ""},
		"llama.cpp, of old":  {400, `{"error":{"code":400,"message":"the request exceeds the available context size. try increasing it","type":"invalid_request_error"}}`, genai.ContextLength, "invalid_request_error", ""},

		// DeepSeek, Mistral, xAI, Venice.
		"deepseek: balance": {402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, genai.QuotaExhausted, "invalid_request_error", ""},
		"deepseek: key":     {401, `{"error":{"code":"invalid_request_error","message":"m","param":null,"type":"authentication_error"}}`, genai.Unauthenticated, "invalid_request_error", ""},
		"deepseek: model":   {400, `{"error":{"code":"invalid_request_error","message":"The supported API model names are a or b, but you passed c.","type":"invalid_request_error"}}`, genai.NotFound, "invalid_request_error", ""},
		"mistral: flat":     {400, `{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}`, genai.NotFound, "1500", ""},
		"mistral: context":  {400, `{"object":"error","message":"Prompt contains 65673 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","code":"3051"}`, genai.ContextLength, "3051", ""},
		"mistral: extra":    {422, `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","user"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error","param":null,"code":null}`, genai.Unsupported, "extra_forbidden", "user"},
		"mistral: detail":   {401, `{"detail":"Invalid API Key"}`, genai.Unauthenticated, "", ""},
		"xai: key":          {400, `{"code":"invalid-argument","error":"Incorrect API key provided. You can obtain one."}`, genai.Unauthenticated, "invalid-argument", ""},
		"xai: model":        {400, `{"code":"invalid-argument","error":"Model not found: x"}`, genai.NotFound, "invalid-argument", ""},
		"venice: text":      {404, `{"error":"Specified model not found: x"}`, genai.NotFound, "", ""},

		// Shapes.
		"an array":            {400, `[{"error":{"message":"m","code":"model_not_found"}}]`, genai.NotFound, "model_not_found", ""},
		"a list of messages":  {400, `{"error":{"message":["a","b"],"type":"invalid_request_error"}}`, genai.InvalidRequest, "invalid_request_error", ""},
		"a number for a type": {500, `{"error":{"message":"m","type":5,"code":[]}}`, genai.ServerError, "5", ""},
		"null":                {500, `null`, genai.ServerError, "", ""},
		"cut":                 {500, `{"error":{"mess`, genai.ServerError, "", ""},
		"bytes":               {500, "\xff\xfe\x00", genai.ServerError, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, fixed(tt.status, "application/json", tt.body))
			_, err := s.client().Complete(t.Context(), ask)
			got := genai.AsError(err)
			if got == nil || got.Kind != tt.kind || got.Code != tt.code || got.Field != tt.field || got.Status != tt.status || got.RequestID != "req-1" {
				t.Fatalf("%#v", got)
			}
			started := genai.StartedNo
			switch {
			case tt.status < 300:
				started = genai.StartedYes
			case tt.status >= 500, tt.kind == genai.Timeout, tt.kind == genai.Overloaded:
				started = genai.StartedUnknown
			}
			if got.Started != started {
				t.Errorf("started: %q, want %q", got.Started, started)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("it quotes: %v", err)
			}
			// The same comes of it whatever was asked for.
			for way, call := range map[string]func() error{
				"stream":    func() error { _, err := chat(t.Context(), s.client(), ask); return err },
				"responses": func() error { _, err := responses(t, s.client(), ask); return err },
				"embed": func() error {
					_, err := s.client().Embed(t.Context(), &genai.EmbedRequest{Input: []string{"?"}})
					return err
				},
				"paint": func() error { _, err := s.client().Paint(t.Context(), &genai.ImageRequest{Prompt: "?"}); return err },
			} {
				if e := genai.AsError(call()); e == nil || e.Kind != got.Kind || e.Code != got.Code {
					t.Errorf("%s: %v", way, e)
				}
			}
		})
	}
}

// TestErrorWaits: how long a server asks its clients to wait, in all the ways in which servers say it.
func TestErrorWaits(t *testing.T) {
	const rate = `{"error":{"message":"m","code":"rate_limit_exceeded"}}`
	reset := fmt.Sprintf(`{"error":{"message":"m","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"%d"}}}}`,
		time.Now().Add(time.Hour).UnixMilli())
	for name, tt := range map[string]struct {
		status   int
		body     string
		header   []string
		min, max time.Duration
	}{
		"seconds":            {429, rate, []string{"Retry-After", "7"}, 7 * time.Second, 7 * time.Second},
		"a fraction":         {429, rate, []string{"Retry-After", "0.5"}, 500 * time.Millisecond, 500 * time.Millisecond},
		"milliseconds":       {429, rate, []string{"Retry-After-Ms", "1500", "Retry-After", "2"}, 1500 * time.Millisecond, 1500 * time.Millisecond},
		"azure":              {429, rate, []string{"X-Ms-Retry-After-Ms", "250"}, 250 * time.Millisecond, 250 * time.Millisecond},
		"a date":             {429, rate, []string{"Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, 59 * time.Minute, time.Hour},
		"a date gone by":     {429, rate, []string{"Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"}, 0, 0},
		"the limits' own":    {429, rate, []string{"X-Ratelimit-Remaining-Tokens", "0", "X-Ratelimit-Reset-Tokens", "6m0s"}, 6 * time.Minute, 6 * time.Minute},
		"the other limit":    {429, rate, []string{"X-Ratelimit-Remaining-Tokens", "5", "X-Ratelimit-Reset-Tokens", "6m0s"}, 0, 0},
		"in the body":        {429, reset, nil, 59 * time.Minute, time.Hour},
		"overloaded":         {503, ``, []string{"Retry-After", "3"}, 3 * time.Second, 3 * time.Second},
		"with in flight":     {402, `{"error":{"message":"m","metadata":{"limit_source":"openrouter_in_flight_budget"}}}`, []string{"Retry-After", "3"}, 3 * time.Second, 3 * time.Second},
		"quota":              {429, `{"error":{"code":"insufficient_quota"}}`, []string{"Retry-After", "3"}, 3 * time.Second, 3 * time.Second},
		"a wrong request":    {400, `{"error":{"message":"m"}}`, []string{"Retry-After", "3"}, 0, 0},
		"nonsense":           {429, rate, []string{"Retry-After", "soon"}, 0, 0},
		"nonsense in a body": {429, `{"error":{"message":"m","code":429,"metadata":{"headers":{"X-RateLimit-Reset":[]}}}}`, nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				for i := 0; i < len(tt.header); i += 2 {
					w.Header().Set(tt.header[i], tt.header[i+1])
				}
				fixed(tt.status, "application/json", tt.body)(w, r)
			})
			_, err := s.client().Complete(t.Context(), ask)
			if e := genai.AsError(err); e == nil || e.RetryAfter < tt.min || e.RetryAfter > tt.max {
				t.Errorf("%v, want %s", err, tt.min)
			}
		})
	}
}

// TestErrorsInside: a failure in the middle of a stream is classified by what it says, since the status says success.
func TestErrorsInside(t *testing.T) {
	for failure, kind := range map[string]genai.Kind{
		`{"error":{"message":"m","type":"server_error","code":null}}`:                                                         genai.ServerError,
		`{"error":{"message":"m","type":"insufficient_quota"}}`:                                                               genai.QuotaExhausted,
		`{"error":{"message":"m","type":"tokens"}}`:                                                                           genai.RateLimited,
		`{"error":{"message":"m","code":502},"choices":[{"delta":{},"finish_reason":"error"}]}`:                               genai.ServerError,
		`{"error":{"message":"m","code":429}}`:                                                                                genai.RateLimited,
		`{"error":{"message":"This model's maximum context length is 5 tokens","type":"BadRequestError"}}`:                    genai.ContextLength,
		`{"error":{"message":"m","type":"BadRequestError","code":400}}`:                                                       genai.InvalidRequest,
		`{"error":"out of memory"}`:                                                                                           genai.ServerError,
		`{"object":"error","message":"m","type":"overloaded_error","code":503}`:                                               genai.Overloaded,
		`{"error":{"message":"m","code":"content_filter"}}`:                                                                   genai.ContentFiltered,
		`{"error":{"message":"You said: This model's maximum context length is 5"}}`:                                          genai.ServerError,
		`{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"context_length_exceeded"},"choices":[]}`: genai.ContextLength,
	} {
		s := serve(t, stream(data(hello, failure, done)))
		got, err := chat(t.Context(), s.client(), ask)
		if e := genai.AsError(err); e == nil || e.Kind != kind || e.Started != genai.StartedYes || got.Text() != "Hello" {
			t.Errorf("%s: %v, want %s", failure, err, kind)
		}
	}
}

// TestErrorsAreShort: what a server says is bounded, and what it quotes of keys and prompts is gone.
func TestErrorsAreShort(t *testing.T) {
	const prompt = "What is the answer to my very secret question?"
	for name, body := range map[string]string{
		"a long message": `{"error":{"message":"` + strings.Repeat("no ", 1<<20) + `"}}`,
		"a long code":    `{"error":{"message":"no","code":"` + strings.Repeat("c", 1<<20) + `"}}`,
		"a long page":    "<html>" + strings.Repeat("no ", 1<<20),
		"the key":        `{"error":{"message":"Incorrect API key provided: sk-secret-key. Bearer sk-secret-key"}}`,
		"the prompt":     `{"error":{"message":"cannot answer '` + prompt + `'"}}`,
		"a part of it":   `{"error":{"message":"near 'my very secret question' in ` + strings.Repeat("x", 900) + `"}}`,
		"the request":    `{"error":{"message":"{\"messages\":[{\"role\":\"user\",\"content\":\"` + prompt + `\"}]}"}}`,
		"a text":         `{"error":"` + prompt + `"}`,
		"a list":         `{"detail":[{"msg":"bad","input":"` + prompt + `"},{"msg":"` + prompt + `"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{200, 400, 401, 500} {
				s := serve(t, fixed(status, "application/json", body))
				_, err := s.client().Complete(t.Context(), ask)
				if err == nil {
					t.Fatal("it counts as an answer")
				}
				if text := err.Error(); len(text) > 1000 || strings.Contains(text, "secret") {
					t.Errorf("%d: %d bytes: %.1000s", status, len(text), text)
				}
			}
		})
	}
}
