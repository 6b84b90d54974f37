package route_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

// A switchable is a target whose failure may change. It counts the calls.
type switchable struct {
	mu    sync.Mutex
	err   error
	calls int
}

func (s *switchable) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *switchable) handle(context.Context, string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.err != nil {
		return "", s.err
	}
	return "ok", nil
}

func TestWhen(t *testing.T) {
	has := func(word string) func(context.Context, string) bool {
		return func(_ context.Context, q string) bool { return strings.Contains(q, word) }
	}
	pictures := route.Target[string, string]{Name: "pictures", Handler: says("pictures"), When: has("see")}
	tools := route.Target[string, string]{Name: "tools", Handler: says("tools"), When: has("do")}
	down := route.Target[string, string]{Name: "down", Handler: says("down"), When: has("do"), Ready: func() bool { return false }}
	for _, more := range []int{0, 70} {
		r := route.Among(&route.RoundRobin{}, pictures, tools, down)
		if more > 0 {
			targets := []route.Target[string, string]{pictures, tools, down}
			for i := range more {
				targets = append(targets, route.Target[string, string]{Name: fmt.Sprint(i), Handler: says("none"), When: has("nothing")})
			}
			r.Set(targets...)
		}
		for q, want := range map[string]string{"see": "pictures", "do": "tools"} {
			for range 5 {
				if got, err := r.Handle(t.Context(), q); got != want || err != nil {
					t.Fatalf("%q of %d: %s, %v", q, more, got, err)
				}
			}
		}
		if _, err := r.Handle(t.Context(), "sing"); !errors.Is(err, genai.NoTarget) {
			t.Errorf("nobody can: %v", err)
		}
	}
	// That nobody is ready does not make a target able.
	r := route.Among(nil, pictures, down)
	if got, err := r.Handle(t.Context(), "do"); got != "down" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestCooldown(t *testing.T) {
	later := func(k genai.Kind, d time.Duration) error { return &genai.Error{Kind: k, RetryAfter: d} }
	for name, c := range map[string]struct {
		err  error
		want time.Duration
	}{
		"a hint":              {later(genai.RateLimited, 20*time.Second), 20 * time.Second},
		"overload and a hint": {later(genai.Overloaded, time.Second), time.Second},
		"no hint":             {genai.RateLimited, 0},
		"a hint of days":      {later(genai.QuotaExhausted, 72*time.Hour), 10 * time.Minute},
		"a key without hint":  {genai.Unauthenticated, time.Minute},
		"an empty account":    {genai.QuotaExhausted, time.Minute},
		"our own breaker":     {later(genai.BreakerOpen, time.Minute), 0},
		"our own limit":       {later(genai.LimitReached, time.Minute), 0},
		"a wrong request":     {later(genai.InvalidRequest, time.Minute), 0},
		"a filtered one":      {genai.ContentFiltered, 0},
		"no such model":       {genai.NotFound, 0},
		"something else":      {errors.New("plain"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := &switchable{err: c.err}, &switchable{}
				r := route.Among(&route.RoundRobin{}, route.To("a", a.handle), route.To("b", b.handle))
				if _, err := r.Handle(t.Context(), "q"); !errors.Is(err, genai.KindOf(c.err)) {
					t.Fatal(err)
				}
				resting := r.Candidates()[0]
				if got := resting.Resting(); got != c.want {
					t.Fatalf("rests for %v, want %v", got, c.want)
				}
				if c.want == 0 {
					return
				}
				for range 10 {
					if _, err := r.Handle(t.Context(), "q"); err != nil {
						t.Errorf("asked while it rests: %v", err)
					}
				}
				time.Sleep(c.want)
				if got := resting.Resting(); got != 0 {
					t.Errorf("still rests for %v", got)
				}
				a.set(nil)
				for range 500 {
					_, _ = r.Handle(t.Context(), "q")
				}
				if a.calls < 2 {
					t.Error("never asked again")
				}
			})
		})
	}
}

func TestCooldownIsNeverShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &switchable{}
		r := route.Among(nil, route.To("a", a.handle))
		for _, d := range []time.Duration{5, 30, 2} {
			a.set(&genai.Error{Kind: genai.RateLimited, RetryAfter: d * time.Second})
			_, _ = r.Handle(t.Context(), "q") // the only one is asked all the same
		}
		if got := r.Candidates()[0].Resting(); got != 30*time.Second || a.calls != 3 {
			t.Errorf("%v after %d calls", got, a.calls)
		}
		r.Cooldown = func(error) time.Duration { return time.Hour }
		_, _ = r.Handle(t.Context(), "q")
		if got := r.Candidates()[0].Resting(); got != time.Hour {
			t.Errorf("by its own rule: %v", got)
		}
	})
}

func TestCooldownOfACutStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := route.Among(nil, route.To("a", func(ctx context.Context, _ string) (*genai.Stream[int], error) {
			return genai.Open(ctx, func(_ context.Context, yield func(int) bool) error {
				yield(1)
				return &genai.Error{Kind: genai.Overloaded, RetryAfter: 7 * time.Second}
			})
		}))
		s, err := r.Handle(t.Context(), "q")
		if err != nil {
			t.Fatal(err)
		}
		for range s.All() {
		}
		if got := r.Candidates()[0].Resting(); got != 7*time.Second {
			t.Errorf("rests for %v", got)
		}
	})
}

func TestCredential(t *testing.T) {
	for kind, together := range map[genai.Kind]bool{
		genai.Unauthenticated: true, genai.QuotaExhausted: true, genai.RateLimited: false, genai.Overloaded: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			failing := &switchable{err: &genai.Error{Kind: kind, RetryAfter: time.Minute}}
			shared, other := &switchable{}, &switchable{}
			targets := []route.Target[string, string]{
				{Name: "a", Handler: failing.handle, Credential: "one"},
				{Name: "b", Handler: shared.handle, Credential: "one"},
				{Name: "c", Handler: other.handle, Credential: "two"},
			}
			r := route.Among(&route.RoundRobin{}, targets...)
			_, _ = r.Handle(t.Context(), "q")
			r.Set(targets...) // keeps what is known
			for range 20 {
				if _, err := r.Handle(t.Context(), "q"); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			}
			if rests := shared.calls == 0; rests != together {
				t.Errorf("%s: the other target of the credential was asked %d times", kind, shared.calls)
			}
			time.Sleep(10 * time.Minute)
			failing.set(nil)
			for range 200 {
				_, _ = r.Handle(t.Context(), "q")
				time.Sleep(time.Second)
			}
			if shared.calls < 40 || failing.calls < 40 {
				t.Errorf("%s: after the rest they were asked %d and %d times", kind, failing.calls, shared.calls)
			}
		})
	}
}

// What the target asked for is not what the caller has to wait for, if there is another target.
func TestHintIsThatOfTheSoonest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := func(d time.Duration) genai.Handler[string, string] {
			return fails(&genai.Error{Kind: genai.RateLimited, RetryAfter: d})
		}
		r := route.Among(&route.RoundRobin{}, route.To("a", limited(30*time.Second)), route.To("b", limited(10*time.Second)),
			route.To("c", limited(20*time.Second)))
		ctx := &genai.Trail{Context: t.Context()}
		hints := map[string]time.Duration{"a": 30 * time.Second, "b": 10 * time.Second, "c": 20 * time.Second}
		var left time.Duration
		for i := range 3 {
			_, err := r.Handle(ctx, "q")
			e := genai.AsError(err)
			own := hints[e.Target]
			delete(hints, e.Target)
			if left = min(cmp.Or(left, own), own); i < 2 {
				if e.RetryAfter != 0 || e.Kind != genai.RateLimited || len(e.Attempts) != 1 || e.Attempts[0].RetryAfter != own {
					t.Errorf("attempt %d: %v, and the ledger says %+v", i+1, err, e.Attempts)
				}
			} else if e.RetryAfter != left {
				t.Errorf("the last attempt: %v, want %v", err, left)
			}
		}
		time.Sleep(4 * time.Second)
		_, err := r.Handle(t.Context(), "q") // panic mode, since all of them rest; a's turn
		if e := genai.AsError(err); e.RetryAfter != 6*time.Second {
			t.Errorf("%v", err)
		}
		alone := route.Among(nil, route.To("a", limited(time.Minute)),
			route.Target[string, string]{Name: "b", Handler: says("b"), Ready: func() bool { return false }},
			route.Target[string, string]{Name: "c", Handler: says("c"), When: func(context.Context, string) bool { return false }})
		if _, err := alone.Handle(t.Context(), "q"); genai.AsError(err).RetryAfter != time.Minute {
			t.Errorf("nobody else could be asked: %v", err)
		}
	})
}

func TestCooldownIsTold(t *testing.T) {
	var told []genai.Event
	ctx := genai.Listen(t.Context(), func(e genai.Event) { told = append(told, e) })
	_, _ = route.Among(nil, route.To("a", fails(&genai.Error{Kind: genai.RateLimited, RetryAfter: time.Second}))).Handle(ctx, "q")
	want := genai.Event{Name: "cooldown", Target: "a", Kind: genai.RateLimited, Delay: time.Second}
	if !slices.Equal(told, []genai.Event{want}) {
		t.Errorf("%+v", told)
	}
}

// A target that is back is not flooded, whichever picker chooses.
func TestRamp(t *testing.T) {
	key := func(_ context.Context, req any) string { return req.(string) }
	for name, p := range map[string]route.Picker{
		"PeakEWMA": &route.PeakEWMA{}, "RoundRobin": &route.RoundRobin{}, "Weighted": &route.Weighted{},
		"LeastBusy": &route.LeastBusy{}, "Affinity": &route.Affinity{Key: key},
	} {
		for _, byBreaker := range []bool{true, false} {
			t.Run(fmt.Sprint(name, byBreaker), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					open := false
					a, b := &switchable{}, &switchable{}
					first := route.To("a", a.handle)
					if byBreaker {
						first.Ready = func() bool { return !open }
					}
					r := route.Among(p, first, route.To("b", b.handle))
					n := 0
					burst := func(calls int) (share float64) {
						before := a.calls
						for range calls {
							n++
							_, _ = r.Handle(t.Context(), fmt.Sprint("key ", n))
						}
						return float64(a.calls-before) / float64(calls)
					}
					about := func(when string, got, want float64) {
						t.Helper()
						if math.Abs(got-want) > 0.05 {
							t.Errorf("%s: %.3f of the calls, want about %.3f", when, got, want)
						}
					}
					if name != "PeakEWMA" { // which chooses by times of nanoseconds here
						about("before", burst(4000), 0.5)
					}
					if byBreaker {
						open = true
						burst(1)
						open = false
					} else {
						a.set(&genai.Error{Kind: genai.RateLimited, RetryAfter: time.Minute})
						burst(100)
						a.set(nil)
						about("meanwhile", burst(1000), 0)
						time.Sleep(time.Minute)
					}
					wants := []float64{0.05, 0.14, 0.23, 0.32, 0.41, 0.5}
					if name == "Affinity" { // a weight of w gets w/(1+w)
						wants = []float64{0.09, 0.22, 0.315, 0.39, 0.45, 0.5}
					}
					if name == "PeakEWMA" && !byBreaker { // it has to forget the failure too
						return
					}
					for i, want := range wants {
						got := burst(4000)
						if i < 5 && got > want+0.05 || name != "PeakEWMA" && got < want-0.05 {
							t.Errorf("%d s after: %.3f of the calls, want about %.3f", 2*i, got, want)
						}
						time.Sleep(2 * time.Second)
					}
					if r.Ramp = -1; byBreaker && name != "PeakEWMA" {
						open = true
						burst(1)
						open = false
						about("without a ramp", burst(4000), 0.5)
					}
				})
			})
		}
	}
}

// Everybody comes back at the same time: nobody is left out for that.
func TestRampOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := true
		ready := func() bool { return !open }
		for _, n := range []int{2, 70} {
			var targets []route.Target[string, string]
			for i := range n {
				targets = append(targets, route.Target[string, string]{Name: fmt.Sprint(i), Handler: says("ok"), Ready: ready})
			}
			r := route.Among(&route.RoundRobin{}, targets...)
			calls(t, r.Handle, 10)
			open = false
			calls(t, r.Handle, 1000)
			open = true
		}
	})
}

func TestCooldownWhileCallsRun(t *testing.T) {
	var targets []route.Target[string, string]
	for i := range 5 {
		n := 0
		var mu sync.Mutex
		targets = append(targets, route.Target[string, string]{Name: fmt.Sprint(i), Credential: fmt.Sprint(i % 2),
			Handler: func(context.Context, string) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				if n++; n%7 == 0 {
					return "", &genai.Error{Kind: []genai.Kind{genai.RateLimited, genai.QuotaExhausted}[n%2], RetryAfter: time.Microsecond}
				}
				return "ok", nil
			}})
	}
	r := route.Among(nil, targets...)
	r.Ramp = time.Microsecond
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 {
				if got, err := r.Handle(t.Context(), "q"); err == nil && got != "ok" {
					t.Errorf("%q", got)
				}
				if i%500 == 0 {
					r.Set(targets[:3+i%3]...)
				}
			}
		})
	}
	wg.Wait()
	for _, c := range r.Candidates() {
		if c.InFlight() != 0 {
			t.Errorf("%s has %d in flight", c.Name(), c.InFlight())
		}
	}
}
