package resilience

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/internal/quantile"
)

// A Hedge asks a second time when an answer is late, and takes what comes first. It cuts off the slowest answers for a few
// percent more requests. Put a router inside it, so that the second request goes to another target. The zero value is
// ready.
//
// An answer is late when it takes longer than nineteen of twenty did lately, so that one request in twenty is made twice.
// A stream wins with its first real piece. The one that loses is cancelled, and Hedge waits until it has returned, so a
// handler that does not heed its context holds up the answer.
//
// There is no second request for a prompt that is long, because it is paid for in any case; while targets complain of too
// much load; and when a Budget or the limit of a Retry further out is used up (see [genai.Trail]). If both fail, the error is
// that of the first, and by errors.Is it is both.
type Hedge struct {
	// Delay is how long the first request is waited for. The default is the 95th percentile of what the last answers took;
	// until there were 50 of them, nothing is asked twice.
	Delay time.Duration

	// MaxTokens is the longest prompt that is asked twice, by the method Tokens() int of the request; 0 means 4000. Requests
	// without that method count as short.
	MaxTokens int

	// Budget bounds what all calls together ask twice; nil means one of this Hedge's own with the defaults of Budget.
	Budget *Budget

	own    Budget
	usual  quantile.Quantile // what answers take
	strain atomic.Int64      // until when nothing is asked twice because a target complained, by package clock; 0: nobody did
}

// relief is how long a complaint of too much load counts.
const relief = 10 * time.Second

// errLate is what the request that loses is cancelled with.
var errLate = &genai.Error{Kind: genai.Cancelled, Message: "another request for the same was answered first"}

// Wrap returns next with the hedge around it.
func (h *Hedge) Wrap(next genai.AnyHandler) genai.AnyHandler {
	budget := h.Budget
	if budget == nil {
		budget = &h.own
	}
	budget.start()
	return func(ctx context.Context, req any) (any, error) {
		if !budget.full() && genai.AttemptOf(ctx) == 1 {
			budget.Deposit()
		}
		delay := or(h.Delay, h.usual.Value())
		if delay <= 0 || h.long(req) {
			began := clock.Now()
			resp, err := next(ctx, req)
			h.learn(time.Duration(clock.Now()-began), err)
			return resp, err
		}
		if trail := genai.TrailOf(ctx); trail == nil || trail.Remote {
			ctx = &genai.Trail{Context: ctx}
		}
		c := &hedgeCall{hedge: h, budget: budget, next: next, ctx: ctx, req: req}
		return c.run(delay)
	}
}

func (h *Hedge) long(req any) bool {
	r, ok := req.(interface{ Tokens() int })
	return ok && r.Tokens() > or(h.MaxTokens, 4000)
}

// learn takes how long a first request took to return.
func (h *Hedge) learn(took time.Duration, err error) {
	switch genai.KindOf(err) {
	case "":
		if h.Delay == 0 {
			h.usual.Add(took)
		}
	case genai.Overloaded, genai.RateLimited, genai.LimitReached, genai.BreakerOpen:
		h.strain.Store(clock.Now() + int64(relief))
	}
}

func (h *Hedge) strained() bool {
	until := h.strain.Load()
	return until != 0 && clock.Now() < until
}

// A hedgeCall is one call. The caller's goroutine makes the first request, and a timer's the second.
type hedgeCall struct {
	hedge  *Hedge
	budget *Budget
	next   genai.AnyHandler
	ctx    context.Context
	req    any
	cancel context.CancelCauseFunc // of the first request

	mu       sync.Mutex
	returned bool          // the first request has
	second   chan struct{} // closed when the second request has returned; nil if there is none
	resp     any           // its answer; nil if it failed
	err      error         // and why it failed
	panicked error
	won      bool // it was answered before the first
	release  context.CancelCauseFunc
}

func (c *hedgeCall) run(delay time.Duration) (any, error) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	c.cancel = cancel
	timer := time.AfterFunc(delay, c.ask)
	began := clock.Now()
	complete := false
	defer func() { // a panic, or the end of the goroutine
		if !complete {
			timer.Stop()
			cancel(nil)
			c.settle(true)
			genai.Discard(c.resp)
		}
	}()
	resp, err := c.next(ctx, c.req)
	complete = true
	timer.Stop()
	running := c.settle(err == nil || !genai.KindOf(err).Failover())
	took := time.Duration(clock.Now() - began)
	switch {
	case !running:
		c.hedge.learn(took, err)
		return keep(resp, err, cancel)
	case c.won:
		c.note("", err, took, genai.Attempt{By: "hedge", Elapsed: took - delay})
		if c.hedge.Delay == 0 {
			c.hedge.usual.Add(took) // it would have taken longer
		}
		if err == nil {
			genai.Discard(resp)
		}
		cancel(nil)
		return keep(c.resp, nil, c.release)
	case err == nil:
		c.note("hedge", c.err, took-delay, genai.Attempt{Elapsed: took})
		c.hedge.learn(took, nil)
		if c.resp != nil {
			genai.Discard(c.resp)
		}
		return keep(resp, nil, cancel)
	}
	c.hedge.learn(took, err)
	cancel(nil)
	if c.resp != nil {
		c.note("", err, took, genai.Attempt{By: "hedge", Elapsed: took - delay})
		return keep(c.resp, nil, c.release)
	}
	c.note("", err, took)
	c.note("hedge", c.err, took-delay)
	return nil, c.fail(err, took)
}

// note tells the ledger of the request that lost, with err or nil, and then of the one that won, if one did.
func (c *hedgeCall) note(by string, err error, took time.Duration, won ...genai.Attempt) {
	ledger := genai.LedgerOf(c.ctx)
	if ledger == nil {
		return
	}
	lost := []genai.Attempt{{By: by, Kind: genai.Cancelled, Elapsed: took}}
	if err != nil {
		lost = attemptsOf(err, by, took)
		if e, ok := errors.AsType[*genai.Error](err); ok && len(e.Attempts) > 0 {
			lost = nil // somebody further in has told it
		}
	}
	ledger.Add(append(lost, won...)...)
}

// keep returns what a request was answered with. Its context lives until the response is over.
func keep(resp any, err error, cancel context.CancelCauseFunc) (any, error) {
	if err == nil && genai.Arriving(resp) {
		genai.Finally(resp, nil, func(error) { cancel(nil) })
		return resp, nil
	}
	cancel(nil)
	return resp, err
}

// settle is called when the first request has returned, and decides for both: final means that nobody needs the second. It
// waits for that, and reports whether there was one.
func (c *hedgeCall) settle(final bool) bool {
	c.mu.Lock()
	c.returned = true
	second, won := c.second, c.won
	c.mu.Unlock()
	if second == nil {
		return false
	}
	if final && !won {
		c.release(errLate)
	}
	<-second
	if c.panicked != nil {
		panic(c.panicked)
	}
	return true
}

// ask makes the second request. It runs in the goroutine of the timer, for which the caller waits.
func (c *hedgeCall) ask() {
	c.mu.Lock()
	if c.returned || c.hedge.strained() || !c.budget.Withdraw() {
		c.mu.Unlock()
		return
	}
	if !genai.TrailOf(c.ctx).Take() {
		c.budget.Refund()
		c.mu.Unlock()
		return
	}
	attempt := genai.AttemptOf(c.ctx) + 1
	ctx, release := context.WithCancelCause(genai.WithAttempt(c.ctx, attempt))
	c.second, c.release = make(chan struct{}), release
	c.err = errGone
	c.mu.Unlock()
	defer close(c.second)
	defer func() {
		if p := recover(); p != nil {
			c.panicked = fmt.Errorf("a hedged request panicked: %v\n\n%s", p, debug.Stack())
			c.cancel(errLate) // nobody will see an answer
		}
	}()
	genai.Emit(c.ctx, genai.Event{Name: "hedge", Attempt: attempt})
	resp, err := c.next(ctx, c.req)
	c.mu.Lock()
	c.resp, c.err = resp, err
	c.won = err == nil && !c.returned
	c.mu.Unlock()
	if c.won {
		c.cancel(errLate)
	}
	if err != nil {
		release(nil)
	}
}

// fail makes one error out of two.
func (c *hedgeCall) fail(first error, took time.Duration) error {
	e := *genai.AsError(first)
	if e.Message == "" {
		e.Message = "neither of two requests was answered"
	}
	e.Remote = false
	e.Attempts = append(attemptsOf(first, "", took), attemptsOf(c.err, "hedge", 0)...)
	e.Err = errors.Join(first, c.err)
	return &e
}

// attemptsOf returns what err says was tried, or err as the one attempt that it was.
func attemptsOf(err error, by string, took time.Duration) []genai.Attempt {
	e := genai.AsError(err)
	if len(e.Attempts) > 0 {
		return e.Attempts
	}
	return []genai.Attempt{{Target: e.Target, By: by, Kind: e.Kind, RetryAfter: e.RetryAfter, Elapsed: took}}
}
