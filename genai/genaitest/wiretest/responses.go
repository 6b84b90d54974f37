package wiretest

import (
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// responses is the newer chat interface of OpenAI.
var responses = dialect{
	name: "OpenAI Responses",
	route: func(r *http.Request) (operation, string, bool) {
		return opChat, "", r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/responses")
	},
	key:     openAI.key,
	chat:    decodeResponses,
	stream:  "text/event-stream; charset=utf-8",
	encoder: func(c *call) encoder { return &responsesEncoder{call: c, calls: map[int]int{}, open: -1} },
	garbage: "event: response.output_text.delta\ndata: <html><body>Bad gateway</body></html>\n\n",
	header:  openAI.header,
	problem: func(e *genai.Error, p problem, inStream bool) any {
		if !inStream {
			return openAI.problem(e, p, false)
		}
		code := p.code
		if code == "" {
			code = p.kind
		}
		return named("error", object{"type": "error", "code": code, "message": p.message(e), "param": orNull(e.Field)})
	},
	kinds: openAI.kinds,
}

// A responsesEncoder makes the events of one answer, and the document that they lead up to.
type responsesEncoder struct {
	call   *call
	start  genai.ChatStart
	began  bool
	output []object    // the items so far
	open   int         // the item of text or of reasoning that grows; -1: none
	calls  map[int]int // the items of tool calls, which grow side by side
	finish genai.Finish
	usage  *genai.Usage
	number int
}

// frame makes an event out of what it says besides its type and its number.
func (o *responsesEncoder) frame(kind string, fields object) []byte {
	fields["type"], fields["sequence_number"] = kind, o.number
	o.number++
	return named(kind, fields)
}

// response returns the document, in the state that it is in.
func (o *responsesEncoder) response(status string) object {
	id, model := o.start.ID, o.start.Model
	if id == "" {
		id = "resp_1"
	}
	if model == "" {
		model = o.call.req.Model
	}
	doc := object{
		"id": id, "object": "response", "created_at": o.call.began.Unix(), "model": model, "status": status,
		"error": nil, "incomplete_details": nil, "output": o.output, "usage": nil,
	}
	if u := o.usage; u != nil {
		doc["usage"] = object{
			"input_tokens": u.Input, "input_tokens_details": object{"cached_tokens": u.CacheRead, "cache_write_tokens": u.CacheWrite},
			"output_tokens": u.Output, "output_tokens_details": object{"reasoning_tokens": u.Reasoning}, "total_tokens": u.Input + u.Output,
		}
	}
	return doc
}

func (o *responsesEncoder) event(e genai.ChatEvent) (frames []byte, piece bool) {
	if e.Start != nil {
		o.start = *e.Start
	}
	if !o.began && (e.Start != nil || !e.Preamble() || e.Opaque != nil || e.Finish != nil) {
		o.began = true
		frames = append(frames, o.frame("response.created", object{"response": o.response("in_progress")})...)
	}
	if e.Reasoning != "" {
		frames = append(frames, o.grow("reasoning", "summary", "summary_text", "text", "response.reasoning_summary_text.delta", e.Reasoning)...)
	}
	if e.Text != "" {
		frames = append(frames, o.grow("message", "content", "output_text", "text", "response.output_text.delta", e.Text)...)
	}
	if e.Refusal != "" {
		frames = append(frames, o.grow("message", "content", "refusal", "refusal", "response.refusal.delta", e.Refusal)...)
	}
	if e.ToolCall != nil {
		frames = append(frames, o.argue(e.ToolCall)...)
	}
	if e.Opaque != nil && e.ToolCall == nil {
		if o.open < 0 || o.output[o.open]["type"] != "reasoning" {
			frames = append(frames, o.begin(object{"type": "reasoning", "id": "rs_1", "summary": []object{}})...)
		}
		o.output[o.open]["encrypted_content"] = e.Opaque.Data
		frames = append(frames, o.close()...)
	}
	if e.Finish != nil {
		o.finish = *e.Finish
	}
	if e.Usage != nil {
		o.usage = e.Usage
	}
	return frames, !e.Preamble()
}

// begin adds an item of text or of reasoning, behind the one that grew before.
func (o *responsesEncoder) begin(item object) []byte {
	frames := o.close()
	o.open = len(o.output)
	o.output = append(o.output, item)
	return append(frames, o.frame("response.output_item.added", object{"output_index": o.open, "item": item})...)
}

// close completes the item that grows.
func (o *responsesEncoder) close() []byte {
	if o.open < 0 {
		return nil
	}
	item := o.open
	o.open = -1
	return o.frame("response.output_item.done", object{"output_index": item, "item": o.output[item]})
}

// grow adds text to the part of an item, which it begins where another one grew before.
func (o *responsesEncoder) grow(kind, list, part, field, event, text string) (frames []byte) {
	if o.open < 0 || o.output[o.open]["type"] != kind {
		item := object{"type": kind, "id": kind + "_1", list: []object{}}
		if kind == "message" {
			item["role"] = genai.RoleAssistant
		}
		frames = o.begin(item)
	}
	item := o.output[o.open]
	parts := item[list].([]object)
	if n := len(parts); n == 0 || parts[n-1]["type"] != part {
		parts = append(parts, object{"type": part, field: ""})
		item[list] = parts
	}
	last := parts[len(parts)-1]
	last[field] = last[field].(string) + text
	place := "content_index"
	if list == "summary" {
		place = "summary_index"
	}
	return append(frames, o.frame(event, object{"output_index": o.open, "item_id": item["id"], place: len(parts) - 1, "delta": text})...)
}

// argue adds to a tool call.
func (o *responsesEncoder) argue(d *genai.ToolCallDelta) (frames []byte) {
	at, ok := o.calls[d.Index]
	if !ok {
		frames = o.close()
		at = len(o.output)
		o.calls[d.Index] = at
		item := object{"type": "function_call", "id": "fc_" + d.ID, "call_id": d.ID, "name": d.Name, "arguments": ""}
		o.output = append(o.output, item)
		frames = append(frames, o.frame("response.output_item.added", object{"output_index": at, "item": item})...)
	}
	item := o.output[at]
	if d.Arguments != "" {
		item["arguments"] = item["arguments"].(string) + d.Arguments
		frames = append(frames, o.frame("response.function_call_arguments.delta", object{"output_index": at, "item_id": item["id"], "delta": d.Arguments})...)
	}
	return frames
}

func (o *responsesEncoder) end() []byte {
	frames := o.close()
	for at, item := range o.output {
		if item["type"] == "function_call" {
			frames = append(frames, o.frame("response.output_item.done", object{"output_index": at, "item": item})...)
		}
	}
	doc := o.last()
	return append(frames, o.frame("response."+doc["status"].(string), object{"response": doc})...)
}

// last returns the document of the whole answer.
func (o *responsesEncoder) last() object {
	reason := ""
	switch o.finish.Reason {
	case genai.FinishLength:
		reason = "max_output_tokens"
	case genai.FinishFiltered:
		reason = "content_filter"
	case genai.FinishOther:
		reason = o.finish.Raw
	}
	if o.output == nil {
		o.output = []object{}
	}
	if reason == "" {
		return o.response("completed")
	}
	doc := o.response("incomplete")
	doc["incomplete_details"] = object{"reason": reason}
	return doc
}

func (o *responsesEncoder) whole(resp *genai.ChatResponse) any {
	for _, e := range resp.Events() {
		o.event(e)
	}
	return o.last()
}
