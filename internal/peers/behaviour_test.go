package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/go-kit/kit/sd"
	"github.com/go-kit/kit/sd/lb"
	"github.com/sony/gobreaker/v2"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

// A scenario is a failure that all meet alike, in virtual time. what returns what happened, in a few words.
type scenario struct {
	name string
	want string // of Dovetail
	run  func(t *testing.T) map[string]string
}

// TestBehaviour prints what everybody does when the same goes wrong. It holds Dovetail to its promise, and the others to nothing.
func TestBehaviour(t *testing.T) {
	scenarios := []scenario{
		{"60 s of calls that fail after 12 s, 10 a second, with a window of 10 s: calls that get through", "140 of 600", slowFailures},
		{"429 with Retry-After: 10, three attempts: the waits", "at least 10s", retryAfter},
		{"a first failure, a deadline before the next attempt: what the caller gets", "the failure, at once", deadlineBeforeRetry},
		{"three services, each with three attempts, the last one dead: calls of it", "3", nested},
		{"400 Bad Request: calls", "1", badRequest},
		{"ten callers who leave: the breaker", "closed", callersLeave},
		{"ten streams that break midway: the breaker", "open", cutStreams},
		{"a hedge that wins: the stream that lost", "closed", hedgeLoser},
	}
	columns := []string{"dovetail", "failsafe-go", "by hand", "go-kit"}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintf(table, "| what goes wrong \t %s \t\n|%s\n", strings.Join(columns, " \t "), strings.Repeat("---\t", len(columns)+1))
	for _, s := range scenarios {
		var got map[string]string
		t.Run(s.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { got = s.run(t) }) })
		if got["dovetail"] != s.want {
			t.Errorf("%s: %s, want %s", s.name, got["dovetail"], s.want)
		}
		cells := []string{s.name}
		for _, c := range columns {
			cell := got[c]
			if cell == "" {
				cell = "–"
			}
			cells = append(cells, cell)
		}
		fmt.Fprintf(table, "| %s \t\n", strings.Join(cells, " \t "))
	}
	table.Flush()
}

// each runs what for everybody's retry, breaker and timeout.
func each(what func(p peer) string) map[string]string {
	got := map[string]string{}
	for _, p := range peers() {
		got[p.name] = what(p)
	}
	return got
}

// slowFailures is about the breakers alone: one that counts a result by when its call began, or forgets before calls end, never
// opens.
func slowFailures(t *testing.T) map[string]string {
	theirs := circuitbreaker.NewBuilder[*answer]().WithFailureRateThreshold(0.5, 20, 10*time.Second).WithDelay(time.Hour).Build()
	executor := failsafe.With[*answer](theirs)
	alone := gobreaker.NewCircuitBreaker[*answer](gobreaker.Settings{
		Interval: 10 * time.Second, BucketPeriod: time.Second, Timeout: time.Hour,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.Requests >= 20 && c.TotalFailures*2 >= c.Requests },
	})
	ours := &resilience.Breaker{Window: 10 * time.Second, Consecutive: -1, OpenFor: time.Hour, OpenMax: time.Hour}
	defer ours.Reset()
	breakers := map[string]func(model ask) ask{
		"dovetail": func(model ask) ask { return genai.With(model, ours) },
		"failsafe-go": func(model ask) ask {
			return func(ctx context.Context, req *request) (*answer, error) {
				return executor.WithContext(ctx).Get(func() (*answer, error) { return model(ctx, req) })
			}
		},
		"by hand": func(model ask) ask {
			return func(ctx context.Context, req *request) (*answer, error) {
				return alone.Execute(func() (*answer, error) { return model(ctx, req) })
			}
		},
	}
	got := map[string]string{}
	for name, compose := range breakers {
		var calls atomic.Int32
		h := compose(func(context.Context, *request) (*answer, error) {
			calls.Add(1)
			time.Sleep(12050 * time.Millisecond)
			return nil, genai.Errorf(genai.ServerError, "%w", errModel)
		})
		var all sync.WaitGroup
		for range 600 {
			all.Go(func() { _, _ = h(t.Context(), nil) }) // waited for below
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		got[name] = fmt.Sprintf("%d of 600", calls.Load()) // 140 had begun when twenty had failed
	}
	return got
}

// roundTripper answers in memory, so that time may be virtual.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func retryAfter(t *testing.T) map[string]string {
	waits := func(at []time.Time) string {
		if len(at) != 3 {
			return fmt.Sprintf("%d calls", len(at))
		}
		first, second := at[1].Sub(at[0]), at[2].Sub(at[1])
		if least := min(first, second); least >= 10*time.Second {
			return "at least 10s"
		}
		return fmt.Sprintf("%.1fs and %.1fs", first.Seconds(), second.Seconds())
	}
	got := each(func(p peer) string {
		var at []time.Time
		h := p.compose(func(context.Context, *request) (*answer, error) {
			at = append(at, time.Now())
			return nil, &genai.Error{Kind: genai.RateLimited, RetryAfter: 10 * time.Second}
		})
		_, _ = h(t.Context(), nil)
		return waits(at)
	})
	var at []time.Time
	client := http.Client{Transport: failsafehttp.NewRoundTripper(roundTripper(func(r *http.Request) (*http.Response, error) {
		at = append(at, time.Now())
		return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"10"}}, Body: http.NoBody, Request: r}, nil
	}), failsafehttp.NewRetryPolicyBuilder().WithBackoff(200*time.Millisecond, 8*time.Second).WithJitterFactor(0.25).Build())}
	if resp, err := client.Get("http://model.test/"); err == nil {
		resp.Body.Close()
	}
	got["failsafe-go"] = waits(at)
	return got
}

func deadlineBeforeRetry(t *testing.T) map[string]string {
	return each(func(p peer) string {
		h := p.compose(func(context.Context, *request) (*answer, error) {
			return nil, &genai.Error{Kind: genai.Overloaded, RetryAfter: 10 * time.Second, Err: errModel}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := h(ctx, nil)
		what := "the failure"
		if !errors.Is(err, errModel) {
			if what = fmt.Sprintf("%q", err); strings.Contains(what, errModel.Error()) {
				what = "the failure, as text alone"
			}
		}
		if time.Since(began) == 0 {
			return what + ", at once"
		}
		return what + ", at the deadline"
	})
}

// nested is about the retries alone: a breaker would end it at some point.
func nested(t *testing.T) map[string]string {
	executor := failsafe.With[*answer](retrypolicy.NewWithDefaults[*answer]())
	retries := map[string]func(model ask) ask{
		"dovetail": func(model ask) ask { return genai.With(model, &resilience.Retry{}) },
		"failsafe-go": func(model ask) ask {
			return func(ctx context.Context, req *request) (*answer, error) {
				return executor.WithContext(ctx).Get(func() (*answer, error) { return model(ctx, req) })
			}
		},
		"by hand": func(model ask) ask {
			return func(ctx context.Context, req *request) (*answer, error) {
				return backoff.RetryWithData(func() (*answer, error) { return model(ctx, req) },
					backoff.WithContext(backoff.WithMaxRetries(backoff.NewExponentialBackOff(), 2), ctx))
			}
		},
		"go-kit": func(model ask) ask {
			e := lb.Retry(3, time.Minute, lb.NewRoundRobin(sd.FixedEndpointer{func(ctx context.Context, req any) (any, error) { return model(ctx, req.(*request)) }}))
			return func(ctx context.Context, req *request) (*answer, error) {
				_, err := e(ctx, req)
				return nil, err
			}
		},
	}
	got := map[string]string{}
	for name, compose := range retries {
		calls := 0
		h := compose(compose(compose(func(context.Context, *request) (*answer, error) {
			calls++
			return nil, genai.Errorf(genai.Unavailable, "%w", errModel)
		})))
		_, _ = h(t.Context(), nil)
		got[name] = fmt.Sprint(calls)
	}
	return got
}

func badRequest(t *testing.T) map[string]string {
	return each(func(p peer) string {
		calls := 0
		_, _ = p.compose(func(context.Context, *request) (*answer, error) {
			calls++
			return nil, genai.Errorf(genai.InvalidRequest, "no such parameter")
		})(t.Context(), nil)
		return fmt.Sprint(calls)
	})
}

// opened asks once more, and finds out whether the model hears of it.
func opened(t *testing.T, h ask, calls *atomic.Int32) string {
	before := calls.Load()
	_, _ = h(t.Context(), nil)
	if calls.Load() == before {
		return "open"
	}
	return "closed"
}

func callersLeave(t *testing.T) map[string]string {
	return each(func(p peer) string {
		var calls atomic.Int32
		h := p.compose(func(ctx context.Context, _ *request) (*answer, error) {
			calls.Add(1)
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Second):
				return fine, nil
			}
		})
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			_, _ = h(ctx, nil)
			cancel()
		}
		return opened(t, h, &calls)
	})
}

// A stream is what the peers know nothing of: a value that is not complete when it is returned.
func cutStreams(t *testing.T) map[string]string {
	var calls atomic.Int32
	cut := func(ctx context.Context, _ *request) (*genai.Stream[string], error) {
		calls.Add(1)
		n := 0
		return genai.NewStream(ctx, func() (string, error) {
			if n++; n > 3 {
				return "", genai.Errorf(genai.Truncated, "cut")
			}
			return "token", nil
		}, nil)
	}
	breaker := &resilience.Breaker{}
	defer breaker.Reset()
	alone := gobreaker.NewCircuitBreaker[*genai.Stream[string]](gobreaker.Settings{})
	executor := failsafe.With[*genai.Stream[string]](circuitbreaker.NewBuilder[*genai.Stream[string]]().WithFailureThreshold(5).Build())
	got := map[string]string{}
	for name, h := range map[string]genai.Handler[*request, *genai.Stream[string]]{
		"dovetail": genai.With(cut, breaker),
		"failsafe-go": func(ctx context.Context, req *request) (*genai.Stream[string], error) {
			return executor.WithContext(ctx).Get(func() (*genai.Stream[string], error) { return cut(ctx, req) })
		},
		"by hand": func(ctx context.Context, req *request) (*genai.Stream[string], error) {
			return alone.Execute(func() (*genai.Stream[string], error) { return cut(ctx, req) })
		},
	} {
		read := func(ctx context.Context, req *request) (*answer, error) {
			s, err := h(ctx, req)
			if err != nil {
				return nil, err
			}
			for _, err := range s.All() {
				if err != nil {
					return nil, err
				}
			}
			return fine, nil
		}
		for range 10 {
			_, _ = read(t.Context(), nil)
		}
		got[name] = opened(t, read, &calls)
	}
	return got
}

func hedgeLoser(t *testing.T) map[string]string {
	type stream = *genai.Stream[string]
	got := map[string]string{}
	for _, name := range []string{"dovetail", "failsafe-go"} {
		var calls, lost atomic.Int32
		// The first is late, and opens its stream all the same, since it was on its way already.
		model := func(ctx context.Context, _ *request) (stream, error) {
			call := calls.Add(1)
			if call == 1 {
				time.Sleep(2 * time.Second)
			}
			return genai.NewStream(context.WithoutCancel(ctx), func() (string, error) { return "token", nil }, func() {
				if call == 1 {
					lost.Add(1)
				}
			})
		}
		h := genai.With(model, &resilience.Hedge{Delay: time.Second})
		if name == "failsafe-go" {
			executor := failsafe.With[stream](hedgepolicy.NewWithDelay[stream](time.Second))
			h = func(ctx context.Context, req *request) (stream, error) {
				return executor.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[stream]) (stream, error) { return model(e.Context(), req) })
			}
		}
		s, err := h(t.Context(), &request{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(); err != nil && err != io.EOF {
			got[name] = "closed, and the winner is dead: " + err.Error()
			continue
		}
		time.Sleep(time.Minute)
		got[name] = "left open"
		if lost.Load() == 1 {
			got[name] = "closed"
		}
		s.Close()
	}
	return got
}
