package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	official "github.com/ollama/ollama/api"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
)

var ollamaChat = rival{
	name: "ollama", files: []string{"ollama"}, apis: []string{"ollama.chat"},
	status: func(err error) int {
		if e, ok := errors.AsType[official.StatusError](err); ok {
			return e.StatusCode
		}
		return 0
	},
	ours: func(_ string, via *http.Client) asked[*genai.ChatResponse] {
		c := &ollama.Client{BaseURL: "http://ollama.test", Model: "m", HTTP: via}
		return asked[*genai.ChatResponse]{wholly(c.Complete), piecewise(c.Chat)}
	},
	official: func(_ string, via *http.Client) asked[answer] {
		c := official.NewClient(&url.URL{Scheme: "http", Host: "ollama.test"}, via)
		ask := func(stream bool) func(context.Context) (answer, error) {
			return func(ctx context.Context) (a answer, err error) {
				request := &official.ChatRequest{Model: "m", Messages: []official.Message{{Role: "user", Content: "hello"}}, Stream: &stream}
				err = c.Chat(ctx, request, func(resp official.ChatResponse) error {
					a.piece(resp)
					return nil
				})
				return a, err
			}
		}
		return asked[answer]{ask(false), ask(true)}
	},
}

// piece adds a response, or a piece of one.
func (a *answer) piece(resp official.ChatResponse) {
	a.Text += resp.Message.Content
	if resp.DoneReason != "" {
		a.Finish = resp.DoneReason
	}
	if resp.Done {
		a.Input, a.Output = resp.PromptEvalCount, resp.EvalCount
	}
	for _, c := range resp.Message.ToolCalls {
		arguments, _ := json.Marshal(c.Function.Arguments)
		a.Calls = append(a.Calls, call(c.Function.Name, c.ID, string(arguments)))
	}
}
