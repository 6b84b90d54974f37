package policytest_test

import (
	"context"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience/policytest"
)

// A Tag is a policy: it tells the handler in whose name a call is made.
type Tag struct{ Team string }

type teamKey struct{}

func (t *Tag) Wrap(next genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (any, error) {
		return next(context.WithValue(ctx, teamKey{}, t.Team), req)
	}
}

// The test of a policy of one's own.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestTag(t *testing.T)
		policytest.Run(t, func() genai.Policy { return &Tag{Team: "search"} })
	}
}

func TestTag(t *testing.T) {
	policytest.Run(t, func() genai.Policy { return &Tag{Team: "search"} })
}
