package genai_test

import (
	"context"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func TestTrail(t *testing.T) {
	type key struct{}
	if none := genai.TrailOf(t.Context()); none != nil || none.Has(1) {
		t.Error("there is a trail that nobody laid")
	}
	outer := &genai.Trail{Context: context.WithValue(t.Context(), key{}, "v")}
	inner, cancel := context.WithCancel(genai.WithAttempt(outer, 2))
	defer cancel()
	a, b, c := new(int), new(int), new(int)
	genai.TrailOf(inner).Add(a)
	genai.TrailOf(outer).Add(b)
	for _, ctx := range []context.Context{outer, inner} {
		trail := genai.TrailOf(ctx)
		if !trail.Has(a) || !trail.Has(b) || trail.Has(c) {
			t.Error("the trail is not that of the request")
		}
		if ctx.Value(key{}) != "v" {
			t.Error("a value was lost")
		}
	}
	if genai.TrailOf(&genai.Trail{Context: inner}).Has(a) {
		t.Error("a new trail is not empty")
	}
}
