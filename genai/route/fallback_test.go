package route_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

func TestFallbackByKind(t *testing.T) {
	for kind := range genai.Kinds {
		answer, err := route.Fallback(fails(kind), says("second"))(t.Context(), "q")
		switch {
		case kind.Failover() && (answer != "second" || err != nil):
			t.Errorf("%s: %q, %v instead of an answer", kind, answer, err)
		case !kind.Failover() && err != kind:
			t.Errorf("%s: %q, %v instead of the failure as it was", kind, answer, err)
		}
	}
	if answer, err := route.Fallback(says("first"), fails(genai.Internal))(t.Context(), "q"); answer != "first" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	if _, err := route.Fallback[string, string]()(t.Context(), "q"); !errors.Is(err, genai.NoTarget) {
		t.Errorf("without handlers: %v", err)
	}
}

func TestFallbackOn(t *testing.T) {
	long, late := fails(genai.Errorf(genai.ContextLength, "9000 tokens")), fails(genai.Timeout)
	for _, test := range []struct {
		name string
		h    genai.Handler[string, string]
		want error
	}{
		{"the kind", route.FallbackOn(genai.ContextLength, long, says("large")), nil},
		{"another kind", route.FallbackOn(genai.ContextLength, late, says("large")), genai.Timeout},
		{"when", route.FallbackWhen(func(error) bool { return true }, fails(genai.InvalidRequest), says("x")), nil},
		{"never", route.FallbackWhen(func(error) bool { return false }, late, says("x")), genai.Timeout},
	} {
		answer, err := test.h(t.Context(), "q")
		if !errors.Is(err, test.want) || err == nil && answer == "" {
			t.Errorf("%s: %q, %v", test.name, answer, err)
		}
	}
}

func TestFallbackError(t *testing.T) {
	sentinel := errors.New("of the second")
	inner := []genai.Attempt{{Target: "one", Kind: genai.RateLimited}, {Target: "one", By: "retry", Kind: genai.Timeout}}
	first := &genai.Error{Kind: genai.Timeout, Target: "one", Attempts: inner, Started: genai.StartedNo}
	second := &genai.Error{Kind: genai.ServerError, Target: "two", Message: "boom", Err: sentinel, Started: genai.StartedYes}
	refusal := &genai.Error{Kind: genai.BreakerOpen, Target: "three", RetryAfter: time.Second, Started: genai.StartedNo}
	_, err := route.Fallback(fails(first), fails(second), fails(refusal))(t.Context(), "q")
	e, ok := err.(*genai.Error)
	if !ok {
		t.Fatalf("%T", err)
	}
	if e.Kind != genai.ServerError || e.Target != "two" || e.Message != "boom" || e.Started != genai.StartedYes {
		t.Errorf("the last real failure is not what is told: %+v", e)
	}
	for _, is := range []error{first, second, refusal, sentinel, genai.Timeout, genai.ServerError, genai.BreakerOpen} {
		if !errors.Is(err, is) {
			t.Errorf("%v is lost", is)
		}
	}
	want := []genai.Attempt{
		inner[0], inner[1],
		{Target: "two", By: "fallback", Kind: genai.ServerError},
		{Target: "three", By: "fallback", Kind: genai.BreakerOpen, RetryAfter: time.Second},
	}
	for i := range e.Attempts {
		e.Attempts[i].Elapsed = 0
	}
	if !reflect.DeepEqual(e.Attempts, want) {
		t.Errorf("attempts %+v", e.Attempts)
	}
	if first.Attempts[0].By != "" || second.Attempts != nil {
		t.Error("somebody else's error was changed")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %s", err)
	}

	// Inside another fallback, the first attempt of the inner one was the outer's doing.
	_, err = route.Fallback(fails(genai.Empty), route.Fallback(fails(genai.Empty), fails(genai.Empty)))(t.Context(), "q")
	if e := genai.AsError(err); len(e.Attempts) != 3 || e.Attempts[0].By != "" || e.Attempts[1].By != "fallback" || e.Attempts[2].By != "fallback" {
		t.Errorf("nested: %+v", e.Attempts)
	}
}

func TestFallbackStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		slow := func(context.Context, string) (string, error) {
			asked++
			time.Sleep(2 * time.Second)
			return "", genai.Errorf(genai.Unavailable, "connection reset")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := route.Fallback(slow, slow, slow)(ctx, "q")
		if asked != 2 {
			t.Errorf("%d were asked", asked)
		}
		if genai.KindOf(err) != genai.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, genai.Unavailable) {
			t.Errorf("%v", err)
		}
		if e := genai.AsError(err); len(e.Attempts) != 2 || e.Attempts[0].Elapsed != 2*time.Second {
			t.Errorf("attempts %+v", e.Attempts)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		asked = 0
		if _, err := route.Fallback(slow, slow)(stopped, "q"); genai.KindOf(err) != genai.Cancelled || asked != 1 {
			t.Errorf("%d were asked: %v", asked, err)
		}
	})
}

func TestFallbackTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []genai.Event
		ctx := genai.Listen(t.Context(), func(e genai.Event) { heard = append(heard, e) })
		late := func(context.Context, string) (string, error) {
			time.Sleep(time.Second)
			return "", &genai.Error{Kind: genai.Timeout, Target: "cloud"}
		}
		if _, err := route.Fallback(late, fails(genai.LimitReached), says("edge"))(ctx, "q"); err != nil {
			t.Fatal(err)
		}
		want := []genai.Event{
			{Name: "fallback", Target: "cloud", Kind: genai.Timeout, Attempt: 1, Elapsed: time.Second},
			{Name: "fallback", Kind: genai.LimitReached, Attempt: 2},
		}
		if !reflect.DeepEqual(heard, want) {
			t.Errorf("heard %+v", heard)
		}
	})
}

func TestNoFallbackAfterAStream(t *testing.T) {
	cut := errors.New("cut")
	broken := func(ctx context.Context, _ string) (*genai.Stream[int], error) {
		n := 0
		return genai.NewStream(ctx, func() (int, error) {
			if n++; n > 2 {
				return 0, genai.Errorf(genai.Truncated, "no end: %w", cut)
			}
			return n, nil
		}, nil)
	}
	asked := false
	stream, err := route.Fallback(broken, func(ctx context.Context, q string) (*genai.Stream[int], error) {
		asked = true
		return numbers(1)(ctx, q)
	})(t.Context(), "q")
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, last = range stream.All() {
	}
	if asked || !errors.Is(last, cut) || !errors.Is(last, genai.Truncated) {
		t.Errorf("asked %v, %v", asked, last)
	}

	// A stream that fails before its first piece is an ordinary failure.
	dead := func(ctx context.Context, _ string) (*genai.Stream[int], error) {
		return genai.NewStream(ctx, func() (int, error) { return 0, genai.Unavailable }, nil)
	}
	stream, err = route.Fallback(dead, numbers(1))(t.Context(), "q")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := stream.Next(); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := stream.Next(); err != io.EOF {
		t.Error(err)
	}
}

func TestIf(t *testing.T) {
	type key struct{}
	h := route.If(func(ctx context.Context, q string) bool { return len(q) < 3 && ctx.Value(key{}) != nil }, says("then"), says("otherwise"))
	yes := context.WithValue(t.Context(), key{}, 1)
	for _, test := range []struct {
		ctx     context.Context
		q, want string
	}{{yes, "q", "then"}, {yes, "long", "otherwise"}, {t.Context(), "q", "otherwise"}} {
		if got, err := h(test.ctx, test.q); got != test.want || err != nil {
			t.Errorf("%q: %q, %v", test.q, got, err)
		}
	}
}
