package genaitest_test

import (
	"context"
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/route"
)

// The provider dies after the third token, and the fallback answers. Nobody has seen the three tokens, since the answer of
// the cloud is folded inside of the fallback.
func Example() {
	cloud := genaitest.Script(genaitest.Pieces("It ", "is ", "now ").Then(genai.Truncated))
	edge := genaitest.Script(genaitest.Reply("Twelve."))
	answer := route.Fallback(genai.Whole(cloud.Chat), edge.Complete) // what is to be tested

	resp, err := answer(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}})
	fmt.Println(resp.Text(), err)
	fmt.Println("the cloud made", cloud.Calls()[0].Pieces, "pieces")
	// Output:
	// Twelve. <nil>
	// the cloud made 3 pieces
}

// The same for streams. A reader who has seen three tokens is told that the answer was cut, and nobody answers in its place:
// a fallback helps as long as the first token is not there.
func Example_stream() {
	cloud := genaitest.Script(
		genaitest.Pieces("It ", "is ", "now ").Then(genai.Truncated),
		genaitest.Fail(genai.Overloaded),
	)
	edge := genaitest.Script(genaitest.Reply("Twelve."))
	chat := route.Fallback(cloud.Chat, edge.Chat)

	for range 2 {
		stream, err := chat(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}})
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err := genai.FoldChat(stream.All())
		fmt.Printf("%q %v\n", resp.Text(), genai.KindOf(err))
	}
	// Output:
	// "It is now " truncated
	// "Twelve."
}

// A script says what happens call by call, and the model remembers what it was asked.
func ExampleScript() {
	model := genaitest.Script(
		genaitest.Fail(genai.RateLimited),
		genaitest.Reply("Hello").Usage(9, 1),
	)
	req := &genai.ChatRequest{Messages: []genai.Message{genai.User("Say hello")}}

	_, err := model.Complete(context.Background(), req)
	fmt.Println(err)
	resp, _ := model.Complete(context.Background(), req)
	fmt.Println(resp.Text(), *resp.Usage)
	_, err = model.Complete(context.Background(), req)
	fmt.Println(err)
	fmt.Println(len(model.Calls()), "calls, the first asked:", model.Calls()[0].Request.Text())
	// Output:
	// scripted: rate_limited: as the script says
	// Hello {9 1 0 0 0 false}
	// scripted: internal: call 3 came after the end of the script, which is for 2
	// 3 calls, the first asked: Say hello
}

// Do answers with what was asked.
func ExampleDo() {
	echo := genaitest.Script(genaitest.Do(func(_ context.Context, req *genai.ChatRequest) genaitest.Step {
		return genaitest.Reply("You said: " + req.Text())
	}).Always())
	resp, _ := echo.Complete(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("hi")}})
	fmt.Println(resp.Text())
	// Output: You said: hi
}

func ExampleEmbed() {
	resp, _ := genaitest.Embed(context.Background(), &genai.EmbedRequest{
		Input: []string{"the red boat", "A RED BOAT", "quantum chromodynamics"},
	})
	near := func(a, b []float32) (dot float32) {
		for i := range a {
			dot += a[i] * b[i]
		}
		return dot
	}
	v := resp.Vectors
	fmt.Printf("%.2f %.2f\n", near(v[0], v[1]), near(v[0], v[2]))
	// Output: 0.67 0.00
}

func ExampleToolCalls() {
	model := genaitest.Script(
		genaitest.ToolCalls(genai.ToolCall{Name: "clock", Arguments: `{"zone":"UTC"}`}),
		genaitest.Reply("Noon."),
	)
	req := &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}}
	resp, _ := model.Complete(context.Background(), req)
	for _, call := range resp.Message.ToolCalls() {
		fmt.Println(call.ID, call.Name, call.Arguments, resp.Finish.Reason)
	}
	resp, _ = model.Complete(context.Background(), req)
	fmt.Println(resp.Text())
	// Output:
	// call_1 clock {"zone":"UTC"} tool_calls
	// Noon.
}

// A model that falls silent in the middle waits for its caller, who is remembered for having left.
func ExampleStep_ThenHang() {
	model := genaitest.Script(genaitest.Pieces("Well, ", "let me ").ThenHang())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := model.Chat(ctx, &genai.ChatRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range stream.All() {
		if err != nil {
			fmt.Println(genai.KindOf(err))
			break
		}
		if fmt.Print(e.Text); e.Text == "let me " {
			fmt.Println("...")
			cancel()
		}
	}
	call := model.Calls()[0]
	fmt.Println(call.Pieces, call.Abandoned)
	// Output:
	// Well, let me ...
	// cancelled
	// 2 true
}

// A model that answers by itself exercises every tool without a script.
func ExampleModel_auto() {
	model := &genaitest.Model{Auto: true}
	req := &genai.ChatRequest{
		Messages: []genai.Message{genai.User("What time is it?")},
		Tools:    []genai.Tool{{Name: "clock", Parameters: []byte(`{"type":"object","properties":{"zone":{"enum":["UTC","CET"]}}}`)}},
	}
	resp, _ := model.Complete(context.Background(), req)
	call := resp.Message.ToolCalls()[0]
	fmt.Println(call.Name, call.Arguments)

	result := genai.Part{ToolResult: &genai.ToolResult{CallID: call.ID, Parts: []genai.Part{{Text: "noon"}}}}
	req.Messages = append(req.Messages, resp.Message, genai.Message{Role: genai.RoleTool, Parts: []genai.Part{result}})
	resp, _ = model.Complete(context.Background(), req)
	fmt.Println(resp.Text())
	// Output:
	// clock {"zone":"UTC"}
	// clock: noon
}

// Steps may wait for the request that they are for.
func ExampleStep_Asked() {
	model := genaitest.Script(
		genaitest.Reply("Sunny.").Asked("weather").Always(),
		genaitest.Reply("First."),
		genaitest.Reply("Second."),
	)
	for _, question := range []string{"Who won?", "How is the weather?", "And who came next?"} {
		resp, _ := model.Complete(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User(question)}})
		fmt.Println(resp.Text())
	}
	// Output:
	// First.
	// Sunny.
	// Second.
}
