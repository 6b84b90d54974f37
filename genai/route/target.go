package route

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/internal/rendezvous"
)

// A Target is one of the handlers that a [Router] chooses among.
type Target[Req, Resp any] struct {
	Name    string                   // how errors and events call it; unlike all others of the router
	Handler genai.Handler[Req, Resp] // what is asked
	Weight  int                      // its share, relative to the others; less than 1 means 1
	Cost    float64                  // what a call costs, in a unit of your own, such as dollars for a million tokens; see [Cheapest]
	Ready   func() bool              // whether it would take a call now; nil means always. Asked for every call: it must be cheap

	// When says whether the target can answer a request at all: whether it knows pictures or tools, whether its window is
	// large enough. nil means every request. It is asked for every call, before Ready, and what it says is never overruled.
	When func(ctx context.Context, req Req) bool

	// Credential names what the target is paid with. Targets that share it are left alone together when a provider refuses
	// it, or says that its allowance is used up; empty means that the target has its own.
	Credential string
}

// To returns the target that has nothing but a name and a handler.
func To[Req, Resp any](name string, h genai.Handler[Req, Resp]) Target[Req, Resp] {
	return Target[Req, Resp]{Name: name, Handler: h}
}

// A Candidate is what a [Picker] may know about a target. It outlives a change of the targets, as long as there is one
// of its name. It is safe for concurrent use.
type Candidate struct {
	name    string
	hash    uint64 // of the name, for Affinity
	weight  atomic.Int64
	calls   atomic.Int64  // in flight, and in the upper half those of them whose handler has not returned
	cost    atomic.Uint64 // the bits of a float64
	latency average
	rest    rest                 // the cooldown of this target
	account atomic.Pointer[rest] // the one of its credential, which it shares; nil if it has none
	since   atomic.Int64         // since when it is back, by the clock: 0 for those who are as always, gone for those who are not back
	alarms  *atomic.Uint64       // counts the cooldowns of the router
	share   atomic.Uint32        // the bits of a float32: how much of its share it gets, while since is not 0
	release func(error)          // what a stream does at its end, made once so that it costs nothing for each

	current int // for Weighted, guarded by the router's picker
}

const (
	oneCall    = 1
	oneWaiting = 1 << 32
)

func newCandidate(name string, cooldown func(error) time.Duration, alarms *atomic.Uint64) *Candidate {
	c := &Candidate{name: name, hash: rendezvous.Hash(name, 0), alarms: alarms}
	c.release = func(outcome error) {
		c.calls.Add(-oneCall)
		if outcome == nil {
			return
		}
		c.cool(outcome, cooldown(outcome))
		if genai.KindOf(outcome).Faulty() {
			c.latency.punish(clock.Now(), 0)
		}
	}
	return c
}

// Name returns the name of the target.
func (c *Candidate) Name() string { return c.name }

// Weight returns the share of the target; at least 1.
func (c *Candidate) Weight() int { return int(c.weight.Load()) }

// Cost returns what a call costs, as the [Target] says.
func (c *Candidate) Cost() float64 { return math.Float64frombits(c.cost.Load()) }

// InFlight returns the number of calls whose response is not over.
func (c *Candidate) InFlight() int { return int(uint32(c.calls.Load())) }

func (c *Candidate) waiting() bool { return c.calls.Load() >= oneWaiting }

// Latency returns how long the target takes to return, lately: at once as long as its slowest answer, then less from
// answer to answer, and from second to second while it is not asked. A failure counts as a long wait. It is 0 for a
// target of which nothing is known.
func (c *Candidate) Latency() time.Duration { return time.Duration(c.expected(clock.Now())) }

// expected is Latency in nanoseconds. While an answer is outstanding nothing is forgotten: it would be wrong to believe
// that the target has recovered just when somebody is finding out.
func (c *Candidate) expected(now int64) float64 {
	if c.waiting() {
		return c.latency.last()
	}
	return c.latency.at(now)
}

// settle books how a call to the target went that took from began to now.
func (c *Candidate) settle(began, now int64, err error) {
	took := float64(now - began)
	switch kind := genai.KindOf(err); {
	case err == nil:
		c.latency.add(now, took)
	case kind == genai.Cancelled || kind == genai.DeadlineExceeded:
		c.latency.atLeast(now, took)
	case kind.Faulty() || kind.Failover() && kind != genai.Unsupported:
		c.latency.punish(now, took)
	}
	// Any other failure is about the request, and says nothing about the target.
}

// An average is a peak-sensitive moving average of durations: it follows a longer one at once and a shorter one slowly,
// by e in memory. Value and time of the last change are one word, so that nobody ever waits: the upper half is a
// float32 of nanoseconds, the lower half a time in ticks.
type average struct{ word atomic.Uint64 }

const (
	tickBits   = 16                                        // a tick is 65.5 µs: it takes 39 hours until a time seems to lie in the future
	memory     = float64(10*time.Second) / (1 << tickBits) // in ticks
	moment     = memory / 1000                             // less than this does not matter
	worst      = float64(time.Minute)                      // the longest a failure counts for
	leastWorse = float64(time.Second)                      // and the shortest
)

// split returns the value and the number of ticks that it is old at now, 0 for a now before it.
func split(word uint64, now int64) (value, age float64) {
	value = float64(math.Float32frombits(uint32(word >> 32)))
	return value, float64(max(0, int32(uint32(now>>tickBits)-uint32(word))))
}

// last returns the average as it was at its last change.
func (a *average) last() float64 {
	value, _ := split(a.word.Load(), 0)
	return value
}

// at returns the average at a time: what is not renewed is forgotten.
func (a *average) at(now int64) float64 {
	value, age := split(a.word.Load(), now)
	return value * kept(age)
}

// kept is how much of an average is left at an age.
func kept(age float64) float64 {
	if age < moment {
		return 1
	}
	return math.Exp(-age / memory)
}

// change replaces the average by what f makes of the value and its age.
func (a *average) change(now int64, f func(value, age float64) float64) {
	for {
		old := a.word.Load()
		value := max(1, f(split(old, now))) // 0 would mean that nothing is known
		fresh := uint64(math.Float32bits(float32(value)))<<32 | uint64(uint32(now>>tickBits))
		if a.word.CompareAndSwap(old, fresh) {
			return
		}
	}
}

func (a *average) add(now int64, took float64) {
	if value, age := split(a.word.Load(), now); took <= value && age < moment {
		return // a target that is asked more often than that is known well by the answers that count
	}
	a.change(now, func(value, age float64) float64 {
		if took >= value {
			return took
		}
		return took + (value-took)*kept(age)
	})
}

// atLeast books a wait that was broken off: it would have been longer.
func (a *average) atLeast(now int64, took float64) {
	if took > a.at(now) {
		a.change(now, func(float64, float64) float64 { return took })
	}
}

// punish books a failure. Each one doubles the average, so that a target that fails at once does not look fast.
func (a *average) punish(now int64, took float64) {
	a.change(now, func(value, age float64) float64 {
		return min(worst, max(leastWorse, took, 2*value*kept(age)))
	})
}
