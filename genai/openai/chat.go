package openai

import (
	"context"
	"io"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// Chat answers a conversation piece by piece. It is a [genai.Chat].
//
// The stream is handed out when the first text, reasoning or tool call is there; everything that goes wrong before is an
// error of Chat. A server that answers with a whole document instead of a stream is understood.
func (c *Client) Chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	return exchange.Stream(ctx, func(ctx context.Context) (*exchange.Reply, error) { return c.converse(ctx, req, true) })
}

// Complete answers a conversation with the whole answer, which it asks of the server at once. It is a
// [genai.Completer].
func (c *Client) Complete(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
	return exchange.Whole(ctx, func(ctx context.Context) (*exchange.Reply, error) { return c.converse(ctx, req, false) })
}

// converse sends a request and returns its answer, of which nothing is read yet.
func (c *Client) converse(ctx context.Context, req *genai.ChatRequest, stream bool) (*exchange.Reply, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.ChatRequest) (*exchange.Reply, error) { return c.ask(ctx, req, stream) })
}

func (c *Client) ask(ctx context.Context, req *genai.ChatRequest, stream bool) (*exchange.Reply, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("chat")
	if err != nil {
		return nil, err
	}
	body, err := c.encodeChat(x, req, stream, false)
	if err != nil {
		return nil, err
	}
	accept := "application/json"
	if stream {
		accept = "text/event-stream"
	}
	x.Texts = exchange.TextsOf(req)
	if err := c.post(ctx, x, "/chat/completions", accept, body); err != nil {
		return nil, err
	}
	a := &answer{x: x.Exchange, out: x.Reply(ctx), origin: x.Base.Host}
	a.out.Events(&exchange.Events{Take: a.take, Whole: a.whole, Finished: func() bool { return a.finished }})
	return a.out, nil
}

// take decodes the data of one event and returns what ended the answer, if that did.
func (a *answer) take(kind, data []byte) error {
	switch {
	case len(data) == 0:
		return nil
	case exchange.IsDone(data):
		if err := a.close(); err != nil {
			return err
		}
		return io.EOF
	case string(kind) == "error":
		return a.x.Problem(data)
	}
	failure, err := a.add(data, false)
	if failure != nil {
		return a.x.Problem(failure)
	}
	return err
}

// whole decodes a document that is the whole answer.
func (a *answer) whole(data []byte) error {
	if s := jsonscan.New(data); s.Next() == '[' { // how some servers send errors
		if parseProblem(data) == (problem{}) {
			return a.x.Fail(genai.Malformed, "the answer is an array")
		}
		return a.x.Problem(data)
	}
	failure, err := a.add(data, true)
	if failure != nil {
		return a.x.Problem(failure)
	}
	if err == nil {
		err = a.close()
	}
	if err == nil {
		err = io.EOF
	}
	return err
}
