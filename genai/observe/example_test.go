package observe_test

import (
	"context"
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/observe"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A span and the metrics of every request to a model. Here the providers are those of the test; an application passes
// otel.GetTracerProvider() and otel.GetMeterProvider().
func Example() {
	provider := &recorder{}
	model := genaitest.Script(genaitest.Pieces("Twelve ", "o'clock.").Usage(12, 3))

	chat := genai.With(model.Chat, &observe.Model{Provider: "openai", Tracer: provider})

	req := &genai.ChatRequest{Model: "gpt-5", Messages: []genai.Message{genai.User("What time is it?")}}
	stream, err := chat(context.Background(), req)
	if err != nil {
		fmt.Println(err)
		return
	}
	for e := range stream.All() {
		fmt.Print(e.Text)
	}
	fmt.Println()
	span := provider.spans[0]
	fmt.Println(span.name, span.kind)
	for _, key := range []string{"gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.response.finish_reasons"} {
		fmt.Println(key, span.get(key))
	}
	// Output:
	// Twelve o'clock.
	// chat gpt-5 client
	// gen_ai.provider.name openai
	// gen_ai.usage.input_tokens 12
	// gen_ai.response.finish_reasons ["stop"]
}

// Call is what somebody waits for; the attempts that it takes are its children.
func ExampleCall() {
	provider := &recorder{}
	cloud := genai.With(genaitest.Script(genaitest.Fail(genai.Overloaded)).Complete, &observe.Model{Provider: "openai", Name: "gpt-5", Tracer: provider})
	edge := genai.With(genaitest.Script(genaitest.Reply("Twelve.")).Complete, &observe.Model{Provider: "ollama", Name: "llama", Local: true, Tracer: provider})
	either := func(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
		if resp, err := cloud(ctx, req); err == nil {
			return resp, nil
		}
		return edge(ctx, req)
	}
	answer := genai.With(either, &observe.Call{Name: "desk.answer", Tracer: provider})

	if _, err := answer(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}}); err != nil {
		fmt.Println(err)
	}
	for _, s := range provider.spans {
		fmt.Println(s.name, s.kind, s.status, s.text, s.parent.SpanID() == provider.spans[0].context.SpanID())
	}
	// Output:
	// invoke_workflow desk.answer internal Unset  false
	// chat gpt-5 client Error overloaded: target scripted true
	// chat llama internal Unset  true
}

// Every call between services has a span on either side, and they belong together wherever the sides are.
func ExampleNetwork() {
	provider := &recorder{}
	network := &observe.Network{Network: &inproc.Network{}, Tracer: provider} // or a transport.Switch
	opModerate.Serve(network, func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) {
		return &genai.Verdict{}, nil
	})
	if _, err := opModerate.Dial(network)(context.Background(), &genai.ModerationRequest{Text: "hello"}); err != nil {
		fmt.Println(err)
	}
	client, server := provider.spans[0], provider.spans[1]
	fmt.Println(client.name, client.kind)
	fmt.Println(server.name, server.kind, server.parent.SpanID() == client.context.SpanID())
	// Output:
	// moderation.check client
	// moderation.check server true
}
