package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// offline is a genai.Chat that is no language model, and says so. It needs no key and no network.
func offline(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	if req.Format != nil {
		return nil, &genai.Error{Kind: genai.Unsupported, Field: "format", Message: "offline: is no language model, and fits no schema"}
	}
	last := req.Messages[len(req.Messages)-1]
	text := fmt.Sprintf("I am no language model and know no answers. You have asked in %d words", len(strings.Fields(last.Text())))
	if pictures := len(last.Parts) - 1; pictures > 0 {
		text += fmt.Sprintf(" and %d pictures", pictures)
	}
	text += ". Choose a model that knows more with -model, as in -model openai:gpt-5-mini, or set ASK_MODEL."
	return genai.Open(ctx, func(_ context.Context, yield func(genai.ChatEvent) bool) error {
		tokens := 0
		for word := range strings.SplitAfterSeq(text, " ") {
			if tokens++; !yield(genai.ChatEvent{Text: word}) {
				return nil
			}
		}
		yield(genai.ChatEvent{Finish: &genai.Finish{Reason: genai.FinishStop}, Usage: &genai.Usage{Input: req.Tokens(), Output: tokens}})
		return nil
	})
}
