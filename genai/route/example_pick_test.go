package route_test

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

// The turns of a conversation go to one machine, whose cache knows how it began.
func ExampleAffinity() {
	models := route.Among(&route.Affinity{}, route.To("one", model("one")), route.To("two", model("two")), route.To("three", model("three")))
	req := &genai.ChatRequest{Messages: []genai.Message{genai.System("Be brief."), genai.User("Hello")}}
	first, _ := models.Handle(context.Background(), req)
	req.Messages = append(req.Messages, first.Message, genai.User("And then?"))
	second, _ := models.Handle(context.Background(), req)
	fmt.Println(first.Text()[:3] == second.Text()[:3])
	// Output: true
}

// One user in ten tries the new version, and stays with it.
func ExampleAffinity_split() {
	byUser := func(_ context.Context, req any) string { return req.(*genai.ChatRequest).EndUser }
	stable, canary := route.To("stable", model("stable")), route.To("canary", model("canary"))
	stable.Weight, canary.Weight = 90, 10
	models := route.Among(&route.Affinity{Key: byUser, Bound: math.Inf(1)}, stable, canary)
	for _, user := range []string{"mia", "bob", "eve", "mia"} {
		req := &genai.ChatRequest{EndUser: user, Messages: []genai.Message{genai.User("a question of " + user)}}
		ask(models.Handle, req)
	}
	// Output:
	// canary answers a question of mia
	// stable answers a question of bob
	// stable answers a question of eve
	// canary answers a question of mia
}

// What decides is the function: here a preference for idle targets in the same place.
func ExampleScore() {
	near := map[string]float64{"frankfurt": 2, "paris": 1}
	models := route.Among(
		route.Score(func(_ context.Context, _ any, c *route.Candidate) float64 {
			return near[c.Name()] - float64(c.InFlight())
		}),
		route.To("oregon", model("oregon")), route.To("paris", model("paris")), route.To("frankfurt", model("frankfurt")))
	ask(models.Handle, question("one"))
	// Output: frankfurt answers one
}

// The small model is cheaper, but it does not take pictures.
func ExampleCheapest() {
	type target = route.Target[*genai.ChatRequest, *genai.ChatResponse]
	textOnly := func(_ context.Context, req *genai.ChatRequest) bool {
		for _, m := range req.Messages {
			for _, p := range m.Parts {
				if p.Image != nil {
					return false
				}
			}
		}
		return true
	}
	models := route.Among(&route.Cheapest{Latency: 5 * time.Second},
		target{Name: "small", Handler: model("small"), Cost: 0.15, When: textOnly},
		target{Name: "large", Handler: model("large"), Cost: 2.50})
	ask(models.Handle, question("one"))

	picture := genai.NewBlob("image/png", nil)
	ask(models.Handle, &genai.ChatRequest{Messages: []genai.Message{
		{Role: genai.RoleUser, Parts: []genai.Part{{Text: "what is this?"}, {Image: &picture}}},
	}})
	// Output:
	// small answers one
	// large answers what is this?
}

// A target that asked to be left alone is, and a retry need not wait for it.
func ExampleRouter_Candidates() {
	limited := func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) {
		return nil, &genai.Error{Kind: genai.RateLimited, Message: "too many tokens", RetryAfter: 20 * time.Second}
	}
	models := route.Among(&route.RoundRobin{}, route.To("east", limited), route.To("west", model("west")))
	ask(models.Handle, question("one"))
	ask(models.Handle, question("two"))
	ask(models.Handle, question("three"))
	for _, c := range models.Candidates() {
		fmt.Println(c.Name(), "rests:", c.Resting() > 0)
	}
	// Output:
	// east: rate_limited: too many tokens
	// west answers two
	// west answers three
	// east rests: true
	// west rests: false
}

// The device answers what it can, the cloud the rest.
func ExampleCascade() {
	edge := func(_ context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
		if len(req.Text()) > 10 {
			return &genai.ChatResponse{Message: genai.Assistant("I do not know")}, nil
		}
		return &genai.ChatResponse{Message: genai.Assistant("edge answers " + req.Text())}, nil
	}
	knows := func(_ context.Context, _ *genai.ChatRequest, resp *genai.ChatResponse) bool {
		return resp.Text() != "I do not know"
	}
	chat := route.Cascade(knows, edge, model("cloud"))
	ask(chat, question("hello"))
	ask(chat, question("the meaning of life"))
	// Output:
	// edge answers hello
	// cloud answers the meaning of life
}

// A tenth of the traffic would do in practice. The new version sees it all here, and nobody waits for it.
func ExampleMirror() {
	m := &route.Mirror[*genai.ChatRequest, *genai.ChatResponse]{
		Main:   model("v1"),
		Shadow: down(genai.Overloaded),
		Report: func(_ context.Context, req *genai.ChatRequest, _ *genai.ChatResponse, err error) {
			fmt.Println("the shadow of", req.Text(), "says", err)
		},
	}
	resp, err := m.Handle(context.Background(), question("one"))
	_ = m.Shutdown(context.Background()) // when the program ends
	fmt.Println(resp.Text(), err)
	// Output:
	// the shadow of one says overloaded: something is wrong
	// v1 answers one <nil>
}
