package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
	"github.com/dovetail-go/dovetail/internal/sim"
	"github.com/dovetail-go/dovetail/resilience"
)

// TestBudgetGrid: everything fails, fast or slowly. The attempts stay within what the budget grants, and the caller hears of the
// failure, never of the budget alone.
func TestBudgetGrid(t *testing.T) {
	for _, fails := range []time.Duration{time.Millisecond, 100 * time.Millisecond, 2 * time.Second, 10 * time.Second} {
		t.Run(fails.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const rate, lasts = 200, 30 * time.Second
				attempts := 0
				var mu sync.Mutex
				h := (&resilience.Retry{Attempts: 4}).Wrap(func(ctx context.Context, _ any) (any, error) {
					mu.Lock()
					attempts++
					mu.Unlock()
					if !pause(ctx, fails) {
						return nil, genai.ContextError(ctx)
					}
					return nil, genai.Errorf(genai.ServerError, "down")
				})
				calls := sim.Load{Rate: sim.Steady(rate), Lasts: lasts, Seed: 8}.Run(t.Context(), h)
				most := 1.1*float64(len(calls)) + 1*(lasts+3*fails+20*time.Second).Seconds() + 100
				t.Logf("%d attempts at %d requests, %.0f allowed", attempts, len(calls), most)
				if float64(attempts) > most || attempts <= len(calls) {
					t.Errorf("%d attempts at %d requests, %.0f are allowed", attempts, len(calls), most)
				}
				for _, c := range calls {
					if genai.KindOf(c.Err) != genai.ServerError {
						t.Fatalf("a caller hears %v", c.Err)
					}
				}
			})
		})
	}
}

// TestAffinityGate: four thousand conversations come back to where their beginning is kept, though nobody gets more than a little
// over his share; and when a target goes, only its conversations move.
func TestAffinityGate(t *testing.T) {
	const targets, conversations = 8, 4000
	type ask struct{ conversation int }
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := make([]string, conversations) // where each went last
		var homes []string                     // where each goes when there is little to do
		hits, all, over := 0, 0, 0
		inFlight, total := map[string]int{}, 0
		var list []route.Target[*ask, string]
		for i := range targets {
			name := fmt.Sprint("t", i)
			list = append(list, route.To(name, func(ctx context.Context, req *ask) (string, error) {
				mu.Lock()
				asked[req.conversation] = name
				inFlight[name]++
				total++
				if homes != nil {
					all++
					if homes[req.conversation] == name {
						hits++
					}
					if total > 30*targets && float64(inFlight[name]-1) > 1.25*float64(total)/targets {
						over++
					}
				}
				mu.Unlock()
				if homes != nil {
					pause(ctx, time.Second)
				}
				mu.Lock()
				inFlight[name]--
				total--
				mu.Unlock()
				return "", nil
			}))
		}
		router := route.Among(&route.Affinity{Key: func(_ context.Context, req any) string { return fmt.Sprint("c", req.(*ask).conversation) }}, list...)
		each := func() []string {
			for c := range conversations {
				_, _ = router.Handle(t.Context(), &ask{c})
			}
			return slices.Clone(asked)
		}
		before := each()
		router.Set(slices.Delete(slices.Clone(list), 3, 4)...)
		moved := 0
		for c, home := range each() {
			if home != before[c] {
				moved++
				if before[c] != list[3].Name {
					t.Errorf("conversation %d has moved from %s to %s", c, before[c], home)
				}
			}
		}
		if moved > conversations/targets*5/4 {
			t.Errorf("%d of %d conversations have moved when one of %d targets went", moved, conversations, targets)
		}
		router.Set(list...)
		time.Sleep(time.Hour) // the one that is back has its full share
		homes = before
		rng := rand.New(rand.NewPCG(3, 3))
		sim.Load{Rate: sim.Steady(600), Lasts: 30 * time.Second, Seed: 9}.Run(t.Context(), func(ctx context.Context, _ any) (any, error) {
			mu.Lock()
			req := &ask{rng.IntN(conversations)}
			mu.Unlock()
			return router.Handle(ctx, req)
		})
		rate := float64(hits) / float64(all)
		t.Logf("%.3f of %d calls found their conversation; %d moved with a target", rate, all, moved)
		if rate < 0.9 {
			t.Errorf("only %.3f of the calls found their conversation", rate)
		}
		if over > 0 {
			t.Errorf("%d calls went where there was more than 1.25 times a share", over)
		}
	})
}

// TestCascadeGate: a cheap model that knows how sure it is, before a dear one that is always right. The more it has to be sure, the
// better and the dearer the answers, never one without the other, and at each step for less than the dear model alone costs.
func TestCascadeGate(t *testing.T) {
	type answer struct {
		right bool
		sure  float64
	}
	const questions, cheap, dear = 4000, 1.0, 20.0
	rng := rand.New(rand.NewPCG(4, 4))
	known := make([]answer, questions) // what the cheap one says: mostly right where it is sure
	for i := range known {
		sure := rng.Float64()
		known[i] = answer{rng.Float64() < 0.4+0.6*sure, sure}
	}
	last, lastCost := -1.0, -1.0
	for _, least := range []float64{0, 0.25, 0.5, 0.75, 0.9, 1.1} {
		cost := 0.0
		h := route.Cascade(func(_ context.Context, _ int, a answer) bool { return a.sure >= least },
			func(_ context.Context, q int) (answer, error) { cost += cheap; return known[q], nil },
			func(context.Context, int) (answer, error) { cost += dear; return answer{true, 1}, nil })
		right := 0.0
		for q := range questions {
			if a, err := h(t.Context(), q); err == nil && a.right {
				right++
			}
		}
		t.Logf("sure of %.2f: %.3f right for %.2f each", least, right/questions, cost/questions)
		if right < last || cost < lastCost {
			t.Errorf("sure of %.2f: %v right for %v, before it was %v for %v", least, right, cost, last, lastCost)
		}
		if least <= 0.9 && cost/questions >= dear {
			t.Errorf("sure of %.2f: it costs %.2f, as much as the dear one alone", least, cost/questions)
		}
		last, lastCost = right, cost
	}
	if last != questions {
		t.Errorf("%v of %d are right when nothing cheap is accepted", last, questions)
	}
}
