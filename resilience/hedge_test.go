package resilience_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

// A plan is how long the requests of one call take, and how they fail.
type plan struct {
	takes [2]time.Duration
	fails [2]error
}

// calls makes a handler of plans, which heeds its context and counts what it is asked and what is broken off.
type calls struct {
	mu     sync.Mutex
	plan   plan
	asked  int
	broken atomic.Int64
}

func (c *calls) handle(ctx context.Context, _ any) (any, error) {
	c.mu.Lock()
	n := c.asked
	c.asked++
	c.mu.Unlock()
	if !sleep(ctx, c.plan.takes[n]) {
		c.broken.Add(1)
		return nil, genai.ContextError(ctx)
	}
	if err := c.plan.fails[n]; err != nil {
		return nil, err
	}
	return n, nil
}

func TestHedge(t *testing.T) {
	const ms = time.Millisecond
	down, wrong := fail(genai.ServerError), fail(genai.InvalidRequest)
	for name, c := range map[string]struct {
		plan   plan
		asked  int
		answer any
		err    error
		broken int64
		took   time.Duration
	}{
		"in time":                       {plan: plan{takes: [2]time.Duration{50 * ms}}, asked: 1, answer: 0, took: 50 * ms},
		"the second is faster":          {plan: plan{takes: [2]time.Duration{time.Hour, 30 * ms}}, asked: 2, answer: 1, broken: 1, took: 130 * ms},
		"the first is faster after all": {plan: plan{takes: [2]time.Duration{120 * ms, time.Hour}}, asked: 2, answer: 0, broken: 1, took: 120 * ms},
		"the first fails early":         {plan: plan{takes: [2]time.Duration{50 * ms}, fails: [2]error{down}}, asked: 1, err: down, took: 50 * ms},
		"the first fails late":          {plan: plan{takes: [2]time.Duration{120 * ms, 50 * ms}, fails: [2]error{down, nil}}, asked: 2, answer: 1, took: 150 * ms},
		"the second fails":              {plan: plan{takes: [2]time.Duration{200 * ms, 10 * ms}, fails: [2]error{nil, down}}, asked: 2, answer: 0, took: 200 * ms},
		"both fail":                     {plan: plan{takes: [2]time.Duration{120 * ms, 50 * ms}, fails: [2]error{down, fail(genai.Timeout)}}, asked: 2, err: down, took: 150 * ms},
		"the request is wrong":          {plan: plan{takes: [2]time.Duration{120 * ms, time.Hour}, fails: [2]error{wrong, nil}}, asked: 2, err: wrong, broken: 1, took: 120 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target := &calls{plan: c.plan}
				h := (&resilience.Hedge{Delay: 100 * ms}).Wrap(target.handle)
				began := time.Now()
				got, err := h(t.Context(), nil)
				if got != c.answer || !errors.Is(err, c.err) || target.asked != c.asked || target.broken.Load() != c.broken || time.Since(began) != c.took {
					t.Errorf("got %v, %v after %v; %d asked, %d broken off", got, err, time.Since(began), target.asked, target.broken.Load())
				}
				if name == "both fail" {
					e := genai.AsError(err)
					if !errors.Is(err, genai.Timeout) || len(e.Attempts) != 2 || e.Attempts[1].By != "hedge" {
						t.Errorf("the error is %+v", e)
					}
				}
			})
		})
	}
}

// The winner is read to its end, whichever it is, and the loser is closed.
func TestHedgeStreams(t *testing.T) {
	for name, first := range map[string]time.Duration{"the first": 150 * time.Millisecond, "the second": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls, closed atomic.Int64
				h := genai.With(func(ctx context.Context, _ any) (*genai.Stream[int], error) {
					n, left := calls.Add(1), 3
					if n == 1 && !sleep(ctx, first) || n == 2 && !sleep(ctx, 100*time.Millisecond) {
						return nil, genai.ContextError(ctx)
					}
					return genai.NewStream(ctx, func() (int, error) {
						if left--; left < 0 {
							return 0, io.EOF
						}
						return int(n), ctx.Err()
					}, func() { closed.Add(1) })
				}, &resilience.Hedge{Delay: 100 * time.Millisecond})
				s, err := h(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				pieces := 0
				for _, err := range s.All() {
					if err != nil {
						t.Fatal(err)
					}
					pieces++
				}
				synctest.Wait()
				if pieces != 3 || calls.Load() != 2 || closed.Load() != 1 {
					t.Errorf("%d pieces of %d calls, %d closed", pieces, calls.Load(), closed.Load())
				}
			})
		})
	}
}

// The delay is learned, and stays what it is although the slow ones are cut off by it.
func TestHedgeLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var mu sync.Mutex
		hedge := &resilience.Hedge{Budget: &resilience.Budget{Ratio: 1}}
		h := hedge.Wrap(func(ctx context.Context, _ any) (any, error) {
			mu.Lock()
			asked++
			n := asked
			mu.Unlock()
			takes := time.Duration(n%20+1) * time.Millisecond
			if n%20 == 0 {
				takes = time.Second
			}
			if !sleep(ctx, takes) {
				return nil, genai.ContextError(ctx)
			}
			return n, nil
		})
		times(49, func() { _, _ = h(t.Context(), nil) })
		if asked != 49 {
			t.Errorf("it hedged before it knew anything: %d", asked)
		}
		times(5000, func() { _, _ = h(t.Context(), nil) })
		if extra := asked - 5049; extra < 100 || extra > 350 {
			t.Errorf("of 5000 requests %d were made twice", extra)
		}
	})
}

type long int

func (l long) Tokens() int { return int(l) }

func TestHedgeHoldsBack(t *testing.T) {
	for name, c := range map[string]struct {
		hedge *resilience.Hedge
		req   any
		ctx   func(context.Context) context.Context
		asked int
	}{
		"a short prompt":       {req: long(4000), asked: 2},
		"a long one":           {req: long(4001), asked: 1},
		"a bound of one's own": {hedge: &resilience.Hedge{MaxTokens: 10}, req: long(11), asked: 1},
		"no budget":            {hedge: &resilience.Hedge{Budget: &resilience.Budget{Cap: 0.5, Floor: -1}}, asked: 1},
		"no further attempt left": {ctx: func(ctx context.Context) context.Context {
			ctx = &genai.Trail{Context: ctx}
			genai.TrailOf(ctx).Limit(0)
			return ctx
		}, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hedge := c.hedge
				if hedge == nil {
					hedge = &resilience.Hedge{}
				}
				hedge.Delay = 100 * time.Millisecond
				ctx := t.Context()
				if c.ctx != nil {
					ctx = c.ctx(ctx)
				}
				target := &calls{plan: plan{takes: [2]time.Duration{time.Second, time.Second}}}
				if _, err := hedge.Wrap(target.handle)(ctx, c.req); err != nil || target.asked != c.asked {
					t.Errorf("%d asked, %v", target.asked, err)
				}
			})
		})
	}
}

// What complains of too much load is not given more.
func TestHedgeUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hedge := &resilience.Hedge{Delay: 100 * time.Millisecond}
		_, _ = hedge.Wrap((&target{err: fail(genai.Overloaded)}).handle)(t.Context(), nil)
		for _, want := range []int{1, 2} {
			slow := &calls{plan: plan{takes: [2]time.Duration{time.Second, time.Second}}}
			if _, err := hedge.Wrap(slow.handle)(t.Context(), nil); err != nil || slow.asked != want {
				t.Errorf("%d asked, %v", slow.asked, err)
			}
			time.Sleep(10 * time.Second)
		}
	})
}

func TestHedgeSurvives(t *testing.T) {
	for name, c := range map[string]struct {
		die    func()
		panics bool
	}{"a panic": {func() { panic("the second") }, true}, "the end of the goroutine": {runtime.Goexit, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				h := (&resilience.Hedge{Delay: 100 * time.Millisecond}).Wrap(func(ctx context.Context, _ any) (any, error) {
					if asked.Add(1) == 2 {
						c.die()
					}
					if !sleep(ctx, time.Second) {
						return nil, genai.ContextError(ctx)
					}
					return "first", nil
				})
				defer func() {
					if p := recover(); (p != nil) != c.panics {
						t.Errorf("it panicked with %v", p)
					} else if p != nil && !strings.Contains(p.(error).Error(), "the second") {
						t.Errorf("the panic is %v", p)
					}
				}()
				if got, err := h(t.Context(), nil); got != "first" {
					t.Errorf("got %v, %v", got, err)
				}
			})
		})
	}
}
