package policytest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A policyFunc is a policy without fields.
type policyFunc func(genai.AnyHandler) genai.AnyHandler

func (f policyFunc) Wrap(next genai.AnyHandler) genai.AnyHandler { return f(next) }

func TestRun(t *testing.T) {
	Run(t, func() genai.Policy { return policyFunc(func(next genai.AnyHandler) genai.AnyHandler { return next }) })
}

// Each of these policies is wrong in one way, and a check says so.
func TestRunFinds(t *testing.T) {
	var failed atomic.Bool
	for name, c := range map[string]struct {
		policy policyFunc
		by     string
	}{
		"another answer": {by: "value", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				_, err := next(ctx, req)
				return "fine", err
			}
		}},
		"a failure that is swallowed": {by: "failure", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				resp, _ := next(ctx, req)
				return resp, nil
			}
		}},
		"a response with an error": {by: "failure", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				resp, err := next(ctx, req)
				if err != nil {
					resp = "sorry"
				}
				return resp, err
			}
		}},
		"an error that has lost its cause": {by: "failure that may pass", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				resp, err := next(ctx, req)
				if err != nil {
					err = errors.New(err.Error())
				}
				return resp, err
			}
		}},
		"a context of its own": {by: "values of the context", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(_ context.Context, req any) (any, error) { return next(context.Background(), req) }
		}},
		"patience": {by: "deadline of the caller", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				resp, err := next(ctx, req)
				if err != nil {
					time.Sleep(time.Second)
				}
				return resp, err
			}
		}},
		"a caller who is not let go": {by: "caller leaves", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				resp, err := next(ctx, req)
				if err != nil {
					time.Sleep(time.Second)
				}
				return resp, err
			}
		}},
		"a context that ends with the call": {by: "stream that is read slowly", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				return next(ctx, req)
			}
		}},
		"a stream that is opened twice": {by: "stream", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				if resp, err := next(ctx, req); err != nil {
					return resp, err
				}
				return next(ctx, req)
			}
		}},
		"a stream that is dropped": {by: "stream that is closed early", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				if resp, err := next(ctx, req); err != nil {
					return resp, err
				}
				return next(ctx, req)
			}
		}},
		"a panic that is swallowed": {by: "panic", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (resp any, err error) {
				defer func() {
					if recover() != nil {
						err = genai.Errorf(genai.Internal, "a panic")
					}
				}()
				return next(ctx, req)
			}
		}},
		"a goroutine that ends alone": {by: "end of the goroutine", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (resp any, err error) {
				var wait sync.WaitGroup
				wait.Go(func() { resp, err = next(ctx, req) })
				wait.Wait()
				return resp, err
			}
		}},
		"a permit that is kept by failures": {by: "nothing stays held", policy: permits(func(resp any, err error, release func()) {
			if err == nil {
				genai.Finally(resp, nil, func(error) { release() })
			}
		})},
		"a permit that is kept by streams": {by: "nothing stays held", policy: permits(func(resp any, err error, release func()) {
			if !genai.Arriving(resp) {
				release()
			}
		})},
		"a permit that is kept by panics": {by: "another chance", policy: permits(func(resp any, err error, release func()) {
			if err != nil {
				release()
				return
			}
			genai.Finally(resp, nil, func(error) { release() })
		})},
		"no second chance": {by: "another chance", policy: func(next genai.AnyHandler) genai.AnyHandler {
			return func(ctx context.Context, req any) (any, error) {
				if failed.Load() {
					return nil, genai.Errorf(genai.BreakerOpen, "it failed once")
				}
				resp, err := next(ctx, req)
				failed.Store(err != nil)
				return resp, err
			}
		}},
		"one call at a time": {by: "many calls at once", policy: func(next genai.AnyHandler) genai.AnyHandler {
			var under atomic.Bool
			return func(ctx context.Context, req any) (any, error) {
				if !under.CompareAndSwap(false, true) {
					return nil, genai.Errorf(genai.LimitReached, "one at a time")
				}
				time.Sleep(time.Microsecond) // so that they meet
				defer under.Store(false)
				return next(ctx, req)
			}
		}},
		"one handler": {by: "many handlers", policy: func() policyFunc {
			var only genai.AnyHandler
			return func(next genai.AnyHandler) genai.AnyHandler {
				only = next
				return func(ctx context.Context, req any) (any, error) { return only(ctx, req) }
			}
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, check := range checks {
					if check.name == c.by {
						if err := check.run(t.Context(), c.policy); err == nil {
							t.Errorf("%q is green", c.by)
						}
						return
					}
				}
				t.Fatalf("there is no check %q", c.by)
			})
		})
	}
}

// permits returns a policy with 64 permits, which are released as after says.
func permits(after func(resp any, err error, release func())) policyFunc {
	var held atomic.Int64
	return func(next genai.AnyHandler) genai.AnyHandler {
		return func(ctx context.Context, req any) (any, error) {
			if held.Add(1) > 64 {
				held.Add(-1)
				return nil, genai.Errorf(genai.LimitReached, "full")
			}
			resp, err := next(ctx, req)
			after(resp, err, func() { held.Add(-1) })
			return resp, err
		}
	}
}
