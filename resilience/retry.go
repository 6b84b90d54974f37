package resilience

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// Retry repeats requests that failed in a way that may pass. The zero value is ready.
//
// Returning is commit: what Retry has returned is never repeated, so a stream that breaks after its first piece stays
// broken. Put it outside [genai.Collect] to repeat whole answers.
//
// The waits grow exponentially and are chosen at random between nothing and twice their mean, so that callers who failed
// together do not come back together. The wait that a failed target asked for (RetryAfter) is a lower bound, to which up
// to a quarter is added at random. The first repetition of a request that provably never reached its target (Unavailable,
// StartedNo, no RetryAfter) comes at once. Retry does not begin a wait that would end after the deadline of the context:
// it then returns the error it has.
//
// Over a router every attempt goes to a target that was not asked before, while there is one. Then a failure that only
// another target can mend ([genai.Kind.Failover], such as a limit on time or a wrong key) is worth an attempt too, which comes
// at once, and the wait that the failed target asked for is nobody else's.
//
// One place should repeat. Retry does nothing for a call that somebody further out is already repeating, be it in another
// process (see [genai.AttemptOf]), it counts the attempts of a Retry further in as its own, and where that has given up, for
// want of attempts, time or budget, it gives up too (see Final of [genai.Error]), unless there is another target. The outermost Retry sets
// the limit for everybody who makes further attempts at the request (see [genai.Trail]): a Retry or a Hedge inside it takes from the
// same number, in the services that it calls as well.
//
// The error of a call that Retry dealt with is a copy of the last failure, of the same Kind, with all that was tried in
// Attempts; errors.Is and errors.As find the original and, where there is one, the reason for not going on:
// [genai.BudgetExhausted], or the end of the context.
//
// What decides is the Kind alone, not Started: a model that was cut off while it answered may be asked again, which does
// no harm but is paid for again. Where repeating does harm, say so with Retryable, or leave Retry out.
type Retry struct {
	Attempts int           // total, the first one included; 0 means 3
	Base     time.Duration // the mean of the first wait; 0 means 200 ms
	Cap      time.Duration // the longest wait, except when the target asks for more; 0 means 8 s
	HintCap  time.Duration // who is asked to wait longer than this gives up at once and hands the hint on; 0 means 60 s

	// Budget bounds the repetitions of all calls together; nil means one of this Retry's own with the defaults of Budget.
	Budget *Budget

	// Retryable says whether the request may be repeated after err; nil means by the Kind, see [genai.Kind.Retryable].
	Retryable func(err error) bool

	own Budget
}

// These say why there was no further attempt.
var (
	errBudget error = &genai.Error{Kind: genai.BudgetExhausted, Message: "the budget for retries is spent"}
	errLimit  error = &genai.Error{Kind: genai.BudgetExhausted, Message: "the request has had as many attempts as it may"}
)

// Wrap returns next with retries around it.
func (r *Retry) Wrap(next genai.AnyHandler) genai.AnyHandler {
	budget := r.Budget
	if budget == nil {
		budget = &r.own
	}
	budget.start()
	attempts := or(r.Attempts, 3)
	return func(ctx context.Context, req any) (any, error) {
		if attempts == 1 || genai.AttemptOf(ctx) > 1 {
			return next(ctx, req)
		}
		if !budget.full() {
			budget.Deposit()
		}
		trail := genai.TrailOf(ctx)
		if trail == nil || trail.Remote {
			ctx = &genai.Trail{Context: ctx}
			trail = genai.TrailOf(ctx)
		}
		trail.Limit(attempts - 1)
		began := clock.Now()
		resp, err := next(ctx, req)
		if err == nil {
			return resp, nil
		}
		c := &retryCall{retry: r, budget: budget, attempts: attempts, trail: trail, tried: genai.LedgerOf(ctx)}
		return c.run(ctx, req, next, err, time.Duration(clock.Now()-began))
	}
}

func (r *Retry) retryable(err error) bool {
	if r.Retryable != nil {
		return r.Retryable(err)
	}
	return genai.KindOf(err).Retryable() && !isFinal(err)
}

// isFinal reports whether somebody further in has given up.
func isFinal(err error) bool {
	e, ok := errors.AsType[*genai.Error](err)
	return ok && e.Final
}

// A retryCall is a call whose first attempt failed.
type retryCall struct {
	retry    *Retry
	budget   *Budget
	attempts int // the most there may be
	made     int // how many there were
	trail    *genai.Trail
	tried    *genai.Ledger // nil if nobody wants to know
	ledger   []genai.Attempt
	schedule backoff.ExponentialBackOff
}

// run goes on after the first attempt failed with err.
func (c *retryCall) run(ctx context.Context, req any, next genai.AnyHandler, err error, elapsed time.Duration) (any, error) {
	delay := time.Duration(0)
	for {
		c.record(req, err, delay, elapsed)
		elsewhere := c.trail.Others()
		if !c.retry.retryable(err) && !(elsewhere && c.retry.Retryable == nil && genai.KindOf(err).Failover()) {
			if c.made == 1 {
				return nil, err
			}
			return nil, c.fail(err, nil, "")
		}
		if c.made >= c.attempts {
			return nil, c.fail(err, nil, "")
		}
		if cause := genai.ContextError(ctx); cause != nil {
			return nil, c.fail(err, cause, "")
		}
		hint := hintOf(err)
		if elsewhere {
			hint = 0
		}
		if hint > or(c.retry.HintCap, time.Minute) {
			return nil, c.fail(err, nil, "the wait asked for is too long")
		}
		delay = 0
		if !elsewhere || c.retry.retryable(err) {
			delay = c.delay(err, hint)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
			return nil, c.fail(err, nil, "no time left for another attempt")
		}
		if !c.budget.Withdraw() {
			return nil, c.fail(err, errBudget, "")
		}
		if !c.trail.Take() {
			c.budget.Refund()
			return nil, c.fail(err, errLimit, "")
		}
		if !sleep(ctx, delay) {
			c.budget.Refund()
			return nil, c.fail(err, genai.ContextError(ctx), "")
		}
		genai.Emit(ctx, genai.Event{
			Name: "retry", Target: targetOf(err), Kind: genai.KindOf(err), Attempt: c.made + 1, Delay: delay, Elapsed: elapsed,
		})
		c.trail.SetOthers(false)
		began := clock.Now()
		resp, failure := next(genai.WithAttempt(ctx, c.made+1), req)
		if failure == nil {
			c.tried.Add(genai.Attempt{Target: c.trail.Target(), By: "retry", Delay: delay, Elapsed: time.Duration(clock.Now() - began)})
			return resp, nil
		}
		err, elapsed = failure, time.Duration(clock.Now()-began)
	}
}

// record adds a failed attempt to the ledger. What another policy tried further in during the attempt stands for it.
func (c *retryCall) record(req any, err error, delay, elapsed time.Duration) {
	by := ""
	if c.ledger != nil {
		by = "retry"
	}
	e, ok := errors.AsType[*genai.Error](err)
	c.made++
	if !ok || len(e.Attempts) == 0 {
		a := genai.Attempt{By: by, Kind: genai.KindOf(err), Delay: delay, Elapsed: elapsed}
		if ok {
			a.Target, a.RetryAfter = e.Target, e.RetryAfter
			if e.Target != "" {
				a.Target = cmp.Or(c.trail.Target(), e.Target) // a router's name for it says more than a client's, which is that of the server
			}
		}
		a.Tokens = tokensSpent(req, err)
		c.ledger = append(c.ledger, a)
		c.tried.Add(a)
		return
	}
	first := len(c.ledger)
	c.ledger = append(c.ledger, e.Attempts...)
	if by != "" {
		c.ledger[first].By, c.ledger[first].Delay = by, delay
	}
	for _, inner := range e.Attempts[1:] {
		if inner.By == "retry" { // another Retry further in spent from the same ceiling
			c.made++
		}
	}
}

// delay returns how long to wait before the next attempt.
func (c *retryCall) delay(err error, hint time.Duration) time.Duration {
	longest := or(c.retry.Cap, 8*time.Second)
	if c.schedule.Multiplier == 0 {
		c.schedule = backoff.ExponentialBackOff{
			InitialInterval:     min(or(c.retry.Base, 200*time.Millisecond), longest/2),
			RandomizationFactor: 1, // from nothing to twice the interval, hence half of the longest
			Multiplier:          2,
			MaxInterval:         longest / 2,
			Clock:               still{},
		}
		c.schedule.Reset()
		if hint == 0 && neverStarted(err) {
			return 0
		}
	}
	delay := c.schedule.NextBackOff()
	if hint > 0 {
		delay = max(delay, hint+rand.N(hint/4+1))
	}
	return delay
}

// fail makes the error of the call out of its last failure.
func (c *retryCall) fail(err, reason error, note string) error {
	e := *genai.AsError(err)
	e.Attempts = c.ledger
	e.Remote = e.Remote && c.made == 1
	e.Final = e.Final || c.retry.retryable(err)
	e.Err = err
	if e.Message == "" && err != nil {
		if plain, ok := err.(*genai.Error); !ok || plain.Err != nil {
			e.Message = genai.AsError(err).Message
		}
	}
	if reason != nil {
		e.Err = errors.Join(err, reason)
		note = reason.Error()
	}
	if note != "" {
		if e.Message != "" {
			e.Message += "; "
		}
		e.Message += "not repeated: " + note
	}
	return &e
}

// sleep waits for d, and reports false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func hintOf(err error) time.Duration {
	if e, ok := errors.AsType[*genai.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// tokensSpent estimates what a failed attempt may have cost.
func tokensSpent(req any, err error) int {
	r, ok := req.(interface{ Tokens() int })
	if e, is := errors.AsType[*genai.Error](err); !ok || is && e.Started == genai.StartedNo {
		return 0
	}
	return r.Tokens()
}

func targetOf(err error) string {
	if e, ok := errors.AsType[*genai.Error](err); ok {
		return e.Target
	}
	return ""
}

func neverStarted(err error) bool {
	e, ok := errors.AsType[*genai.Error](err)
	return ok && e.Kind == genai.Unavailable && e.Started == genai.StartedNo
}

// still is a clock that stands. The schedule asks it only in order to give up after a while, which is not its business.
type still struct{}

func (still) Now() time.Time { return time.Time{} }
