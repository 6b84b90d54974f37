package openai

import (
	"context"
	"io"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// Responses answers a conversation piece by piece, as Chat does, through the newer interface of OpenAI. It is a
// [genai.Chat].
//
// The conversation stays with the caller: the server is asked to keep nothing. What a model thought comes back to it as
// opaque data in the messages, so give them back as they came. Models that are asked to reason are asked for it in a form
// that they can read again; Extra can ask for more, such as a summary in plain text.
func (c *Client) Responses(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	return exchange.Stream(ctx, func(ctx context.Context) (*exchange.Reply, error) { return c.respond(ctx, req, true) })
}

// Respond is [Client.Responses] for whole answers. It is a [genai.Completer].
func (c *Client) Respond(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
	return exchange.Whole(ctx, func(ctx context.Context) (*exchange.Reply, error) { return c.respond(ctx, req, false) })
}

// respond sends a request and returns its answer, of which nothing is read yet.
func (c *Client) respond(ctx context.Context, req *genai.ChatRequest, stream bool) (*exchange.Reply, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.ChatRequest) (*exchange.Reply, error) { return c.askResponse(ctx, req, stream) })
}

func (c *Client) askResponse(ctx context.Context, req *genai.ChatRequest, stream bool) (*exchange.Reply, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("responses")
	if err != nil {
		return nil, err
	}
	body, err := c.encodeResponse(x, req, stream, false)
	if err != nil {
		return nil, err
	}
	accept := "application/json"
	if stream {
		accept = "text/event-stream"
	}
	x.Texts = exchange.TextsOf(req)
	if err := c.post(ctx, x, "/responses", accept, body); err != nil {
		return nil, err
	}
	r := &response{x: x.Exchange, out: x.Reply(ctx), origin: x.Base.Host}
	r.out.Events(&exchange.Events{Take: r.take, Whole: r.whole, Finished: func() bool { return false }})
	return r.out, nil
}

// A response decodes one answer: the events of a stream, or the document that they lead up to. An item of it is told as it
// grows, or at its end if it did not; what is not known is left out, unless it has to go back.
type response struct {
	x      *exchange.Exchange
	out    *exchange.Reply // where the events go
	origin string          // where opaque data may go back to

	started bool // the start was told
	items   []outputItem
	calls   int
}

// An outputItem is what was told of one item.
type outputItem struct {
	index     int  // its place in the answer
	told      bool // some of its text was
	thought   int  // which piece of reasoning was last, plus one
	call      int  // our number of the tool call, plus one
	arguments bool // some were
	done      bool
}

// take decodes the data of one event and returns what ended the answer, if that did.
func (r *response) take(kind, data []byte) error {
	switch {
	case len(data) == 0:
		return nil
	case exchange.IsDone(data):
		return r.x.Fail(genai.Truncated, "the stream ended before the answer did")
	}
	var e responseEvent
	if err := e.decode(data); err != nil {
		return err
	}
	if e.kind == nil {
		e.kind = kind
	}
	if e.failure != nil || string(e.kind) == "error" {
		return r.x.Problem(data)
	}
	return r.event(&e)
}

// event tells what an event says. Events of unknown kinds are left out: new ones come up all the time.
func (r *response) event(e *responseEvent) error {
	switch string(e.kind) {
	case "response.created", "response.in_progress", "response.queued":
		if e.response != nil {
			var h responseHead
			h.decode(e.response)
			r.start(h.id, h.model)
		}
	case "response.output_item.added":
		r.items = append(r.items, outputItem{index: e.index})
		r.begin(&r.items[len(r.items)-1], e.item)
	case "response.output_text.delta":
		r.item(e.index).told = true
		r.out.Push(genai.ChatEvent{Text: e.delta})
	case "response.refusal.delta":
		r.item(e.index).told = true
		r.out.Push(genai.ChatEvent{Refusal: e.delta})
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		r.think(r.item(e.index), e)
	case "response.function_call_arguments.delta":
		r.argue(r.item(e.index), e.delta)
	case "response.function_call_arguments.done":
		if it := r.item(e.index); !it.arguments {
			r.argue(it, e.arguments)
		}
	case "response.output_item.done":
		r.finish(r.item(e.index), e.item)
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done":
		var h responseHead
		if e.response != nil {
			h.decode(e.response)
		}
		if h.status == "" {
			h.status = string(e.kind[len("response."):])
		}
		return r.end(&h)
	}
	return nil
}

// whole decodes a document that is the whole answer.
func (r *response) whole(data []byte) error {
	s := jsonscan.New(data)
	if s.Next() == '[' {
		if parseProblem(data) == (problem{}) {
			return r.x.Fail(genai.Malformed, "the answer is an array")
		}
		return r.x.Problem(data)
	}
	var h responseHead
	if err := h.decode(data); err != nil {
		return err
	}
	unfinished := false // or failed, and then there need be no output
	switch h.status {
	case "in_progress", "queued", "incomplete", "failed", "cancelled":
		unfinished = true
	}
	switch {
	case h.status == "" && !h.listed && (h.failure != nil || h.text):
		return r.x.Problem(data)
	case !h.listed && !unfinished: // documents of other interfaces have a status too
		return r.x.Fail(genai.Empty, "the answer has no text, no tool call and no reason")
	case h.thoughts != "":
		r.start(h.id, h.model)
		r.out.Push(genai.ChatEvent{Reasoning: h.thoughts})
	}
	return r.end(&h)
}

// start tells who answers, once.
func (r *response) start(id, model string) {
	if !r.started && (id != "" || model != "") {
		r.started = true
		r.out.Push(genai.ChatEvent{Start: &genai.ChatStart{ID: id, Model: model}})
	}
}

// end tells what is left to tell, and why the answer ended. It returns io.EOF if it did so in good order.
func (r *response) end(h *responseHead) error {
	switch {
	case h.failure != nil:
		return r.x.Problem(h.failure)
	case h.status == "failed" || h.status == "cancelled":
		e := r.x.Fail(genai.ServerError, "the provider broke the answer off")
		e.Code = h.status
		return e
	case h.status == "in_progress" || h.status == "queued":
		return r.x.Fail(genai.Truncated, "the answer is not finished: this client does not wait for answers that are made in the background")
	}
	r.start(h.id, h.model)
	r.rest(h.output)
	finish := genai.Finish{Reason: genai.FinishStop, Raw: h.status}
	switch {
	case h.status != "incomplete":
		if r.calls > 0 {
			finish.Reason = genai.FinishToolCalls
		}
		for i := range r.items {
			if it := &r.items[i]; it.call > 0 && !it.arguments {
				r.argue(it, "{}") // a tool without parameters
			}
		}
	case h.reason == "max_output_tokens":
		finish = genai.Finish{Reason: genai.FinishLength, Raw: h.reason}
	case h.reason == "content_filter":
		finish = genai.Finish{Reason: genai.FinishFiltered, Raw: h.reason}
	default:
		finish = genai.Finish{Reason: genai.FinishOther, Raw: h.reason}
	}
	e := genai.ChatEvent{Finish: &finish}
	if h.usage != nil {
		e.Usage = responseUsage(h.usage)
	}
	r.out.Push(e)
	return io.EOF
}

// rest tells the items that came only at the end: all of them, or those that were begun and not finished.
func (r *response) rest(output []byte) {
	began := len(r.items)
	s := jsonscan.New(output)
	if output == nil || !s.Open('[') {
		return
	}
	for i := 0; s.More(']'); i++ {
		raw := s.Raw()
		if began == 0 {
			r.items = append(r.items, outputItem{index: i})
			r.finish(&r.items[i], raw)
			continue
		}
		for j := range r.items {
			if it := &r.items[j]; it.index == i && !it.done {
				r.finish(it, raw)
			}
		}
	}
}
