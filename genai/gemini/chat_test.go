package gemini_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func TestChat(t *testing.T) {
	recordedtest.CheckLeaks(t)
	s := serve(t, stream(hello, world, done(`{"text":""}`, "STOP")))
	got, err := all(s.client().Chat(t.Context(), ask))
	if err != nil {
		t.Fatal(err)
	}
	want := &genai.ChatResponse{
		ID: "r1", Model: "real", Message: genai.Assistant("Hello world"), Finish: genai.Finish{Reason: genai.FinishStop, Raw: "STOP"},
		Usage: &genai.Usage{Input: 11, Output: 9, CacheRead: 3, Reasoning: 5},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if u := s.request.URL; u.Path != "/v1beta/models/m:streamGenerateContent" || u.RawQuery != "alt=sse" || s.request.Header.Get("X-Goog-Api-Key") != "sk-secret-key" || s.calls != 1 {
		t.Errorf("asked %s with %q", s.request.URL, s.request.Header)
	}
	c := s.client()
	c.BaseURL += "?tenant=7"
	c.Model = "tunedModels/x"
	if _, err := all(c.Chat(t.Context(), ask)); err != nil || s.request.URL.String() != "/v1beta/tunedModels/x:streamGenerateContent?tenant=7&alt=sse" {
		t.Errorf("asked %s: %v", s.request.URL, err)
	}
	if _, err := c.Complete(t.Context(), ask); err != nil || s.request.URL.String() != "/v1beta/tunedModels/x:generateContent?tenant=7" {
		t.Errorf("asked %s: %v", s.request.URL, err)
	}
}

// TestAnswers: what stands in the parts of an answer, and that it goes back as it came.
func TestAnswers(t *testing.T) {
	opaque := func(typ, data string) *genai.Opaque { return &genai.Opaque{Origin: "there", Type: typ, Data: data} }
	usage := &genai.Usage{Input: 11, Output: 9, CacheRead: 3, Reasoning: 5}
	for name, c := range map[string]struct {
		docs   []string
		parts  []genai.Part
		finish genai.Finish
		back   string // the parts that go back
	}{
		"a thought and calls": {
			[]string{
				say(`{"text":"H","thought":true}`), say(`{"text":"m","thought":true}`),
				say(`{"functionCall":{"name":"a","args":{"x": 1}},"thoughtSignature":"s1"},{"functionCall":{"id":"c7","name":"b"}}`),
				done(`{"functionCall":{"name":"a","args":{}}}`, "STOP"),
			},
			[]genai.Part{
				{Reasoning: &genai.Reasoning{Text: "Hm"}},
				{ToolCall: &genai.ToolCall{ID: "gemini_call_r1_0", Name: "a", Arguments: `{"x": 1}`}, Opaque: opaque("thought_signature", "s1")},
				{ToolCall: &genai.ToolCall{ID: "c7", Name: "b", Arguments: `{}`}}, {ToolCall: &genai.ToolCall{ID: "gemini_call_r1_2", Name: "a", Arguments: `{}`}},
			},
			genai.Finish{Reason: genai.FinishToolCalls, Raw: "STOP"},
			`{"functionCall":{"name":"a","args":{"x":1}},"thoughtSignature":"s1"},{"functionCall":{"id":"c7","name":"b","args":{}}},{"functionCall":{"name":"a","args":{}}}`,
		},
		"signatures everywhere": {
			[]string{say(`{"text":"Hm","thought":true,"thoughtSignature":"s1"}`), say(`{"text":"Yes","thoughtSignature":"s2"}`), say(`{"text":"."}`), done(`{"text":"","thoughtSignature":"s3"}`, "STOP")},
			[]genai.Part{
				{Reasoning: &genai.Reasoning{Text: "Hm"}, Opaque: opaque("thought_signature", "s1")}, {Text: "Yes", Opaque: opaque("thought_signature", "s2")},
				{Text: ".", Opaque: opaque("part", `{"text":"","thoughtSignature":"s3"}`)},
			},
			genai.Finish{Reason: genai.FinishStop, Raw: "STOP"},
			`{"text":"Hm","thought":true,"thoughtSignature":"s1"},{"text":"Yes","thoughtSignature":"s2"},{"text":"."},{"text":"","thoughtSignature":"s3"}`,
		},
		"code that the provider ran": {
			[]string{done(`{"text":"So:"},{"executableCode":{"code":"1"},"thoughtSignature":"s1"},{"codeExecutionResult":{"output":"1"}},{"text":"1"}`, "STOP")},
			[]genai.Part{
				{Text: "So:", Opaque: opaque("part", `{"executableCode":{"code":"1"},"thoughtSignature":"s1"}`)},
				{Reasoning: &genai.Reasoning{}, Opaque: opaque("part", `{"codeExecutionResult":{"output":"1"}}`)}, {Text: "1"},
			},
			genai.Finish{Reason: genai.FinishStop, Raw: "STOP"},
			`{"text":"So:"},{"executableCode":{"code":"1"},"thoughtSignature":"s1"},{"codeExecutionResult":{"output":"1"}},{"text":"1"}`,
		},
		"a picture": {
			[]string{done(`{"inlineData":{"mimeType":"image/png","data":"cG5n"}}`, "STOP")},
			[]genai.Part{{Reasoning: &genai.Reasoning{}, Opaque: opaque("part", `{"inlineData":{"mimeType":"image/png","data":"cG5n"}}`)}},
			genai.Finish{Reason: genai.FinishStop, Raw: "STOP"},
			`{"inlineData":{"mimeType":"image/png","data":"cG5n"}}`,
		},
		"two reasons": {
			[]string{say(`{"text":"a"}`), done(`{"text":"b"}`, "STOP"), say(`{"text":"c"}`), done(`{"text":"d"}`, "MAX_TOKENS")},
			[]genai.Part{{Text: "abcd"}}, genai.Finish{Reason: genai.FinishLength, Raw: "MAX_TOKENS"}, `{"text":"abcd"}`,
		},
		"withheld": {
			[]string{say(`{"text":"a"}`), done(``, "SAFETY")},
			[]genai.Part{{Text: "a"}}, genai.Finish{Reason: genai.FinishFiltered, Raw: "SAFETY"}, `{"text":"a"}`,
		},
		"withheld from the start": {
			[]string{`{"candidates":[{"finishReason":"RECITATION"}],"modelVersion":"real","responseId":"r1","usageMetadata":{"promptTokenCount":9,"cachedContentTokenCount":3,"toolUsePromptTokenCount":2,"candidatesTokenCount":4,"thoughtsTokenCount":5}}`},
			nil, genai.Finish{Reason: genai.FinishFiltered, Raw: "RECITATION"}, ``,
		},
		"several candidates": {
			[]string{`{"candidates":[{"index":1,"content":{"parts":[{"text":"no"}]},"finishReason":"OTHER"},{"index":0,"content":{"parts":[{"text":"yes"}]}},{"index":0,"content":{"parts":[{"text":"twice"}]}}],"modelVersion":"real","responseId":"r1"}`, done(``, "SOMETHING_NEW")},
			[]genai.Part{{Text: "yes"}}, genai.Finish{Reason: genai.FinishOther, Raw: "SOMETHING_NEW"}, `{"text":"yes"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := &genai.ChatResponse{ID: "r1", Model: "real", Message: genai.Message{Role: genai.RoleAssistant, Parts: c.parts}, Finish: c.finish, Usage: usage}
			for form, body := range map[string]string{"events": data(c.docs...), "an array": "[" + strings.Join(c.docs, ",\n") + "]", "a sentinel": data(append(c.docs, "[DONE]", "<html>")...)} {
				replay := &recordedtest.Replay{Body: body}
				client := &gemini.Client{BaseURL: "http://there", Model: "m", HTTP: replay.Client()}
				got, err := all(client.Chat(t.Context(), ask))
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("%s: got %+v, %v; want %+v", form, got, err, want)
				}
				whole, err := client.Complete(t.Context(), ask)
				if err != nil || !reflect.DeepEqual(whole, got) {
					t.Errorf("%s: whole: %+v, %v; streamed %+v", form, whole, err, got)
				}
				if c.back == "" {
					continue
				}
				req := &genai.ChatRequest{Messages: []genai.Message{genai.User("?"), got.Message, genai.User("!")}}
				if _, err := client.Complete(t.Context(), req); err != nil {
					t.Fatal(err)
				}
				if back := `{"role":"model","parts":[` + c.back + `]}`; !strings.Contains(replay.Request, back) {
					t.Errorf("%s: sent %s, want in it %s", form, replay.Request, back)
				}
				client.BaseURL = "http://elsewhere"
				if _, err := client.Complete(t.Context(), req); err != nil {
					// Nothing of an answer that is all opaque is left, which leaves a conversation all the same.
					t.Fatal(err)
				}
				for _, private := range []string{"s1", "s2", "s3", "codeExecutionResult", "inlineData"} {
					if strings.Contains(replay.Request, private) {
						t.Errorf("%s: sent to another server: %s", form, replay.Request)
					}
				}
			}
		})
	}
}

func TestBadAnswers(t *testing.T) {
	recordedtest.CheckLeaks(t)
	refuse := func(status int, code, message, details string) http.HandlerFunc {
		return fixed(status, "application/json", `{"error":{"code":`+"400"+`,"message":"`+message+`","status":"`+code+`","details":[`+details+`]}}`)
	}
	exhausted := `{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}`
	perDay := `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinute"},{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   genai.Kind
		before bool // no stream is handed out
		code   string
	}{
		"cut before the first piece":    {stream(say(`{"text":""}`)), genai.Truncated, true, ""},
		"cut after a piece":             {stream(hello), genai.Truncated, false, ""},
		"cut inside of a document":      {fixed(200, "text/event-stream", data(hello)+`data: {"candi`), genai.Truncated, false, ""},
		"cut inside of an array":        {fixed(200, "application/json", "["+hello+","), genai.Truncated, false, ""},
		"nothing":                       {stream(), genai.Truncated, true, ""},
		"a sentinel and no end":         {stream(hello, "[DONE]"), genai.Truncated, false, ""},
		"an empty array":                {fixed(200, "application/json", "[]"), genai.Empty, true, ""},
		"a document without candidates": {fixed(200, "application/json", `{"usageMetadata":{"promptTokenCount":3},"modelVersion":"m"}`), genai.Empty, true, ""},
		"a prompt that is blocked":      {stream(`{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3}}`), genai.ContentFiltered, true, "PROHIBITED_CONTENT"},
		"a call that is none":           {stream(done(``, "MALFORMED_FUNCTION_CALL")), genai.Malformed, true, "MALFORMED_FUNCTION_CALL"},
		"a call that is none, later":    {stream(hello, done(``, "MALFORMED_FUNCTION_CALL")), genai.Malformed, false, "MALFORMED_FUNCTION_CALL"},
		"a signature that is missing":   {stream(done(``, "MISSING_THOUGHT_SIGNATURE")), genai.InvalidRequest, true, "MISSING_THOUGHT_SIGNATURE"},
		"a call without a name":         {stream(say(`{"functionCall":{}}`)), genai.Malformed, true, ""},
		"an error as the first event":   {stream(exhausted), genai.RateLimited, true, "RESOURCE_EXHAUSTED"},
		"an error in the middle":        {stream(hello, `{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`), genai.Overloaded, false, "UNAVAILABLE"},
		"an error in an array":          {fixed(200, "application/json", "["+exhausted+"]"), genai.RateLimited, true, "RESOURCE_EXHAUSTED"},
		"an error array that fails":     {fixed(429, "application/json", "[\n"+exhausted+"]"), genai.RateLimited, true, "RESOURCE_EXHAUSTED"},
		"an error called a stream":      {fixed(200, "text/event-stream", exhausted), genai.RateLimited, true, "RESOURCE_EXHAUSTED"},
		"no JSON":                       {stream(hello, "hello"), genai.Malformed, false, ""},
		"a web page":                    {fixed(200, "text/html", "<!doctype html><html>very secret"), genai.Malformed, true, ""},
		"a web page that fails":         {fixed(502, "text/html", "<html>"), genai.ServerError, true, ""},
		"a connection that is cut off":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, genai.Unavailable, true, ""},
		"a wrong key":                   {refuse(400, "INVALID_ARGUMENT", "API key not valid: sk-secret-key", `{"reason":"API_KEY_INVALID"}`), genai.Unauthenticated, true, "API_KEY_INVALID"},
		"no key":                        {refuse(401, "UNAUTHENTICATED", "m", ``), genai.Unauthenticated, true, "UNAUTHENTICATED"},
		"not allowed":                   {refuse(403, "PERMISSION_DENIED", "m", ``), genai.PermissionDenied, true, "PERMISSION_DENIED"},
		"not here":                      {refuse(400, "FAILED_PRECONDITION", "User location is not supported for the API use.", ``), genai.Precondition, true, "FAILED_PRECONDITION"},
		"no such model":                 {refuse(404, "NOT_FOUND", "models/x is not found", ``), genai.NotFound, true, "NOT_FOUND"},
		"too long":                      {refuse(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8).", ``), genai.ContextLength, true, "INVALID_ARGUMENT"},
		"a quotation of such an error":  {refuse(400, "INVALID_ARGUMENT", "in: The input token count exceeds, about 'my very secret question'", ``), genai.InvalidRequest, true, "INVALID_ARGUMENT"},
		"too many requests":             {refuse(429, "RESOURCE_EXHAUSTED", "m", ``), genai.RateLimited, true, "RESOURCE_EXHAUSTED"},
		"too many for today":            {refuse(429, "RESOURCE_EXHAUSTED", "m", perDay), genai.QuotaExhausted, true, "RESOURCE_EXHAUSTED"},
		"no credit":                     {refuse(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go.", ``), genai.QuotaExhausted, true, "RESOURCE_EXHAUSTED"},
		"overloaded":                    {refuse(503, "UNAVAILABLE", "The model is overloaded.", ``), genai.Overloaded, true, "UNAVAILABLE"},
		"a failure":                     {refuse(500, "INTERNAL", "m", ``), genai.ServerError, true, "INTERNAL"},
		"too slow":                      {refuse(504, "DEADLINE_EXCEEDED", "m", ``), genai.Timeout, true, "DEADLINE_EXCEEDED"},
		"a status that is new":          {refuse(418, "TEAPOT", "m", `7,"x",{"violations":3}`), genai.InvalidRequest, true, "TEAPOT"},
		"a redirect to somewhere else":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://192.0.2.1/", 307) }, genai.Precondition, true, ""},
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
				if e.Kind != c.kind || e.Code != c.code || e.Op != "chat" || e.Target == "" || e.Message == "" {
					t.Errorf("it is %s, want %s: %+v", e.Kind, c.kind, e)
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

// TestCancel: leaving ends the exchange at once, wherever it is.
func TestCancel(t *testing.T) {
	recordedtest.CheckLeaks(t)
	for name, first := range map[string]string{"before the headers": "", "before a piece": data(say(`{"text":""}`)), "after a piece": data(hello), "behind the end": data(done(`{"text":"x"}`, "STOP"))} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gone := make(chan struct{})
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if first != "" {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = w.Write([]byte(first))
					_ = http.NewResponseController(w).Flush()
				}
				if strings.HasPrefix(name, "before") {
					cancel()
				}
				<-r.Context().Done()
				close(gone)
			})
			stream, err := s.client().Chat(ctx, ask)
			if err == nil {
				if _, err := stream.Next(); err != nil {
					t.Fatal(err)
				}
				cancel()
				for err == nil {
					_, err = stream.Next()
				}
			}
			if !errors.Is(err, context.Canceled) || genai.KindOf(err) != genai.Cancelled {
				t.Errorf("it ended with %v", err)
			}
			<-gone
		})
	}
}

var _ genai.Chat = (&gemini.Client{}).Chat
var _ genai.Completer = (&gemini.Client{}).Complete
var _ genai.Embedder = (&gemini.Client{}).Embed
