package wiretest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// gemini is the interface of the Gemini models.
var gemini = dialect{
	name: "Gemini",
	route: func(r *http.Request) (operation, string, bool) {
		_, name, found := strings.Cut(r.URL.Path, "/models/")
		model, method, _ := strings.Cut(name, ":")
		if !found || r.Method != http.MethodPost {
			return 0, "", false
		}
		switch method {
		case "generateContent":
			return opChat, model, true
		case "streamGenerateContent":
			return opStream, model, true
		case "embedContent", "batchEmbedContents":
			return opEmbed, model, true
		}
		return 0, "", false
	},
	key:     func(h http.Header) string { return h.Get("X-Goog-Api-Key") },
	chat:    decodeGemini,
	stream:  "text/event-stream",
	encoder: func(c *call) encoder { return &geminiEncoder{call: c, array: c.query.Get("alt") != "sse"} },
	embed:   decodeGeminiEmbed,
	vectors: geminiVectors,
	garbage: "data: <html><body>Bad gateway</body></html>\r\n\r\n",
	problem: func(e *genai.Error, p problem, inStream bool) any {
		var doc any
		if p.status == http.StatusOK { // a prompt that is refused is no failure to Gemini
			doc = object{"promptFeedback": object{"blockReason": p.kind}, "usageMetadata": object{}}
		} else {
			doc = object{"error": geminiError(e, p)}
		}
		if inStream {
			return crlf(data(doc))
		}
		return doc
	},
	kinds: map[genai.Kind]problem{
		"":                     {status: 500, kind: "INTERNAL"},
		genai.InvalidRequest:   {status: 400, kind: "INVALID_ARGUMENT"},
		genai.Unsupported:      {status: 400, kind: "INVALID_ARGUMENT"},
		genai.ContextLength:    {status: 400, kind: "INVALID_ARGUMENT", words: "The input token count exceeds the maximum number of tokens allowed"},
		genai.TooLarge:         {status: 413, kind: "INVALID_ARGUMENT"},
		genai.ContentFiltered:  {status: 200, kind: "PROHIBITED_CONTENT"},
		genai.Unauthenticated:  {status: 400, kind: "INVALID_ARGUMENT", code: "API_KEY_INVALID"},
		genai.PermissionDenied: {status: 403, kind: "PERMISSION_DENIED"},
		genai.NotFound:         {status: 404, kind: "NOT_FOUND"},
		genai.Unimplemented:    {status: 501, kind: "UNIMPLEMENTED"},
		genai.Conflict:         {status: 409, kind: "ABORTED"},
		genai.RateLimited:      {status: 429, kind: "RESOURCE_EXHAUSTED", code: "GenerateRequestsPerMinutePerProjectPerModel"},
		genai.QuotaExhausted:   {status: 429, kind: "RESOURCE_EXHAUSTED", code: "GenerateRequestsPerDayPerProjectPerModel"},
		genai.Overloaded:       {status: 503, kind: "UNAVAILABLE"},
		genai.ServerError:      {status: 500, kind: "INTERNAL"},
		genai.Timeout:          {status: 504, kind: "DEADLINE_EXCEEDED"},
	},
}

// geminiError puts what is more precise than a status into the details.
func geminiError(e *genai.Error, p problem) object {
	doc := object{"code": p.status, "message": p.message(e), "status": p.kind}
	var details []any
	switch {
	case p.code == "":
	case p.status == http.StatusTooManyRequests:
		details = append(details, object{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []any{object{"quotaId": p.code}}})
	default:
		details = append(details, object{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": p.code, "domain": "googleapis.com"})
	}
	if e.RetryAfter > 0 {
		details = append(details, object{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": fmt.Sprintf("%gs", e.RetryAfter.Seconds())})
	}
	if details != nil {
		doc["details"] = details
	}
	return doc
}

// crlf ends lines as Gemini does.
func crlf(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")) }

// A geminiEncoder makes chunks: events, or the elements of an array where no event stream was asked for.
type geminiEncoder struct {
	call   *call
	array  bool
	begun  bool
	start  genai.ChatStart
	calls  wholeCalls
	finish genai.Finish
	usage  *genai.Usage
}

func (g *geminiEncoder) frame(doc object) []byte {
	if !g.array {
		return crlf(data(doc))
	}
	lead := ",\r\n"
	if !g.begun {
		lead = "["
	}
	g.begun = true
	return append([]byte(lead), document(doc)...)
}

// chunk makes a document with parts, which may be none.
func (g *geminiEncoder) chunk(parts ...any) object {
	model := g.start.Model
	if model == "" {
		model = g.call.req.Model
	}
	if parts == nil {
		parts = []any{}
	}
	doc := object{"candidates": []any{object{"content": object{"parts": parts, "role": "model"}, "index": 0}}, "modelVersion": model}
	if g.start.ID != "" {
		doc["responseId"] = g.start.ID
	}
	return doc
}

func (g *geminiEncoder) event(e genai.ChatEvent) ([]byte, bool) {
	if e.Start != nil {
		g.start = *e.Start
	}
	if e.Usage != nil {
		g.usage = e.Usage
	}
	if e.Finish != nil {
		g.finish = *e.Finish
	}
	var parts []any
	if e.ToolCall == nil && (e.Finish != nil || !e.Preamble()) {
		parts = geminiParts(g.calls.end())
	}
	if e.Reasoning != "" {
		parts = append(parts, geminiParts(&genai.Part{Reasoning: &genai.Reasoning{Text: e.Reasoning}})...)
	}
	if text := e.Text + e.Refusal; text != "" {
		parts = append(parts, geminiParts(&genai.Part{Text: text})...)
	}
	if e.ToolCall != nil {
		parts = append(parts, geminiParts(g.calls.add(e))...)
	} else if e.Opaque != nil {
		parts = append(parts, object{"text": "", "thoughtSignature": e.Opaque.Data})
	}
	if parts == nil {
		return nil, false
	}
	return g.frame(g.chunk(parts...)), true
}

// geminiParts puts a part of a message, or nil, into its form on the wire.
func geminiParts(p *genai.Part) []any {
	if p == nil {
		return nil
	}
	doc := object{}
	switch {
	case p.ToolCall != nil:
		call := object{"name": p.ToolCall.Name, "args": objectOf(p.ToolCall.Arguments)}
		if p.ToolCall.ID != "" {
			call["id"] = p.ToolCall.ID
		}
		doc["functionCall"] = call
	case p.Reasoning != nil:
		doc["text"], doc["thought"] = p.Reasoning.Text, true
	default:
		doc["text"] = p.Text + p.Refusal
	}
	if p.Opaque != nil {
		doc["thoughtSignature"] = p.Opaque.Data
	}
	return []any{doc}
}

func (g *geminiEncoder) end() []byte {
	frame := g.frame(g.last(g.chunk(geminiParts(g.calls.end())...), g.finish, g.usage))
	if g.array {
		frame = append(frame, ']')
	}
	return frame
}

// last makes the last chunk of an answer out of one.
func (g *geminiEncoder) last(doc object, f genai.Finish, u *genai.Usage) object {
	reason := "STOP"
	switch f.Reason {
	case genai.FinishLength:
		reason = "MAX_TOKENS"
	case genai.FinishFiltered:
		reason = "SAFETY"
	case genai.FinishOther:
		reason = f.Raw
	}
	doc["candidates"].([]any)[0].(object)["finishReason"] = reason
	if u != nil {
		doc["usageMetadata"] = object{
			"promptTokenCount": u.Input, "cachedContentTokenCount": u.CacheRead,
			"candidatesTokenCount": u.Output - u.Reasoning, "thoughtsTokenCount": u.Reasoning, "totalTokenCount": u.Input + u.Output,
		}
	}
	return doc
}

func (g *geminiEncoder) whole(resp *genai.ChatResponse) any {
	g.start = genai.ChatStart{ID: resp.ID, Model: resp.Model}
	var parts []any
	for _, p := range resp.Message.Parts {
		parts = append(parts, geminiParts(&p)...)
	}
	return g.last(g.chunk(parts...), resp.Finish, resp.Usage)
}
