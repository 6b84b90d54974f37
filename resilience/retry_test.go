package resilience_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

// script returns a handler that fails with one error after the other, nil being an answer, and the times of its calls.
func script(results ...error) (genai.AnyHandler, *[]time.Duration) {
	began := time.Now()
	at := &[]time.Duration{}
	return func(context.Context, any) (any, error) {
		n := len(*at)
		*at = append(*at, time.Since(began))
		if n >= len(results) {
			n = len(results) - 1
		}
		if err := results[n]; err != nil {
			return nil, err
		}
		return "fine", nil
	}, at
}

var errOdd = errors.New("an error that nobody has classified")

func TestRetry(t *testing.T) {
	asked := func(wait time.Duration) error { return &genai.Error{Kind: genai.RateLimited, RetryAfter: wait} }
	for name, c := range map[string]struct {
		retry   *resilience.Retry
		results []error
		calls   int
		want    error         // nil: an answer
		atLeast time.Duration // that it takes
		atMost  time.Duration
	}{
		"an answer":             {results: []error{nil}, calls: 1},
		"the second attempt":    {results: []error{fail(genai.ServerError), nil}, calls: 2, atMost: 400 * time.Millisecond},
		"every attempt fails":   {results: []error{fail(genai.Unavailable), fail(genai.Overloaded), fail(genai.ServerError)}, calls: 3, want: genai.ServerError, atMost: 1200 * time.Millisecond},
		"wrong requests":        {results: []error{fail(genai.InvalidRequest)}, calls: 1, want: genai.InvalidRequest},
		"a wrong key":           {results: []error{fail(genai.Unauthenticated)}, calls: 1, want: genai.Unauthenticated},
		"a second that is not":  {results: []error{fail(genai.ServerError), fail(genai.InvalidRequest), nil}, calls: 2, want: genai.InvalidRequest, atMost: 400 * time.Millisecond},
		"a limit was over":      {results: []error{fail(genai.Timeout), nil}, calls: 1, want: genai.Timeout},
		"not an *Error":         {results: []error{errOdd, nil}, calls: 1, want: errOdd},
		"one attempt":           {retry: &resilience.Retry{Attempts: 1}, results: []error{fail(genai.ServerError), nil}, calls: 1, want: genai.ServerError},
		"five attempts":         {retry: &resilience.Retry{Attempts: 5}, results: []error{fail(genai.ServerError)}, calls: 5, want: genai.ServerError, atMost: 400*time.Millisecond + 800*time.Millisecond + 1600*time.Millisecond + 3200*time.Millisecond},
		"short waits":           {retry: &resilience.Retry{Attempts: 9, Cap: 10 * time.Millisecond}, results: []error{fail(genai.ServerError)}, calls: 9, want: genai.ServerError, atMost: 80 * time.Millisecond},
		"the wait asked for":    {results: []error{asked(3 * time.Second), nil}, calls: 2, atLeast: 3 * time.Second, atMost: 3750 * time.Millisecond},
		"longer than Cap":       {results: []error{asked(30 * time.Second), nil}, calls: 2, atLeast: 30 * time.Second, atMost: 37500 * time.Millisecond},
		"too long a wait":       {results: []error{asked(61 * time.Second), nil}, calls: 1, want: genai.RateLimited},
		"a bound of one's own":  {retry: &resilience.Retry{HintCap: time.Second}, results: []error{asked(2 * time.Second), nil}, calls: 1, want: genai.RateLimited},
		"never started":         {results: []error{&genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}, nil}, calls: 2},
		"a judgement, stricter": {retry: &resilience.Retry{Retryable: func(error) bool { return false }}, results: []error{fail(genai.ServerError), nil}, calls: 1, want: genai.ServerError},
		"a judgement, looser":   {retry: &resilience.Retry{Retryable: func(error) bool { return true }}, results: []error{errOdd, nil}, calls: 2, atMost: 400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := c.retry
				if r == nil {
					r = &resilience.Retry{}
				}
				h, at := script(c.results...)
				began := time.Now()
				resp, err := r.Wrap(h)(t.Context(), nil)
				took := time.Since(began)
				if len(*at) != c.calls {
					t.Errorf("%d calls, want %d", len(*at), c.calls)
				}
				switch {
				case c.want == nil && (err != nil || resp != "fine"):
					t.Errorf("got %v, %v", resp, err)
				case c.want != nil && (resp != nil || !errors.Is(err, c.want)):
					t.Errorf("got %v, %v; want %v", resp, err, c.want)
				}
				if took < c.atLeast || took > c.atMost {
					t.Errorf("it took %v, want between %v and %v", took, c.atLeast, c.atMost)
				}
			})
		})
	}
}

// Callers who failed together must not come back together, neither by themselves nor after a hint.
func TestRetrySpreads(t *testing.T) {
	for name, hint := range map[string]time.Duration{"alone": 0, "after a hint": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				waits := map[time.Duration]bool{}
				for range 50 {
					h, at := script(&genai.Error{Kind: genai.Overloaded, RetryAfter: hint}, nil)
					_, _ = (&resilience.Retry{}).Wrap(h)(t.Context(), nil)
					waits[(*at)[1]] = true
				}
				if len(waits) < 40 {
					t.Errorf("50 callers came back at %d times", len(waits))
				}
			})
		})
	}
}

func TestRetryStopsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		h, at := script(&genai.Error{Kind: genai.RateLimited, RetryAfter: 3 * time.Second}, nil)
		began := time.Now()
		_, err := (&resilience.Retry{}).Wrap(h)(ctx, nil)
		if !errors.Is(err, genai.RateLimited) || len(*at) != 1 || time.Since(began) > 0 {
			t.Errorf("it waited %v for what its deadline does not allow, and got %v", time.Since(began), err)
		}
		if e := genai.AsError(err); e.RetryAfter != 3*time.Second {
			t.Errorf("the hint is lost: %+v", e)
		}
	})
}

func TestRetryIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := &resilience.Budget{Cap: 1, Floor: -1}
		ctx, cancel := context.WithCancel(t.Context())
		h, at := script(&genai.Error{Kind: genai.RateLimited, RetryAfter: 30 * time.Second}, nil)
		done := make(chan error, 1)
		go func() {
			_, err := (&resilience.Retry{Budget: budget}).Wrap(h)(ctx, nil)
			done <- err
		}()
		synctest.Wait()
		began := time.Now()
		cancel()
		err := <-done
		if time.Since(began) > 0 || len(*at) != 1 {
			t.Errorf("a caller who had left was served for %v and %d calls", time.Since(began), len(*at))
		}
		if !errors.Is(err, genai.RateLimited) || !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		if !budget.Withdraw() {
			t.Error("the token for an attempt that was not made is gone")
		}
	})
}

func TestRetryTellsWhatItTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &genai.Error{Kind: genai.Overloaded, Target: "a", RetryAfter: time.Second}
		last := &genai.Error{Kind: genai.ServerError, Target: "b", Code: "oops", Message: "it is broken"}
		var events []genai.Event
		ctx := genai.Listen(t.Context(), func(e genai.Event) { events = append(events, e) })
		h, at := script(first, last)
		_, err := (&resilience.Retry{Attempts: 2}).Wrap(h)(ctx, nil)
		e := genai.AsError(err)
		if !errors.Is(err, last) || e.Kind != genai.ServerError || e.Target != "b" || e.Code != "oops" || e.Message != "it is broken" {
			t.Errorf("the last failure is not all there: %+v", e)
		}
		if len(last.Attempts) != 0 {
			t.Error("the error of the handler was changed")
		}
		if len(e.Attempts) != 2 || e.Attempts[0].Target != "a" || e.Attempts[0].RetryAfter != time.Second ||
			e.Attempts[1].Target != "b" || e.Attempts[1].By != "retry" || e.Attempts[1].Delay != (*at)[1] {
			t.Errorf("the attempts were %+v", e.Attempts)
		}
		if len(events) != 1 || events[0].Name != "retry" || events[0].Attempt != 2 || events[0].Kind != genai.Overloaded || events[0].Delay != (*at)[1] {
			t.Errorf("the events were %+v", events)
		}
	})
}

// Retries inside retries must not multiply.
func TestRetryOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		var h genai.AnyHandler = func(context.Context, any) (any, error) { calls++; return nil, fail(genai.ServerError) }
		for range 3 {
			h = (&resilience.Retry{Attempts: 3}).Wrap(h)
		}
		_, err := h(t.Context(), nil)
		if calls > 3 {
			t.Errorf("three layers of three attempts made %d calls", calls)
		}
		if e := genai.AsError(err); len(e.Attempts) != calls {
			t.Errorf("%d calls, and the attempts %+v", calls, e.Attempts)
		}

		calls = 0
		_, _ = h(genai.WithAttempt(t.Context(), 2), nil) // somebody outside repeats already
		if calls != 1 {
			t.Errorf("%d calls inside somebody else's second attempt", calls)
		}
	})
}

func TestRetryAttemptsAreNumbered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []int
		h := (&resilience.Retry{}).Wrap(func(ctx context.Context, _ any) (any, error) {
			seen = append(seen, genai.AttemptOf(ctx))
			return nil, fail(genai.ServerError)
		})
		_, _ = h(t.Context(), nil)
		if len(seen) != 3 || seen[0] != 1 || seen[1] != 2 || seen[2] != 3 {
			t.Errorf("the attempts were numbered %v", seen)
		}
	})
}

// What was returned is never repeated: a stream that breaks after its first piece stays broken.
func TestRetryCommits(t *testing.T) {
	calls := 0
	h := genai.With(func(ctx context.Context, _ any) (*genai.Stream[int], error) {
		calls++
		return stream(ctx, fail(genai.Truncated))
	}, &resilience.Retry{})
	s, err := h(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Next()
	if _, err := s.Next(); !errors.Is(err, genai.Truncated) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := &resilience.Budget{Cap: 3, Floor: -1, Ratio: 0.1}
		calls := 0
		h := (&resilience.Retry{Budget: budget}).Wrap(func(context.Context, any) (any, error) {
			calls++
			return nil, fail(genai.ServerError)
		})
		var err error
		times(100, func() { _, err = h(t.Context(), nil) })
		if calls < 100+3+8 || calls > 100+3+10 {
			t.Errorf("100 calls whose budget is 3 and a tenth of them made %d attempts", calls)
		}
		if !errors.Is(err, genai.BudgetExhausted) || !errors.Is(err, genai.ServerError) || genai.KindOf(err) != genai.ServerError {
			t.Errorf("without a budget the error is %v", err)
		}
	})
}
