package fanout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/fanout"
)

// says stands for a model that answers with a text.
func says(text string) genai.Completer {
	return func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) {
		return &genai.ChatResponse{Message: genai.Assistant(text)}, nil
	}
}

func ExampleQuorum() {
	ask := fanout.Quorum(2, judge(false), broken, judge(true))
	verdicts, err := ask(context.Background(), &genai.ModerationRequest{Text: "hello"})
	fmt.Println(len(verdicts), verdicts[0].Flagged, verdicts[1].Flagged, err)

	// Two failures decide it, whether or not the judge has answered by then.
	_, err = fanout.Quorum(2, judge(false), broken, broken)(context.Background(), nil)
	fmt.Println(err)
	// Output:
	// 2 false true <nil>
	// unavailable: 2 of 3 branches failed, 2 answers are needed: no connection [3 attempts]
}

// The same question, asked several times: what most answers say is more likely true than what one says.
func ExampleVote() {
	number := func(resp *genai.ChatResponse) string {
		words := strings.Fields(resp.Text())
		return words[len(words)-1]
	}
	ask := fanout.Vote(2, number, says("The answer is 42"), says("I think it is 41"), says("It must be 42"))
	resp, err := ask(context.Background(), &genai.ChatRequest{})
	fmt.Println(resp.Text(), err)

	_, err = fanout.Vote(2, number, says("41"), says("42"), says("43"))(context.Background(), nil)
	fmt.Println(err)
	// Output:
	// The answer is 42 <nil>
	// conflict: 3 branches answered, and at most 1 of them agree; 2 are needed [3 attempts]
}

// The judge may be a model. Here it likes short answers.
func ExampleBest() {
	shortest := func(_ context.Context, _ *genai.ChatRequest, answers []*genai.ChatResponse) (int, error) {
		best := 0
		for i, a := range answers {
			if len(a.Text()) < len(answers[best].Text()) {
				best = i
			}
		}
		return best, nil
	}
	ask := fanout.Best(shortest, says("It is a joint of two pieces."), says("A joint."), says("I would say: a joint."))
	resp, err := ask(context.Background(), &genai.ChatRequest{})
	fmt.Println(resp.Text(), err)
	// Output: A joint. <nil>
}

// A text that is too long for one request is summed up piece by piece.
func ExampleMapReduce() {
	paragraphs := func(_ context.Context, text string) ([]string, error) { return strings.Split(text, "\n\n"), nil }
	firstWord := func(_ context.Context, text string) (string, error) {
		word, _, _ := strings.Cut(text, " ")
		return word, nil
	}
	join := func(_ context.Context, _ string, words []string) (string, error) {
		return strings.Join(words, ", "), nil
	}
	summary := fanout.MapReduce(paragraphs, firstWord, join, fanout.Bounds{AtOnce: 2, Parts: 100})
	fmt.Println(summary(context.Background(), "Dovetails hold.\n\nTenons fit.\n\nNails rust."))
	// Output: Dovetails, Tenons, Nails <nil>
}

// A cap on the cost is a handler that refuses: the first refusal ends the call.
func ExampleMap_cost() {
	var spent atomic.Int64
	each := func(_ context.Context, text string) (int, error) {
		if spent.Load() >= 10 {
			return 0, genai.Errorf(genai.BudgetExhausted, "10 tokens were spent")
		}
		spent.Add(int64(len(text)))
		return len(text), nil
	}
	_, err := fanout.Map(each, 1)(context.Background(), []string{"seven..", "eight...", "nine"})
	fmt.Println(errors.Is(err, genai.BudgetExhausted), err)
	// Output: true budget_exhausted ([2]): 10 tokens were spent
}
