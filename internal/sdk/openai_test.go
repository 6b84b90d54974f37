package sdk

import (
	"context"
	"errors"
	"net/http"

	official "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	theirs "github.com/openai/openai-go/v3/responses"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

func openaiSDK(provider string, via *http.Client) official.Client {
	return official.NewClient(option.WithHTTPClient(via), option.WithBaseURL("http://"+provider+".test/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0))
}

func openaiOurs(provider string, via *http.Client) *openai.Client {
	return &openai.Client{BaseURL: "http://" + provider + ".test/v1", Model: "m", HTTP: via}
}

var errAccumulator = errors.New("the accumulator refuses a chunk")

func openaiStatus(err error) int {
	if e, ok := errors.AsType[*official.Error](err); ok {
		return e.StatusCode
	}
	return 0
}

var openaiChat = rival{
	name: "openai chat", files: []string{"openai-chat", "compatible"}, apis: []string{"chat.completions"}, status: openaiStatus,
	ours: func(provider string, via *http.Client) asked[*genai.ChatResponse] {
		c := openaiOurs(provider, via)
		return asked[*genai.ChatResponse]{wholly(c.Complete), piecewise(c.Chat)}
	},
	official: func(provider string, via *http.Client) asked[answer] {
		c := openaiSDK(provider, via)
		params := official.ChatCompletionNewParams{Model: "m", Messages: []official.ChatCompletionMessageParamUnion{official.UserMessage("hello")}}
		whole := func(ctx context.Context) (answer, error) {
			resp, err := c.Chat.Completions.New(ctx, params)
			if err != nil {
				return answer{}, err
			}
			return completion(resp), nil
		}
		stream := func(ctx context.Context) (answer, error) {
			stream := c.Chat.Completions.NewStreaming(ctx, params)
			defer stream.Close()
			var acc official.ChatCompletionAccumulator
			for stream.Next() {
				if !acc.AddChunk(stream.Current()) {
					return answer{}, errAccumulator
				}
			}
			return completion(&acc.ChatCompletion), stream.Err()
		}
		return asked[answer]{whole, stream}
	},
}

func completion(resp *official.ChatCompletion) (a answer) {
	u := resp.Usage
	a.Input, a.Output = int(u.PromptTokens), int(u.CompletionTokens)
	a.Cached, a.Reasoning = int(u.PromptTokensDetails.CachedTokens), int(u.CompletionTokensDetails.ReasoningTokens)
	if len(resp.Choices) == 0 {
		return a
	}
	m := resp.Choices[0].Message
	a.Text, a.Finish = m.Content, string(resp.Choices[0].FinishReason)
	for _, c := range m.ToolCalls {
		a.Calls = append(a.Calls, call(c.Function.Name, c.ID, c.Function.Arguments))
	}
	return a
}

var openaiResponses = rival{
	name: "openai responses", files: []string{"openai-responses", "compatible"}, apis: []string{"responses"}, status: openaiStatus,
	ours: func(provider string, via *http.Client) asked[*genai.ChatResponse] {
		c := openaiOurs(provider, via)
		return asked[*genai.ChatResponse]{wholly(c.Respond), piecewise(c.Responses)}
	},
	official: func(provider string, via *http.Client) asked[answer] {
		c := openaiSDK(provider, via)
		params := theirs.ResponseNewParams{Model: "m", Input: theirs.ResponseNewParamsInputUnion{OfString: official.String("hello")}}
		whole := func(ctx context.Context) (answer, error) {
			resp, err := c.Responses.New(ctx, params)
			if err != nil {
				return answer{}, err
			}
			return response(resp), nil
		}
		stream := func(ctx context.Context) (a answer, err error) {
			stream := c.Responses.NewStreaming(ctx, params)
			defer stream.Close()
			for stream.Next() {
				if e := stream.Current(); e.Type == "response.completed" || e.Type == "response.incomplete" {
					a = response(&e.Response)
				}
			}
			return a, stream.Err()
		}
		return asked[answer]{whole, stream}
	},
}

func response(resp *theirs.Response) (a answer) {
	u := resp.Usage
	a = answer{Text: resp.OutputText(), Input: int(u.InputTokens), Output: int(u.OutputTokens), Cached: int(u.InputTokensDetails.CachedTokens), Reasoning: int(u.OutputTokensDetails.ReasoningTokens)}
	a.Finish = string(resp.Status)
	if resp.IncompleteDetails.Reason != "" {
		a.Finish = resp.IncompleteDetails.Reason
	}
	for _, item := range resp.Output {
		if item.Type == "function_call" {
			c := item.AsFunctionCall()
			a.Calls = append(a.Calls, call(c.Name, c.CallID, c.Arguments))
		}
	}
	return a
}
