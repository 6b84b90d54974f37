package genai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/dovetail-go/dovetail/genai"
)

// count returns a stream of the numbers from 0 to n-1 that ends with err.
func count(t *testing.T, n int, err error) *genai.Stream[int] {
	t.Helper()
	i := -1
	s, failed := genai.NewStream(t.Context(), func() (int, error) {
		if i++; i == n {
			return 0, err
		}
		return i, nil
	}, nil)
	if failed != nil {
		t.Fatal(failed)
	}
	return s
}

func TestFinally(t *testing.T) {
	cut := genai.Errorf(genai.Truncated, "cut")
	for name, c := range map[string]struct {
		resp any
		err  error
		use  func(*genai.Stream[int])
		want error
		now  bool // it is called at once
	}{
		"value":     {resp: 1, now: true},
		"error":     {err: cut, want: cut, now: true},
		"both":      {resp: count(t, 3, io.EOF), err: cut, want: cut, now: true},
		"complete":  {resp: count(t, 3, io.EOF), use: drain},
		"cut":       {resp: count(t, 3, cut), use: drain, want: cut},
		"closed":    {resp: count(t, 3, io.EOF), use: func(s *genai.Stream[int]) { s.Close() }, want: genai.Cancelled},
		"discarded": {resp: count(t, 3, io.EOF), use: func(s *genai.Stream[int]) { genai.Discard(s) }, want: genai.Cancelled},
		"left":      {resp: count(t, 3, io.EOF), use: leave, want: genai.Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			var order []int
			for i := range 3 {
				genai.Finally(c.resp, c.err, func(err error) {
					order = append(order, i)
					if !errors.Is(err, c.want) {
						t.Errorf("ended with %v, want %v", err, c.want)
					}
				})
			}
			if c.now != (len(order) == 3) {
				t.Fatalf("%d were called before the end", len(order))
			}
			if s, ok := c.resp.(*genai.Stream[int]); ok && c.use != nil {
				if !genai.Arriving(s) {
					t.Error("not arriving")
				}
				c.use(s)
				s.Close()
				drain(s)
				if genai.Arriving(s) {
					t.Error("still arriving")
				}
				late := 0
				genai.Finally(s, nil, func(err error) {
					if late++; !errors.Is(err, c.want) {
						t.Errorf("told late: %v", err)
					}
				})
				if late != 1 {
					t.Error("who comes late is not told")
				}
			}
			if !slices.Equal(order, []int{0, 1, 2}) {
				t.Errorf("called in the order %v", order)
			}
		})
	}
	if genai.Arriving(5) || genai.Arriving(nil) {
		t.Error("a value is not arriving")
	}
	genai.Discard(nil)
	genai.Discard(5)
}

func drain(s *genai.Stream[int]) {
	for range s.All() {
	}
}

func leave(s *genai.Stream[int]) {
	for range s.All() {
		return
	}
}

func TestFinallyAfterPanic(t *testing.T) {
	s := count(t, 1, io.EOF)
	told := 0
	genai.Finally(s, nil, func(error) { told++; panic("one") })
	genai.Finally(s, nil, func(error) { told++ })
	func() {
		defer func() { _ = recover() }()
		s.Close()
	}()
	if told != 2 {
		t.Errorf("%d of 2 were told", told)
	}
}

func TestWatch(t *testing.T) {
	s := count(t, 2, io.EOF)
	var log []string
	genai.Watch(s, func() { log = append(log, "asked") }, func(p any) { log = append(log, fmt.Sprint("arrived ", *p.(*int))) })
	genai.Watch(s, nil, func(p any) { log = append(log, fmt.Sprint("seen ", *p.(*int))) })
	genai.Watch(s, nil, nil)
	genai.Watch(5, nil, nil)
	drain(s)
	want := []string{"asked", "arrived 0", "seen 0", "asked", "arrived 1", "seen 1", "asked"}
	if !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
}

// Everybody may close, and the context may end, at the same time: each release happens once, and all agree on the end.
func TestManyEnds(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var stops, told atomic.Int32
			i := 0
			s, err := genai.NewStream(ctx, func() (int, error) { i++; return i, nil }, func() { stops.Add(1) })
			if err != nil {
				t.Fatal(err)
			}
			genai.Finally(s, nil, func(error) { told.Add(1) })
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { s.Close() })
			}
			wg.Go(cancel)
			wg.Go(func() {
				for {
					if _, err := s.Next(); err != nil {
						return
					}
				}
			})
			wg.Wait()
			synctest.Wait()
			if stops.Load() != 1 || told.Load() != 1 {
				t.Errorf("stopped %d times, told %d times", stops.Load(), told.Load())
			}
			if _, err := s.Next(); !errors.Is(err, genai.Cancelled) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}
