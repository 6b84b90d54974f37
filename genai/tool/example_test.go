package tool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/tool"
)

// A model that calls a tool, and answers with what it learned.
func Example() {
	model := genaitest.Script( // a client's Chat, in earnest
		genaitest.ToolCalls(genai.ToolCall{Name: "weather", Arguments: `{"city":"Kyoto"}`}),
		genaitest.Reply("Take a coat."),
	)
	type query struct {
		City string `json:"city" jsonschema:"in English"`
	}
	type weather struct {
		Celsius float64 `json:"celsius"`
	}
	loop := &tool.Loop{Model: model.Chat, Tools: []tool.Tool{
		tool.New("weather", "Tells the weather of today.", func(_ context.Context, q query) (weather, error) {
			fmt.Println("asked about", q.City)
			return weather{7.5}, nil
		}),
	}}

	var chat genai.Chat = loop.Chat // a loop is a model
	stream, err := chat(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("Do I need a coat in Kyoto?")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range stream.All() {
		switch {
		case err != nil:
			fmt.Println("cut:", err)
		case e.ToolCall != nil:
			fmt.Println("calls", e.ToolCall.Name)
		case e.Text != "":
			fmt.Println(e.Text)
		}
	}
	// Output:
	// calls weather
	// asked about Kyoto
	// Take a coat.
}

// A string type with an Enum has only those values.
type mood string

func (mood) Enum() []string { return []string{"good", "bad"} }

// The answer of a model as a Go value.
func ExampleAs() {
	type review struct {
		Mood  mood `json:"mood"`
		Stars int  `json:"stars" jsonschema:"from 1 to 5"`
	}
	model := genaitest.Script(genaitest.Reply(`{"mood":"good","stars":4}`))
	judge := tool.As[review](model.Complete)

	r, err := judge(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("The soup was great, the wine less so.")}})
	fmt.Println(r.Mood, r.Stars, err)
	fmt.Println(string(model.Calls()[0].Request.Format.Schema))
	// Output:
	// good 4 <nil>
	// {"type":"object","properties":{"mood":{"type":"string","enum":["good","bad"]},"stars":{"type":"integer","description":"from 1 to 5"}},"required":["mood","stars"],"additionalProperties":false}
}

// An answer that does not fit is shown to the model, which may do better.
func ExampleAnswer() {
	model := genaitest.Script(
		genaitest.Reply(`{"sum": "four"}`),
		genaitest.Reply(`{"sum": 4}`),
	)
	type result struct {
		Sum int `json:"sum"`
	}
	answer := &tool.Answer[result]{Model: model.Complete, Repairs: 1}
	r, err := answer.Ask(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("2+2?")}})
	fmt.Println(r.Sum, err)
	second := model.Calls()[1].Request.Messages
	fmt.Println(second[len(second)-1].Text())
	// Output:
	// 4 <nil>
	// This does not fit the schema: at sum: type: four has type "string", want "integer". Answer again, with nothing but JSON that fits.
}

// What the model is not to be told ends the loop.
func ExampleStop() {
	model := genaitest.Script(genaitest.ToolCalls(genai.ToolCall{Name: "pay", Arguments: `{"amount":1000000}`}))
	pay := tool.New("pay", "Pays a bill.", func(_ context.Context, bill struct {
		Amount int `json:"amount"`
	}) (string, error) {
		return "", tool.Stop(genai.Errorf(genai.PermissionDenied, "somebody has to look at a bill of %d", bill.Amount))
	})
	_, err := (&tool.Loop{Model: model.Chat, Tools: []tool.Tool{pay}}).Run(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("Pay!")}})
	fmt.Println(errors.Is(err, genai.PermissionDenied), err)
	// Output: true permission_denied: somebody has to look at a bill of 1000000
}
