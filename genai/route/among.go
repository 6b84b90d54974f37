package route

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// A subset is some of the candidates of a table: those whose bit is set.
type subset struct {
	members    uint64
	candidates []*Candidate
}

// among returns those who come into question; see [Picker] for who does. In most calls everybody does, or the same ones
// as in a call before, and then it needs no memory.
func (r *Router[Req, Resp]) among(ctx context.Context, req Req, t *table[Req, Resp], trail *genai.Trail) []*Candidate {
	alarms := r.alarms.Load()
	if t.plain && trail == nil && r.quiet.Load() == alarms {
		return t.candidates
	}
	if len(t.targets) > 64 {
		return r.amongMany(ctx, req, t, trail)
	}
	var able, ready, drawn, asked uint64
	calm := t.plain
	for i := range t.targets {
		target, c := &t.targets[i], t.candidates[i]
		if target.When != nil && !target.When(ctx, req) {
			continue
		}
		bit := uint64(1) << i
		able |= bit
		if trail.Has(c) {
			asked |= bit
		}
		up := target.Ready == nil || target.Ready()
		if up && c.usual() {
			ready |= bit
			drawn |= bit
			continue
		}
		calm = false
		if share := c.returns(up, r.Ramp); share > 0 {
			ready |= bit
			if r.draws(share) {
				drawn |= bit
			}
		}
	}
	if calm {
		r.quiet.Store(alarms) // until somebody fails in a way that leads to a cooldown
	}
	members := able
	if ready != 0 {
		members = ready
	}
	if members&^asked != 0 {
		members &^= asked
	}
	if members&drawn != 0 {
		members &= drawn
	}
	return t.subset(members, members&asked == 0 && asked != 0)
}

// subset returns the candidates whose bits are set. Those of an attempt that avoids somebody are not remembered: it is
// rare, and the next one avoids somebody else.
func (t *table[Req, Resp]) subset(members uint64, once bool) []*Candidate {
	if members == ^uint64(0)>>(64-len(t.targets)) {
		return t.candidates
	}
	place := &t.recent[members*0x9e3779b97f4a7c15>>62]
	if known := place.Load(); known != nil && known.members == members {
		return known.candidates
	}
	fresh := &subset{members: members}
	for i, c := range t.candidates {
		if members&(1<<i) != 0 {
			fresh.candidates = append(fresh.candidates, c)
		}
	}
	if !once {
		place.Store(fresh)
	}
	return fresh.candidates
}

// amongMany is among for more targets than a word has bits.
func (r *Router[Req, Resp]) amongMany(ctx context.Context, req Req, t *table[Req, Resp], trail *genai.Trail) []*Candidate {
	var able, ready []*Candidate
	drawn := map[*Candidate]bool{}
	for i := range t.targets {
		target, c := &t.targets[i], t.candidates[i]
		if target.When != nil && !target.When(ctx, req) {
			continue
		}
		able = append(able, c)
		if share := c.returns(target.Ready == nil || target.Ready(), r.Ramp); share > 0 {
			ready = append(ready, c)
			drawn[c] = r.draws(share)
		}
	}
	members := able
	if len(ready) > 0 {
		members = ready
	}
	members = unless(members, trail.Has)
	return unless(members, func(c any) bool { return !drawn[c.(*Candidate)] })
}

// unless returns list without those for which out reports true, or list itself if that is everybody.
func unless(list []*Candidate, out func(c any) bool) []*Candidate {
	left := make([]*Candidate, 0, len(list))
	for _, c := range list {
		if !out(c) {
			left = append(left, c)
		}
	}
	if len(left) == 0 {
		return list
	}
	return left
}

const (
	gone      = math.MinInt64    // since, for a target that is not ready or cools down
	leastPart = 0.1              // the share with which a target comes back
	usualRamp = 10 * time.Second // until it has its whole share
)

// usual reports whether nothing is the matter with c.
func (c *Candidate) usual() bool {
	account := c.account.Load()
	return c.since.Load() == 0 && (account == nil || account.until.Load() == 0)
}

// returns finds out how much of its usual share of the calls c may have: 0 while it is not ready or cools down, then more
// and more.
func (c *Candidate) returns(ready bool, ramp time.Duration) float64 {
	if ready && c.usual() {
		return 1
	}
	account := c.account.Load()
	now := clock.Now()
	if !ready || c.rest.left(now) > 0 || account.left(now) > 0 {
		c.since.Store(gone)
		return 0
	}
	if ramp == 0 {
		ramp = usualRamp
	}
	since := c.since.Load()
	switch {
	case since == gone:
		since = cmp.Or(now, 1)
		if !c.since.CompareAndSwap(gone, since) {
			return leastPart // somebody else has seen it come back, or go
		}
	case since == 0: // only its account was the matter, and is no longer
		return 1
	}
	if age := now - since; age < int64(ramp) {
		part := leastPart + (1-leastPart)*float64(max(0, age))/float64(ramp)
		c.share.Store(math.Float32bits(float32(part)))
		return part
	}
	c.since.CompareAndSwap(since, 0) // unless it has gone again meanwhile
	return 1
}

// draws decides by lot whether a target takes part with this share. Affinity is not for lots: it moves a part of the keys
// and not a part of the calls.
func (r *Router[Req, Resp]) draws(share float64) bool {
	if share >= 1 {
		return true
	}
	if _, sticky := r.Picker.(*Affinity); sticky {
		return true
	}
	return rand.Float64() < share
}

// A rest is a time for which somebody is left alone. A nil rest is over.
type rest struct{ until atomic.Int64 } // by the clock; 0: it is over

// extend makes the rest last until a time, unless it lasts longer already.
func (r *rest) extend(until int64) {
	for {
		old := r.until.Load()
		if old != 0 && old >= until || r.until.CompareAndSwap(old, until) {
			return
		}
	}
}

// left returns how long the rest lasts.
func (r *rest) left(now int64) time.Duration {
	if r == nil {
		return 0
	}
	until := r.until.Load()
	if until == 0 {
		return 0
	}
	if now < until {
		return time.Duration(until - now)
	}
	r.until.CompareAndSwap(until, 0)
	return 0
}

// Resting returns how long the target will still be left alone after a failure; 0 if it is not.
func (c *Candidate) Resting() time.Duration {
	now := clock.Now()
	return max(c.rest.left(now), c.account.Load().left(now))
}

// cool leaves the target alone for a while, and those who share its credential if that is what was refused.
func (c *Candidate) cool(err error, d time.Duration) {
	if d <= 0 {
		return
	}
	until := cmp.Or(clock.Now()+int64(d), 1) // 0 has a meaning of its own
	if account := c.account.Load(); account != nil && ofCredential(genai.KindOf(err)) {
		account.extend(until)
	}
	c.rest.extend(until)
	c.since.Store(gone)
	c.alarms.Add(1)
}

// ofCredential reports whether a failure of this kind says something about the credential, wherever it is used. A rate
// limit does not: providers count by credential and model.
func ofCredential(k genai.Kind) bool { return k == genai.Unauthenticated || k == genai.QuotaExhausted }

const (
	longestHint = 10 * time.Minute // a target that asks for more is asked again all the same
	refusedRest = time.Minute      // for a credential that was refused without a hint
)

// cooldown is the rule of the router.
func (r *Router[Req, Resp]) cooldown(err error) time.Duration {
	if r.Cooldown != nil {
		return r.Cooldown(err)
	}
	e := genai.AsError(err)
	switch {
	case !e.Kind.Failover() || refused(e.Kind):
		return 0
	case e.RetryAfter > 0:
		return min(e.RetryAfter, longestHint)
	case ofCredential(e.Kind):
		return refusedRest
	}
	return 0
}

// failed books the failure of target i, and returns it as what the caller is told. The wait that the target asked for is
// about the target: if another one can be asked earlier, that is what the caller should wait for.
func (r *Router[Req, Resp]) failed(ctx context.Context, req Req, t *table[Req, Resp], i int, err error, began int64) error {
	c := t.candidates[i]
	d := r.cooldown(err)
	if d <= 0 {
		return named(err, c.name)
	}
	c.cool(err, d)
	e := genai.AsError(err)
	genai.Emit(ctx, genai.Event{Name: "cooldown", Target: c.name, Kind: e.Kind, Delay: d})
	wait := r.soonest(ctx, req, t, i)
	if e.RetryAfter == 0 || wait+time.Millisecond >= d { // those of one account rest equally long, but for the time that this took
		return named(err, c.name)
	}
	told := around(err)
	if told.Target == "" {
		told.Target = c.name
	}
	if len(told.Attempts) == 0 {
		tried := genai.Attempt{Target: told.Target, Kind: e.Kind, RetryAfter: e.RetryAfter}
		if began != 0 {
			tried.Elapsed = time.Duration(clock.Now() - began)
		}
		told.Attempts = []genai.Attempt{tried}
	}
	told.RetryAfter = wait
	return told
}

// soonest returns how long it takes until a target other than the one that failed may be asked.
func (r *Router[Req, Resp]) soonest(ctx context.Context, req Req, t *table[Req, Resp], failed int) time.Duration {
	best := time.Duration(math.MaxInt64 / 2)
	for i := range t.targets {
		target := &t.targets[i]
		if i == failed || target.When != nil && !target.When(ctx, req) || target.Ready != nil && !target.Ready() {
			continue
		}
		best = min(best, t.candidates[i].Resting())
	}
	return best
}
