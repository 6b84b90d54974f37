package sdk

import (
	"context"
	"errors"
	"net/http"

	official "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
)

var anthropicMessages = rival{
	name: "anthropic", files: []string{"anthropic"}, apis: []string{"messages"},
	status: func(err error) int {
		if e, ok := errors.AsType[*official.Error](err); ok {
			return e.StatusCode
		}
		return 0
	},
	ours: func(_ string, via *http.Client) asked[*genai.ChatResponse] {
		c := &anthropic.Client{BaseURL: "http://anthropic.test/v1", Model: "m", HTTP: via}
		return asked[*genai.ChatResponse]{wholly(c.Complete), piecewise(c.Chat)}
	},
	official: func(_ string, via *http.Client) asked[answer] {
		c := official.NewClient(option.WithHTTPClient(via), option.WithBaseURL("http://anthropic.test"), option.WithAPIKey("k"), option.WithMaxRetries(0))
		params := official.MessageNewParams{Model: "m", MaxTokens: 100, Messages: []official.MessageParam{official.NewUserMessage(official.NewTextBlock("hello"))}}
		whole := func(ctx context.Context) (answer, error) {
			resp, err := c.Messages.New(ctx, params)
			if err != nil {
				return answer{}, err
			}
			return message(resp), nil
		}
		stream := func(ctx context.Context) (answer, error) {
			stream := c.Messages.NewStreaming(ctx, params)
			defer stream.Close()
			var acc official.Message
			for stream.Next() {
				if err := acc.Accumulate(stream.Current()); err != nil {
					return answer{}, err
				}
			}
			return message(&acc), stream.Err()
		}
		return asked[answer]{whole, stream}
	},
}

func message(resp *official.Message) (a answer) {
	u := resp.Usage
	a.Input = int(u.InputTokens + u.CacheReadInputTokens + u.CacheCreationInputTokens)
	a.Output, a.Cached, a.Finish = int(u.OutputTokens), int(u.CacheReadInputTokens), string(resp.StopReason)
	a.Reasoning = int(u.OutputTokensDetails.ThinkingTokens)
	for _, b := range resp.Content {
		switch b.Type {
		case "text":
			a.Text += b.Text
		case "tool_use":
			a.Calls = append(a.Calls, call(b.Name, b.ID, string(b.Input)))
		}
	}
	return a
}
