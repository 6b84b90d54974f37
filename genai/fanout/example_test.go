package fanout_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/fanout"
)

func judge(flagged bool) genai.Moderator {
	return func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) {
		return &genai.Verdict{Flagged: flagged}, nil
	}
}

func broken(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) {
	return nil, genai.Errorf(genai.Unavailable, "no connection")
}

func ExampleAll() {
	ask := fanout.All(judge(false), broken, judge(true))
	verdicts, _ := ask(context.Background(), &genai.ModerationRequest{Text: "hello"})
	for _, v := range verdicts {
		if v.Err != nil {
			fmt.Println("failed:", v.Err)
			continue
		}
		fmt.Println("flagged:", v.Value.Flagged)
	}
	// Output:
	// flagged: false
	// failed: unavailable: no connection
	// flagged: true
}

func ExampleFirst() {
	ask := fanout.First(broken, judge(true))
	verdict, err := ask(context.Background(), &genai.ModerationRequest{Text: "hello"})
	fmt.Println(verdict.Flagged, err)

	_, err = fanout.First(broken, broken)(context.Background(), nil)
	fmt.Println(errors.Is(err, genai.Unavailable), err)
	// Output:
	// true <nil>
	// true unavailable: no connection [2 attempts]
}

func ExampleMap() {
	double := func(_ context.Context, n int) (int, error) {
		if n < 0 {
			return 0, genai.Errorf(genai.InvalidRequest, "negative")
		}
		return 2 * n, nil
	}
	each := fanout.Map(double, 4) // at most 4 at the same time
	fmt.Println(each(context.Background(), []int{1, 2, 3}))
	fmt.Println(each(context.Background(), []int{1, 2, -3}))
	// Output:
	// [2 4 6] <nil>
	// [] invalid_request ([2]): negative
}
