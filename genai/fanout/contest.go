package fanout

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// A contest asks all branches the same, until somebody says that it is decided; then those that have not answered have
// lost, and are cancelled. Its methods other than decide are called when all branches have returned.
type contest[Resp any] struct {
	group
	by       string // who asks, for the ledger
	began    int64  // when, by the clock
	branches []branch[Resp]

	mu       sync.Mutex
	decided  bool
	answered int // how many have answered, and how many have failed, before it was decided
	failed   int
}

// A branch is one of those who are asked.
type branch[Resp any] struct {
	ctx     branchContext
	resp    Resp
	has     bool // resp is an answer that was not discarded
	counts  bool // it answered or failed before it was decided
	err     error
	elapsed time.Duration
}

// errLost is what the losers are cancelled with, and errSpared the error of those that were not even asked.
var (
	errLost   = &genai.Error{Kind: genai.Cancelled, Message: "another branch decided it"}
	errSpared = &genai.Error{Kind: genai.Cancelled, Message: "another branch decided it", Started: genai.StartedNo}
)

// ask runs the contest. seen, which may be nil, is shown each answer in the goroutine of its branch. over is asked after
// each answer and each failure, one at a time, whether it is decided. If a branch panics, so does ask.
func ask[Req, Resp any](ctx context.Context, by string, req Req, handlers []genai.Handler[Req, Resp],
	seen func(i int, resp Resp), over func(c *contest[Resp]) bool,
) *contest[Resp] {
	c := &contest[Resp]{by: by, began: clock.Now(), branches: make([]branch[Resp], len(handlers))}
	for i := range c.branches {
		b := &c.branches[i]
		b.ctx.Context = ctx
		b.err = errExited
	}
	c.abort = c.cancel
	complete := false
	defer func() {
		if !complete { // a branch panicked
			c.cancel(errPanicked)
			c.discard()
		}
	}()
	c.run(len(handlers), func(i int) {
		b := &c.branches[i]
		if b.ctx.cause.Load() != nil { // decided before this one had begun, so it need not be paid for
			b.err = errSpared
			return
		}
		resp, err := handlers[i](&b.ctx, req)
		if seen != nil || err != nil { // the time of a winner of First goes nowhere, and costs something
			b.elapsed = time.Duration(clock.Now() - c.began)
		}
		b.resp, b.has, b.err = resp, err == nil, err
		if b.has && seen != nil {
			seen(i, resp)
		}
		if !c.count(b, over) && b.has {
			b.has = false
			genai.Discard(resp)
		}
	})
	complete = true
	return c
}

// count books the outcome of b, and reports whether it came in time.
func (c *contest[Resp]) count(b *branch[Resp], over func(c *contest[Resp]) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decided {
		return false
	}
	b.counts = true
	if b.has {
		c.answered++
	} else {
		c.failed++
	}
	if c.decided = over(c); c.decided && c.answered+c.failed < len(c.branches) {
		for k := range c.branches {
			if b := &c.branches[k]; !b.counts {
				b.ctx.cancel(errLost)
			}
		}
	}
	return true
}

// cancel ends the contexts of all branches.
func (c *contest[Resp]) cancel(cause *genai.Error) {
	for i := range c.branches {
		c.branches[i].ctx.cancel(cause)
	}
}

// discard discards all answers.
func (c *contest[Resp]) discard() {
	for i := range c.branches {
		if b := &c.branches[i]; b.has {
			b.has = false
			genai.Discard(b.resp)
		}
	}
}

// take returns the answer of branch i, whose context then lives until it is over.
func (c *contest[Resp]) take(i int) Resp {
	b := &c.branches[i]
	b.has = false
	if genai.Arriving(b.resp) {
		genai.Finally(b.resp, nil, func(error) { b.ctx.cancel(errReleased) })
	} else {
		b.ctx.cancel(errReleased)
	}
	return b.resp
}

// end lets go of all branches that were not taken.
func (c *contest[Resp]) end(taken func(i int) bool) {
	c.discard()
	for i := range c.branches {
		if taken == nil || !taken(i) {
			c.branches[i].ctx.cancel(errReleased)
		}
	}
}

// failure makes one error out of those of all branches.
func (c *contest[Resp]) failure(ctx context.Context) *genai.Error {
	all := make([]error, 0, len(c.branches)+1)
	told := genai.ContextError(ctx)
	if told != nil {
		all = append(all, told)
	}
	best := -1
	for i := range c.branches {
		b := &c.branches[i]
		if b.err == nil {
			continue
		}
		all = append(all, b.err)
		if h := hope(genai.KindOf(b.err)); b.counts && (told == nil || h > best && best >= 0) {
			told, best = b.err, h
		}
	}
	if told == nil { // nobody failed before it was decided
		told = errExited
	}
	e := *genai.AsError(told)
	if e.Message == "" {
		e.Message = "no branch could answer"
	}
	e.Attempts, e.Started = c.ledger()
	e.Err = errors.Join(all...)
	return &e
}

// ledger tells what was tried, and whether work may have begun.
func (c *contest[Resp]) ledger() (tried []genai.Attempt, started genai.Started) {
	started = genai.StartedNo
	for i := range c.branches {
		b := &c.branches[i]
		if b.err == nil {
			tried = append(tried, genai.Attempt{By: c.by, Elapsed: b.elapsed})
			started = genai.StartedYes
			continue
		}
		cause := genai.AsError(b.err)
		if len(cause.Attempts) > 0 {
			tried = append(tried, cause.Attempts...)
		} else {
			tried = append(tried, genai.Attempt{Target: cause.Target, By: c.by, Kind: cause.Kind, RetryAfter: cause.RetryAfter, Elapsed: b.elapsed})
		}
		if cause.Started == genai.StartedYes || cause.Started == genai.StartedUnknown && started == genai.StartedNo {
			started = cause.Started
		}
	}
	return tried, started
}

// hope says how likely it is that asking again helps after a failure of a kind.
func hope(k genai.Kind) int {
	switch {
	case k.Retryable():
		return 3
	case k == genai.BreakerOpen, k == genai.LimitReached, k == genai.BudgetExhausted, k == genai.NoTarget:
		return 0 // nobody was asked
	case k.Failover():
		return 1
	}
	return 2 // the request itself was refused, by somebody who looked at it
}
