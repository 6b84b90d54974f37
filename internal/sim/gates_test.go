package sim_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/sim"
	"github.com/dovetail-go/dovetail/resilience"
)

func fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// A server is what can be slowed down and asked.
type server interface {
	Handle(context.Context, any) (any, error)
	Slow(float64)
	Count() sim.Count
}

// servers return servers of about a hundred calls a second, of 0.2 s each.
var servers = map[string]func() server{
	"FIFO that heeds":         func() server { return &sim.FIFO{Workers: 20, Service: fixed(200 * time.Millisecond)} },
	"FIFO that does not heed": func() server { return &sim.FIFO{Workers: 20, Service: fixed(200 * time.Millisecond), Stays: true} },
	"sharing that heeds": func() server {
		return &sim.Sharing{Slots: 40, Tokens: 20, Rate: 2000, Own: 100, Tick: 10 * time.Millisecond}
	},
	"sharing, does not heed": func() server {
		return &sim.Sharing{Slots: 40, Tokens: 20, Rate: 2000, Own: 100, Tick: 10 * time.Millisecond, Stays: true}
	},
}

// naive is what people write: four attempts of two seconds, with exponential waits and jitter.
type naive struct{}

func (naive) Wrap(next genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (any, error) {
		for attempt := 1; ; attempt++ {
			attemptCtx, cancel := context.WithTimeout(ctx, 2*time.Second)
			resp, err := next(attemptCtx, req)
			cancel()
			if err == nil || attempt == 4 || ctx.Err() != nil {
				return resp, err
			}
			time.Sleep(time.Duration(float64(500*time.Millisecond) * math.Pow(1.5, float64(attempt-1)) * (0.5 + rand.Float64())))
		}
	}
}

// stack is what this library recommends for one target.
func stack() *resilience.Stack {
	return &resilience.Stack{
		Retry:    &resilience.Retry{Retryable: func(err error) bool { return genai.KindOf(err).Failover() }}, // time-outs too, as the naive one does
		Adaptive: &resilience.Adaptive{Slow: time.Second},
		Breaker:  &resilience.Breaker{},
		Timeouts: &resilience.Timeouts{FirstToken: 2 * time.Second},
	}
}

// TestMetastability: a server becomes four times as slow for ten seconds, and is well again. Naive retries keep it down
// for ever after; ours let it recover.
func TestMetastability(t *testing.T) {
	for name, make := range servers {
		for policy, p := range map[string]func() genai.Policy{"naive": func() genai.Policy { return naive{} }, "stack": func() genai.Policy { return stack() }} {
			t.Run(name+"/"+policy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := make()
					const trigger, ends = 20 * time.Second, 30 * time.Second
					time.AfterFunc(trigger, func() { s.Slow(4) })
					time.AfterFunc(ends, func() { s.Slow(1) })
					calls := sim.Load{Rate: sim.Steady(80), Lasts: 80 * time.Second, Seed: 1}.Run(t.Context(), p().Wrap(s.Handle))
					before, after := sim.Share(sim.Between(calls, 5*time.Second, trigger)), sim.Share(sim.Between(calls, ends+10*time.Second, 80*time.Second))
					amplification := float64(s.Count().Asked) / float64(len(calls))
					t.Logf("goodput %.3f before, %.3f after; %.2f attempts a call, %+v", before, after, amplification, s.Count())
					if before < 0.99 {
						t.Errorf("it does not work in peace: %.3f", before)
					}
					if policy == "naive" && after > 0.1 {
						t.Errorf("naive retries do no harm: the simulation proves nothing")
					}
					if policy == "stack" && after < 0.95 {
						t.Errorf("ten seconds after the end of the trigger the goodput is %.3f", after)
					}
				})
			})
		}
	}
}
