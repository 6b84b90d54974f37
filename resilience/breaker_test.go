package resilience_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

// A target does what it is told.
type target struct {
	mu    sync.Mutex // for calls
	calls int
	err   error
}

func (t *target) handle(context.Context, any) (any, error) {
	t.mu.Lock()
	t.calls++
	t.mu.Unlock()
	if t.err != nil {
		return nil, t.err
	}
	return "fine", nil
}

func fail(kind genai.Kind) error { return genai.Errorf(kind, "no") }

func times(n int, f func()) {
	for range n {
		f()
	}
}

func TestBreakerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // changes are told by whoever causes them
		var changes []resilience.State
		var events []string
		b := &resilience.Breaker{Name: "model", OnChange: func(_, to resilience.State) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, to)
		}}
		target := &target{err: fail(genai.ServerError)}
		h := b.Wrap(target.handle)
		ctx := genai.Listen(t.Context(), func(e genai.Event) { events = append(events, e.Name+" "+e.Target+" "+e.To) })
		call := func() error { _, err := h(ctx, nil); return err }

		times(5, func() { _ = call() })
		if b.State() != resilience.Open || b.Ready() {
			t.Fatalf("after five failures in a row it is %s", b.State())
		}
		err := call()
		e, ok := err.(*genai.Error)
		if !ok || e.Kind != genai.BreakerOpen || e.Started != genai.StartedNo || e.RetryAfter < 5*time.Second || e.RetryAfter > 5500*time.Millisecond || e.Target != "model" {
			t.Errorf("a refused call got %+v", err)
		}
		if target.calls != 5 {
			t.Errorf("%d calls reached the target", target.calls)
		}

		time.Sleep(5*time.Second - 1)
		if b.State() != resilience.Open {
			t.Error("it is too early for probes")
		}
		time.Sleep(501 * time.Millisecond)
		synctest.Wait()
		if b.State() != resilience.HalfOpen || !b.Ready() {
			t.Fatalf("after its time it is %s", b.State())
		}
		if err := call(); !errors.Is(err, genai.ServerError) || b.State() != resilience.Open {
			t.Fatalf("a failed probe got %v and left it %s", err, b.State())
		}
		time.Sleep(5501 * time.Millisecond)
		synctest.Wait()
		if b.State() != resilience.Open {
			t.Error("the second time is no longer than the first")
		}
		time.Sleep(5501 * time.Millisecond)
		synctest.Wait()
		target.err = nil
		times(2, func() {
			if err := call(); err != nil || b.State() != resilience.HalfOpen {
				t.Errorf("a probe got %v and left it %s", err, b.State())
			}
		})
		if err := call(); err != nil || b.State() != resilience.Closed {
			t.Errorf("the third probe got %v and left it %s", err, b.State())
		}
		mu.Lock()
		defer mu.Unlock()
		want := []resilience.State{resilience.Open, resilience.HalfOpen, resilience.Open, resilience.HalfOpen, resilience.Closed}
		if !slices.Equal(changes, want) {
			t.Errorf("the states were %v, want %v", changes, want)
		}
		if !slices.Equal(events, []string{"breaker model open", "breaker model open", "breaker model closed"}) {
			t.Errorf("the events were %v", events)
		}
	})
}

func TestBreakerCounts(t *testing.T) {
	for name, c := range map[string]struct {
		breaker *resilience.Breaker // nil: the zero value
		results []error             // one after the other
		want    resilience.State
	}{
		"few failures":             {results: slices.Repeat([]error{fail(genai.ServerError)}, 4), want: resilience.Closed},
		"failures with a success":  {results: slices.Repeat([]error{fail(genai.Timeout), fail(genai.Timeout), fail(genai.Timeout), nil}, 4), want: resilience.Closed},
		"too large a share":        {results: slices.Repeat([]error{nil, fail(genai.Unavailable)}, 11), want: resilience.Open},
		"a small share":            {results: slices.Repeat([]error{nil, nil, fail(genai.Unavailable)}, 20), want: resilience.Closed},
		"callers who leave":        {results: slices.Repeat([]error{context.Canceled}, 50), want: resilience.Closed},
		"callers whose time is up": {results: slices.Repeat([]error{fail(genai.DeadlineExceeded)}, 50), want: resilience.Closed},
		"wrong requests":           {results: slices.Repeat([]error{fail(genai.InvalidRequest)}, 50), want: resilience.Closed},
		"rate limits":              {results: slices.Repeat([]error{fail(genai.RateLimited)}, 50), want: resilience.Closed},
		"neutral ones between":     {results: slices.Repeat([]error{fail(genai.ServerError), fail(genai.RateLimited)}, 5), want: resilience.Open},
		"nothing in a row":         {breaker: &resilience.Breaker{Consecutive: -1}, results: slices.Repeat([]error{fail(genai.ServerError)}, 19), want: resilience.Closed},
		"a judgement of one's own": {breaker: &resilience.Breaker{Failure: func(error) bool { return true }}, results: slices.Repeat([]error{fail(genai.RateLimited)}, 5), want: resilience.Open},
		"a lenient one":            {breaker: &resilience.Breaker{Failure: func(error) bool { return false }}, results: slices.Repeat([]error{fail(genai.Internal)}, 50), want: resilience.Closed},
		"a shorter row":            {breaker: &resilience.Breaker{Consecutive: 2}, results: slices.Repeat([]error{fail(genai.Internal)}, 2), want: resilience.Open},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := c.breaker
				if b == nil {
					b = &resilience.Breaker{}
				}
				defer b.Reset() // and its timer
				target := &target{}
				h := b.Wrap(target.handle)
				for _, target.err = range c.results {
					_, _ = h(t.Context(), nil)
				}
				if b.State() != c.want {
					t.Errorf("it is %s, want %s", b.State(), c.want)
				}
			})
		})
	}
}

func TestBreakerForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Breaker{Consecutive: -1}
		target := &target{err: fail(genai.ServerError)}
		h := b.Wrap(target.handle)
		times(19, func() { _, _ = h(t.Context(), nil) })
		time.Sleep(31 * time.Second)
		_, _ = h(t.Context(), nil)
		if b.State() != resilience.Closed {
			t.Error("what was longer ago than Window counts")
		}
	})
}

// stream returns a response that ends as end says.
func stream(ctx context.Context, end error) (*genai.Stream[int], error) {
	return genai.Open(ctx, func(_ context.Context, yield func(int) bool) error {
		yield(1)
		return end
	})
}

func TestBreakerJudgesStreamsAtTheirEnd(t *testing.T) {
	b := &resilience.Breaker{Consecutive: 1}
	h := genai.With(func(ctx context.Context, _ any) (*genai.Stream[int], error) {
		return stream(ctx, fail(genai.Truncated))
	}, b)
	s, err := h(t.Context(), nil)
	if err != nil || b.State() != resilience.Closed {
		t.Fatal(err, b.State())
	}
	_, _ = s.Next()
	if b.State() != resilience.Closed {
		t.Error("judged too early")
	}
	_, _ = s.Next()
	if b.State() != resilience.Open {
		t.Error("a stream that breaks midway does not count")
	}

	b.Reset()
	s, _ = h(t.Context(), nil)
	s.Close() // by its consumer, who may have seen enough
	if b.State() != resilience.Closed {
		t.Error("a consumer who leaves counts")
	}

	late, _ := h(t.Context(), nil) // begins while closed, and ends after a change of state
	b.Trip()
	b.Reset()
	for range 2 {
		_, _ = late.Next()
	}
	if b.State() != resilience.Closed {
		t.Error("a result from before the last change of state counts")
	}
}

// What began before the last change of state must not even be counted.
func TestBreakerDropsOldResults(t *testing.T) {
	b := &resilience.Breaker{Consecutive: 2}
	target := &target{err: fail(genai.ServerError)}
	now := b.Wrap(target.handle)
	old := b.Wrap(func(context.Context, any) (any, error) {
		b.Trip()
		b.Reset()
		return nil, fail(genai.ServerError)
	})
	_, _ = old(t.Context(), nil)
	_, _ = now(t.Context(), nil)
	if b.State() != resilience.Closed {
		t.Error("an old failure and a new one are two in a row")
	}
	_, _ = now(t.Context(), nil)
	if b.State() != resilience.Open {
		t.Error("two new ones are not")
	}
	b.Reset()
}

func TestBreakerProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Breaker{Consecutive: 1, Probes: 2, Lease: time.Minute, OpenMax: 5 * time.Second}
		release := make(chan error)
		h := b.Wrap(func(context.Context, any) (any, error) { return "fine", <-release })
		call := func() <-chan error {
			c := make(chan error, 1)
			go func() { _, err := h(t.Context(), nil); c <- err }()
			synctest.Wait()
			return c
		}
		half := func() {
			time.Sleep(5501 * time.Millisecond)
			synctest.Wait()
			if b.State() != resilience.HalfOpen {
				t.Fatalf("it is %s", b.State())
			}
		}
		c := call()
		release <- fail(genai.Internal)
		<-c
		half()

		one, two := call(), call()
		if err := <-call(); !errors.Is(err, genai.BreakerOpen) {
			t.Errorf("a third probe got %v", err)
		}
		release <- context.Canceled // says nothing, and gives its place back
		synctest.Wait()
		three := call()
		release <- nil
		release <- nil
		synctest.Wait()
		for _, c := range []<-chan error{one, two, three} {
			<-c
		}
		if b.State() != resilience.Closed {
			t.Fatalf("after two good probes it is %s", b.State())
		}

		c = call()
		release <- fail(genai.Internal)
		<-c
		half()
		hanging := call()
		time.Sleep(time.Minute + 1)
		synctest.Wait()
		if b.State() == resilience.Closed {
			t.Error("a probe that hangs counts as good")
		}
		half2 := b.State()
		release <- nil
		if err := <-hanging; err != nil {
			t.Error(err)
		}
		if b.State() != half2 {
			t.Error("a probe without a lease changed the state")
		}
		b.Reset()
	})
}

func TestBreakerSurvives(t *testing.T) {
	for name, die := range map[string]func(){"a panic": func() { panic("no") }, "the end of the goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &resilience.Breaker{Consecutive: 1, OpenFor: time.Second}
				h := b.Wrap(func(context.Context, any) (any, error) { die(); return nil, nil })
				call := func() {
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { _ = recover() }()
						_, _ = h(t.Context(), nil)
					}()
					<-done
				}
				call()
				if b.State() != resilience.Open {
					t.Fatalf("it is %s", b.State())
				}
				time.Sleep(1101 * time.Millisecond)
				synctest.Wait()
				call()
				if b.State() != resilience.Open {
					t.Errorf("after a probe it is %s", b.State())
				}
				b.Reset()
			})
		})
	}
}

func TestBreakerHeedsHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Breaker{Consecutive: 1}
		h := b.Wrap(func(context.Context, any) (any, error) {
			return nil, &genai.Error{Kind: genai.Overloaded, RetryAfter: 20 * time.Second}
		})
		_, _ = h(t.Context(), nil)
		time.Sleep(19 * time.Second)
		synctest.Wait()
		if b.State() != resilience.Open {
			t.Error("it asks again before it was told to")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if b.State() != resilience.HalfOpen {
			t.Errorf("it is %s", b.State())
		}
	})
}

func TestBreakerByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Breaker{}
		target := &target{}
		h := b.Wrap(target.handle)
		b.Trip()
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, err := h(t.Context(), nil); !errors.Is(err, genai.BreakerOpen) || target.calls != 0 {
			t.Errorf("a tripped breaker let a call pass: %v", err)
		}
		b.Reset()
		if _, err := h(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestBreakerTogether(t *testing.T) {
	b := &resilience.Breaker{OpenFor: time.Microsecond, OpenMax: time.Microsecond}
	var n int
	var mu sync.Mutex
	h := b.Wrap(func(context.Context, any) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n/20%2 == 0 {
			return nil, fail(genai.ServerError)
		}
		return "fine", nil
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { // waited for below
			for range 2000 {
				_, _ = h(t.Context(), nil)
				_ = b.Ready()
			}
		})
	}
	all.Wait()
	b.Reset()
	if b.State() != resilience.Closed {
		t.Error(b.State())
	}
}

// A target that hangs is found out by the calls that have not returned, before the time of any of them is up.
func TestBreakerSlow(t *testing.T) {
	for name, c := range map[string]struct {
		takes  func(n int) time.Duration
		every  time.Duration
		calls  int
		want   resilience.State
		before time.Duration // after the first call
	}{
		"fast calls":          {takes: func(int) time.Duration { return 900 * time.Millisecond }, every: 100 * time.Millisecond, calls: 100, want: resilience.Closed, before: time.Hour},
		"slow calls":          {takes: func(int) time.Duration { return 1100 * time.Millisecond }, every: 100 * time.Millisecond, calls: 100, want: resilience.Open, before: 4 * time.Second},
		"half of them":        {takes: func(n int) time.Duration { return time.Duration(n%2) * 1100 * time.Millisecond }, every: 100 * time.Millisecond, calls: 100, want: resilience.Closed, before: time.Hour},
		"calls that hang":     {takes: func(int) time.Duration { return time.Hour }, every: 100 * time.Millisecond, calls: 100, want: resilience.Open, before: 4 * time.Second},
		"too few to judge":    {takes: func(int) time.Duration { return time.Hour }, every: 100 * time.Millisecond, calls: 19, want: resilience.Closed, before: time.Hour},
		"a target that slows": {takes: func(n int) time.Duration { return time.Duration(max(n-100, 0)) * time.Minute }, every: 100 * time.Millisecond, calls: 600, want: resilience.Open, before: 45 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var opened atomic.Int64
				b := &resilience.Breaker{Slow: time.Second, OnChange: func(_, to resilience.State) {
					if to == resilience.Open {
						opened.CompareAndSwap(0, int64(time.Since(began)))
					}
				}}
				defer b.Reset()
				ctx, cancel := context.WithCancel(t.Context())
				h := b.Wrap(func(ctx context.Context, req any) (any, error) {
					sleep(ctx, c.takes(req.(int)))
					return "fine", nil
				})
				for n := range c.calls {
					go func() { _, _ = h(ctx, n) }()
					time.Sleep(c.every)
					if b.State() == resilience.Open {
						break
					}
				}
				if got := b.State(); got != c.want || opened.Load() > int64(c.before) {
					t.Errorf("it is %s since %v", got, time.Duration(opened.Load()))
				}
				cancel()
			})
		})
	}
}

// A probe that is slow has not shown that the target is well.
func TestBreakerSlowProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Breaker{Slow: time.Second, Consecutive: 1}
		defer b.Reset()
		takes, err := time.Duration(0), fail(genai.ServerError)
		h := b.Wrap(func(context.Context, any) (any, error) { time.Sleep(takes); return "fine", err })
		_, _ = h(t.Context(), nil)
		time.Sleep(6 * time.Second)
		takes, err = 2*time.Second, nil
		if _, err := h(t.Context(), nil); err != nil || b.State() != resilience.Open {
			t.Errorf("got %v, and it is %s", err, b.State())
		}
	})
}
