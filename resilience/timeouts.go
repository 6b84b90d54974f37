package resilience

import (
	"context"
	"fmt"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/internal/timebox"
)

// A Deadline bounds a call as a whole: all attempts, the waits between them, and the response to its end. When the time
// is up, the context of the call ends, and the call, or the stream it returned, with an error of Kind [genai.Timeout]
// whose Field is "Deadline.Total". If the caller's own deadline is tighter, that one counts, Deadline does nothing, and
// the Kind is [genai.DeadlineExceeded]. The zero value is ready.
//
// It works through the context: a handler that does not heed its context is not stopped.
type Deadline struct {
	Total time.Duration // 0 means 10 min, which is long enough for a long stream
}

// Wrap returns next with the deadline around it.
func (d *Deadline) Wrap(next genai.AnyHandler) genai.AnyHandler {
	total := or(d.Total, 10*time.Minute)
	causes := &timebox.Causes{End: limitError("Deadline.Total", "no end of the call", total)}
	return func(ctx context.Context, req any) (any, error) {
		if earlier(ctx, total) {
			return next(ctx, req)
		}
		return within(&timebox.Context{Context: ctx, End: clock.Now() + int64(total), Causes: causes}, req, next, nil, nil)
	}
}

// Timeouts bound one attempt. Each limit ends the context that the attempt was given, and thereby the call, or the stream
// it returned, with an error of Kind [genai.Timeout] whose Field names the limit and whose Message has its value. Zero
// means the default given below, negative means no such limit. The zero value is ready.
//
// They work through the context: a handler that does not heed its context is not stopped, and what it returns in spite of
// a limit that nobody waited for is passed on.
type Timeouts struct {
	// Attempt bounds the whole attempt, to the end of its response. The default is none: see Deadline.
	Attempt time.Duration

	// FirstToken bounds the time until the handler returns: for a stream until its first real piece, for a value until it is
	// there. The default is 60 s; a model that thinks before it speaks may need more.
	FirstToken time.Duration

	// Idle bounds how long the consumer of a stream waits for one more piece. The time it takes to use a piece does not
	// count. It acts no sooner than the value and at most an eighth of it later. The default is 20 s.
	Idle time.Duration

	// Pace is how many pieces a second a stream has to begin with. Its first Sample pieces are held back until they are all there,
	// or the stream has ended; if that takes longer than it may, the attempt fails before the caller has seen any of it, so that a
	// policy further out can make another. The default is none, and to hold nothing back.
	Pace   float64
	Sample int // 0 means 16
}

// Wrap returns next with the limits around each of its calls.
func (t *Timeouts) Wrap(next genai.AnyHandler) genai.AnyHandler {
	attempt := t.Attempt
	first := or(t.FirstToken, time.Minute)
	idle := or(t.Idle, 20*time.Second)
	var stalled *stall
	if idle > 0 {
		stalled = &stall{idle, limitError("Timeouts.Idle", "no further piece", idle)}
	}
	causes := &timebox.Causes{
		End:   limitError("Timeouts.Attempt", "no end of the attempt", attempt),
		First: limitError("Timeouts.FirstToken", "nothing", first),
	}
	var slow *sample
	if t.Pace > 0 {
		slow = newSample(or(t.Sample, 16), t.Pace)
	}
	return func(ctx context.Context, req any) (any, error) {
		c := &timebox.Context{Context: ctx, Causes: causes}
		var left time.Duration // until the caller's deadline
		deadline, bounded := ctx.Deadline()
		if bounded {
			left = time.Until(deadline)
		}
		now := clock.Now()
		if attempt > 0 && (!bounded || attempt < left) {
			c.End = now + int64(attempt)
		}
		if first > 0 && (!bounded || first < left) {
			c.First = now + int64(first)
		}
		return within(c, req, next, stalled, slow)
	}
}

// within calls next under c, which it releases when the response is over.
func within(c *timebox.Context, req any, next genai.AnyHandler, stalled *stall, slow *sample) (any, error) {
	lasts := false
	defer func() {
		if !lasts {
			c.Release()
		}
	}()
	resp, err := next(c, req)
	inTime := c.Disarm()
	if err != nil {
		if over := c.Over(); over != nil {
			return nil, over // what next reports is a consequence
		}
		return nil, err
	}
	if !genai.Arriving(resp) {
		return resp, nil
	}
	if !inTime { // the stream was opened under a context that has ended just now
		genai.Discard(resp)
		return nil, c.Causes.First
	}
	if slow != nil {
		if err := slow.hold(c, resp); err != nil {
			genai.Discard(resp)
			return nil, err
		}
	}
	lasts = true
	if stalled == nil {
		genai.Finally(resp, nil, func(error) { c.Release() })
		return resp, nil
	}
	w := stalled.watch(c)
	genai.Watch(resp, w.asked, w.arrived)
	genai.Finally(resp, nil, func(error) {
		w.stop()
		c.Release()
	})
	return resp, nil
}

// earlier reports whether ctx ends by itself within d.
func earlier(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= d
}

func limitError(field, what string, limit time.Duration) *genai.Error {
	return &genai.Error{Kind: genai.Timeout, Field: field, Message: fmt.Sprintf("%s within %v", what, limit)}
}
