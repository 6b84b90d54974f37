// Package timebox has a context whose limits cost next to nothing until somebody waits for them.
package timebox

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/internal/clock"
)

// Causes are the errors that a context ends with when one of its limits is over; context.Cause finds them.
type Causes struct {
	End   error // for Context.End
	First error // for Context.First
}

// A Context ends with its parent, when one of its limits is over, or when it is released or cancelled. Its fields are
// set before use.
//
// It is a parent, two readings of the clock and nothing else until somebody waits on Done (or derives a context, which
// does): only then a context of the standard library and its timers are made, to which everything is then left. Until
// then Err compares the clock with the limits.
type Context struct {
	context.Context         // the parent
	End             int64   // when the whole is over, as a reading of package clock; 0: no such limit
	First           int64   // when the time until Disarm is over; 0: no such limit
	Causes          *Causes // shared between contexts

	real  atomic.Pointer[real]
	mu    sync.Mutex // held while real is made, and by those who must not miss it
	flags atomic.Uint32
}

const (
	released = 1 << iota
	disarmed
)

// real is the context that does the work once somebody waits.
type real struct {
	context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // of the limit on the whole; nil without one
	first  *time.Timer        // of the limit until Disarm; nil without one
}

// Deadline returns when the whole is over. The limit until Disarm is no deadline: what arrives in time may last longer.
func (c *Context) Deadline() (time.Time, bool) {
	if c.End == 0 {
		return c.Context.Deadline()
	}
	end := c.endTime()
	if outer, ok := c.Context.Deadline(); ok && outer.Before(end) {
		return outer, true
	}
	return end, true
}

func (c *Context) endTime() time.Time {
	return time.Now().Add(time.Duration(c.End - clock.Now()))
}

// Done returns the channel that is closed at the end.
func (c *Context) Done() <-chan struct{} { return c.arm().Done() }

// Err returns nil until the end.
func (c *Context) Err() error {
	if r := c.real.Load(); r != nil {
		return r.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	flags := c.flags.Load()
	if flags&released == 0 {
		now := clock.Now()
		if (c.End == 0 || now < c.End) && (c.First == 0 || flags&disarmed != 0 || now < c.First) {
			return nil
		}
	}
	return c.arm().Err()
}

// Value returns the parent's value for key. Package context finds by it, once there is one, the context to which it has
// to tie those derived from c.
func (c *Context) Value(key any) any {
	if r := c.real.Load(); r != nil {
		return r.Value(key)
	}
	return c.Context.Value(key)
}

func (c *Context) arm() *real {
	if r := c.real.Load(); r != nil {
		return r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.real.Load(); r != nil {
		return r
	}
	r := &real{Context: c.Context}
	flags := c.flags.Load()
	if c.End != 0 && flags&released == 0 {
		r.Context, r.stop = context.WithDeadlineCause(r.Context, c.endTime(), c.Causes.End)
	}
	r.Context, r.cancel = context.WithCancelCause(r.Context)
	switch {
	case flags&released != 0:
		r.cancel(nil)
	case c.First != 0 && flags&disarmed == 0:
		left := time.Duration(c.First - clock.Now())
		if left <= 0 {
			r.cancel(c.Causes.First)
		} else {
			r.first = time.AfterFunc(left, func() { r.cancel(c.Causes.First) })
		}
	}
	c.real.Store(r)
	return r
}

// Disarm ends the limit until Disarm. It returns false if it was over before, and somebody had been told.
func (c *Context) Disarm() bool {
	c.mu.Lock()
	before := c.flags.Or(disarmed)
	r := c.real.Load()
	c.mu.Unlock()
	if r == nil {
		return true
	}
	if before == 0 && r.first != nil && !r.first.Stop() && c.flags.Load()&released == 0 {
		return false // nobody has stopped the timer, so it has fired, even if it is not done with it
	}
	return c.First == 0 || context.Cause(r) != c.Causes.First
}

// Over returns the limit's error if a limit of c, and not something else, ended it and somebody has been told; otherwise nil.
func (c *Context) Over() error {
	r := c.real.Load()
	if r == nil || r.Err() == nil {
		return nil
	}
	switch cause := context.Cause(r); cause {
	case c.Causes.End, c.Causes.First:
		return cause
	}
	return nil
}

// Cancel ends the context with cause.
func (c *Context) Cancel(cause error) { c.arm().cancel(cause) }

// Release ends the context because nobody needs it any longer, and gives its timers back. It may be called more than once.
func (c *Context) Release() {
	c.mu.Lock()
	c.flags.Or(released)
	r := c.real.Load()
	c.mu.Unlock()
	if r == nil {
		return
	}
	if r.first != nil {
		r.first.Stop()
	}
	r.cancel(nil)
	if r.stop != nil {
		r.stop()
	}
}
