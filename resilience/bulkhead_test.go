package resilience_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

func TestBulkhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Bulkhead{Max: 2, Name: "model"}
		release := make(chan struct{})
		calls := 0
		h := b.Wrap(func(context.Context, any) (any, error) { calls++; <-release; return "fine", nil })
		done := make(chan error, 2)
		for range 2 {
			go func() { _, err := h(t.Context(), nil); done <- err }()
			synctest.Wait()
		}
		_, err := h(t.Context(), nil)
		e, ok := err.(*genai.Error)
		if !ok || e.Kind != genai.LimitReached || e.Started != genai.StartedNo || e.RetryAfter != time.Second || e.Target != "model" || calls != 2 {
			t.Errorf("the third call of two got %+v after %d calls", err, calls)
		}
		close(release)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if _, err := h(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestBulkheadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &resilience.Bulkhead{Max: 1, Wait: time.Minute}
		h := b.Wrap(func(ctx context.Context, req any) (any, error) {
			time.Sleep(req.(time.Duration))
			return "fine", nil
		})
		began := time.Now()
		call := func(ctx context.Context, takes time.Duration) <-chan error {
			c := make(chan error, 1)
			go func() { _, err := h(ctx, takes); c <- err }()
			synctest.Wait()
			return c
		}
		first := call(t.Context(), 50*time.Second)
		second := call(t.Context(), 50*time.Second)
		third := call(t.Context(), 0)
		leaving, leave := context.WithCancel(t.Context())
		fourth := call(leaving, 0)
		leave()
		if err := <-fourth; !errors.Is(err, genai.Cancelled) || time.Since(began) > 0 {
			t.Errorf("a caller who left the queue got %v after %v", err, time.Since(began))
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := <-third; !errors.Is(err, genai.LimitReached) || time.Since(began) != time.Minute {
			t.Errorf("a caller whose patience is a minute got %v after %v", err, time.Since(began))
		}
		if err := <-second; err != nil || time.Since(began) != 100*time.Second {
			t.Errorf("a caller who waited his turn got %v after %v", err, time.Since(began))
		}
	})
}

// A permit is held until the response is over, not until the handler returns.
func TestBulkheadHoldsStreams(t *testing.T) {
	b := &resilience.Bulkhead{Max: 1}
	h := genai.With(func(ctx context.Context, _ any) (*genai.Stream[int], error) { return stream(ctx, nil) }, b)
	for name, end := range map[string]func(*genai.Stream[int]){
		"read":   func(s *genai.Stream[int]) { _, _ = s.Next(); _, _ = s.Next() },
		"closed": func(s *genai.Stream[int]) { s.Close() },
	} {
		s, err := h(t.Context(), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := h(t.Context(), nil); !errors.Is(err, genai.LimitReached) {
			t.Errorf("%s: beside a stream that arrives, another got %v", name, err)
		}
		end(s)
	}
	if _, err := h(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestBulkheadSurvives(t *testing.T) {
	b := &resilience.Bulkhead{Max: 1}
	for name, die := range map[string]func(){"a panic": func() { panic("no") }, "the end of the goroutine": runtime.Goexit} {
		h := b.Wrap(func(context.Context, any) (any, error) { die(); return nil, nil })
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }()
			_, _ = h(t.Context(), nil)
		}()
		<-done
		if _, err := b.Wrap((&target{}).handle)(t.Context(), nil); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}
