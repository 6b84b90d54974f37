package fanout

import (
	"context"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
)

// A branchContext is the context of one branch: it ends with its parent, or alone when it is cancelled. A branch that
// never waits for the end of its context, and most end before anybody does, costs no context of the standard library:
// there is one as soon as somebody asks for Done, and everything is then left to it.
type branchContext struct {
	context.Context // the parent
	real            atomic.Pointer[cancellable]
	cause           atomic.Pointer[genai.Error] // what it was cancelled with while its parent lived; nil if it was not
}

// errReleased stands for the end of a context that nobody needs any longer.
var errReleased = &genai.Error{Kind: genai.Cancelled}

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
	if c.cause.Load() != nil {
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
	if c.cause.Load() != nil {
		return c.arm().Value(key)
	}
	return c.Context.Value(key)
}

func (c *branchContext) arm() *cancellable {
	if r := c.real.Load(); r != nil {
		return r
	}
	parent, cause := c.Context, c.cause.Load()
	if cause != nil {
		parent = context.WithoutCancel(parent) // which may have ended since, and is not the cause
	}
	r := &cancellable{}
	r.Context, r.cancel = context.WithCancelCause(parent)
	if cause != nil {
		r.end(cause)
	}
	if !c.real.CompareAndSwap(nil, r) {
		r.cancel(nil) // somebody else was faster
		return c.real.Load()
	}
	if late := c.cause.Load(); cause == nil && late != nil {
		r.end(late) // whoever cancelled may not have seen r
	}
	return r
}

// cancel ends the context, with cause if it had not ended before.
func (c *branchContext) cancel(cause *genai.Error) {
	if c.real.Load() == nil && c.Context.Err() == nil {
		c.cause.CompareAndSwap(nil, cause)
	}
	if r := c.real.Load(); r != nil {
		r.end(cause)
	}
}

func (r *cancellable) end(cause *genai.Error) {
	if cause == errReleased {
		r.cancel(nil)
		return
	}
	r.cancel(cause)
}
