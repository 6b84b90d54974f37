package openai

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
	"github.com/dovetail-go/dovetail/internal/sse"
)

// drainTime is how long the end of a complete stream waits for the end of its body. With it the connection can be used
// again, which is worth a moment but no more: some servers never end it.
const drainTime = 20 * time.Millisecond

// Chat answers a conversation piece by piece. It is a [genai.Chat].
//
// The stream is handed out when the first text, reasoning or tool call is there; everything that goes wrong before is an
// error of Chat. A server that answers with a whole document instead of a stream is understood.
func (c *Client) Chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	inner, cancel := context.WithCancel(ctx)
	s, err := c.converse(inner, req, true)
	if err != nil {
		cancel()
		return nil, err
	}
	s.cancel = cancel
	return genai.NewStream(ctx, s.next, s.stop)
}

// Complete answers a conversation with the whole answer, which it asks of the server at once. It is a
// [genai.Completer].
func (c *Client) Complete(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.converse(inner, req, false)
	if err != nil {
		return nil, err
	}
	s.cancel = cancel
	defer s.body.Close()
	resp, err := genai.FoldChat(func(yield func(genai.ChatEvent, error) bool) {
		for {
			e, err := s.next()
			if err == io.EOF || !yield(e, err) || err != nil {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// converse sends a request and returns its answer, of which nothing is read yet.
func (c *Client) converse(ctx context.Context, req *genai.ChatRequest, stream bool) (*reply, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, base, err := c.begin("chat")
	if err != nil {
		return nil, err
	}
	body, err := c.encodeChat(x, base.Host, req, stream)
	if err != nil {
		return nil, err
	}
	accept := "application/json"
	if stream {
		accept = "text/event-stream"
	}
	x.texts = func(yield func(string)) { texts(req.Messages, yield) }
	if err := c.send(ctx, x, base, "/chat/completions", accept, body); err != nil {
		return nil, err
	}
	r := &reply{x: x, ctx: ctx, body: x.resp.Body, max: c.maxBytes()}
	r.answer.origin = base.Host
	return r, nil
}

// texts calls yield with every text in the messages.
func texts(messages []genai.Message, yield func(string)) {
	for _, m := range messages {
		partTexts(m.Parts, yield)
	}
}

func partTexts(parts []genai.Part, yield func(string)) {
	for _, p := range parts {
		yield(p.Text)
		if p.Reasoning != nil {
			yield(p.Reasoning.Text)
		}
		if p.ToolCall != nil {
			yield(p.ToolCall.Arguments)
		}
		if p.ToolResult != nil {
			partTexts(p.ToolResult.Parts, yield)
		}
	}
}

// A reply is an answer that is being read.
type reply struct {
	x      *exchange
	ctx    context.Context // of the exchange; it ends when the reply is dropped
	cancel context.CancelFunc
	body   io.ReadCloser
	max    int

	answer answer
	events *sse.Reader
	over   error // what follows after the queue of the answer
	rest   [64]byte
}

// next returns the next event, io.EOF after a complete answer, and any other error if there is none.
func (r *reply) next() (genai.ChatEvent, error) {
	for {
		if e, ok := r.answer.pop(); ok {
			return e, nil
		}
		switch {
		case r.over != nil:
			return genai.ChatEvent{}, r.over
		case r.events == nil:
			r.begin()
		default:
			r.advance()
		}
	}
}

// stop ends the exchange, wherever it is.
func (r *reply) stop() {
	r.cancel()
	_ = r.body.Close() // there is nothing that its error could say
}

// begin finds out what the body is. The first byte says it better than the headers: some servers call everything an
// event stream, and some say nothing.
func (r *reply) begin() {
	r.events = sse.NewReader(r.body, r.max)
	contentType := r.x.resp.Header.Get("Content-Type")
	first, err := r.events.Peek()
	switch {
	case err == io.EOF:
		r.over = r.x.fail(genai.Truncated, "the answer ended before it began")
	case err != nil:
		r.over = r.x.cut(r.ctx, err)
	case first == '{' || first == '[' || strings.Contains(contentType, "json"):
		r.over = r.whole()
	case first == '<' || strings.HasPrefix(contentType, "text/html"):
		r.over = r.x.fail(genai.Malformed, "the answer is a web page: something else than a model server answers at BaseURL")
	}
}

// advance reads the next event of the stream.
func (r *reply) advance() {
	e, err := r.events.Next()
	if err == nil {
		r.over = r.take(e.Data, string(e.Type) == "error")
		return
	}
	if err != io.EOF {
		r.over = r.x.cut(r.ctx, err)
		return
	}
	// Some servers forget the empty line behind the last event. One that is complete counts.
	pending, begun := r.events.Pending()
	if begun && complete(pending) {
		if r.over = r.take(pending, false); r.over != nil {
			return
		}
		begun = false
	}
	if r.answer.finished && !begun {
		r.over = io.EOF
		return
	}
	r.over = r.x.fail(genai.Truncated, "the stream ended before the answer did")
}

// complete reports whether the data of an event that was not ended by an empty line is all there.
func complete(data []byte) bool {
	if isDone(data) {
		return true
	}
	s := jsonscan.New(data)
	if s.Next() != '{' {
		return false
	}
	s.Skip()
	return s.End() == nil
}

// isDone recognises the sentinel behind the last event.
func isDone(data []byte) bool {
	for len(data) > 0 && (data[len(data)-1] == ' ' || data[len(data)-1] == '\t') {
		data = data[:len(data)-1]
	}
	for len(data) > 0 && (data[0] == ' ' || data[0] == '\t') {
		data = data[1:]
	}
	return string(data) == "[DONE]"
}

// take decodes the data of one event and returns what ended the answer, if that did.
func (r *reply) take(data []byte, isError bool) error {
	switch {
	case len(data) == 0:
		return nil
	case isDone(data):
		if err := r.close(); err != nil {
			return err
		}
		r.drain()
		return io.EOF
	case isError:
		return r.x.problem(parseProblem(data), 0)
	}
	failure, err := r.answer.add(data, false)
	return r.judge(failure, err)
}

// whole reads a document that is the whole answer.
func (r *reply) whole() error {
	data, err := readAll(r.events.Rest(), r.x.resp.ContentLength, r.max)
	if err != nil {
		return r.x.cut(r.ctx, err)
	}
	if s := jsonscan.New(data); s.Next() == '[' { // how some servers send errors
		p := parseProblem(data)
		if p == (problem{}) {
			return r.x.fail(genai.Malformed, "the answer is an array")
		}
		return r.x.problem(p, 0)
	}
	if err := r.judge(r.answer.add(data, true)); err != nil {
		return err
	}
	if err := r.close(); err != nil {
		return err
	}
	return io.EOF
}

// judge makes an Error of what was wrong with a document, nil if nothing was.
func (r *reply) judge(failure []byte, err error) error {
	switch {
	case failure != nil:
		return r.x.problem(parseProblem(failure), 0)
	case err == jsonscan.ErrCut:
		return r.x.fail(genai.Truncated, "the answer ends inside of a JSON document")
	case err == jsonscan.ErrMalformed:
		return r.x.fail(genai.Malformed, "the answer has something else in it than a JSON object")
	case err != nil:
		return r.x.cut(r.ctx, err)
	}
	return nil
}

// close ends an answer that the provider calls complete.
func (r *reply) close() error {
	if err := r.answer.close(); err != nil {
		return r.x.cut(r.ctx, err)
	}
	return nil
}

// drain waits a moment for the end of the body.
func (r *reply) drain() {
	timer := time.AfterFunc(drainTime, r.cancel)
	defer timer.Stop()
	for range 8 {
		if _, err := r.body.Read(r.rest[:]); err != nil {
			return
		}
	}
}
