package price_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/price"
	"github.com/dovetail-go/dovetail/genai/tool"
)

func Example() {
	usage := &genai.Usage{Input: 12_000, CacheRead: 10_000, Output: 800}
	cost, known := price.List().Cost("gpt-4.1-2025-04-14", usage)
	fmt.Println(cost, known)
	_, known = price.List().Cost("my-own-model", usage)
	fmt.Println(known)
	// Output:
	// $0.0154 true
	// false
}

// Prices of one's own stand over those of the table.
func ExampleTable_Merge() {
	own, err := price.Load(strings.NewReader(`{
		"as_of": "2026-10-01", "source": "our contract",
		"models": {"my-own-model": {"input": 0.5, "output": 2}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	prices := price.List().Merge(own)
	cost, _ := prices.Cost("my-own-model", &genai.Usage{Input: 1000, Output: 100})
	fmt.Println(cost)
	// Output: $0.0007
}

// A loop with tools that may cost a cent.
func ExampleAmount() {
	const budget = price.Dollar / 100
	prices := price.List()
	var spent price.Amount // for one conversation; a server keeps one for each
	model := genaitest.Script(genaitest.ToolCalls(genai.ToolCall{Name: "look"}).Usage(1500, 100).Always())
	model.Name = "gpt-4.1"
	loop := &tool.Loop{
		Model: model.Chat,
		Tools: []tool.Tool{tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "nothing yet", nil })},
		Allow: func(_ context.Context, answer *genai.ChatResponse) error {
			cost, known := prices.Cost(answer.Model, answer.Usage)
			if !known {
				return genai.Errorf(genai.BudgetExhausted, "nobody knows what this costs")
			}
			if spent += cost; spent > budget {
				return genai.Errorf(genai.BudgetExhausted, "%v were spent, of %v", spent, budget)
			}
			return nil
		},
	}
	_, err := loop.Run(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("Look for it.")}})
	fmt.Println(errors.Is(err, genai.BudgetExhausted), err)
	// Output: true budget_exhausted: $0.0114 were spent, of $0.01
}
