package wiretest

import (
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// anthropic is the messages interface of Anthropic.
var anthropic = dialect{
	name: "Anthropic",
	route: func(r *http.Request) (operation, string, bool) {
		return opChat, "", r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages")
	},
	key: func(h http.Header) string {
		if key := h.Get("X-Api-Key"); key != "" {
			return key
		}
		return strings.TrimPrefix(h.Get("Authorization"), "Bearer ")
	},
	chat:    decodeAnthropic,
	stream:  "text/event-stream; charset=utf-8",
	encoder: func(c *call) encoder { return &anthropicEncoder{call: c, calls: map[int]int{}} },
	garbage: "event: content_block_delta\ndata: <html><body>Bad gateway</body></html>\n\n",
	header: func(e *genai.Error, h http.Header) {
		if e.RequestID != "" {
			h.Set("Request-Id", e.RequestID)
		}
	},
	problem: func(e *genai.Error, p problem, inStream bool) any {
		doc := object{"type": "error", "error": object{"type": p.kind, "message": p.message(e)}}
		if e.RequestID != "" {
			doc["request_id"] = e.RequestID
		}
		if inStream {
			return named("error", doc)
		}
		return doc
	},
	kinds: map[genai.Kind]problem{
		"":                     {status: 500, kind: "api_error"},
		genai.InvalidRequest:   {status: 400, kind: "invalid_request_error"},
		genai.Unsupported:      {status: 400, kind: "invalid_request_error"},
		genai.ContextLength:    {status: 400, kind: "invalid_request_error", words: "prompt is too long"},
		genai.TooLarge:         {status: 413, kind: "request_too_large"},
		genai.ContentFiltered:  {status: 400, kind: "invalid_request_error", words: "Output blocked by content filtering policy"},
		genai.Unauthenticated:  {status: 401, kind: "authentication_error"},
		genai.PermissionDenied: {status: 403, kind: "permission_error"},
		genai.NotFound:         {status: 404, kind: "not_found_error"},
		genai.Conflict:         {status: 409, kind: "conflict_error"},
		genai.RateLimited:      {status: 429, kind: "rate_limit_error"},
		genai.QuotaExhausted:   {status: 402, kind: "billing_error"},
		genai.Overloaded:       {status: 529, kind: "overloaded_error"},
		genai.ServerError:      {status: 500, kind: "api_error"},
		genai.Timeout:          {status: 504, kind: "timeout_error"},
	},
}

// An anthropicEncoder makes events. An answer is a row of blocks, each of which begins and ends.
type anthropicEncoder struct {
	call    *call
	start   genai.ChatStart
	begun   bool
	open    string      // the type of the block that is open, or ""
	next    int         // the number of the next block
	calls   map[int]int // the block of each tool call
	finish  genai.Finish
	usage   *genai.Usage
	told    []byte // frames of the event at hand
	thought bool   // the open block has its signature
}

func (a *anthropicEncoder) say(kind string, doc object) {
	doc["type"] = kind
	a.told = append(a.told, named(kind, doc)...)
}

func (a *anthropicEncoder) event(e genai.ChatEvent) ([]byte, bool) {
	a.told = nil
	if e.Start != nil {
		a.start = *e.Start
	}
	if e.Usage != nil {
		a.usage = e.Usage
	}
	if e.Finish != nil {
		a.finish = *e.Finish
	}
	a.begin()
	if e.Reasoning != "" {
		a.block("thinking", object{"thinking": "", "signature": ""})
		a.delta("thinking_delta", "thinking", e.Reasoning)
	}
	if o := e.Opaque; o != nil && e.ToolCall == nil {
		a.opaque(o)
	}
	if text := e.Text + e.Refusal; text != "" {
		a.block("text", object{"text": ""})
		a.delta("text_delta", "text", text)
	}
	if e.ToolCall != nil {
		a.tool(e.ToolCall)
	}
	return a.told, !e.Preamble()
}

// begin says what stands before everything else. A real provider knows the input's tokens by now; here all counts come at
// the end, if the script has any.
func (a *anthropicEncoder) begin() {
	if a.begun {
		return
	}
	a.begun = true
	m := a.message()
	m["content"], m["stop_reason"], m["stop_sequence"] = []any{}, nil, nil
	a.say("message_start", object{"message": m})
	a.say("ping", object{})
}

func (a *anthropicEncoder) message() object {
	id, model := a.start.ID, a.start.Model
	if id == "" {
		id = "msg_1"
	}
	if model == "" {
		model = a.call.req.Model
	}
	return object{"id": id, "type": "message", "role": "assistant", "model": model}
}

// block opens a block, unless one of this kind is open.
func (a *anthropicEncoder) block(kind string, doc object) {
	if a.open == kind && kind != "tool_use" && !a.thought {
		return
	}
	a.close()
	doc["type"] = kind
	a.say("content_block_start", object{"index": a.next, "content_block": doc})
	a.open, a.next = kind, a.next+1
}

func (a *anthropicEncoder) close() {
	if a.open != "" {
		a.say("content_block_stop", object{"index": a.next - 1})
	}
	a.open, a.thought = "", false
}

func (a *anthropicEncoder) delta(kind, field, text string) {
	a.say("content_block_delta", object{"index": a.next - 1, "delta": object{"type": kind, field: text}})
}

// opaque sends what only the provider understands: the signature of the thought that is open, or a thought that is all
// hidden.
func (a *anthropicEncoder) opaque(o *genai.Opaque) {
	if a.open == "thinking" && !a.thought {
		a.delta("signature_delta", "signature", o.Data)
		a.thought = true
		return
	}
	a.close()
	a.block("redacted_thinking", object{"data": o.Data})
	a.close()
}

// tool sends a piece of a tool call. Pieces of calls that are interleaved go to the block of their call, though a real
// provider sends one call after the other.
func (a *anthropicEncoder) tool(d *genai.ToolCallDelta) {
	at, known := a.calls[d.Index]
	if !known {
		at = a.next
		a.calls[d.Index] = at
		a.block("tool_use", object{"id": d.ID, "name": d.Name, "input": object{}})
	}
	if d.Arguments != "" || known {
		a.say("content_block_delta", object{"index": at, "delta": object{"type": "input_json_delta", "partial_json": d.Arguments}})
	}
}

func (a *anthropicEncoder) end() []byte {
	a.told = nil
	a.begin()
	a.close()
	doc := object{"delta": object{"stop_reason": stopOf(a.finish), "stop_sequence": nil}}
	if a.usage != nil {
		doc["usage"] = usageOfAnthropic(a.usage)
	}
	a.say("message_delta", doc)
	a.say("message_stop", object{})
	return a.told
}

func (a *anthropicEncoder) whole(resp *genai.ChatResponse) any {
	a.start = genai.ChatStart{ID: resp.ID, Model: resp.Model}
	content := []any{}
	for _, p := range resp.Message.Parts {
		switch {
		case p.Reasoning != nil && p.Reasoning.Text == "" && p.Opaque != nil:
			content = append(content, object{"type": "redacted_thinking", "data": p.Opaque.Data})
		case p.Reasoning != nil:
			b := object{"type": "thinking", "thinking": p.Reasoning.Text, "signature": ""}
			if p.Opaque != nil {
				b["signature"] = p.Opaque.Data
			}
			content = append(content, b)
		case p.ToolCall != nil:
			content = append(content, object{"type": "tool_use", "id": p.ToolCall.ID, "name": p.ToolCall.Name, "input": objectOf(p.ToolCall.Arguments)})
		case p.Text+p.Refusal != "":
			content = append(content, object{"type": "text", "text": p.Text + p.Refusal})
		}
	}
	m := a.message()
	m["content"], m["stop_reason"], m["stop_sequence"] = content, stopOf(resp.Finish), nil
	if resp.Usage != nil {
		m["usage"] = usageOfAnthropic(resp.Usage)
	}
	return m
}

func stopOf(f genai.Finish) string {
	switch f.Reason {
	case genai.FinishLength:
		return "max_tokens"
	case genai.FinishToolCalls:
		return "tool_use"
	case genai.FinishFiltered:
		return "refusal"
	case genai.FinishOther:
		return f.Raw
	}
	return "end_turn"
}

// usageOfAnthropic counts the input without what the cache had to do with.
func usageOfAnthropic(u *genai.Usage) object {
	doc := object{
		"input_tokens": u.Input - u.CacheRead - u.CacheWrite, "output_tokens": u.Output,
		"cache_read_input_tokens": u.CacheRead, "cache_creation_input_tokens": u.CacheWrite,
	}
	if u.Reasoning > 0 {
		doc["output_tokens_details"] = object{"thinking_tokens": u.Reasoning}
	}
	return doc
}
