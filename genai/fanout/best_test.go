package fanout_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/fanout"
)

func TestBest(t *testing.T) {
	limited := &genai.Error{Kind: genai.RateLimited}
	longest := func(_ context.Context, req string, answers []string) (int, error) {
		if req != "q" || len(answers) < 2 {
			return 0, errors.New("a judge is asked only if there is a choice")
		}
		best := 0
		for i, a := range answers {
			if len(a) > len(answers[best]) {
				best = i
			}
		}
		return best, nil
	}
	say := func(d time.Duration, text string) handler {
		return func(ctx context.Context, _ string) (string, error) { return after(d, text)(ctx, "") }
	}
	for name, test := range map[string]struct {
		judge    func(context.Context, string, []string) (int, error)
		handlers []handler
		want     string
		err      error
	}{
		"the longest":     {longest, []handler{say(time.Second, "a"), say(0, "ccc"), say(2*time.Second, "bb")}, "ccc", nil},
		"beside failures": {longest, []handler{failing(0, limited), say(0, "a"), failing(0, limited), say(time.Second, "bb")}, "bb", nil},
		"without choice":  {longest, []handler{failing(0, limited), say(time.Second, "bb")}, "bb", nil},
		"one handler":     {longest, []handler{say(0, "bb")}, "bb", nil},
		"nobody":          {longest, []handler{failing(0, limited), failing(0, genai.BreakerOpen)}, "", limited},
		"no handler":      {longest, nil, "", genai.NoTarget},
		"a judge fails":   {func(context.Context, string, []string) (int, error) { return 0, limited }, []handler{say(0, "a"), say(0, "b")}, "", limited},
		"a judge errs":    {func(context.Context, string, []string) (int, error) { return 2, nil }, []handler{say(0, "a"), say(0, "b")}, "", genai.Internal},
		"a judge negates": {func(context.Context, string, []string) (int, error) { return -1, nil }, []handler{say(0, "a"), say(0, "b")}, "", genai.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := fanout.Best(test.judge, test.handlers...)(t.Context(), "q")
				if got != test.want || !errors.Is(err, test.err) {
					t.Errorf("%q, %v", got, err)
				}
			})
		})
	}
}

func TestBestDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := []*answer{{choice: "a"}, {choice: "b"}, {choice: "c"}}
		var handlers []genai.Handler[string, *answer]
		for i, a := range all {
			handlers = append(handlers, func(context.Context, string) (*answer, error) { time.Sleep(time.Duration(i)); return a, nil })
		}
		closed := func() (n []int) {
			for _, a := range all {
				n = append(n, a.closed)
			}
			return n
		}
		second := func(context.Context, string, []*answer) (int, error) { return 1, nil }
		if got, err := fanout.Best(second, handlers...)(t.Context(), ""); got != all[1] || err != nil || !slices.Equal(closed(), []int{1, 0, 1}) {
			t.Errorf("%v, %v, %v", got, err, closed())
		}
		_, _ = fanout.Best(func(context.Context, string, []*answer) (int, error) { return 0, genai.Unavailable }, handlers...)(t.Context(), "")
		if !slices.Equal(closed(), []int{2, 1, 2}) {
			t.Errorf("after a failure: %v", closed())
		}
		defer func() {
			if recover() != "judge" || !slices.Equal(closed(), []int{3, 2, 3}) {
				t.Errorf("after a panic: %v", closed())
			}
		}()
		_, _ = fanout.Best(func(context.Context, string, []*answer) (int, error) { panic("judge") }, handlers...)(t.Context(), "")
	})
}

func words(_ context.Context, text string) ([]string, error) {
	if text == "" {
		return nil, genai.Errorf(genai.InvalidRequest, "nothing to split")
	}
	return strings.Fields(text), nil
}

func join(_ context.Context, _ string, pieces []string) (string, error) {
	if len(pieces) == 0 {
		return "", genai.Errorf(genai.Empty, "nothing to join")
	}
	return strings.Join(pieces, "-"), nil
}

func TestMapReduce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		upper := func(_ context.Context, word string) (string, error) {
			time.Sleep(time.Second)
			asked.Add(1)
			if word == "bad" {
				return "", genai.Errorf(genai.ContentFiltered, "a bad word")
			}
			return strings.ToUpper(word), nil
		}
		for _, test := range []struct {
			text   string
			bounds fanout.Bounds
			want   string
			err    error
			asked  int32
			takes  time.Duration
		}{
			{"a b c", fanout.Bounds{}, "A-B-C", nil, 3, time.Second},
			{"a b c d e", fanout.Bounds{AtOnce: 2, Parts: 5}, "A-B-C-D-E", nil, 5, 3 * time.Second},
			{"a b c d e", fanout.Bounds{Parts: 4}, "", genai.TooLarge, 0, 0},
			{strings.Repeat("x ", 1001), fanout.Bounds{}, "", genai.TooLarge, 0, 0},
			{"", fanout.Bounds{}, "", genai.InvalidRequest, 0, 0},
			{" ", fanout.Bounds{}, "", genai.Empty, 0, 0},
			{"a bad c", fanout.Bounds{AtOnce: 1}, "", genai.ContentFiltered, 2, 2 * time.Second},
			{strings.TrimSpace(strings.Repeat("x ", 16)), fanout.Bounds{}, strings.TrimSuffix(strings.Repeat("X-", 16), "-"), nil, 16, 2 * time.Second},
		} {
			asked.Store(0)
			began := time.Now()
			got, err := fanout.MapReduce(words, upper, join, test.bounds)(t.Context(), test.text)
			if got != test.want || !errors.Is(err, test.err) || asked.Load() != test.asked || time.Since(began) != test.takes {
				t.Errorf("%.20q: %q, %v; %d asked in %v", test.text, got, err, asked.Load(), time.Since(began))
			}
		}
	})
}

func TestMapReduceStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		first := func(_ context.Context, _ string, pieces []*genai.Stream[string]) (*genai.Stream[string], error) {
			return pieces[0], nil
		}
		out, err := fanout.MapReduce(words, s.handle, first, fanout.Bounds{AtOnce: 1})(t.Context(), "a b c")
		if err != nil || s.ended.Load() != 0 {
			t.Fatalf("%v, %d ended", err, s.ended.Load())
		}
		for piece, err := range out.All() {
			if piece != "a" || err != nil {
				t.Errorf("%q, %v", piece, err)
			}
		}
		if s.ended.Load() != 3 {
			t.Errorf("%d of 3 ended", s.ended.Load())
		}
		for name, reduce := range map[string]func(context.Context, string, []*genai.Stream[string]) (string, error){
			"a value": func(context.Context, string, []*genai.Stream[string]) (string, error) { return "v", nil },
			"fails":   func(context.Context, string, []*genai.Stream[string]) (string, error) { return "", genai.Internal },
			"panics":  func(context.Context, string, []*genai.Stream[string]) (string, error) { panic("reduce") },
		} {
			s := &source{}
			func() {
				defer func() { _ = recover() }()
				_, _ = fanout.MapReduce(words, s.handle, reduce, fanout.Bounds{AtOnce: 1})(t.Context(), "a b c")
			}()
			if s.ended.Load() != 3 {
				t.Errorf("%s: %d of 3 ended", name, s.ended.Load())
			}
		}
	})
}
