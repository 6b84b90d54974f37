package wiretest

import (
	"net/http"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// ollama is Ollama's own interface. It has no words for kinds of failures but the status.
var ollama = dialect{
	name: "Ollama",
	route: func(r *http.Request) (operation, string, bool) {
		switch {
		case r.Method != http.MethodPost:
			return 0, "", false
		case strings.HasSuffix(r.URL.Path, "/api/embed"):
			return opEmbed, "", true
		}
		return opChat, "", strings.HasSuffix(r.URL.Path, "/api/chat")
	},
	key:     func(h http.Header) string { return strings.TrimPrefix(h.Get("Authorization"), "Bearer ") },
	chat:    decodeOllama,
	stream:  "application/x-ndjson",
	encoder: func(c *call) encoder { return &ollamaEncoder{call: c} },
	embed:   decodeOllamaEmbed,
	vectors: func(_ *call, resp *genai.Embeddings) any {
		doc := object{"model": resp.Model, "embeddings": resp.Vectors, "total_duration": 1, "load_duration": 1}
		if resp.Usage != nil {
			doc["prompt_eval_count"] = resp.Usage.Input
		}
		return doc
	},
	garbage: "<html><body>Bad gateway</body></html>\n",
	problem: func(e *genai.Error, p problem, inStream bool) any {
		doc := object{"error": p.message(e)}
		if inStream {
			return line(doc)
		}
		return doc
	},
	kinds: map[genai.Kind]problem{
		"":                     {status: 500},
		genai.InvalidRequest:   {status: 400},
		genai.Unsupported:      {status: 400, words: "does not support"},
		genai.ContextLength:    {status: 400, words: "the input length exceeds the context length"},
		genai.TooLarge:         {status: 413},
		genai.Unauthenticated:  {status: 401, words: "unauthorized"},
		genai.PermissionDenied: {status: 403},
		genai.NotFound:         {status: 404, words: "model not found"},
		genai.RateLimited:      {status: 429},
		genai.QuotaExhausted:   {status: 402},
		genai.Overloaded:       {status: 503, words: "server busy, please try again. maximum pending requests exceeded"},
		genai.Timeout:          {status: 504},
	},
}

func line(v any) []byte { return append(document(v), '\n') }

// An ollamaEncoder makes lines.
type ollamaEncoder struct {
	call   *call
	model  string
	calls  wholeCalls
	finish genai.Finish
	usage  *genai.Usage
}

func (o *ollamaEncoder) line(message object) object {
	message["role"] = "assistant"
	if message["content"] == nil {
		message["content"] = ""
	}
	model := o.model
	if model == "" {
		model = o.call.req.Model
	}
	return object{"model": model, "created_at": o.call.began.UTC().Format(time.RFC3339Nano), "message": message, "done": false}
}

func (o *ollamaEncoder) event(e genai.ChatEvent) (frames []byte, piece bool) {
	if e.Start != nil {
		o.model = e.Start.Model
	}
	if e.Usage != nil {
		o.usage = e.Usage
	}
	if e.Finish != nil {
		o.finish = *e.Finish
	}
	if e.ToolCall == nil && (e.Finish != nil || !e.Preamble()) {
		frames = o.done(o.calls.end())
	}
	if e.Reasoning != "" {
		frames = append(frames, line(o.line(object{"thinking": e.Reasoning}))...)
	}
	if text := e.Text + e.Refusal; text != "" {
		frames = append(frames, line(o.line(object{"content": text}))...)
	}
	if e.ToolCall != nil {
		frames = append(frames, o.done(o.calls.add(e))...)
	}
	return frames, frames != nil
}

// done sends a call that is complete.
func (o *ollamaEncoder) done(p *genai.Part) []byte {
	if p == nil {
		return nil
	}
	return line(o.line(object{"tool_calls": []any{ollamaCall(p.ToolCall)}}))
}

func ollamaCall(c *genai.ToolCall) object {
	doc := object{"function": object{"name": c.Name, "arguments": objectOf(c.Arguments)}}
	if c.ID != "" {
		doc["id"] = c.ID
	}
	return doc
}

func (o *ollamaEncoder) end() []byte {
	frames := o.done(o.calls.end())
	return append(frames, line(o.last(o.line(object{}), o.finish, o.usage))...)
}

// last makes the last line of an answer out of one.
func (o *ollamaEncoder) last(doc object, f genai.Finish, u *genai.Usage) object {
	took := time.Since(o.call.began).Nanoseconds()
	doc["done"], doc["done_reason"] = true, "stop"
	switch f.Reason {
	case genai.FinishLength:
		doc["done_reason"] = "length"
	case genai.FinishOther:
		doc["done_reason"] = f.Raw
	}
	doc["total_duration"], doc["load_duration"], doc["prompt_eval_duration"], doc["eval_duration"] = took, 0, 0, took
	if u != nil {
		doc["prompt_eval_count"], doc["eval_count"] = u.Input, u.Output
	}
	return doc
}

func (o *ollamaEncoder) whole(resp *genai.ChatResponse) any {
	o.model = resp.Model
	message := object{}
	var calls []any
	text, thoughts := "", ""
	for _, p := range resp.Message.Parts {
		text += p.Text + p.Refusal
		if p.Reasoning != nil {
			thoughts += p.Reasoning.Text
		}
		if p.ToolCall != nil {
			calls = append(calls, ollamaCall(p.ToolCall))
		}
	}
	message["content"] = text
	if thoughts != "" {
		message["thinking"] = thoughts
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	return o.last(o.line(message), resp.Finish, resp.Usage)
}
