package inproc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// The contract, which both sides import.
var moderate = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "moderation.check"}

// Both sides are in this process, and behave as if they were not.
func Example() {
	network := &inproc.Network{}
	moderate.Serve(network, func(_ context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
		if req.Text == "" {
			return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "text", Message: "there is nothing to check"}
		}
		return &genai.Verdict{Flagged: strings.Contains(req.Text, "password")}, nil
	})

	check := moderate.Dial(network)
	verdict, err := check(context.Background(), &genai.ModerationRequest{Text: "What is your password?"})
	fmt.Println(verdict.Flagged, err)

	_, err = check(context.Background(), &genai.ModerationRequest{})
	fmt.Println(err)
	fmt.Println(errors.Is(err, genai.InvalidRequest))
	// Output:
	// true <nil>
	// moderation.check: moderation: invalid_request (text): there is nothing to check
	// true
}

// A strict network finds in a test what would otherwise be found between processes: here, that a handler which is said to
// be safe is not.
func ExampleNetwork() {
	type tally struct {
		Total int `json:"total"`
	}
	next := transport.Op[*tally, *tally]{Name: "counter.next", Idempotency: transport.Safe}
	total := 0
	count := func(context.Context, *tally) (*tally, error) {
		total++
		return &tally{total}, nil
	}

	for _, strict := range []bool{false, true} {
		network := &inproc.Network{Strict: strict}
		next.Serve(network, count)
		total = 0
		_, err := next.Dial(network)(context.Background(), &tally{})
		fmt.Println("after one call:", total, err)
	}
	// Output:
	// after one call: 1 <nil>
	// after one call: 2 <nil>
}

// Values of a shared operation are handed over as they are. Nobody may change them any more.
func ExampleNetwork_shared() {
	type index struct {
		Words map[string][]int `json:"words"` // large, and never changed once it is built
	}
	type lookup struct {
		Word string `json:"word"`
	}
	built := &index{Words: map[string][]int{"joint": {3, 14}}}

	for _, shared := range []bool{false, true} {
		fetch := transport.Op[*lookup, *index]{Name: "search.index", Shared: shared}
		network := &inproc.Network{}
		fetch.Serve(network, func(context.Context, *lookup) (*index, error) { return built, nil })
		got, err := fetch.Dial(network)(context.Background(), &lookup{Word: "joint"})
		fmt.Println(got.Words["joint"], got == built, err)
	}
	// Output:
	// [3 14] false <nil>
	// [3 14] true <nil>
}
