package rollout

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A Rollout moves a service to another place step by step, and back at once if it does worse there. Switch, Service and To
// must be set, before Run.
//
// In every step the calls that go to the new place are compared with those that go to the old one: how many fail by the fault
// of the place, and how long the slowest of ten takes. One more failure than is in order is put down to chance, many
// are not. A step is over when it has lasted for Hold and the new place has had MinCalls.
type Rollout struct {
	Switch  *transport.Switch
	Service string
	To      string // an address, as for [transport.Switch.Move]

	Steps []float64     // percentages of the calls, one after another, before all go; nil means 1, 10, 50, 100
	Hold  time.Duration // how long a step lasts; 0 means 1 minute

	// Mirror says how copies are made for the new place before any call goes there; its Client and Shadow are not used.
	// nil leaves this step out: what is copied is done twice and paid for twice.
	Mirror *Mirror

	// Key says which calls belong together, see [Split].
	Key func(ctx context.Context, op string, req any) string

	MinCalls       int     // without so many at the new place a step is not over, and slowness is not judged; 0 means 20
	MaxErrors      float64 // how much more of the calls may fail than at the old place; 0 means 0.01, one in a hundred
	MaxSlower      float64 // how many times as long as at the old place a call may take; 0 means 1.5; 20 ms more are always allowed
	MaxDifferences float64 // how many of the copies may differ, see [Mirror]; 0 means 0.01

	// Report is told when a step is over, by the goroutine of Run. nil means nobody.
	Report func(Step)
}

// A Step is how far a [Rollout] has come.
type Step struct {
	Percent   float64 // of the calls; 0 for copies
	Old, New  Stats   // New only in this step, Old since the beginning
	Differ    int     // of the copies
	Regressed string  // why the service goes back; "" if it does not
}

// name is where a service is while it is rolled out.
func (r *Rollout) name() string { return "rollout:" + r.To }

// Run moves the service and returns nil when all calls go to the new place. If that did worse, the service is back at the old
// place when Run returns a [genai.Precondition] error that says in what; if ctx ends, it is back too, and the error is that of
// ctx. Calls that are running finish where they are.
//
// If somebody else moves the service meanwhile, Run leaves it there and returns a [genai.Conflict] error.
func (r *Rollout) Run(ctx context.Context) error {
	from := r.Switch.Where(r.Service)
	if from == r.To {
		return nil
	}
	old, err := r.Switch.Reach(r.Service, from)
	if err != nil {
		return err
	}
	fresh, err := r.Switch.Reach(r.Service, r.To)
	if err != nil {
		return err
	}
	run := &run{Rollout: r, old: &sample{}}
	if r.Mirror != nil {
		if err = run.copies(ctx, old, fresh); err != nil {
			return run.back(from, err)
		}
	}
	split := &Split{
		Old: &meter{old, func() *sample { return run.old }},
		New: &meter{fresh, run.fresh.Load},
		Key: r.Key,
	}
	run.fresh.Store(&sample{})
	if err := run.point(split, from); err != nil {
		return err
	}
	steps := r.Steps
	if steps == nil {
		steps = []float64{1, 10, 50, 100}
	}
	for _, percent := range steps {
		run.fresh.Store(&sample{})
		split.Set(percent)
		if err := run.step(ctx, percent); err != nil {
			return run.back(from, err)
		}
	}
	return r.Switch.Move(r.Service, r.To)
}

// A run is one Run.
type run struct {
	*Rollout
	old     *sample
	fresh   atomic.Pointer[sample]
	differs atomic.Int64
}

// point sends the calls through c, unless somebody has moved the service.
func (r *run) point(c transport.Client, from string) error {
	if at := r.Switch.Where(r.Service); at != from && at != r.name() {
		return r.moved(at)
	}
	r.Switch.Point(r.Service, r.name(), c)
	return nil
}

func (r *run) moved(to string) error {
	return &genai.Error{Kind: genai.Conflict, Target: r.Service, Message: fmt.Sprintf("somebody has moved the service to %s while it was rolled out", to)}
}

// back moves the service to where it was, unless somebody else has moved it.
func (r *run) back(from string, why error) error {
	if genai.KindOf(why) == genai.Conflict {
		return why
	}
	if err := r.Switch.Move(r.Service, from); err != nil {
		return err
	}
	return why
}

// copies is the step in which the new place gets copies only.
func (r *run) copies(ctx context.Context, old, fresh transport.Client) error {
	shadow := &sample{}
	r.fresh.Store(shadow)
	how := r.Mirror
	m := &Mirror{Client: old, Shadow: fresh, Percent: how.Percent, MaxInFlight: how.MaxInFlight, MaxBytes: how.MaxBytes, Timeout: how.Timeout, Differ: how.Differ}
	m.Report = func(c Comparison) {
		r.old.called(c.Client.Elapsed, c.Client.Err)
		shadow.called(c.Shadow.Elapsed, c.Shadow.Err)
		if c.Differs != "" {
			r.differs.Add(1)
		}
		if how.Report != nil {
			how.Report(c)
		}
	}
	defer m.Close()
	if err := r.point(m, r.Switch.Where(r.Service)); err != nil {
		return err
	}
	return r.step(ctx, 0)
}

// step waits until a step is over.
func (r *run) step(ctx context.Context, percent float64) error {
	hold := or(r.Hold, time.Minute)
	began := time.Now()
	tick := time.NewTicker(max(hold/20, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return genai.ContextError(ctx)
		case <-tick.C:
		}
		if at := r.Switch.Where(r.Service); at != r.name() {
			return r.moved(at)
		}
		s := Step{Percent: percent, Old: r.old.stats(), New: r.fresh.Load().stats()}
		s.Regressed = r.judge(s.Old, s.New)
		if percent == 0 && s.Regressed == "" {
			s.Differ = int(r.differs.Load())
			if float64(s.Differ) > or(r.MaxDifferences, 0.01)*float64(s.New.Calls)+1 {
				s.Regressed = fmt.Sprintf("%d of %d answers differ", s.Differ, s.New.Calls)
			}
		}
		if s.Regressed == "" && (time.Since(began) < hold || s.New.Calls < or(r.MinCalls, 20)) {
			continue
		}
		if r.Report != nil {
			r.Report(s)
		}
		if s.Regressed != "" {
			return &genai.Error{Kind: genai.Precondition, Target: r.Service, Message: fmt.Sprintf("the service is back: at %s, with %s of the calls, %s", r.To, share(percent), s.Regressed)}
		}
		return nil
	}
}

func share(percent float64) string {
	if percent == 0 {
		return "copies"
	}
	return fmt.Sprintf("%g %%", percent)
}
