package dovetail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

// NewDesk puts a check in front of a chat model. It does not know where either of them runs.
func NewDesk(moderate genai.Moderator, chat genai.Chat) genai.Chat {
	return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		verdict, err := moderate(ctx, &genai.ModerationRequest{Text: req.Text()})
		if err != nil {
			return nil, err
		}
		if verdict.Flagged {
			return nil, genai.Errorf(genai.ContentFiltered, "%s", verdict.Reason)
		}
		return chat(ctx, req)
	}
}

// A system is composed with ordinary Go: what takes handlers and returns one is again a block.
func Example() {
	moderate := func(_ context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
		return &genai.Verdict{Flagged: strings.Contains(req.Text, "idiot"), Reason: "please ask kindly"}, nil
	}
	model := genaitest.Script(genaitest.Pieces("At ", "noon."))

	desk := NewDesk(moderate, model.Chat)
	for _, question := range []string{"When do you open?", "When do you open, idiot?"} {
		answer, err := genai.Whole(desk)(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User(question)}})
		switch {
		case errors.Is(err, genai.ContentFiltered):
			fmt.Println("refused:", genai.AsError(err).Message)
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(answer.Text())
		}
	}
	// Output:
	// At noon.
	// refused: please ask kindly
}
