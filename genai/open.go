package genai

import (
	"context"
	"io"
	"iter"
	"sync"
	"sync/atomic"
)

// Open opens a Stream for those who generate: produce calls yield with one piece after another and returns nil after
// the last, or the error that cut the response. As with [NewStream], Open returns when the first real piece is in
// hand, and an error before that is returned by Open itself.
//
// produce runs only while the consumer waits for a piece, so it never runs ahead, and it needs no goroutine of its own.
// When the stream is over its context ends and yield returns false; produce must then return soon.
func Open[T any](ctx context.Context, produce func(ctx context.Context, yield func(T) bool) error) (*Stream[T], error) {
	if err := ContextError(ctx); err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	p := &producer[T]{cancel: cancel}
	p.pull, p.release = iter.Pull(func(yield func(T) bool) {
		p.err = produce(inner, yield)
	})
	return NewStream(ctx, p.next, p.stop)
}

// A producer turns a function that pushes into one that is pulled. A coroutine may be entered by one goroutine at a
// time, so whoever comes to stop it while it runs leaves that to the one who runs it.
type producer[T any] struct {
	mu      sync.Mutex // held while the coroutine runs
	pull    func() (T, bool)
	release func()
	cancel  context.CancelFunc
	stopped atomic.Bool
	err     error // what produce returned
}

func (p *producer[T]) next() (T, error) {
	defer p.releaseIfStopped()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped.Load() {
		var zero T
		return zero, errClosed
	}
	piece, ok := p.pull()
	switch {
	case ok:
		return piece, nil
	case p.err != nil:
		return piece, p.err
	}
	return piece, io.EOF
}

func (p *producer[T]) stop() {
	p.stopped.Store(true)
	p.cancel()
	p.releaseIfStopped()
}

// releaseIfStopped lets produce return after stop. If the lock is taken, the coroutine is running, and whoever runs it
// calls this once more after unlocking.
func (p *producer[T]) releaseIfStopped() {
	if p.stopped.Load() && p.mu.TryLock() {
		defer p.mu.Unlock()
		p.release()
	}
}
