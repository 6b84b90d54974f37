package fanout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/fanout"
)

func TestQuorum(t *testing.T) {
	limited := &genai.Error{Kind: genai.RateLimited, RetryAfter: time.Second, Started: genai.StartedNo}
	for _, test := range []struct {
		name     string
		need     int
		handlers []handler
		want     string
		kind     genai.Kind
		takes    time.Duration
	}{
		{"the faster two", 2, []handler{after(3*time.Second, "a"), after(time.Hour, "b"), after(time.Second, "c")}, "[a c]", "", 3 * time.Second},
		{"none below one", 0, []handler{after(time.Hour, "a"), after(time.Second, "b")}, "[b]", "", time.Second},
		{"all", 2, []handler{after(2*time.Second, "a"), after(time.Second, "b")}, "[a b]", "", 2 * time.Second},
		{"a failure may be", 2, []handler{failing(0, limited), after(2*time.Second, "b"), after(time.Second, "c")}, "[b c]", "", 2 * time.Second},
		{"too many failures", 2, []handler{failing(time.Second, limited), after(time.Hour, "b"), failing(0, genai.Internal)}, "[]", genai.RateLimited, time.Second},
		{"too many failures, whoever else was faster", 2, []handler{after(0, "a"), failing(time.Second, limited), failing(time.Second, limited)}, "[]", genai.RateLimited, time.Second},
		{"an answer is not enough", 2, []handler{after(0, "a"), failing(time.Second, genai.NotFound)}, "[]", genai.NotFound, time.Second},
		{"too few handlers", 3, []handler{after(time.Hour, "a")}, "[]", genai.NoTarget, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := fanout.Quorum(test.need, test.handlers...)(t.Context(), "")
				if fmt.Sprint(got) != test.want || genai.KindOf(err) != test.kind || time.Since(began) != test.takes {
					t.Errorf("%v, %v after %v", got, err, time.Since(began))
				}
				n := len(test.handlers)
				why := fmt.Sprintf("%d of %d branches failed, %d answers are needed", n-test.need+1, n, test.need)
				if err != nil && test.kind != genai.NoTarget && (len(genai.AsError(err).Attempts) != n || !strings.Contains(err.Error(), why)) {
					t.Errorf("%v, %+v", err, genai.AsError(err).Attempts)
				}
			})
		})
	}
}

func TestQuorumStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, one, two, late := &source{opens: time.Hour}, &source{opens: time.Second}, &source{opens: 2 * time.Second}, &source{opens: 3 * time.Second, late: true}
		streams, err := fanout.Quorum(2, slow.handle, one.handle, two.handle, late.handle)(t.Context(), "x")
		if err != nil || len(streams) != 2 {
			t.Fatal(err)
		}
		synctest.Wait()
		if late.ended.Load() != 1 || slow.ctx.Err() == nil {
			t.Error("a loser was not let go of")
		}
		for range streams[0].All() {
		}
		if one.ctx.Err() == nil || two.ctx.Err() != nil {
			t.Error("each stream ends its own branch, and no other")
		}
		streams[1].Close()
		if synctest.Wait(); two.ctx.Err() == nil {
			t.Error("the context outlives the stream")
		}
		// When it fails, what had answered is closed.
		there := &source{}
		fails := func(context.Context, string) (*genai.Stream[string], error) {
			time.Sleep(time.Second) // or the other would not even be asked, if this one was faster
			return nil, genai.Unavailable
		}
		_, err = fanout.Quorum(2, there.handle, fails)(t.Context(), "x")
		if !errors.Is(err, genai.Unavailable) || there.ended.Load() != 1 || there.ctx.Err() == nil {
			t.Errorf("%v; ended %d times", err, there.ended.Load())
		}
	})
}

func TestVote(t *testing.T) {
	limited := genai.RateLimited
	s := time.Second
	for _, test := range []struct {
		name     string
		need     int
		handlers []handler
		want     string
		kind     genai.Kind
		takes    time.Duration
	}{
		{"more than half", 0, []handler{after(s, "yes"), after(2*s, "no"), after(3*s, "yes"), after(9*s, "no")}, "", genai.Conflict, 9 * s},
		{"three of four", 0, []handler{after(s, "yes"), after(2*s, "no"), after(3*s, "yes"), after(9*s, "yes")}, "yes", "", 9 * s},
		{"as soon as it is clear", 0, []handler{after(s, "yes"), after(9*s, "no"), after(3*s, "yes")}, "yes", "", 3 * s},
		{"as soon as it cannot be", 3, []handler{after(s, "yes"), after(9*s, "no"), after(3*s, "no")}, "", genai.Conflict, 3 * s},
		{"two will do", 2, []handler{after(s, "a"), after(2*s, "b"), after(3*s, "b"), after(4*s, "a"), after(5*s, "c")}, "b", "", 3 * s},
		{"one will do", 1, []handler{after(2*s, "a"), after(s, "b")}, "b", "", s},
		{"in spite of a failure", 2, []handler{failing(s, limited), after(2*s, "a"), after(3*s, "a")}, "a", "", 3 * s},
		{"for a failure", 2, []handler{failing(s, limited), after(2*s, "a"), after(3*s, "b")}, "", limited, 3 * s},
		{"not for the failure", 3, []handler{failing(4*s, limited), after(2*s, "a"), after(3*s, "b"), after(s, "c")}, "", genai.Conflict, 3 * s},
		{"everybody failed", 0, []handler{failing(s, limited), failing(9*s, limited)}, "", limited, s},
		{"one alone", 0, []handler{after(s, "a")}, "a", "", s},
		{"nobody", 0, nil, "", genai.NoTarget, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := fanout.Vote(test.need, strings.ToUpper, test.handlers...)(t.Context(), "")
				if got != test.want || genai.KindOf(err) != test.kind || time.Since(began) != test.takes {
					t.Errorf("%q, %v after %v", got, err, time.Since(began))
				}
				if test.kind == genai.Conflict {
					e := genai.AsError(err)
					if e.Reason != "no_agreement" || e.Started == genai.StartedNo || len(e.Attempts) != len(test.handlers) {
						t.Errorf("%+v", e)
					}
				}
			})
		})
	}
}

// Those that agree are equals, so the first of them in the list is returned, and the rest is let go of.
func TestVoteDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		answers := map[string]*answer{}
		vote := func(name, choice string, d time.Duration) genai.Handler[string, *answer] {
			return func(context.Context, string) (*answer, error) {
				time.Sleep(d)
				a := &answer{choice: choice}
				mu.Lock()
				defer mu.Unlock()
				answers[name] = a
				return a, nil
			}
		}
		choice := func(a *answer) string { return a.choice }
		got, err := fanout.Vote(2, choice, vote("a", "x", 2*time.Second), vote("b", "y", 0), vote("c", "x", time.Second), vote("d", "x", time.Minute))(t.Context(), "")
		if err != nil || got != answers["a"] {
			t.Fatalf("%v, %v", got, err)
		}
		for name, a := range answers {
			if want := map[string]int{"a": 0, "b": 1, "c": 1, "d": 1}[name]; a.closed != want {
				t.Errorf("%s was closed %d times", name, a.closed)
			}
		}
		_, err = fanout.Vote(2, choice, vote("a", "x", 0), vote("b", "y", time.Second))(t.Context(), "")
		if answers["a"].closed != 1 || answers["b"].closed != 1 {
			t.Errorf("after %v: %d and %d", err, answers["a"].closed, answers["b"].closed)
		}
		defer func() {
			if recover() == nil || answers["a"].closed != 1 || answers["b"].closed != 1 {
				t.Errorf("after a panic: %d and %d", answers["a"].closed, answers["b"].closed)
			}
		}()
		_, _ = fanout.Vote(2, func(a *answer) string { panic("no choice") }, vote("a", "x", 0), vote("b", "y", time.Second))(t.Context(), "")
	})
}

type answer struct {
	choice string
	closed int
}

func (a *answer) Close() error { a.closed++; return nil }

func TestQuorumAndVoteAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := fanout.Quorum(2, after(0, "a"), after(time.Hour, "b"))(ctx, ""); genai.KindOf(err) != genai.DeadlineExceeded {
			t.Error(err)
		}
		if _, err := fanout.Vote(2, strings.ToUpper, after(0, "a"), after(time.Hour, "b"))(ctx, ""); genai.KindOf(err) != genai.DeadlineExceeded {
			t.Error(err)
		}
		judge := func(context.Context, string, []string) (int, error) { t.Error("asked"); return 0, nil }
		if _, err := fanout.Best(judge, after(time.Hour, "a"), after(time.Hour, "b"))(ctx, ""); genai.KindOf(err) != genai.DeadlineExceeded {
			t.Error(err)
		}
	})
}
