package resilience

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/internal/window"
)

// A Breaker stops calling a target that fails, and finds out by a few probes when it is well again. Use one for each thing
// that fails by itself: an endpoint with a model, not a whole provider. All handlers that one Breaker guards share it.
// The zero value is ready.
//
// A call is judged when its response is over, so a stream that breaks midway is a failure. Only what the target is to
// blame for counts (see [genai.Kind.Faulty]): a caller who leaves or whose time is up, a wrong request and a rate limit
// say nothing about its health, and neither open nor close a breaker. Results are counted by the time of their end,
// and those of calls that began before the last change of state are dropped.
//
// A call that is refused fails at once with [genai.BreakerOpen] and StartedNo; its RetryAfter is how long the breaker
// opened for.
type Breaker struct {
	Name string // of the target, in errors and events; may be empty

	Ratio       float64       // the share of failures that opens it; 0 means 0.5
	Min         int           // how many results Ratio needs before it means something; 0 means 20
	Window      time.Duration // how far back results count; 0 means 30 s
	Consecutive int           // so many failures in a row open it too, so that rare callers notice; 0 means 5, negative never

	// Slow is how long a call may take to return, which for a stream is its time to the first token. A share of SlowRatio of
	// slow calls among Min opens it as failures do. Calls that have not returned yet are counted as soon as they
	// are slow, so that a target which hangs is found out before anybody's time is up. 0 means that no call is slow.
	Slow      time.Duration
	SlowRatio float64 // 0 means 0.8

	// OpenFor is how long it is open before it lets probes through; 0 means 5 s. The time doubles whenever a probe fails,
	// up to OpenMax, and is no shorter than what a failed call was asked to wait (RetryAfter), also up to OpenMax. Up to a
	// tenth is added at random, so that many processes do not come back together.
	OpenFor time.Duration
	OpenMax time.Duration // 0 means 60 s

	// Probes is how many calls may try a target after that, and all of them must succeed for the breaker to close; 0 means 3.
	// The first that fails opens it again, and one that says nothing about the target gives its place to another.
	Probes int

	// Lease is how long a probe may take before its place is given to another; 0 means 30 s. One that has had no response
	// by then counts as failed.
	Lease time.Duration

	// Failure says whether err is the target's fault; nil means by the Kind. It is not asked about success.
	Failure func(err error) bool

	// OnChange is called after every change of state, by the goroutine that caused it. It must not block.
	OnChange func(from, to State)

	once        sync.Once
	state       atomic.Pointer[State]
	epoch       atomic.Uint64 // counts the changes of state
	consecutive atomic.Int64  // failures in a row while closed
	recent      window.Window
	slow        window.Window // of those that succeeded, the slow ones as failures
	pace        pace
	refused     atomic.Pointer[genai.Error] // the same for everybody, so that refusing costs nothing

	mu      sync.Mutex // held while anything below is used, and while the state changes
	machine *gobreaker.TwoStepCircuitBreaker[struct{}]
	timer   *time.Timer   // ends the time of being open
	wait    time.Duration // how long it was open last; 0 if it was closed since
	hint    time.Duration // what the failure that opens it was asked to wait
	tripped bool          // by hand
	changes []change      // not yet told
}

// A State is what a breaker does with calls.
type State string

// The states of a breaker.
const (
	Closed   State = "closed"    // all calls pass
	Open     State = "open"      // no call passes
	HalfOpen State = "half-open" // a few pass, as probes
)

// The states once more, to point to.
var closed, opened, halfOpen = Closed, Open, HalfOpen

type change struct{ from, to State }

func (b *Breaker) start() {
	b.once.Do(func() {
		b.recent.Init(or(b.Window, 30*time.Second))
		if b.Slow > 0 {
			b.slow.Init(or(b.Window, 30*time.Second))
			b.pace.init(b.Slow)
		}
		b.renew()
		b.state.Store(&closed)
	})
}

// renew makes a new state machine. gobreaker keeps the states and the probes apart; when to open is decided by our
// window, and when to try again by our timer, so it is told of the failure that decides and has no time-out of its own.
func (b *Breaker) renew() {
	var m *gobreaker.TwoStepCircuitBreaker[struct{}]
	m = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  uint32(max(or(b.Probes, 3), 1)),
		Timeout:      1, // the least there is
		ReadyToTrip:  func(gobreaker.Counts) bool { return true },
		IsSuccessful: func(err error) bool { return err == nil },
		IsExcluded:   func(err error) bool { return err == errNeutral },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if b.machine == m { // and not one that Reset has replaced
				b.follow(to)
			}
		},
	})
	b.machine = m
}

// Wrap returns next behind the breaker.
func (b *Breaker) Wrap(next genai.AnyHandler) genai.AnyHandler {
	b.start()
	return func(ctx context.Context, req any) (any, error) {
		if b.state.Load() != &closed {
			return b.probe(ctx, req, next)
		}
		epoch := b.epoch.Load()
		if b.Slow > 0 {
			began := clock.Now()
			if b.pace.begin(began) {
				b.look(ctx, epoch, began)
			}
			defer b.returned(ctx, epoch, began)
		}
		returned := false
		defer func() {
			if !returned { // a panic, or the end of the goroutine
				b.failed(ctx, epoch, errGone)
			}
		}()
		resp, err := next(ctx, req)
		returned = true
		switch {
		case err != nil:
			b.judge(ctx, epoch, err)
			return nil, err
		case genai.Arriving(resp):
			genai.Finally(resp, nil, func(err error) { b.judge(ctx, epoch, err) })
		default:
			b.succeeded(epoch)
		}
		return resp, nil
	}
}

// returned books how long a call took to return.
func (b *Breaker) returned(ctx context.Context, epoch uint64, began int64) {
	now := clock.Now()
	if b.pace.end(began, now) && b.epoch.Load() == epoch {
		b.slow.Failed(now)
		b.look(ctx, epoch, now)
	}
}

// look opens the breaker if too many calls are slow.
func (b *Breaker) look(ctx context.Context, epoch uint64, now int64) {
	ok, failed := b.recent.Sum(now)
	late := b.pace.late(now)
	slow, all := b.slow.Failures(now)+late, ok+failed+late
	if all >= or(b.Min, 20) && float64(slow) >= or(b.SlowRatio, 0.8)*float64(all) {
		b.trip(ctx, epoch, 0)
	}
}

// trip opens the breaker, unless its state has changed since epoch.
func (b *Breaker) trip(ctx context.Context, epoch uint64, hint time.Duration) {
	b.locked(ctx, func() {
		if b.epoch.Load() != epoch {
			return
		}
		b.hint = hint
		if done, refused := b.machine.Allow(); refused == nil {
			done(errGone)
		}
	})
}

// The verdicts that the state machine is told, besides nil.
var (
	errGone    = genai.Errorf(genai.Internal, "a failure") // also of a call that did not return
	errNeutral = genai.Errorf(genai.Cancelled, "no verdict")
)

func (b *Breaker) failure(err error) bool {
	if b.Failure != nil {
		return b.Failure(err)
	}
	return genai.KindOf(err).Faulty()
}

// judge takes the result of a call that began while the breaker was closed.
func (b *Breaker) judge(ctx context.Context, epoch uint64, err error) {
	switch {
	case err == nil:
		b.succeeded(epoch)
	case b.failure(err):
		b.failed(ctx, epoch, err)
	}
}

func (b *Breaker) succeeded(epoch uint64) {
	if b.epoch.Load() != epoch {
		return
	}
	if b.consecutive.Load() != 0 {
		b.consecutive.Store(0)
	}
	b.recent.Succeeded(clock.Now())
}

func (b *Breaker) failed(ctx context.Context, epoch uint64, err error) {
	if b.epoch.Load() != epoch {
		return
	}
	now := clock.Now()
	b.recent.Failed(now)
	row := b.consecutive.Add(1)
	if !b.enough(row, now) {
		return
	}
	b.trip(ctx, epoch, hintOf(err))
}

// enough reports whether it is time to open.
func (b *Breaker) enough(row, now int64) bool {
	if limit := or(b.Consecutive, 5); limit > 0 && row >= int64(limit) {
		return true
	}
	least, ratio := or(b.Min, 20), or(b.Ratio, 0.5)
	ok, failed := b.recent.Sum(now)
	return ok+failed >= least && float64(failed) >= ratio*float64(ok+failed)
}

// State returns what the breaker does with calls.
func (b *Breaker) State() State {
	b.start()
	return *b.state.Load()
}

// Ready reports whether a call would have a chance to pass. It is for routers, and takes no probe.
func (b *Breaker) Ready() bool { return b.State() != Open }

// Trip opens the breaker until Reset is called.
func (b *Breaker) Trip() {
	b.start()
	b.locked(context.Background(), func() {
		b.tripped = true
		b.open()
	})
}

// Reset closes the breaker and forgets what it has seen.
func (b *Breaker) Reset() {
	b.start()
	b.locked(context.Background(), func() {
		b.tripped = false
		b.renew()
		b.close()
	})
}

// locked runs f under the lock, and then tells what has changed.
func (b *Breaker) locked(ctx context.Context, f func()) {
	b.mu.Lock()
	f()
	changes := b.changes
	b.changes = nil
	b.mu.Unlock()
	for _, c := range changes {
		if b.OnChange != nil {
			b.OnChange(c.from, c.to)
		}
		genai.Emit(ctx, genai.Event{Name: "breaker", Target: b.Name, From: string(c.from), To: string(c.to)})
	}
}

// follow is called by the state machine, under the lock.
func (b *Breaker) follow(to gobreaker.State) {
	switch {
	case b.tripped:
	case to == gobreaker.StateOpen:
		b.open()
	case to == gobreaker.StateClosed:
		b.close()
	}
	// The timer has made it half-open before the machine notices.
}

func (b *Breaker) open() {
	longest := or(b.OpenMax, time.Minute)
	b.wait = min(max(b.wait*2, or(b.OpenFor, 5*time.Second), b.hint), longest)
	b.hint = 0
	wait := b.wait + rand.N(b.wait/10+1)
	refused := &genai.Error{
		Kind: genai.BreakerOpen, Target: b.Name, RetryAfter: wait, Started: genai.StartedNo,
		Message: "it failed too often of late, so it is not asked for a while",
	}
	if b.tripped {
		refused.RetryAfter, refused.Message = 0, "somebody has taken it out of service"
	}
	b.refused.Store(refused)
	b.become(&opened)
	if b.tripped {
		return
	}
	epoch := b.epoch.Load()
	b.timer = time.AfterFunc(wait, func() {
		b.locked(context.Background(), func() {
			if b.epoch.Load() == epoch {
				b.become(&halfOpen)
			}
		})
	})
}

func (b *Breaker) close() {
	b.wait = 0
	b.recent.Clear()
	b.slow.Clear()
	b.become(&closed)
}

func (b *Breaker) become(s *State) {
	from := b.state.Load()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	b.consecutive.Store(0)
	b.epoch.Add(1)
	b.state.Store(s)
	if from != s {
		b.changes = append(b.changes, change{*from, *s})
	}
}
