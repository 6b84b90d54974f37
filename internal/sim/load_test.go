package sim_test

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
	"github.com/dovetail-go/dovetail/internal/sim"
	"github.com/dovetail-go/dovetail/resilience"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// TestOverload: the load grows from half of what the server can do to three times as much. What is served stays what the
// server can do, and those who matter most are served.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(2, 2))
		s := &sim.FIFO{Workers: 20, Service: fixed(200 * time.Millisecond), Limit: 100} // a hundred calls a second
		policy := &resilience.Stack{
			Shed:     &resilience.Shed{Window: 10 * time.Second, K: 1.2},
			Adaptive: &resilience.Adaptive{Slow: 500 * time.Millisecond, Start: 40},
			Timeouts: &resilience.Timeouts{FirstToken: 2 * time.Second},
		}
		const lasts = 100 * time.Second
		ramp := func(at time.Duration) float64 { return 50 + 250*at.Seconds()/lasts.Seconds() }
		calls := sim.Load{Rate: ramp, Lasts: lasts, Patience: 2 * time.Second, Seed: 3, Context: func(ctx context.Context) context.Context {
			switch n := rng.IntN(10); {
			case n == 0:
				return genai.WithPriority(ctx, genai.CriticalPlus)
			case n < 4:
				return ctx
			}
			return genai.WithPriority(ctx, genai.Sheddable)
		}}.Run(t.Context(), policy.Wrap(s.Handle))

		over := sim.Between(calls, 40*time.Second, lasts) // beyond what it can do, all the time
		goodput := sim.Share(over) * float64(len(over)) / 60 / 100
		by := map[genai.Priority][]sim.Call{}
		for _, c := range over {
			by[c.Priority] = append(by[c.Priority], c)
		}
		plus := sim.Share(by[genai.CriticalPlus])
		t.Logf("goodput %.3f of the capacity; critical+ %.4f, critical %.3f, sheddable %.3f", goodput, plus, sim.Share(by[genai.Critical]), sim.Share(by[genai.Sheddable]))
		if goodput < 0.9 {
			t.Errorf("of what the server can do %.3f is done", goodput)
		}
		if plus < 0.99 {
			t.Errorf("of the calls that matter most %.4f succeed", plus)
		}
		if sim.Share(sim.Between(calls, 0, 15*time.Second)) < 0.99 {
			t.Error("calls are refused in peace")
		}
	})
}

// lognormal is what a model takes: 0.9 s, more or less, and for a share of the calls 6 to 14 s.
func lognormal(seed uint64, tail float64) func() time.Duration {
	rng := rand.New(rand.NewPCG(seed, 7))
	var mu sync.Mutex
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		if rng.Float64() < tail {
			return time.Duration((6 + 8*rng.Float64()) * float64(time.Second))
		}
		return time.Duration(0.9 * math.Exp(0.35*rng.NormFloat64()) * float64(time.Second))
	}
}

// TestHedging: a second request for the slowest of twenty cuts off the tail.
func TestHedging(t *testing.T) {
	p99 := func(policy genai.Policy) (time.Duration, float64) {
		var took time.Duration
		var extra float64
		synctest.Test(t, func(t *testing.T) {
			s := &sim.FIFO{Workers: 1 << 20, Service: lognormal(1, 0.03)}
			h := genai.AnyHandler(s.Handle)
			if policy != nil {
				h = policy.Wrap(h)
			}
			calls := sim.Load{Rate: sim.Steady(20), Lasts: 1000 * time.Second, Seed: 4}.Run(t.Context(), h)
			took = sim.Quantile(sim.Between(calls, 100*time.Second, time.Hour), 0.99)
			extra = float64(s.Count().Asked)/float64(len(calls)) - 1
		})
		return took, extra
	}
	base, _ := p99(nil)
	hedged, extra := p99(&resilience.Hedge{})
	t.Logf("p99 %v without, %v with a hedge, for %.3f more requests", base, hedged, extra)
	if hedged > base*3/10 {
		t.Errorf("p99 is %v, and was %v", hedged, base)
	}
	if extra > 0.055 {
		t.Errorf("%.3f of the requests are made twice", extra)
	}
}

// farm is four endpoints of 25 places, one of which is eight times as slow from the 60th to the 120th second.
func farm(t *testing.T, picker route.Picker) (during, peace []sim.Call, most int, count [4]sim.Count) {
	synctest.Test(t, func(t *testing.T) {
		var targets []route.Target[any, any]
		var servers [4]*sim.FIFO
		for i := range servers {
			servers[i] = &sim.FIFO{Workers: 25, Service: lognormal(uint64(i)+10, 0)}
			targets = append(targets, route.To(string(rune('a'+i)), genai.Handler[any, any](servers[i].Handle)))
		}
		time.AfterFunc(60*time.Second, func() {
			for _, s := range servers {
				most = max(most, s.Count().Most)
			}
			servers[0].Slow(8)
		})
		time.AfterFunc(120*time.Second, func() { servers[0].Slow(1) })
		router := route.Among(picker, targets...)
		calls := sim.Load{Rate: sim.Steady(70), Lasts: 130 * time.Second, Seed: 5}.Run(t.Context(), router.Handle)
		during, peace = sim.Between(calls, 60*time.Second, 120*time.Second), sim.Between(calls, 10*time.Second, 60*time.Second)
		for i, s := range servers {
			count[i] = s.Count()
		}
	})
	return during, peace, most, count
}

// TestRouting: the default picker leaves a slow endpoint alone, and does not run to a fast one with everybody else.
func TestRouting(t *testing.T) {
	plain, plainPeace, plainMost, _ := farm(t, &route.RoundRobin{})
	ours, peace, most, count := farm(t, &route.PeakEWMA{})
	busy, _, _, _ := farm(t, &route.LeastBusy{})
	p99 := func(calls []sim.Call) time.Duration { return sim.Quantile(calls, 0.99) }
	t.Logf("during the fault: p99 round robin %v, least busy %v, ours %v", p99(plain), p99(busy), p99(ours))
	t.Logf("in peace: p50 round robin %v, ours %v; most at one endpoint %d and %d; ours asked %v", sim.Quantile(plainPeace, 0.5), sim.Quantile(peace, 0.5), plainMost, most, count)
	if p99(ours) > p99(plain)/5 {
		t.Errorf("p99 during the fault is %v, with round robin %v", p99(ours), p99(plain))
	}
	if share := 70 * 0.96 / 4; float64(most) > 2*share { // calls there at once: rate times latency over four
		t.Errorf("%d calls at one endpoint, a fair share is %.0f", most, share)
	}
	if regret := float64(sim.Quantile(peace, 0.5)) / float64(sim.Quantile(plainPeace, 0.5)); regret > 1.15 {
		t.Errorf("in peace the median is %.2f times that of round robin", regret)
	}
}

// TestAmplification: three services, each with retries, above a model that is down. The model is not asked three times
// three times three times.
func TestAmplification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type ping struct{ N int }
		n := &inproc.Network{}
		asked, requests := 0, 0
		var mu sync.Mutex
		next := genai.Handler[*ping, *ping](func(context.Context, *ping) (*ping, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return nil, genai.Errorf(genai.ServerError, "down")
		})
		for _, name := range []string{"three.call", "two.call", "one.call"} {
			op := transport.Op[*ping, *ping]{Name: name}
			op.Serve(n, genai.With(next, &resilience.Retry{}))
			next = op.Dial(n)
		}
		for range 5000 {
			requests++
			if _, err := next(t.Context(), &ping{}); genai.KindOf(err) != genai.ServerError {
				t.Fatal(err)
			}
		}
		amplification := float64(asked) / float64(requests)
		t.Logf("%.3f calls of the model a request", amplification)
		if amplification > 1.2 {
			t.Errorf("the model is asked %.2f times a request", amplification)
		}
	})
}
