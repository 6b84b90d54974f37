package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/cache"
	"github.com/dovetail-go/dovetail/resilience/policytest"
)

// A teller takes a second for everything it does, and counts.
type teller struct {
	calls, cancelled, closed atomic.Int32

	pieces int
	end    error // of its streams; nil: complete
	do     func()
}

func (m *teller) ask(ctx context.Context, req string) ([]string, error) {
	n := m.calls.Add(1)
	if !wait(ctx, time.Second) {
		m.cancelled.Add(1)
		return nil, genai.ContextError(ctx)
	}
	if m.do != nil {
		m.do()
	}
	if m.end != nil {
		return nil, m.end
	}
	return []string{req, fmt.Sprint(n)}, nil
}

func (m *teller) tell(ctx context.Context, _ string) (*genai.Stream[[]string], error) {
	call, n := m.calls.Add(1), 0
	return genai.NewStream(ctx, func() ([]string, error) {
		if !wait(ctx, time.Second) {
			m.cancelled.Add(1)
			return nil, genai.ContextError(ctx)
		}
		if n == m.pieces {
			if m.do != nil {
				m.do()
			}
			if m.end != nil {
				return nil, m.end
			}
			return nil, io.EOF
		}
		n++
		return []string{fmt.Sprint(call), fmt.Sprint(n)}, nil
	}, func() { m.closed.Add(1) })
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func everyone() *cache.Coalesce { return &cache.Coalesce{Tenant: cache.Everyone} }

// text is what a stream of a teller says.
func text(s *genai.Stream[[]string]) (string, error) {
	var all []string
	for piece, err := range s.All() {
		if err != nil {
			return strings.Join(all, " "), err
		}
		all = append(all, strings.Join(piece, "."))
	}
	return strings.Join(all, " "), nil
}

func TestCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &teller{}
		joined := atomic.Int32{}
		ctx := genai.Listen(t.Context(), func(e genai.Event) {
			if e.Name == "coalesce" {
				joined.Add(1)
			}
		})
		ask := genai.With(m.ask, everyone())
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() { // waited for below
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				req := "a"
				if i == 9 {
					req = "b"
				}
				got, err := ask(ctx, req)
				if err != nil || len(got) != 2 || got[0] != req {
					t.Errorf("%d: got %q, %v", i, got, err)
				}
				got[0] = "mine" // nobody else sees this
			})
		}
		all.Wait()
		if m.calls.Load() != 2 || joined.Load() != 8 {
			t.Errorf("%d calls, %d joined", m.calls.Load(), joined.Load())
		}
		if got, err := ask(ctx, "a"); err != nil || got[1] != "3" {
			t.Errorf("a call that is over was joined: %q, %v", got, err)
		}
	})
}

func TestCoalesceKeepsApart(t *testing.T) {
	type tenant struct{}
	for name, c := range map[string]struct {
		policy *cache.Coalesce
		req    genai.ChatRequest
		ctx    func(i int) context.Context
		want   int32
	}{
		"one tenant":        {policy: everyone(), req: genai.ChatRequest{Temperature: new(0.0)}, want: 1},
		"no Tenant":         {policy: &cache.Coalesce{}, req: genai.ChatRequest{Temperature: new(0.0)}, want: 2},
		"left to chance":    {policy: everyone(), want: 2},
		"Sampled":           {policy: &cache.Coalesce{Tenant: cache.Everyone, Sampled: true}, want: 1},
		"different tenants": {policy: &cache.Coalesce{Tenant: func(ctx context.Context) string { return ctx.Value(tenant{}).(string) }}, req: genai.ChatRequest{Temperature: new(0.0)}, want: 2},
		"without a name":    {policy: &cache.Coalesce{Tenant: func(context.Context) string { return "" }}, req: genai.ChatRequest{Temperature: new(0.0)}, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &teller{}
				ask := genai.With(func(ctx context.Context, _ *genai.ChatRequest) ([]string, error) { return m.ask(ctx, "") }, c.policy)
				var all sync.WaitGroup
				for i := range 2 {
					all.Go(func() { // waited for below
						req := c.req
						if _, err := ask(context.WithValue(t.Context(), tenant{}, fmt.Sprint(i)), &req); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if got := m.calls.Load(); got != c.want {
					t.Errorf("%d calls, want %d", got, c.want)
				}
			})
		})
	}
}

// Who leaves takes nobody along, not even the one who began; when all have left, the call is over at once.
func TestCoalesceLeaving(t *testing.T) {
	for name, c := range map[string]struct {
		leave []time.Duration // of each caller; 0: never
		calls int32
		over  int32 // calls that were cancelled
		after time.Duration
	}{
		"the first one":        {[]time.Duration{time.Second / 2, 0}, 1, 0, time.Second},
		"one who joined":       {[]time.Duration{0, time.Second / 2}, 1, 0, time.Second},
		"all":                  {[]time.Duration{time.Second / 2, time.Second / 4}, 1, 1, time.Second / 2},
		"one, and another one": {[]time.Duration{time.Second / 4}, 1, 1, time.Second / 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &teller{}
				ask := genai.With(m.ask, everyone())
				began := time.Now()
				var all sync.WaitGroup
				for _, leave := range c.leave {
					all.Go(func() { // waited for below
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if leave > 0 {
							time.AfterFunc(leave, cancel)
						}
						_, err := ask(ctx, "a")
						if leave > 0 && !errors.Is(err, genai.Cancelled) || leave == 0 && err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if took := time.Since(began); took != c.after || m.calls.Load() != c.calls || m.cancelled.Load() != c.over {
					t.Errorf("%v, %d calls, %d cancelled", took, m.calls.Load(), m.cancelled.Load())
				}
				if got, err := ask(t.Context(), "a"); err != nil || got[1] != "2" {
					t.Errorf("afterwards: %q, %v", got, err)
				}
			})
		})
	}
}

// Errors, panics and the end of the goroutine reach everybody.
func TestCoalesceFailures(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		model *teller
		kind  genai.Kind
		panic bool
		gone  int32
	}{
		"error":  {model: &teller{end: genai.Errorf(genai.Overloaded, "no")}, kind: genai.Overloaded},
		"panic":  {model: &teller{do: func() { panic(broken) }}, panic: true},
		"goexit": {model: &teller{do: runtime.Goexit}, gone: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ask := genai.With(c.model.ask, everyone())
				var all sync.WaitGroup
				var gone atomic.Int32
				for range 3 {
					all.Go(func() { // waited for below
						gone.Add(1)
						defer func() {
							p := recover()
							if p != nil {
								gone.Add(-1)
							}
							if err, ok := p.(error); c.panic != (p != nil) || ok && !errors.Is(err, broken) {
								t.Errorf("panic: %v", p)
							}
						}()
						if _, err := ask(t.Context(), "a"); genai.KindOf(err) != c.kind {
							t.Errorf("got %v", err)
						}
						gone.Add(-1)
					})
				}
				all.Wait()
				if c.model.calls.Load() != 1 || gone.Load() != c.gone {
					t.Errorf("%d calls, %d callers have ended", c.model.calls.Load(), gone.Load())
				}
			})
		})
	}
}

// Who joins a stream gets it from its first piece on, and changes nobody else's pieces.
func TestCoalesceStreams(t *testing.T) {
	for name, c := range map[string]struct {
		end  error
		do   func()
		kind genai.Kind
	}{
		"complete": {},
		"cut":      {end: genai.Errorf(genai.Truncated, "cut"), kind: genai.Truncated},
		"goexit":   {do: runtime.Goexit, kind: genai.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &teller{pieces: 4, end: c.end, do: c.do}
				tell := genai.With(m.tell, everyone())
				var all sync.WaitGroup
				for i := range 4 {
					all.Go(func() { // waited for below
						time.Sleep(time.Duration(i) * 1100 * time.Millisecond)
						s, err := tell(t.Context(), "a")
						if err != nil {
							t.Error(err)
							return
						}
						if i == 0 {
							first, err := s.Next()
							if err != nil || !slices.Equal(first, []string{"1", "1"}) {
								t.Errorf("got %q, %v", first, err)
							}
							first[0] = "mine"
						}
						got, err := text(s)
						want := "1.1 1.2 1.3 1.4"
						if i == 0 {
							want = "1.2 1.3 1.4"
						}
						if got != want || genai.KindOf(err) != c.kind {
							t.Errorf("%d: got %q, %v", i, got, err)
						}
					})
				}
				all.Wait()
				synctest.Wait()
				if m.calls.Load() != 1 || m.closed.Load() != 1 {
					t.Errorf("%d calls, %d closed", m.calls.Load(), m.closed.Load())
				}
			})
		})
	}
}

// Closing a stream is leaving: the others read on, and with the last one the producer ends at once.
func TestCoalesceStreamLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &teller{pieces: 5}
		tell := genai.With(m.tell, everyone())
		ctx, cancel := context.WithCancel(t.Context())
		first, _ := tell(ctx, "a")
		second, _ := tell(t.Context(), "a")
		third, err := tell(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		if _, err := first.Next(); !errors.Is(err, genai.Cancelled) {
			t.Errorf("who has left reads on: %v", err)
		}
		second.Close()
		for range 2 {
			if _, err := third.Next(); err != nil {
				t.Error(err)
			}
		}
		if m.closed.Load() != 0 {
			t.Error("the producer has ended")
		}
		third.Close()
		synctest.Wait()
		if m.closed.Load() != 1 || m.calls.Load() != 1 {
			t.Errorf("%d closed, %d calls", m.closed.Load(), m.calls.Load())
		}
		if s, err := tell(t.Context(), "a"); err != nil || m.calls.Load() != 2 {
			t.Errorf("a call that all have left was joined: %v", err)
		} else {
			s.Close()
		}
		synctest.Wait()
	})
}

// A slow reader does not hold up the others, what is held is bounded, and nothing is read that nobody waits for.
func TestCoalesceSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &teller{pieces: 100}
		tell := genai.With(m.tell, &cache.Coalesce{Tenant: cache.Everyone, Bytes: 2000})
		slow, _ := tell(t.Context(), "a")
		fast, err := tell(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // nobody reads
		began := time.Now()
		got, err := text(fast)
		if strings.Count(got, " ") != 99 || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if took := time.Since(began); took < 98*time.Second { // it had the first piece, and perhaps the second
			t.Errorf("the producer ran ahead of its readers: %v", took)
		}
		if _, err = text(slow); !errors.Is(err, genai.LimitReached) {
			t.Errorf("who is too far behind got %v", err)
		}
		synctest.Wait()
		if m.closed.Load() != 1 {
			t.Error("the producer has not ended")
		}
	})
}

// Who comes when something had to be let go of makes a call of his own.
func TestCoalesceTooLateToJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &teller{pieces: 100}
		tell := genai.With(m.tell, &cache.Coalesce{Tenant: cache.Everyone, Bytes: 2000})
		first, err := tell(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if _, err := first.Next(); err != nil {
				t.Fatal(err)
			}
		}
		late, err := tell(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := text(late); strings.Count(got, " ") != 99 || err != nil || !strings.HasPrefix(got, "2.1 ") {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := text(first); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// As a policy it keeps the promises of all policies, for requests that nobody shares and for those that all do.
func TestCoalesceIsPolicy(t *testing.T) {
	policytest.Run(t, func() genai.Policy { return everyone() })
}

func BenchmarkCoalesce(b *testing.B) {
	embed := func(context.Context, *genai.EmbedRequest) (*genai.Embeddings, error) {
		return &genai.Embeddings{Vectors: [][]float32{{0.1, 0.2}}}, nil
	}
	req := &genai.EmbedRequest{Input: []string{"a text of some length, as questions are"}}
	for name, p := range map[string]genai.Policy{"alone": everyone(), "no tenant": &cache.Coalesce{}} {
		h := genai.With(embed, p)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h(context.Background(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
