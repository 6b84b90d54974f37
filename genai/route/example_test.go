package route_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

// model stands for a model that is somewhere else.
func model(name string) genai.Completer {
	return func(_ context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
		return &genai.ChatResponse{Message: genai.Assistant(name + " answers " + req.Text())}, nil
	}
}

// down stands for a model that fails.
func down(kind genai.Kind) genai.Completer {
	return func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) {
		return nil, genai.Errorf(kind, "something is wrong")
	}
}

func question(text string) *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User(text)}}
}

func ask(h genai.Completer, req *genai.ChatRequest) {
	resp, err := h(context.Background(), req)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Message.Text())
}

func ExampleAmong() {
	models := route.Among(&route.RoundRobin{}, route.To("east", model("east")), route.To("west", model("west")))
	for _, text := range []string{"one", "two", "three"} {
		ask(models.Handle, question(text))
	}
	// Output:
	// east answers one
	// west answers two
	// east answers three
}

// Errors say which of the targets they came from.
func ExampleTo() {
	ask(route.Among(nil, route.To("cloud", down(genai.Overloaded))).Handle, question("one"))
	// Output: cloud: overloaded: something is wrong
}

// A target that says that it is not ready is left out.
func ExampleTarget() {
	draining := true
	models := route.Among(&route.RoundRobin{},
		route.Target[*genai.ChatRequest, *genai.ChatResponse]{
			Name:    "old",
			Handler: model("old"),
			Ready:   func() bool { return !draining },
		},
		route.To("new", model("new")))
	ask(models.Handle, question("one"))
	ask(models.Handle, question("two"))
	// Output:
	// new answers one
	// new answers two
}

// The targets may change while calls run.
func ExampleRouter_Set() {
	models := route.Among(nil, route.To("v1", model("v1")))
	chat := models.Handle
	ask(chat, question("one"))
	models.Set(route.To("v2", model("v2")))
	ask(chat, question("two"))
	// Output:
	// v1 answers one
	// v2 answers two
}

func ExampleRoundRobin() {
	models := route.Among(&route.RoundRobin{}, route.To("a", model("a")), route.To("b", model("b")))
	ask(models.Handle, question("one"))
	ask(models.Handle, question("two"))
	// Output:
	// a answers one
	// b answers two
}

// One call in four goes to the new version.
func ExampleWeighted() {
	stable, canary := route.To("stable", model("stable")), route.To("canary", model("canary"))
	stable.Weight = 3
	models := route.Among(&route.Weighted{}, stable, canary)
	for _, text := range strings.Fields("one two three four") {
		ask(models.Handle, question(text))
	}
	// Output:
	// stable answers one
	// stable answers two
	// canary answers three
	// stable answers four
}

func ExampleLeastBusy() {
	models := route.Among(&route.LeastBusy{}, route.To("a", model("a")), route.To("b", model("b")))
	ask(models.Handle, question("one"))
	ask(models.Handle, question("two"))
	// Output:
	// a answers one
	// b answers two
}

// A target that fails at once is not taken for a fast one.
func ExamplePeakEWMA() {
	models := route.Among(&route.PeakEWMA{},
		route.To("broken", down(genai.Unavailable)),
		route.To("well", model("well")))
	failed := 0
	for range 1000 {
		if _, err := models.Handle(context.Background(), &genai.ChatRequest{}); err != nil {
			failed++
		}
	}
	fmt.Println(failed <= 1)
	// Output: true
}

// A picker sees who comes into question and how busy each one is.
func ExamplePicker() {
	models := route.Among(shortestName{}, route.To("gigantic", model("gigantic")), route.To("tiny", model("tiny")))
	ask(models.Handle, question("one"))
	// Output: tiny answers one
}

type shortestName struct{}

func (shortestName) Pick(_ context.Context, _ any, among []*route.Candidate) *route.Candidate {
	best := among[0]
	for _, c := range among {
		if len(c.Name()) < len(best.Name()) {
			best = c
		}
	}
	return best
}

func ExampleIf() {
	isShort := func(_ context.Context, req *genai.ChatRequest) bool { return len(req.Text()) < 10 }
	chat := route.If(isShort, model("small"), model("large"))
	ask(chat, question("hello"))
	ask(chat, question("the meaning of life"))
	// Output:
	// small answers hello
	// large answers the meaning of life
}

func ExampleFallback() {
	ask(route.Fallback(down(genai.Unavailable), model("edge")), question("one"))
	ask(route.Fallback(down(genai.ContentFiltered), model("edge")), question("two"))
	// Output:
	// edge answers one
	// content_filtered: something is wrong
}

// Only what is too long for the small model goes to the large one.
func ExampleFallbackOn() {
	ask(route.FallbackOn(genai.ContextLength, down(genai.ContextLength), model("large")), question("one"))
	ask(route.FallbackOn(genai.ContextLength, down(genai.Unavailable), model("large")), question("two"))
	// Output:
	// large answers one
	// unavailable: something is wrong
}

func ExampleFallbackWhen() {
	toolsMissing := func(err error) bool { return genai.AsError(err).Field == "tools" }
	plain := func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) {
		return nil, &genai.Error{Kind: genai.Unsupported, Field: "tools"}
	}
	ask(route.FallbackWhen(toolsMissing, plain, model("handy")), question("one"))
	// Output: handy answers one
}
