package resilience_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := &resilience.RateLimit{Rate: 10, Burst: 5, Name: "model"}
		target := &target{}
		h := limit.Wrap(target.handle)
		call := func() error { _, err := h(t.Context(), nil); return err }
		times(5, func() {
			if err := call(); err != nil {
				t.Error(err)
			}
		})
		e := genai.AsError(call())
		if e == nil || e.Kind != genai.LimitReached || e.Started != genai.StartedNo || e.RetryAfter != 100*time.Millisecond || e.Target != "model" || target.calls != 5 {
			t.Errorf("the sixth call of a burst of five got %+v", e)
		}
		time.Sleep(100 * time.Millisecond)
		if err := call(); err != nil {
			t.Error(err)
		}
		if call() == nil {
			t.Error("a tenth of a second is worth two calls")
		}
		time.Sleep(time.Hour)
		passed := 0
		times(20, func() {
			if call() == nil {
				passed++
			}
		})
		if passed != 5 {
			t.Errorf("after an hour %d calls pass at once", passed)
		}
	})
}

func TestRateLimitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := (&resilience.RateLimit{Rate: 1, Burst: 1, Wait: 3 * time.Second}).Wrap((&target{}).handle)
		began := time.Now()
		done := make(chan time.Duration, 8)
		var refused atomic.Int64
		for range 6 {
			go func() {
				if _, err := h(t.Context(), nil); err != nil {
					refused.Add(1)
				}
				done <- time.Since(began)
			}()
			synctest.Wait()
		}
		for _, want := range []time.Duration{0, 0, 0, time.Second, 2 * time.Second, 3 * time.Second} {
			if got := <-done; got != want {
				t.Errorf("a call was answered after %v, want %v", got, want)
			}
		}
		if refused.Load() != 2 {
			t.Errorf("%d calls were refused, want 2", refused.Load())
		}
		_, _ = h(t.Context(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		now := time.Now()
		if _, err := h(ctx, nil); !errors.Is(err, genai.LimitReached) || time.Since(now) > 0 {
			t.Errorf("a caller whose time would not do waited %v and got %v", time.Since(now), err)
		}
		leaving, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := h(leaving, nil); left <- err }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, genai.Cancelled) {
			t.Error(err)
		}
		now = time.Now()
		if _, err := h(t.Context(), nil); err != nil || time.Since(now) > time.Second {
			t.Errorf("the turn of a caller who left is lost: %v, %v", time.Since(now), err)
		}
	})
}

func TestTokenLimit(t *testing.T) {
	short := &genai.ChatRequest{MaxTokens: new(96)} // and no prompt
	short.Messages = []genai.Message{genai.User("")}
	for name, c := range map[string]struct {
		usage *genai.Usage
		err   error
		cost  int
	}{
		"as reserved, without usage": {cost: 100},
		"less than reserved":         {usage: &genai.Usage{Input: 10, Output: 20}, cost: 30},
		"more than reserved":         {usage: &genai.Usage{Input: 100, Output: 200}, cost: 300},
		"a lower bound, less":        {usage: &genai.Usage{Input: 10, LowerBound: true}, cost: 100},
		"a lower bound, more":        {usage: &genai.Usage{Input: 500, LowerBound: true}, cost: 500},
		"cut, without usage":         {err: fail(genai.Truncated), cost: 100},
		"cut, with less":             {err: fail(genai.Truncated), usage: &genai.Usage{Input: 10}, cost: 100},
		"cut, with more":             {err: fail(genai.Truncated), usage: &genai.Usage{Input: 900}, cost: 900},
		"never started":              {err: &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}, cost: 0},
		"a failure that hides usage": {err: fail(genai.ServerError), cost: 100},
	} {
		for _, streamed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					limit := &resilience.TokenLimit{PerMinute: 1000}
					if streamed {
						h := genai.With(func(ctx context.Context, _ *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
							pieces := []genai.ChatEvent{{Text: "a", Usage: &genai.Usage{Input: 1}}, {Text: "b", Usage: c.usage}}
							if c.usage == nil {
								pieces[0].Usage = nil
							}
							return genai.NewStream(ctx, func() (genai.ChatEvent, error) {
								if len(pieces) > 0 {
									p := pieces[0]
									pieces = pieces[1:]
									return p, nil
								}
								if c.err != nil {
									return genai.ChatEvent{}, c.err
								}
								return genai.ChatEvent{}, io.EOF
							}, nil)
						}, limit)
						s, err := h(t.Context(), short)
						if err != nil {
							t.Fatal(err)
						}
						for range s.All() {
						}
					} else {
						h := genai.With(func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) {
							if c.err != nil {
								return nil, c.err
							}
							return &genai.ChatResponse{Usage: c.usage}, nil
						}, limit)
						_, _ = h(t.Context(), short)
						if c.err != nil && c.usage != nil {
							return // a value that failed has no usage
						}
					}
					if got := 1000 - limit.Left(); got != c.cost {
						t.Errorf("streamed %v: it cost %d, want %d", streamed, got, c.cost)
					}
				})
			})
		}
	}
}

func TestTokenLimitRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := &resilience.TokenLimit{PerMinute: 600, Burst: 100, Name: "model", Estimate: func(req any) int { return req.(int) }}
		h := limit.Wrap((&target{}).handle)
		if _, err := h(t.Context(), 80); err != nil {
			t.Fatal(err)
		}
		_, err := h(t.Context(), 50)
		if e := genai.AsError(err); e == nil || e.Kind != genai.LimitReached || e.RetryAfter != 3*time.Second || e.Target != "model" {
			t.Errorf("30 tokens too many at 10 a second: %+v", e)
		}
		time.Sleep(3 * time.Second)
		if _, err := h(t.Context(), 50); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if _, err := h(t.Context(), 5000); err != nil { // more than there ever is
			t.Error(err)
		}
		if limit.Left() != 100-5000 {
			t.Errorf("%d are left", limit.Left())
		}
		time.Sleep(time.Hour)
		limit.Correct(30)
		if limit.Left() != 30 {
			t.Errorf("the provider says 30, and it is %d", limit.Left())
		}
		limit.Correct(90)
		if limit.Left() != 30 {
			t.Error("what the provider does not know of yet is forgotten")
		}
	})
}

// A thousand callers at once get no more than there is. The first version of a well-known gateway let five calls of a hundred
// tokens each pass a limit of a hundred.
func TestTokenLimitTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := &resilience.TokenLimit{PerMinute: 10_000, Estimate: func(any) int { return 100 }}
		var passed atomic.Int64
		h := limit.Wrap(func(ctx context.Context, _ any) (any, error) {
			passed.Add(1)
			sleep(ctx, time.Second)
			return "fine", nil
		})
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { _, _ = h(t.Context(), nil) }) // waited for below
		}
		all.Wait()
		if passed.Load() != 100 {
			t.Errorf("%d calls passed, want 100", passed.Load())
		}
	})
}

func TestAdaptive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &resilience.Adaptive{Start: 10, Min: 2, Max: 20, Slow: time.Second, Name: "model"}
		var mu sync.Mutex
		var takes time.Duration
		var err error
		h := a.Wrap(func(ctx context.Context, _ any) (any, error) {
			mu.Lock()
			takes, err := takes, err
			mu.Unlock()
			sleep(ctx, takes)
			return "fine", err
		})
		round := func(n int) (refused int64) {
			var all sync.WaitGroup
			var count atomic.Int64
			for range n {
				all.Go(func() { // waited for below
					if _, err := h(t.Context(), nil); errors.Is(err, genai.LimitReached) {
						count.Add(1)
						if genai.AsError(err).Started != genai.StartedNo || genai.AsError(err).Target != "model" {
							t.Errorf("it was refused with %+v", err)
						}
					}
				})
			}
			all.Wait()
			return count.Load()
		}
		takes = 100 * time.Millisecond
		if refused := round(15); refused != 5 {
			t.Errorf("%d of 15 were refused by 10 places", refused)
		}
		times(3, func() { round(2) })
		if a.Limit() > 11 {
			t.Errorf("it grew to %d although it was not used", a.Limit())
		}
		times(30, func() { round(20) })
		if a.Limit() != 20 {
			t.Errorf("it grew to %d", a.Limit())
		}
		err = fail(genai.InvalidRequest)
		round(20)
		if a.Limit() != 20 {
			t.Errorf("wrong requests shrink it to %d", a.Limit())
		}
		err = fail(genai.Overloaded)
		round(20)
		if a.Limit() != 18 {
			t.Errorf("one moment of overload shrinks it to %d", a.Limit())
		}
		err, takes = nil, 2*time.Second
		round(18)
		if a.Limit() != 16 {
			t.Errorf("slow answers shrink it to %d", a.Limit())
		}
		err = fail(genai.Timeout)
		times(50, func() { round(20) })
		if a.Limit() != 2 {
			t.Errorf("it never shrinks below 2: %d", a.Limit())
		}
	})
}

func TestShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shed := &resilience.Shed{Name: "model"}
		target := &target{}
		h := shed.Wrap(target.handle)
		ask := func(p genai.Priority, n int) (dropped int) {
			ctx := genai.WithPriority(t.Context(), p)
			for range n {
				if _, err := h(ctx, nil); genai.KindOf(err) == genai.LimitReached && genai.AsError(err).Started == genai.StartedNo {
					dropped++
				}
			}
			return dropped
		}
		if ask(genai.Critical, 200) != 0 {
			t.Error("it drops requests that are answered")
		}
		target.err = fail(genai.Cancelled)
		if ask(genai.Critical, 200) != 0 {
			t.Error("callers who leave count as refused")
		}
		time.Sleep(3 * time.Minute)
		target.err = fail(genai.Overloaded)
		target.calls = 0
		ask(genai.Critical, 1000)
		if target.calls > 300 {
			t.Errorf("%d of 1000 requests reached a target that refuses all", target.calls)
		}
		target.err = nil
		time.Sleep(3 * time.Minute)
		if ask(genai.Critical, 100) != 0 {
			t.Error("it does not forget")
		}
	})
}

func TestShedByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var second time.Time
		n := 0
		h := (&resilience.Shed{}).Wrap(func(context.Context, any) (any, error) { // takes 25 requests a second
			if now := time.Now().Truncate(time.Second); now != second {
				second, n = now, 0
			}
			if n++; n > 25 {
				return nil, fail(genai.Overloaded)
			}
			return "fine", nil
		})
		dropped := map[genai.Priority]int{}
		for i := range 4000 {
			time.Sleep(10 * time.Millisecond)
			p := []genai.Priority{genai.CriticalPlus, genai.Critical, genai.SheddablePlus, genai.Sheddable}[i%4]
			if _, err := h(genai.WithPriority(t.Context(), p), nil); genai.KindOf(err) == genai.LimitReached {
				dropped[p]++
			}
		}
		if dropped[genai.CriticalPlus] > 0 || dropped[genai.Critical] > 10 || dropped[genai.Sheddable] < 900 || dropped[genai.SheddablePlus] < 800 {
			t.Errorf("of 1000 each it dropped %v", dropped)
		}
	})
}

func TestShedExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &target{}
		h := (&resilience.Shed{Least: time.Second}).Wrap(target.handle)
		for left, want := range map[time.Duration]genai.Kind{-time.Second: genai.DeadlineExceeded, 500 * time.Millisecond: genai.DeadlineExceeded, 2 * time.Second: ""} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			_, err := h(ctx, nil)
			cancel()
			if genai.KindOf(err) != want {
				t.Errorf("with %v left it got %v", left, err)
			}
		}
		if target.calls != 1 {
			t.Errorf("%d calls", target.calls)
		}
	})
}

func TestCheck(t *testing.T) {
	if err := resilience.Check(&resilience.Shed{}, &resilience.Deadline{}, &resilience.Retry{}, nil, &resilience.Hedge{}, &resilience.TokenLimit{},
		&resilience.Bulkhead{}, &resilience.Breaker{}, &resilience.Timeouts{}); err != nil {
		t.Errorf("the order of a Stack is said to be wrong: %v", err)
	}
	for _, pair := range [][2]genai.Policy{
		{&resilience.Retry{}, &resilience.Retry{}}, {&resilience.Breaker{}, &resilience.Retry{}}, {&resilience.Breaker{}, &resilience.Bulkhead{}},
		{&resilience.Timeouts{}, &resilience.Breaker{}}, {&resilience.Retry{}, &resilience.Deadline{}}, {&resilience.Retry{}, &resilience.Shed{}},
		{&resilience.TokenLimit{}, &resilience.Retry{}}, {&resilience.Hedge{}, &resilience.Retry{}},
	} {
		err := resilience.Check(&resilience.Shed{}, pair[0], pair[1])
		if pair[1] == genai.Policy(nil) {
			continue
		}
		if e := genai.AsError(err); e == nil || e.Kind != genai.InvalidRequest || e.Field == "" {
			t.Errorf("%T around %T: %v", pair[0], pair[1], err)
		}
	}
}
