package route

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// A Router sends each request to one of its targets. Its method value Handle is the handler. The zero value has no
// targets yet. It is safe for concurrent use, and must not be copied.
type Router[Req, Resp any] struct {
	// Picker chooses the target of every attempt; nil means [PeakEWMA]. It is not changed after the first call.
	Picker Picker

	fallback PeakEWMA
	current  atomic.Pointer[table[Req, Resp]]
	setting  sync.Mutex
}

// A table is what one call of Set made. Only last ever changes.
type table[Req, Resp any] struct {
	targets    []Target[Req, Resp]
	candidates []*Candidate // of the targets, in their order
	last       atomic.Pointer[subset]
}

// A subset is some of the candidates: those whose bit is set.
type subset struct {
	members    uint64
	candidates []*Candidate
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
	fresh := &table[Req, Resp]{targets: slices.Clone(targets)}
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
	for _, t := range targets {
		c := known[t.Name]
		if c == nil {
			c = newCandidate(t.Name)
		}
		c.weight.Store(int64(max(1, t.Weight)))
		fresh.candidates = append(fresh.candidates, c)
	}
	r.current.Store(fresh)
}

// Handle asks one of the targets. An error that does not say who was asked is given the name of the target.
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
	among := t.among(trail)
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
		return zero, named(err, c.name)
	}
	return resp, nil
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

// among returns those who come into question; see [Picker] for who does. In most calls everybody does, or the same ones
// as in the call before, and then it needs no memory.
func (t *table[Req, Resp]) among(trail *genai.Trail) []*Candidate {
	n := len(t.targets)
	if n > 64 {
		return t.amongMany(trail)
	}
	all := ^uint64(0) >> (64 - n)
	var ready, asked uint64
	for i := range t.targets {
		if ask := t.targets[i].Ready; ask == nil || ask() {
			ready |= 1 << i
		}
		if trail.Has(t.candidates[i]) {
			asked |= 1 << i
		}
	}
	if ready == 0 {
		ready = all
	}
	if ready&^asked == 0 {
		asked = 0
	}
	if ready&^asked == all {
		return t.candidates
	}
	if last := t.last.Load(); last != nil && last.members == ready&^asked {
		return last.candidates
	}
	fresh := &subset{members: ready &^ asked}
	for i, c := range t.candidates {
		if fresh.members&(1<<i) != 0 {
			fresh.candidates = append(fresh.candidates, c)
		}
	}
	if asked == 0 { // an attempt that avoids somebody is rare, and the next one avoids somebody else
		t.last.Store(fresh)
	}
	return fresh.candidates
}

// amongMany is among for more targets than a word has bits.
func (t *table[Req, Resp]) amongMany(trail *genai.Trail) []*Candidate {
	list := make([]*Candidate, 0, len(t.targets))
	for i := range t.targets {
		if ask := t.targets[i].Ready; ask == nil || ask() {
			list = append(list, t.candidates[i])
		}
	}
	if len(list) == 0 {
		list = append(list, t.candidates...)
	}
	if !slices.ContainsFunc(list, func(c *Candidate) bool { return !trail.Has(c) }) {
		return list
	}
	return slices.DeleteFunc(list, func(c *Candidate) bool { return trail.Has(c) })
}

// named returns err with the name of the target that it came from, unless it says one already. What err is by errors.Is
// and errors.As, the result is too.
func named(err error, name string) error {
	e := genai.AsError(err)
	if e.Target != "" {
		return err
	}
	copied := *e
	copied.Target = name
	copied.Err = err
	switch {
	case error(e) != err:
		copied.Message = err.Error()
	case e.Message == "" && e.Err != nil:
		copied.Message = e.Err.Error()
	}
	return &copied
}
