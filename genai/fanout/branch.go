package fanout

import (
	"context"
	"sync"
	"sync/atomic"
)

// A branchContext is the context of one branch: it ends with its parent, or alone when it is cancelled. A branch that
// never waits for the end of its context, and most end before anybody does, costs no context of the standard library:
// there is one as soon as somebody asks for Done, and everything is then left to it.
type branchContext struct {
	context.Context // the parent
	real            atomic.Pointer[cancellable]

	mu    sync.Mutex  // held while real is made, and by those who must not miss it
	ended atomic.Bool // it was cancelled while its parent lived
	cause error
}

type cancellable struct {
	context.Context
	cancel context.CancelCauseFunc
}

// Done returns the channel that is closed at the end.
func (c *branchContext) Done() <-chan struct{} { return c.arm().Done() }

// Err returns nil until the end.
func (c *branchContext) Err() error {
	if r := c.real.Load(); r != nil {
		return r.Err()
	}
	if c.ended.Load() {
		return c.arm().Err()
	}
	return c.Context.Err()
}

// Value returns the parent's value for key. Package context finds by it what it needs in order to tie derived contexts to
// this one, and why it ended.
func (c *branchContext) Value(key any) any {
	if r := c.real.Load(); r != nil {
		return r.Value(key)
	}
	if c.ended.Load() {
		return c.arm().Value(key)
	}
	return c.Context.Value(key)
}

func (c *branchContext) arm() *cancellable {
	if r := c.real.Load(); r != nil {
		return r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.real.Load(); r != nil {
		return r
	}
	parent, ended := c.Context, c.ended.Load()
	if ended {
		parent = context.WithoutCancel(parent) // which may have ended since, and is not the cause
	}
	r := &cancellable{}
	r.Context, r.cancel = context.WithCancelCause(parent)
	if ended {
		r.cancel(c.cause)
	}
	c.real.Store(r)
	return r
}

// cancel ends the context, with cause if it had not ended before.
func (c *branchContext) cancel(cause error) {
	c.mu.Lock()
	r := c.real.Load()
	if r == nil && !c.ended.Load() && c.Context.Err() == nil {
		c.cause = cause
		c.ended.Store(true)
	}
	c.mu.Unlock()
	if r != nil {
		r.cancel(cause)
	}
}
