package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	official "google.golang.org/genai"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/gemini"
)

var geminiContent = rival{
	name: "gemini", files: []string{"gemini"}, apis: []string{"generateContent", "streamGenerateContent"},
	status: func(err error) int {
		if e, ok := errors.AsType[official.APIError](err); ok {
			return e.Code
		}
		return 0
	},
	ours: func(_ string, via *http.Client) asked[*genai.ChatResponse] {
		c := &gemini.Client{BaseURL: "http://gemini.test/v1beta", Model: "m", HTTP: via}
		return asked[*genai.ChatResponse]{wholly(c.Complete), piecewise(c.Chat)}
	},
	official: func(_ string, via *http.Client) asked[answer] {
		c, err := official.NewClient(context.Background(), &official.ClientConfig{APIKey: "k", Backend: official.BackendGeminiAPI, HTTPClient: via, HTTPOptions: official.HTTPOptions{BaseURL: "http://gemini.test"}})
		if err != nil {
			panic(err) // it looks at its settings only
		}
		whole := func(ctx context.Context) (a answer, err error) {
			resp, err := c.Models.GenerateContent(ctx, "m", official.Text("hello"), nil)
			if err == nil {
				a.content(resp)
			}
			return a, err
		}
		stream := func(ctx context.Context) (a answer, err error) {
			for resp, err := range c.Models.GenerateContentStream(ctx, "m", official.Text("hello"), nil) {
				if err != nil {
					return a, err
				}
				a.content(resp)
			}
			return a, nil
		}
		return asked[answer]{whole, stream}
	},
}

// content adds a response, or a piece of one.
func (a *answer) content(resp *official.GenerateContentResponse) {
	if u := resp.UsageMetadata; u != nil {
		a.Input = int(u.PromptTokenCount + u.ToolUsePromptTokenCount)
		a.Output = int(u.CandidatesTokenCount + u.ThoughtsTokenCount)
		a.Cached, a.Reasoning = int(u.CachedContentTokenCount), int(u.ThoughtsTokenCount)
	}
	if len(resp.Candidates) == 0 {
		return
	}
	if reason := resp.Candidates[0].FinishReason; reason != "" {
		a.Finish = string(reason)
	}
	if resp.Candidates[0].Content == nil {
		return
	}
	for _, p := range resp.Candidates[0].Content.Parts {
		if p.Text != "" && !p.Thought {
			a.Text += p.Text
		}
		if f := p.FunctionCall; f != nil {
			arguments, _ := json.Marshal(f.Args)
			a.Calls = append(a.Calls, call(f.Name, f.ID, string(arguments)))
		}
	}
}
