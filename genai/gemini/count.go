package gemini

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// CountTokens returns how many tokens the model would read if it were asked req. Nothing is generated. It is a Handler like any
// other.
func (c *Client) CountTokens(ctx context.Context, req *genai.ChatRequest) (int, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.ChatRequest) (int, error) { return c.count(ctx, req) })
}

func (c *Client) count(ctx context.Context, req *genai.ChatRequest) (int, error) {
	x, err := c.begin(ctx, "count_tokens")
	if err != nil {
		return 0, err
	}
	model, body, err := c.encodeChat(x, req, false)
	if err != nil {
		return 0, err
	}
	if !strings.Contains(x.Base.Path, "/publishers/") { // Vertex AI takes a request as it is, and the Gemini API puts it into another
		name, err := x.Body(resource(model), nil)
		if err != nil {
			return 0, err
		}
		inner, err := x.Body(json.RawMessage(body), map[string]json.RawMessage{"model": name})
		if err != nil {
			return 0, err
		}
		if body, err = x.Body(map[string]json.RawMessage{"generateContentRequest": inner}, nil); err != nil {
			return 0, err
		}
	}
	x.Texts = exchange.TextsOf(req)
	if err := c.post(ctx, x, model, "countTokens", "application/json", body); err != nil {
		return 0, err
	}
	data, err := x.Document(ctx)
	if err != nil {
		return 0, err
	}
	var count struct {
		Error json.RawMessage
		Total *int `json:"totalTokens"`
	}
	switch err := json.Unmarshal(data, &count); {
	case err != nil && len(data) > 0 && data[0] == '[':
		return 0, x.Problem(data)
	case err != nil:
		return 0, x.Misread(data)
	case len(count.Error) > 0 && string(count.Error) != "null":
		return 0, x.Problem(data)
	case count.Total == nil:
		return 0, x.Fail(genai.Malformed, "the answer has no count")
	}
	return *count.Total, nil
}
