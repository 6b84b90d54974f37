package fanout_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/fanout"
)

type handler = genai.Handler[string, string]

// after answers with text after a while, or when its context ends.
func after(d time.Duration, text string) handler {
	return func(ctx context.Context, req string) (string, error) {
		select {
		case <-time.After(d):
			return req + text, nil
		case <-ctx.Done():
			return "", genai.ContextError(ctx)
		}
	}
}

func failing(d time.Duration, err error) handler {
	return func(ctx context.Context, req string) (string, error) {
		if _, err := after(d, "")(ctx, req); err != nil {
			return "", err
		}
		return "", err
	}
}

// A source is a handler of streams that tells how its streams end.
type source struct {
	opens time.Duration
	late  bool // it does not look at its context before it returns
	ended atomic.Int32
	ctx   context.Context
}

func (s *source) handle(ctx context.Context, req string) (*genai.Stream[string], error) {
	s.ctx = ctx
	if s.late {
		time.Sleep(s.opens)
		ctx = context.WithoutCancel(ctx)
	} else if _, err := after(s.opens, "")(ctx, ""); err != nil {
		return nil, err
	}
	n := 0
	return genai.NewStream(ctx, func() (string, error) {
		if n++; n > 3 {
			return "", io.EOF
		}
		return req, nil
	}, func() { s.ended.Add(1) })
}

func TestAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h := fanout.All(after(2*time.Second, "a"), failing(time.Second, genai.RateLimited), after(3*time.Second, "c"))
		got, err := h(t.Context(), "-")
		if err != nil || len(got) != 3 {
			t.Fatalf("%v, %v", got, err)
		}
		if got[0].Value != "-a" || got[0].Err != nil || !errors.Is(got[1].Err, genai.RateLimited) || got[2].Value != "-c" {
			t.Errorf("got %v", got)
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("took %v: not at the same time", d)
		}
	})
	if got, err := fanout.All[string, string]()(t.Context(), ""); got == nil || len(got) != 0 || err != nil {
		t.Errorf("nobody was asked: %v, %v", got, err)
	}
}

func TestAllAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := fanout.All(after(0, "a"), after(time.Hour, "b"))(ctx, "")
		if err != nil || got[0].Err != nil || !errors.Is(got[1].Err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost error
		loser := func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // cleaning up
			lost = context.Cause(ctx)
			return "late", nil
		}
		began := time.Now()
		got, err := fanout.First(loser, failing(0, genai.Unavailable), after(2*time.Second, "c"), after(4*time.Second, "d"))(t.Context(), "-")
		if got != "-c" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("took %v: the losers were not cancelled, or not waited for", d)
		}
		if !errors.Is(lost, genai.Cancelled) || !strings.Contains(lost.Error(), "another branch") {
			t.Errorf("the loser was cancelled with %v", lost)
		}
	})
}

func TestFirstStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, fast, late := &source{opens: time.Hour}, &source{opens: time.Second}, &source{opens: 2 * time.Second, late: true}
		s, err := fanout.First(slow.handle, fast.handle, late.handle)(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if slow.ended.Load() != 0 || fast.ended.Load() != 0 || late.ended.Load() != 1 {
			t.Errorf("ended: slow %d, fast %d, late %d", slow.ended.Load(), fast.ended.Load(), late.ended.Load())
		}
		synctest.Wait()
		if fast.ctx.Err() != nil || slow.ctx.Err() == nil || late.ctx.Err() == nil {
			t.Error("the winner's context ended too early, or a loser's did not")
		}
		n := 0
		for piece, err := range s.All() {
			if n++; piece != "x" || err != nil {
				t.Errorf("%q, %v", piece, err)
			}
		}
		if n != 3 || fast.ctx.Err() == nil || fast.ended.Load() != 1 {
			t.Errorf("%d pieces; context %v, ended %d", n, fast.ctx.Err(), fast.ended.Load())
		}
	})
}

func TestFirstFails(t *testing.T) {
	limited := &genai.Error{Kind: genai.RateLimited, Target: "b", RetryAfter: time.Second, Started: genai.StartedNo}
	for name, c := range map[string]struct {
		errs    []error
		want    genai.Kind
		started genai.Started
	}{
		"retryable wins":      {[]error{genai.Internal, limited, genai.InvalidRequest}, genai.RateLimited, genai.StartedUnknown},
		"refused by somebody": {[]error{genai.BreakerOpen, genai.NotFound, genai.ContextLength}, genai.ContextLength, genai.StartedUnknown},
		"asked before not":    {[]error{genai.BreakerOpen, genai.NotFound}, genai.NotFound, genai.StartedUnknown},
		"first among equals":  {[]error{&genai.Error{Kind: genai.Unavailable, Started: genai.StartedYes}, limited}, genai.Unavailable, genai.StartedYes},
		"not started":         {[]error{limited, limited}, genai.RateLimited, genai.StartedNo},
	} {
		t.Run(name, func(t *testing.T) {
			var handlers []handler
			for _, err := range c.errs {
				handlers = append(handlers, failing(0, err))
			}
			got, err := fanout.First(handlers...)(t.Context(), "")
			e, ok := errors.AsType[*genai.Error](err)
			if !ok || got != "" || e.Kind != c.want || e.Started != c.started || len(e.Attempts) != len(c.errs) {
				t.Fatalf("%q, %#v", got, err)
			}
			for i, cause := range c.errs {
				if !errors.Is(err, cause) || e.Attempts[i].Kind != genai.KindOf(cause) {
					t.Errorf("the failure %v is not told of in %v", cause, e.Attempts)
				}
			}
		})
	}
	if limited.Attempts != nil {
		t.Error("the error of a branch was changed")
	}
	if _, err := fanout.First[string, string]()(t.Context(), ""); !errors.Is(err, genai.NoTarget) {
		t.Errorf("nobody to ask: %v", err)
	}
	if _, err := fanout.First(failing(0, limited))(t.Context(), ""); err != error(limited) {
		t.Errorf("one branch alone: %v", err)
	}
}

func TestFirstAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := fanout.First(after(time.Hour, "a"), failing(0, genai.RateLimited))(ctx, "")
		if genai.KindOf(err) != genai.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		h := fanout.Map(func(ctx context.Context, n int) (int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Duration(10-n) * time.Second)
			return n * n, nil
		}, 3)
		got, err := h(t.Context(), []int{0, 1, 2, 3, 4, 5, 6})
		if want := []int{0, 1, 4, 9, 16, 25, 36}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		if most.Load() != 3 {
			t.Errorf("%d at the same time", most.Load())
		}
		if got, err := h(t.Context(), nil); got == nil || len(got) != 0 || err != nil {
			t.Errorf("no requests: %#v, %v", got, err)
		}
	})
}

func TestMapFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, discarded atomic.Int32
		h := fanout.Map(func(ctx context.Context, n int) (closer, error) {
			begun.Add(1)
			if n == 2 {
				time.Sleep(time.Second)
				return closer{}, &genai.Error{Kind: genai.InvalidRequest, Field: "text", Reason: "empty"}
			}
			if n == 3 {
				<-ctx.Done()
				return closer{}, genai.ContextError(ctx)
			}
			return closer{&discarded}, nil
		}, 2)
		got, err := h(t.Context(), []int{0, 1, 2, 3, 4, 5})
		e, _ := errors.AsType[*genai.Error](err)
		if got != nil || e == nil || e.Kind != genai.InvalidRequest || e.Field != "[2].text" {
			t.Fatalf("%v, %v", got, err)
		}
		if !errors.Is(err, &genai.Error{Kind: genai.InvalidRequest, Reason: "empty"}) {
			t.Errorf("%v is not what the branch said", err)
		}
		if begun.Load() != 4 || discarded.Load() != 2 {
			t.Errorf("%d were begun, %d discarded", begun.Load(), discarded.Load())
		}
	})
}

type closer struct{ n *atomic.Int32 }

func (c closer) Close() error { c.n.Add(1); return nil }

func TestMapAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := fanout.Map(after(time.Hour, ""), 0)(ctx, []string{"a", "b"}); genai.KindOf(err) != genai.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		if _, err := fanout.Map(after(0, ""), 2)(ctx, []string{"a"}); genai.KindOf(err) != genai.DeadlineExceeded {
			t.Errorf("a call that was over before it began: %v", err)
		}
	})
}

func TestMapStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		streams, err := fanout.Map(s.handle, 1)(t.Context(), []string{"a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		for i, stream := range streams {
			if s.ctx.Err() != nil {
				t.Fatalf("the context ended before stream %d", i)
			}
			for piece, err := range stream.All() {
				if err != nil || piece != []string{"a", "b"}[i] {
					t.Errorf("%q, %v", piece, err)
				}
			}
		}
		if s.ctx.Err() == nil {
			t.Error("the context outlives the streams")
		}
	})
}

func TestPanicReachesTheCaller(t *testing.T) {
	boom := errors.New("boom")
	for name, call := range map[string]func(context.Context, ...handler){
		"All":    func(ctx context.Context, h ...handler) { _, _ = fanout.All(h...)(ctx, "") },
		"First":  func(ctx context.Context, h ...handler) { _, _ = fanout.First(h...)(ctx, "") },
		"Quorum": func(ctx context.Context, h ...handler) { _, _ = fanout.Quorum(2, h...)(ctx, "") },
		"Vote":   func(ctx context.Context, h ...handler) { _, _ = fanout.Vote(2, strings.ToUpper, h...)(ctx, "") },
		"Best": func(ctx context.Context, h ...handler) {
			_, _ = fanout.Best(func(context.Context, string, []string) (int, error) { return 0, nil }, h...)(ctx, "")
		},
		"Map": func(ctx context.Context, h ...handler) {
			_, _ = fanout.Map(func(ctx context.Context, i int) (string, error) { return h[i](ctx, "") }, 9)(ctx, []int{0, 1})
		},
	} {
		for order := range 2 {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begun, done := false, false
					other := func(ctx context.Context, req string) (string, error) {
						begun = true
						defer func() { done = true }()
						return after(time.Second, "")(ctx, req)
					}
					handlers := []handler{func(context.Context, string) (string, error) { panic(boom) }, other}
					if order == 1 {
						slices.Reverse(handlers)
					}
					defer func() {
						err, ok := recover().(error)
						if !ok || !errors.Is(err, boom) || !strings.Contains(err.Error(), "fanout_test.go") {
							t.Errorf("the panic was %v", err)
						}
						if begun != done {
							t.Error("the other branch was not waited for")
						}
					}()
					call(t.Context(), handlers...)
					t.Error("the panic was lost")
				})
			})
		}
	}
}

func TestGoexit(t *testing.T) {
	exit := func(context.Context, string) (string, error) { runtime.Goexit(); return "", nil }
	synctest.Test(t, func(t *testing.T) {
		if got, err := fanout.First(after(time.Second, "a"), exit)(t.Context(), ""); got != "a" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if got, err := fanout.All(after(0, "a"), exit)(t.Context(), ""); err != nil || got[0].Value != "a" || !errors.Is(got[1].Err, genai.Internal) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := fanout.Quorum(1, after(time.Second, "a"), exit)(t.Context(), ""); len(got) != 1 || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := fanout.Quorum(2, after(time.Second, "a"), exit)(t.Context(), ""); !errors.Is(err, genai.Internal) {
			t.Errorf("%v", err)
		}
		if _, err := fanout.Vote(2, strings.ToUpper, after(time.Second, "a"), exit)(t.Context(), ""); !errors.Is(err, genai.Internal) {
			t.Errorf("%v", err)
		}
		h := fanout.Map(func(ctx context.Context, h handler) (string, error) { return h(ctx, "") }, 2)
		slow := after(time.Second, "")
		ended := make(chan struct{})
		go func() { // ends with Map, or in it, if the caller's goroutine gets the request that ends it
			defer close(ended)
			if _, err := h(t.Context(), []handler{slow, exit}); !errors.Is(err, genai.Internal) {
				t.Errorf("%v", err)
			}
		}()
		<-ended
		ended = make(chan struct{})
		go func() { // ends at once, which is what is being tested
			defer close(ended)
			_, _ = fanout.First(exit, after(time.Hour, "a"))(t.Context(), "")
			t.Error("the caller went on")
		}()
		<-ended
	})
}
