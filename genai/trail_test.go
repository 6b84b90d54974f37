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

// TestTrailOfACaller: the limit of a caller in another process counts, for all requests that are made for it together, and what they
// have asked is not mixed up.
func TestTrailOfACaller(t *testing.T) {
	lent := &genai.Trail{Context: t.Context(), Remote: true}
	if _, limited := genai.TrailOf(lent).Left(); limited {
		t.Error("there is a limit that nobody has set")
	}
	lent.Limit(2)
	target := new(int)
	lent.Add(target)
	lent.SetOthers(true)
	if lent.Has(target) || lent.Others() || lent.Target() != "" {
		t.Error("it remembers somebody")
	}
	left := func(trail *genai.Trail, want int) {
		t.Helper()
		if n, limited := trail.Left(); n != want || !limited {
			t.Errorf("%d further attempts are left, want %d", n, want)
		}
	}
	one, two := &genai.Trail{Context: lent}, &genai.Trail{Context: lent}
	left(one, 2)
	one.Limit(1)
	two.Limit(5)
	left(one, 1)
	left(two, 2)
	if !one.Take() || one.Take() {
		t.Error("its own limit does not count")
	}
	left(one, 0)
	left(two, 1)
	if !two.Take() || two.Take() || lent.Take() {
		t.Error("the limit of the caller does not count")
	}
	left(two, 0)
	var none *genai.Trail
	if _, limited := none.Left(); limited {
		t.Error("no trail has a limit")
	}
}
