package gemini

import (
	"context"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// Chat answers a conversation piece by piece. It is a [genai.Chat].
//
// The stream is handed out when the first text, thought or tool call is there; everything that goes wrong before is an
// error of Chat. A server that answers with a document instead of a stream is understood.
//
// Reasoning.Effort is one of the provider's words ("low", "high", ...), for models that take one, "none" switches thinking
// off, and Reasoning.MaxTokens is a budget, for models that take that. A tool whose Strict is true makes the model keep to
// the schemas of all tools. Calls to which the server gave no id get one.
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
	x, err := c.begin(ctx, "chat")
	if err != nil {
		return nil, err
	}
	model, body, err := c.encodeChat(x, req, false)
	if err != nil {
		return nil, err
	}
	method, accept := "generateContent", "application/json"
	if stream {
		method, accept = "streamGenerateContent", "text/event-stream"
		if x.Base.RawQuery != "" {
			x.Base.RawQuery += "&"
		}
		x.Base.RawQuery += "alt=sse"
	}
	x.Texts = exchange.TextsOf(req)
	if err := c.post(ctx, x, model, method, accept, body); err != nil {
		return nil, err
	}
	a := &answer{x: x, out: x.Reply(ctx), origin: x.Base.Host}
	a.out.Events(&exchange.Events{Take: a.take, Whole: a.whole, Finished: a.finished, End: a.end})
	return a.out, nil
}
