package genai

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// Finally calls f exactly once, when the response is over: at once if err is not nil or resp is an ordinary value,
// and at the end of the stream if resp is a [Stream]. f is given nil for a response that was completed, and otherwise
// what ended it; a stream that its consumer closed early ended with [Cancelled]. Functions given for one stream run
// in the order in which they were given, so those of the innermost policy run first.
//
// f may be called by another goroutine, and must not block.
func Finally(resp any, err error, f func(error)) {
	if err != nil {
		f(err)
		return
	}
	if s, ok := resp.(arriving); ok {
		s.life().finally(f)
		return
	}
	f(nil)
}

// Arriving reports whether resp is still arriving, which is what a [Stream] is until it is over. A policy on a hot
// path asks first, and spares itself the function that [Finally] needs where the response is an ordinary value.
func Arriving(resp any) bool {
	s, ok := resp.(arriving)
	return ok && !s.life().over.Load()
}

// Discard ends the life of a response that nobody will use: it closes what has a Close method. It takes nil.
func Discard(resp any) {
	if c, ok := resp.(io.Closer); ok {
		_ = c.Close() // nobody is left who could use the error
	}
}

// Watch lets a policy follow a stream of pieces whose type it does not know. asked is called when the consumer asks for
// a piece and begins to wait, arrived when it is given one, with a pointer to it (for a Stream[T] a *T, valid during the
// call, not to be changed). Either may be nil. The end is told by [Finally]. Watch does nothing for a response that is not
// arriving, and must be called before the response is handed on.
func Watch(resp any, asked func(), arrived func(piece any)) {
	if s, ok := resp.(arriving); ok {
		l := s.life()
		if asked != nil {
			l.askers = append(l.askers, asked)
		}
		if arrived != nil {
			l.viewers = append(l.viewers, arrived)
		}
	}
}

// arriving is what every Stream is, whatever its pieces are.
type arriving interface{ life() *lifetime }

// A lifetime is the part of a Stream that does not depend on the type of its pieces.
type lifetime struct {
	over    atomic.Bool // set last: whoever sees it may read err
	err     error       // why the stream is over; io.EOF if it is complete
	askers  []func()    // told that the consumer waits for a piece
	viewers []func(any) // shown the piece it got

	mu     sync.Mutex
	ctx    context.Context
	detach func() bool // stops waiting for ctx
	stop   func()
	finals []func(error)
}

func (l *lifetime) life() *lifetime { return l }

// begin ties the lifetime to ctx. The goroutine that context.AfterFunc starts belongs to ctx, and ends with it.
func (l *lifetime) begin(ctx context.Context, stop func()) {
	l.ctx, l.stop = ctx, stop
	if ctx.Done() == nil {
		return
	}
	detach := context.AfterFunc(ctx, func() { l.end(ContextError(ctx)) })
	l.mu.Lock()
	l.detach = detach
	l.mu.Unlock()
}

// broken ends a stream whose producer panicked or ended its goroutine, so that no permit is lost.
func (l *lifetime) broken() { l.end(Errorf(Internal, "the producer of a stream panicked")) }

// end is idempotent: the first caller decides how the stream ended. The producer is released before the policies are
// told, so that whoever gets a permit next does not find the resource still in use.
func (l *lifetime) end(err error) {
	l.mu.Lock()
	if l.over.Load() {
		l.mu.Unlock()
		return
	}
	if err != io.EOF && err != errClosed {
		// What a reader reports after its context ended is a consequence; the context knows the cause.
		if cause := ContextError(l.ctx); cause != nil {
			err = cause
		}
	}
	l.err = err
	finals, detach, stop := l.finals, l.detach, l.stop
	l.finals, l.stop = nil, nil
	l.over.Store(true)
	l.mu.Unlock()

	if detach != nil {
		detach()
	}
	outcome := err
	if err == io.EOF {
		outcome = nil
	}
	defer runAll(finals, outcome)
	if stop != nil {
		stop()
	}
}

func (l *lifetime) finally(f func(error)) {
	l.mu.Lock()
	if !l.over.Load() {
		l.finals = append(l.finals, f)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	if l.err == io.EOF {
		f(nil)
		return
	}
	f(l.err)
}

// runAll calls every function, even if one of them panics.
func runAll(finals []func(error), outcome error) {
	if len(finals) == 0 {
		return
	}
	defer runAll(finals[1:], outcome)
	finals[0](outcome)
}
