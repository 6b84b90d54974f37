package cache

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/copier"
)

// Coalesce is a policy that makes one call of several that ask the same at the same time: the first one begins it, those
// who come before it is over join it, and each gets a copy of the answer, or the error. Without a Tenant it does nothing.
//
// The call belongs to all who wait for it. Each of them leaves when his own context ends; when the last one has left, the
// call is cancelled and waited for. It sees the values of the first one's context, and no deadline.
//
// A stream is read once and given to everybody from its first piece on, also to those who join while it arrives. It is read
// as fast as the fastest of them reads. What has arrived is held for the others, and for those who may still join, up to
// Bytes: from then on nobody can join, and who is so far behind that what he needs next is gone fails with
// [genai.LimitReached].
//
// Do not put it around what does something beside answering. That a call joined another is told as an event of the name
// "coalesce" (see [genai.Listen]). If the call panics, or ends its goroutine, so do all who wait for it.
//
// One Coalesce may guard many handlers, whose calls are kept apart. Its fields are not changed after the first call.
type Coalesce struct {
	// Tenant says on whose behalf a request is made: only his own requests are answered together. "" means that this
	// request is on its own, and a nil Tenant that every one is. See [Everyone].
	Tenant func(ctx context.Context) string

	Sampled bool  // also join requests whose answers are left to chance; see the package's description
	Bytes   int64 // how much of one stream is held, about, in bytes; 0 means 4 MiB

	mu    sync.Mutex
	calls map[key]*call // those that can be joined
}

// A call is what several are waiting for.
type call struct {
	owner  *Coalesce
	key    key
	ctx    context.Context
	cancel context.CancelCauseFunc

	waiting int           // who waits for the answer or reads it, guarded by the owner's mu
	taken   bool          // one of them has resp itself, guarded by the owner's mu
	shared  bool          // more than one waited when the answer came
	ready   chan struct{} // closed when the handler has returned, which is when what follows is there
	resp    any
	err     error
	panic   *callPanic
	gone    bool // the handler ended its goroutine instead of returning

	tee *tee // if the answer is a stream
}

// errLeft is what a call is cancelled with when nobody needs it any longer.
var errLeft = &genai.Error{Kind: genai.Cancelled, Message: "all who asked have left"}

// Wrap returns next with calls put together before it.
func (c *Coalesce) Wrap(next genai.AnyHandler) genai.AnyHandler {
	handler := wrapped.Add(1)
	return func(ctx context.Context, req any) (any, error) {
		k, ok := keyOf(ctx, handler, c.Tenant, c.Sampled, req)
		if !ok {
			return next(ctx, req)
		}
		if err := genai.ContextError(ctx); err != nil {
			return nil, err
		}
		one, joined := c.join(k)
		if one == nil {
			// The caller may leave before the call is over, and then do with his request what he likes.
			own, err := copyOf(req)
			if err != nil {
				return next(ctx, req)
			}
			if one, joined = c.begin(ctx, k); !joined {
				go one.run(next, own) // ends soon after the last of those who wait has left, who waits for it
			}
		}
		if joined {
			genai.Emit(ctx, genai.Event{Name: "coalesce"})
		}
		select {
		case <-one.ready:
		case <-ctx.Done():
			one.leave()
			return nil, genai.ContextError(ctx)
		}
		return one.answer(ctx, req, next)
	}
}

// copyOf returns a copy of what can travel.
func copyOf(v any) (any, error) {
	p, err := copier.For(reflect.TypeOf(v))
	if err != nil {
		return nil, err
	}
	copied, _, err := p.Copy(v)
	return copied, err
}

// join returns the call that is under way, if there is one.
func (c *Coalesce) join(k key) (*call, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.calls[k]
	if one == nil {
		return nil, false
	}
	one.waiting++
	return one, true
}

// begin returns a new call, or the one that somebody else has begun meanwhile.
func (c *Coalesce) begin(ctx context.Context, k key) (one *call, joined bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.calls[k]; one != nil {
		one.waiting++
		return one, true
	}
	one = &call{owner: c, key: k, waiting: 1, ready: make(chan struct{})}
	one.ctx, one.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if c.calls == nil {
		c.calls = map[key]*call{}
	}
	c.calls[k] = one
	return one, false
}

// close keeps others from joining.
func (c *call) close() {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	c.closeLocked()
}

func (c *call) closeLocked() {
	if c.owner.calls[c.key] == c {
		delete(c.owner.calls, c.key)
	}
}

// left notes that somebody who waited has left, and reports whether he was the last one.
func (c *call) left() bool {
	c.owner.mu.Lock()
	c.waiting--
	last := c.waiting == 0
	if last {
		c.closeLocked()
	}
	tee := c.tee
	c.owner.mu.Unlock()
	if last {
		c.cancel(errLeft)
		if tee != nil {
			genai.Discard(tee.source) // and not only soon
		}
	}
	return last
}

// take reports whether the caller may have the answer itself, which only one may.
func (c *call) take() bool {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	first := !c.taken
	c.taken = true
	return first
}

// leave is for those who do not want the answer any longer. The last of them waits until the handler has returned, as he
// would if he had called it himself.
func (c *call) leave() {
	if !c.left() {
		return
	}
	<-c.ready
	c.fail()
	if c.err == nil && c.tee == nil && c.take() {
		genai.Discard(c.resp)
	}
}

// fail does to the goroutine of one who waited what the handler has done to its own.
func (c *call) fail() {
	switch {
	case c.panic != nil:
		panic(c.panic)
	case c.gone:
		runtime.Goexit()
	}
}

// A callPanic is what those who wait panic with: it has the stack of the call, which would be lost otherwise.
type callPanic struct {
	value any
	stack []byte
}

func newPanic(value any) *callPanic { return &callPanic{value, debug.Stack()} }

// Error describes the panic, with the stack of the call in which it happened.
func (p *callPanic) Error() string {
	return fmt.Sprintf("a call that several waited for panicked: %v\n\n%s", p.value, p.stack)
}

// Unwrap returns what the call panicked with, if that is an error.
func (p *callPanic) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// run makes the call, and reads its answer if that is a stream.
func (c *call) run(next genai.AnyHandler, req any) {
	c.ask(next, req)
	if c.tee != nil {
		c.tee.pump(c.ctx)
		c.close()
		c.cancel(nil)
	}
}

// ask calls the handler and makes its answer known.
func (c *call) ask(next genai.AnyHandler, req any) {
	c.gone = true
	defer func() {
		if value := recover(); value != nil {
			c.panic, c.gone = newPanic(value), false
		}
		c.settle()
		close(c.ready)
	}()
	c.resp, c.err = next(c.ctx, req)
	c.gone = false
}

// settle finds out for whom the answer is.
func (c *call) settle() {
	o := c.owner
	o.mu.Lock()
	defer o.mu.Unlock()
	if s, ok := c.resp.(refiller); ok && c.err == nil && c.panic == nil && !c.gone && c.waiting > 0 {
		limit := o.Bytes
		if limit <= 0 {
			limit = 4 << 20
		}
		if c.tee = newTee(s, limit, c.close); c.tee != nil {
			return
		}
	}
	c.closeLocked() // it is there all at once: who comes now makes a new call
	c.shared = c.waiting > 1
}

// answer returns what there is for one of those who waited, when it is ready.
func (c *call) answer(ctx context.Context, req any, next genai.AnyHandler) (any, error) {
	if c.tee != nil {
		return c.tee.open(ctx, func() { c.left() })
	}
	reading := false
	defer func() {
		if !reading {
			c.left()
		}
	}()
	c.fail()
	switch {
	case c.err != nil:
		return nil, c.err
	case c.shared:
		if copied, err := copyOf(c.resp); err == nil && !isNil(copied) {
			return copied, nil
		}
	}
	if !c.take() {
		return next(ctx, req) // it cannot be shared, so everybody else needs one of his own
	}
	if reading = genai.Arriving(c.resp); reading {
		genai.Finally(c.resp, nil, func(error) { c.left() })
	}
	return c.resp, nil
}
