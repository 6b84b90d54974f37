package genai_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dovetail-go/dovetail/genai"
)

// parrot is a model that says what it hears, word by word.
func parrot(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	if req.Text() == "" {
		return nil, genai.Errorf(genai.InvalidRequest, "nothing to repeat")
	}
	return genai.Open(ctx, func(_ context.Context, yield func(genai.ChatEvent) bool) error {
		for _, word := range []string{"you ", "said ", req.Text()} {
			if !yield(genai.ChatEvent{Text: word}) {
				return nil
			}
		}
		return nil
	})
}

func ask(text string) *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User(text)}}
}

// A model is a function. What it answers with is a stream, to range over.
func ExampleChat() {
	var chat genai.Chat = parrot
	answer, err := chat(context.Background(), ask("hello"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range answer.All() {
		if err != nil {
			fmt.Println("cut:", err)
			return
		}
		fmt.Printf("%q\n", event.Text)
	}
	// Output:
	// "you "
	// "said "
	// "hello"
}

func ExampleWhole() {
	answer, err := genai.Whole(parrot)(context.Background(), ask("hello"))
	fmt.Println(answer.Text(), err)
	// Output: you said hello <nil>
}

// A counter is a policy: it counts the responses that are not over yet.
type counter struct{ open int }

func (c *counter) Wrap(next genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (any, error) {
		c.open++
		resp, err := next(ctx, req)
		genai.Finally(resp, err, func(error) { c.open-- })
		return resp, err
	}
}

// A policy holds something for as long as the response lasts, whether that is a value, a stream or a failure.
func ExampleFinally() {
	c := &counter{}
	chat := genai.With(parrot, c)
	answer, _ := chat(context.Background(), ask("hello"))
	fmt.Println("arriving:", c.open)
	answer.Close()
	fmt.Println("closed:", c.open)
	_, err := chat(context.Background(), ask(""))
	fmt.Println("failed:", c.open, err)
	// Output:
	// arriving: 1
	// closed: 0
	// failed: 0 invalid_request: nothing to repeat
}

// A Kind is an error to look for, and an Error tells the details.
func ExampleKind() {
	err := fmt.Errorf("desk: %w", &genai.Error{Kind: genai.RateLimited, Target: "model-a", Status: 429})
	fmt.Println(errors.Is(err, genai.RateLimited), genai.KindOf(err).Retryable())
	if e, ok := errors.AsType[*genai.Error](err); ok {
		fmt.Println(e.Target, e.Status)
	}
	// Output:
	// true true
	// model-a 429
}

// Those who read from something open a stream with NewStream. A stream that ends without an end of its own was cut.
func ExampleNewStream() {
	lines := []string{"one", "two"}
	s, err := genai.NewStream(context.Background(), func() (string, error) {
		if len(lines) == 0 {
			return "", io.EOF // complete; anything else is a cut
		}
		line := lines[0]
		lines = lines[1:]
		return line, nil
	}, func() { fmt.Println("released") })
	if err != nil {
		fmt.Println(err)
		return
	}
	for line, err := range s.All() {
		fmt.Println(line, err)
	}
	// Output:
	// one <nil>
	// two <nil>
	// released
}

func ExampleListen() {
	ctx := genai.Listen(context.Background(), func(e genai.Event) { fmt.Println(e.Name, e.Target, e.Kind) })
	genai.Emit(ctx, genai.Event{Name: "retry", Target: "model-a", Kind: genai.Overloaded})
	// Output: retry model-a overloaded
}
