package sim_test

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

// A model of the breaker, with nothing in it but the rules: five failures in a row open it, three probes that succeed
// close it, one that fails opens it again, one that says nothing gives its place back, and results from before the last change
// do not count.
type model struct {
	state  resilience.State
	row    int // failures in a row while closed
	good   int // probes that succeeded
	probes int // under way
	epoch  int
}

func (m *model) become(s resilience.State) {
	*m = model{state: s, epoch: m.epoch + 1}
}

// begin reports whether a call passes.
func (m *model) begin() bool {
	switch {
	case m.state == resilience.Open, m.state == resilience.HalfOpen && m.probes+m.good == 3:
		return false
	case m.state == resilience.HalfOpen:
		m.probes++
	}
	return true
}

func (m *model) end(epoch int, kind genai.Kind) {
	if epoch != m.epoch {
		return
	}
	neutral := kind != "" && !kind.Faulty()
	switch m.state {
	case resilience.Closed:
		switch {
		case kind == "":
			m.row = 0
		case !neutral:
			if m.row++; m.row == 5 {
				m.become(resilience.Open)
			}
		}
	case resilience.HalfOpen:
		m.probes--
		switch {
		case kind == "":
			if m.good++; m.good == 3 {
				m.become(resilience.Closed)
			}
		case !neutral:
			m.become(resilience.Open)
		}
	}
}

// TestBreakerModel makes calls begin and end at random, and compares what the breaker does with the model.
func TestBreakerModel(t *testing.T) {
	kinds := []genai.Kind{"", "", genai.ServerError, genai.ServerError, genai.Timeout, genai.Cancelled, genai.RateLimited, genai.InvalidRequest}
	reached := map[resilience.State]int{}
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			b := &resilience.Breaker{Min: 1 << 30, Lease: time.Hour} // rows alone decide: the model has no window
			defer b.Reset()
			m := &model{state: resilience.Closed}
			type call struct {
				finish chan genai.Kind
				done   chan struct{}
				epoch  int
			}
			var under []call
			defer func() { // nothing is left, also after a mismatch
				for _, c := range under {
					close(c.finish)
				}
			}()
			h := b.Wrap(func(_ context.Context, req any) (any, error) {
				if kind := <-req.(chan genai.Kind); kind != "" {
					return nil, genai.Errorf(kind, "no")
				}
				return "fine", nil
			})
			end := func(kind genai.Kind) {
				i := rng.IntN(len(under))
				c := under[i]
				select {
				case <-c.done:
					t.Fatalf("seed %d: a call was refused that the model lets pass", seed)
				case c.finish <- kind:
				}
				under = slices.Delete(under, i, i+1)
				<-c.done
				m.end(c.epoch, kind)
			}
			for step := range 200 {
				switch n := rng.IntN(10); {
				case n < 5:
					c := call{make(chan genai.Kind), make(chan struct{}), m.epoch}
					var err error
					go func() { // ends when the call does
						defer close(c.done)
						_, err = h(t.Context(), c.finish)
					}()
					synctest.Wait()
					passes := m.begin()
					if passes {
						under = append(under, c)
						break
					}
					select {
					case <-c.done:
						if genai.KindOf(err) != genai.BreakerOpen {
							t.Fatalf("seed %d, step %d: refused with %v", seed, step, err)
						}
					default:
						t.Fatalf("seed %d, step %d: a call passes while it is %s with %d probes", seed, step, m.state, m.probes)
					}
				case n < 9:
					if len(under) > 0 {
						end(kinds[rng.IntN(len(kinds))])
					}
				default:
					time.Sleep(67 * time.Second) // longer than it is ever open
					synctest.Wait()
					if m.state == resilience.Open {
						m.become(resilience.HalfOpen)
					}
				}
				reached[m.state]++
				if b.State() != m.state {
					t.Fatalf("seed %d, step %d: it is %s, the model says %s", seed, step, b.State(), m.state)
				}
			}
			for len(under) > 0 { // never stuck: a target that is well is used again
				end("")
			}
			time.Sleep(67 * time.Second)
			for range 3 {
				well := make(chan genai.Kind, 1)
				well <- ""
				_, _ = h(t.Context(), well)
			}
			if b.State() != resilience.Closed {
				t.Errorf("seed %d: a target that is well is not used: %s", seed, b.State())
			}
		})
	}
	if len(reached) != 3 {
		t.Errorf("the states were %v: the test proves nothing", reached)
	}
}

// blocks makes policies in a sound order, a random part of them, and what shows whether something was kept.
func blocks(rng *rand.Rand) (policies []genai.Policy, tokens *resilience.TokenLimit, bulkhead *resilience.Bulkhead, adaptive *resilience.Adaptive, tidy func()) {
	tokens = &resilience.TokenLimit{PerMinute: 1, Burst: 1 << 40, Estimate: func(any) int { return 10 }} // nothing grows back
	bulkhead, adaptive = &resilience.Bulkhead{Max: 30}, &resilience.Adaptive{Min: 30, Max: 30}
	breaker := &resilience.Breaker{OpenFor: time.Second, OpenMax: time.Second}
	all := []genai.Policy{
		&resilience.Shed{Min: 1 << 30}, &resilience.Deadline{Total: time.Minute}, &resilience.Retry{}, &resilience.Hedge{Delay: 300 * time.Millisecond},
		tokens, bulkhead, adaptive, breaker, &resilience.Timeouts{FirstToken: 2 * time.Second, Idle: time.Second},
	}
	for _, p := range all {
		if p == genai.Policy(tokens) || p == genai.Policy(bulkhead) || p == genai.Policy(adaptive) || rng.IntN(3) > 0 {
			policies = append(policies, p)
		}
	}
	for range 20 { // another order, if it is a sound one
		i, j := rng.IntN(len(policies)), rng.IntN(len(policies))
		policies[i], policies[j] = policies[j], policies[i]
		if resilience.Check(policies...) != nil {
			policies[i], policies[j] = policies[j], policies[i]
		}
	}
	return policies, tokens, bulkhead, adaptive, breaker.Reset
}

// TestSettlement makes calls that end in all ways, through random blocks in random sound orders. Afterwards every permit is
// back, every token is settled exactly once, every stream is closed, and no goroutine is left.
func TestSettlement(t *testing.T) {
	var worked atomic.Int64
	for seed := range uint64(120) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			policies, tokens, bulkhead, adaptive, tidy := blocks(rng)
			defer tidy()
			var mu sync.Mutex // for rng
			dice := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return rng.IntN(n)
			}
			var cost, opened, closed atomic.Int64
			// The target stands directly below the policies. Below TokenLimit every call costs ten, unless it says that it never started.
			target := func(ctx context.Context, _ any) (*genai.Stream[int], error) {
				worked.Add(1)
				cost.Add(10)
				if !pause(ctx, time.Duration(dice(3000))*time.Millisecond) {
					return nil, genai.ContextError(ctx)
				}
				switch dice(8) {
				case 0:
					return nil, genai.Errorf(genai.ServerError, "no")
				case 1:
					return nil, genai.Errorf(genai.InvalidRequest, "no")
				case 2:
					cost.Add(-10)
					return nil, &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}
				case 3:
					panic("the handler's own")
				case 4:
					runtime.Goexit()
				}
				left, end := dice(5), dice(3)
				opened.Add(1)
				return genai.NewStream(ctx, func() (int, error) {
					if !pause(ctx, time.Duration(dice(600))*time.Millisecond) {
						return 0, genai.ContextError(ctx)
					}
					if left--; left >= 0 {
						return left, nil
					}
					switch end {
					case 0:
						return 0, genai.Errorf(genai.Truncated, "cut")
					case 1:
						panic("the producer's own")
					}
					return 0, io.EOF
				}, func() { closed.Add(1) })
			}
			h := genai.With(target, policies...)
			var callers sync.WaitGroup
			for range 30 {
				callers.Go(func() { // waited for below; also after the end of the goroutine
					defer func() { _ = recover() }()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if dice(3) == 0 {
						time.AfterFunc(time.Duration(dice(4000))*time.Millisecond, cancel)
					}
					s, err := h(ctx, nil)
					if err != nil {
						return
					}
					for reads := dice(8); reads > 0; reads-- {
						if _, err := s.Next(); err != nil {
							return
						}
					}
					switch dice(3) {
					case 0:
						s.Close()
						s.Close()
					case 1:
						cancel()
						_, _ = s.Next()
					default:
						for range s.All() {
						}
					}
				})
			}
			callers.Wait()
			synctest.Wait()
			if opened.Load() != closed.Load() {
				t.Errorf("seed %d: %d streams were opened and %d closed", seed, opened.Load(), closed.Load())
			}
			if used := int64(1<<40 - tokens.Left()); used > cost.Load() || used < cost.Load()-10 { // a token has grown back in a minute
				t.Errorf("seed %d: %d tokens were settled, want %d", seed, used, cost.Load())
			}
			for name, p := range map[string]genai.Policy{"Bulkhead": bulkhead, "Adaptive": adaptive} {
				entered, release := 0, make(chan struct{})
				guarded := p.Wrap(func(context.Context, any) (any, error) {
					mu.Lock()
					entered++
					mu.Unlock()
					<-release
					return "fine", nil
				})
				var probes sync.WaitGroup
				for range 30 {
					probes.Go(func() { _, _ = guarded(t.Context(), nil) }) // waited for below
				}
				synctest.Wait()
				close(release)
				probes.Wait()
				if entered != 30 {
					t.Errorf("seed %d: of 30 places of %s %d are free", seed, name, entered)
				}
			}
		})
	}
	if worked.Load() < 1000 {
		t.Errorf("only %d calls were made: the test proves nothing", worked.Load())
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
