package genai_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func TestListen(t *testing.T) {
	var log []string
	hear := func(who string) func(genai.Event) {
		return func(e genai.Event) { log = append(log, fmt.Sprint(who, " ", e.Name, e.Attempt)) }
	}
	outer := genai.Listen(t.Context(), hear("outer"))
	inner := genai.Listen(outer, hear("inner"))
	genai.Emit(t.Context(), genai.Event{Name: "nobody"})
	genai.Emit(outer, genai.Event{Name: "retry", Attempt: 1})
	genai.Emit(context.WithoutCancel(inner), genai.Event{Name: "retry", Attempt: 2})
	if want := []string{"outer retry1", "outer retry2", "inner retry2"}; !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { genai.Emit(ctx, genai.Event{Name: "x", Target: "y"}) }); n != 0 {
		t.Errorf("%v allocations where nobody listens", n)
	}
}

func TestAttempt(t *testing.T) {
	ctx := t.Context()
	if n := genai.AttemptOf(ctx); n != 1 {
		t.Errorf("attempt %d where nobody said so", n)
	}
	second := genai.WithAttempt(ctx, 2)
	if n := genai.AttemptOf(genai.WithAttempt(second, 3)); n != 3 || genai.AttemptOf(second) != 2 {
		t.Errorf("attempt %d", n)
	}
}
