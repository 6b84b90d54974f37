package rollout

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/transport"
)

// Stats are what became of calls at one place.
type Stats struct {
	Calls  int
	Failed int           // for which the place is to blame, see [genai.Kind.Faulty]; streams that were cut included
	Slow   time.Duration // nine in ten of the last calls had a response, or its first piece, within this time
}

// A sample counts calls at one place.
type sample struct {
	mu     sync.Mutex
	calls  int
	failed int
	times  [512]time.Duration // of the last calls that did not fail
	timed  int
}

func (s *sample) called(elapsed time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if err == nil {
		s.times[s.timed%len(s.times)] = elapsed
		s.timed++
	} else if genai.KindOf(err).Faulty() {
		s.failed++
	}
}

// cut counts a call as failed that was counted as good.
func (s *sample) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed++
}

func (s *sample) stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Stats{Calls: s.calls, Failed: s.failed}
	if n := min(s.timed, len(s.times)); n > 0 {
		times := slices.Clone(s.times[:n])
		slices.Sort(times)
		r.Slow = times[(n*9-1)/10]
	}
	return r
}

// A meter is a client that counts what becomes of its calls.
type meter struct {
	client transport.Client
	sample func() *sample // of the current step
}

// Call implements [transport.Client].
func (m *meter) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	s := m.sample()
	began := clock.Now()
	resp, err := m.client.Call(ctx, spec, req)
	s.called(time.Duration(clock.Now()-began), err)
	if err == nil && genai.Arriving(resp) {
		genai.Finally(resp, nil, func(err error) {
			if genai.KindOf(err).Faulty() {
				s.cut()
			}
		})
	}
	return resp, err
}

// slack is how much slower a place may be in any case: what a hop over a network costs is no reason to go back.
const slack = 20 * time.Millisecond

// judge says in what the new place is worse than the old one; "" if in nothing that matters.
func (r *Rollout) judge(old, fresh Stats) string {
	rate := 0.0
	if old.Calls > 0 {
		rate = float64(old.Failed) / float64(old.Calls)
	}
	// So many failures are in order, and chance may bring a few more: twice the standard deviation of a rare event, and one.
	bound := (rate + or(r.MaxErrors, 0.01)) * float64(fresh.Calls)
	if float64(fresh.Failed) > bound+2*math.Sqrt(bound)+1 {
		return fmt.Sprintf("%d of %d calls failed; at the old place %d of %d did", fresh.Failed, fresh.Calls, old.Failed, old.Calls)
	}
	if enough := or(r.MinCalls, 20); old.Calls < enough || fresh.Calls < enough {
		return ""
	}
	if limit := max(time.Duration(float64(old.Slow)*or(r.MaxSlower, 1.5)), old.Slow+slack); fresh.Slow > limit {
		return fmt.Sprintf("one call in ten takes longer than %v; at the old place it is %v", fresh.Slow.Round(10*time.Microsecond), old.Slow.Round(10*time.Microsecond))
	}
	return ""
}

// or returns v, or other if v is zero.
func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}
