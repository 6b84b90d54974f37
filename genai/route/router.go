package route

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// A Router sends each request to one of its targets. Its method value Handle is the handler. The zero value has no
// targets yet. It is safe for concurrent use, and must not be copied.
type Router[Req, Resp any] struct {
	// Picker chooses the target of every attempt; nil means [PeakEWMA]. It is not changed after the first call.
	Picker Picker

	// Cooldown says for how long a target that failed with err is left alone; 0 means not at all. A nil Cooldown leaves it
	// alone for as long as it asked for (RetryAfter), but 10 minutes at most, if its failure was of a kind for which
	// another target may do better, and for one minute if its credentials were refused or its allowance is used up
	// (Unauthenticated, QuotaExhausted) and it asked for nothing. A later, shorter cooldown never shortens one.
	Cooldown func(err error) time.Duration

	// Ramp is how long it takes a target that is back, from a cooldown or from not being ready, to get its whole share of
	// the calls again: it begins with a tenth. 0 means 10 s, a negative Ramp means at once.
	Ramp time.Duration

	fallback PeakEWMA
	current  atomic.Pointer[table[Req, Resp]]
	setting  sync.Mutex
	accounts map[string]*rest // by Credential, guarded by setting

	alarms atomic.Uint64 // how often a cooldown began
	quiet  atomic.Uint64 // the alarms at a time when all targets were as always
}

// A table is what one call of Set made. Only recent ever changes.
type table[Req, Resp any] struct {
	targets    []Target[Req, Resp]
	candidates []*Candidate // of the targets, in their order
	plain      bool         // none of them has a Ready or a When
	recent     [4]atomic.Pointer[subset]
}

// Among returns a Router that chooses among targets as p does; nil means [PeakEWMA]. It panics as [Router.Set] does.
func Among[Req, Resp any](p Picker, targets ...Target[Req, Resp]) *Router[Req, Resp] {
	r := &Router[Req, Resp]{Picker: p}
	r.Set(targets...)
	return r
}

// Set replaces the targets, for calls that begin from now on. What is known about a target is kept for the one that has
// its name. Set panics if two targets have the same name or one has no handler.
func (r *Router[Req, Resp]) Set(targets ...Target[Req, Resp]) {
	r.setting.Lock()
	defer r.setting.Unlock()
	known := map[string]*Candidate{}
	if old := r.current.Load(); old != nil {
		for _, c := range old.candidates {
			known[c.name] = c
		}
	}
	fresh := &table[Req, Resp]{targets: slices.Clone(targets), plain: true}
	names := map[string]bool{}
	for _, t := range targets {
		if t.Handler == nil {
			panic(fmt.Sprintf("route: target %q has no handler", t.Name))
		}
		if names[t.Name] {
			panic(fmt.Sprintf("route: two targets are named %q", t.Name))
		}
		names[t.Name] = true
	}
	accounts := map[string]*rest{}
	for _, t := range targets {
		c := known[t.Name]
		if c == nil {
			c = newCandidate(t.Name, r.cooldown, &r.alarms)
		}
		c.weight.Store(int64(max(1, t.Weight)))
		c.cost.Store(math.Float64bits(t.Cost))
		c.account.Store(nil)
		if t.Credential != "" {
			if accounts[t.Credential] == nil {
				accounts[t.Credential] = cmp.Or(r.accounts[t.Credential], &rest{})
			}
			c.account.Store(accounts[t.Credential])
		}
		fresh.candidates = append(fresh.candidates, c)
		fresh.plain = fresh.plain && t.Ready == nil && t.When == nil
	}
	r.accounts = accounts
	r.alarms.Add(1) // the new ones are looked at once
	r.current.Store(fresh)
}

// Handle asks one of the targets. An error that does not say who was asked is given the name of the target. Its
// RetryAfter is how long it takes until some target may be asked: none, if there is another one that is ready. What the
// target itself asked for is then in Attempts.
//
// A cooldown that begins is told as an event of the name "cooldown" (see [genai.Listen]).
func (r *Router[Req, Resp]) Handle(ctx context.Context, req Req) (Resp, error) {
	var zero Resp
	t := r.current.Load()
	if t == nil || len(t.targets) == 0 {
		return zero, genai.Errorf(genai.NoTarget, "the router has no targets")
	}
	timed, began := !blind(r.Picker), int64(0)
	if timed {
		began = clock.Now()
	}
	trail := genai.TrailOf(ctx)
	among := r.among(ctx, req, t, trail)
	if len(among) == 0 {
		return zero, genai.Errorf(genai.NoTarget, "none of %d targets can answer this request", len(t.targets))
	}
	c := r.choose(ctx, req, among, began)
	if c == nil {
		return zero, genai.Errorf(genai.NoTarget, "the picker took none of %d targets", len(t.targets))
	}
	i := slices.Index(t.candidates, c)
	if i < 0 {
		return zero, genai.Errorf(genai.Internal, "the picker took a target that it was not offered: %q", c.name)
	}
	if trail != nil {
		if len(among) > 1 && !trail.Has(c) {
			trail.SetOthers(true)
		}
		trail.Add(c)
	}

	c.calls.Add(oneCall + oneWaiting)
	returned := false
	defer func() {
		if !returned { // a panic, or the end of the goroutine
			c.latency.punish(clock.Now(), 0)
			c.calls.Add(-oneCall - oneWaiting)
		}
	}()
	resp, err := t.targets[i].Handler(ctx, req)
	returned = true
	if timed {
		c.settle(began, clock.Now(), err)
	}
	if err == nil && genai.Arriving(resp) {
		c.calls.Add(-oneWaiting)
		genai.Finally(resp, nil, c.release)
		return resp, nil
	}
	c.calls.Add(-oneCall - oneWaiting)
	if err != nil {
		return zero, r.failed(ctx, req, t, i, err, began)
	}
	return resp, nil
}

// Candidates returns what is known about the targets, in their order, to be looked at.
func (r *Router[Req, Resp]) Candidates() []*Candidate {
	t := r.current.Load()
	if t == nil {
		return nil
	}
	return slices.Clone(t.candidates)
}

func (r *Router[Req, Resp]) choose(ctx context.Context, req Req, among []*Candidate, now int64) *Candidate {
	switch p := r.Picker.(type) {
	case nil:
		return r.fallback.pickAt(now, among)
	case *PeakEWMA:
		return p.pickAt(now, among)
	default:
		return p.Pick(ctx, req, among)
	}
}

// blind reports whether p never looks at a latency. Reading the clock is what a call through a router costs most.
func blind(p Picker) bool {
	switch p.(type) {
	case *RoundRobin, *Weighted, *LeastBusy:
		return true
	}
	return false
}

// named returns err with the name of the target that it came from, unless it says one already. What err is by errors.Is
// and errors.As, the result is too.
func named(err error, name string) error {
	e := genai.AsError(err)
	if e.Target != "" {
		return err
	}
	copied := around(err)
	copied.Target = name
	return copied
}

// around returns an error of the same kind and text as err, with err as its cause, that may be changed.
func around(err error) *genai.Error {
	e := genai.AsError(err)
	copied := *e
	copied.Err = err
	switch {
	case error(e) != err:
		copied.Message = err.Error()
	case e.Message == "" && e.Err != nil:
		copied.Message = e.Err.Error()
	}
	return &copied
}
