package route_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

// long accepts answers of more than three letters.
func long(_ context.Context, _, answer string) bool { return len(answer) > 3 }

func TestCascade(t *testing.T) {
	for _, test := range []struct {
		name   string
		stages []genai.Handler[string, string]
		want   string
		kind   genai.Kind
	}{
		{"the first is good", []genai.Handler[string, string]{says("good"), fails(genai.Internal)}, "good", ""},
		{"the second is", []genai.Handler[string, string]{says("bad"), says("good"), says("best")}, "good", ""},
		{"the last is not judged", []genai.Handler[string, string]{says("bad"), says("so")}, "so", ""},
		{"one stage", []genai.Handler[string, string]{says("so")}, "so", ""},
		{"a failure", []genai.Handler[string, string]{fails(genai.Unavailable), says("good")}, "good", ""},
		{"too long for the small one", []genai.Handler[string, string]{fails(genai.ContextLength), says("good")}, "good", ""},
		{"too large", []genai.Handler[string, string]{fails(genai.TooLarge), says("good")}, "good", ""},
		{"a wrong request", []genai.Handler[string, string]{fails(genai.InvalidRequest), says("good")}, "", genai.InvalidRequest},
		{"a filtered one", []genai.Handler[string, string]{fails(genai.ContentFiltered), says("good")}, "", genai.ContentFiltered},
		{"the last fails", []genai.Handler[string, string]{says("bad"), fails(genai.Timeout)}, "", genai.Timeout},
		{"refused at the end", []genai.Handler[string, string]{fails(genai.Timeout), fails(genai.BreakerOpen)}, "", genai.Timeout},
		{"none", nil, "", genai.NoTarget},
	} {
		got, err := route.Cascade(long, test.stages...)(t.Context(), "q")
		if got != test.want || genai.KindOf(err) != test.kind {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
	}
}

func TestCascadeTells(t *testing.T) {
	var told []string
	ctx := genai.Listen(t.Context(), func(e genai.Event) { told = append(told, fmt.Sprint(e.Name, e.Attempt, e.Target, e.Kind)) })
	limited := &genai.Error{Kind: genai.RateLimited, Target: "b", RetryAfter: time.Second, Started: genai.StartedNo}
	down := &genai.Error{Kind: genai.Unavailable, Target: "c", Started: genai.StartedNo}
	_, err := route.Cascade(long, says("bad"), fails(limited), fails(down))(ctx, "q")
	e := genai.AsError(err)
	if e.Kind != genai.Unavailable || e.Started != genai.StartedYes || !errors.Is(err, limited) || len(e.Attempts) != 3 {
		t.Fatalf("%v, started %q, %v", err, e.Started, e.Attempts)
	}
	if a := e.Attempts; a[0].Kind != "" || a[0].By != "" || a[1].By != "cascade" || a[1].RetryAfter != time.Second || a[2].Target != "c" {
		t.Errorf("%+v", a)
	}
	if got := strings.Join(told, ", "); got != "cascade1, cascade2brate_limited" {
		t.Errorf("told: %s", got)
	}
	if limited.Attempts != nil || down.Attempts != nil {
		t.Error("somebody else's error was changed")
	}
}

func TestCascadeWhenTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		slow := func(context.Context, string) (string, error) { time.Sleep(2 * time.Second); return "bad", nil }
		asked := false
		next := func(context.Context, string) (string, error) { asked = true; return "good", nil }
		_, err := route.Cascade(long, slow, next)(ctx, "q")
		if asked || genai.KindOf(err) != genai.DeadlineExceeded || len(genai.AsError(err).Attempts) != 1 {
			t.Errorf("asked %v, %v", asked, err)
		}
		if got, err := route.Cascade(long, next)(ctx, "q"); got != "good" || err != nil {
			t.Errorf("what is there is returned: %q, %v", got, err)
		}
	})
}

type closing struct{ closed int }

func (c *closing) Close() error { c.closed++; return nil }

func TestCascadeDiscards(t *testing.T) {
	bad, good := &closing{}, &closing{}
	answer := func(c *closing) genai.Handler[string, *closing] {
		return func(context.Context, string) (*closing, error) { return c, nil }
	}
	isGood := func(_ context.Context, _ string, c *closing) bool { return c == good }
	got, err := route.Cascade(isGood, answer(bad), answer(good))(t.Context(), "q")
	if got != good || err != nil || bad.closed != 1 || good.closed != 0 {
		t.Errorf("%v: %d, %d", err, bad.closed, good.closed)
	}
	defer func() {
		if recover() != "judge" || bad.closed != 2 {
			t.Errorf("after a panic closed %d times", bad.closed)
		}
	}()
	_, _ = route.Cascade(func(context.Context, string, *closing) bool { panic("judge") }, answer(bad), answer(good))(t.Context(), "q")
}
