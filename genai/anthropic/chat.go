package anthropic

import (
	"context"
	"encoding/json"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// Chat answers a conversation piece by piece. It is a [genai.Chat].
//
// The stream is handed out when the first text, thought or tool call is there; everything that goes wrong before is an
// error of Chat. A server that answers with a whole document instead of a stream is understood.
//
// Reasoning.Effort is one of the provider's words ("low", "high", ...) and lets the model decide how much to think, "none"
// switches thinking off, and Reasoning.MaxTokens is a budget, for models that want one. A refusal ends the answer with
// [genai.FinishFiltered]; what the provider says about it comes as Refusal.
func (c *Client) Chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	return exchange.Stream(ctx, func(ctx context.Context) (*exchange.Reply, error) { return c.converse(ctx, req, true) })
}

// Complete answers a conversation with the whole answer, which it asks of the server at once. It is a
// [genai.Completer]. Long answers are better asked for with Chat, and put together with [genai.Whole]: connections on
// which nothing arrives for minutes are cut on the way.
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
	if err := c.post(ctx, x, "/messages", accept, body); err != nil {
		return nil, err
	}
	a := &answer{x: x, out: x.Reply(ctx), origin: x.Base.Host}
	a.out.Events(&exchange.Events{Take: a.take, Whole: a.whole, Finished: func() bool { return a.finished }})
	return a.out, nil
}

// CountTokens returns how many tokens the model would read if it were asked req. Nothing is generated, and what only
// matters for the answer, such as MaxTokens or Temperature, is not looked at. It is a Handler like any other.
func (c *Client) CountTokens(ctx context.Context, req *genai.ChatRequest) (int, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.ChatRequest) (int, error) { return c.count(ctx, req) })
}

func (c *Client) count(ctx context.Context, req *genai.ChatRequest) (int, error) {
	if err := genai.ContextError(ctx); err != nil {
		return 0, err
	}
	x, err := c.begin("count_tokens")
	if err != nil {
		return 0, err
	}
	e := newEncoder(x, true)
	if !e.Messages(req) {
		return 0, e.Err
	}
	p := e.prompt(req, c.Model)
	if e.Err != nil {
		return 0, e.Err
	}
	body, err := x.Body(p, nil)
	if err != nil {
		return 0, err
	}
	x.Texts = exchange.TextsOf(req)
	if err := c.post(ctx, x, "/messages/count_tokens", "application/json", body); err != nil {
		return 0, err
	}
	data, err := x.Document(ctx)
	if err != nil {
		return 0, err
	}
	var count struct {
		Type  string          `json:"type"`
		Error json.RawMessage `json:"error"`
		Input *int            `json:"input_tokens"`
	}
	switch err := json.Unmarshal(data, &count); {
	case err != nil:
		return 0, x.Misread(data)
	case count.Type == "error" || len(count.Error) > 0 && string(count.Error) != "null":
		return 0, x.Problem(data)
	case count.Input == nil:
		return 0, x.Fail(genai.Malformed, "the answer has no count")
	}
	return *count.Input, nil
}
