package transporttest

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

func cancellation() []promise {
	return []promise{
		{"C7", "a caller who leaves ends the work", []variant{
			{"before the handler has started", leaveBefore},
			{"while the handler works", leaveDuring},
			{"before the first piece", leaveBeforeFirst},
			{"while the reader waits", leaveWhileWaiting},
			{"while the producer waits", leaveWhileProducing},
			{"a large request", leaveLarge},
			{"the handler does not heed its context", leaveUnheard},
			{"the producer does not heed its context", leaveUnheardStream},
		}},
		{"C8", "a caller whose connection breaks ends the work", []variant{
			{"value", cutCall},
			{"stream", cutStream},
		}},
		{"C9", "the caller's time ends the work", []variant{
			{"while the handler works", timeIsUp},
			{"while the reader waits", timeIsUpInStream},
		}},
		{"C10", "what a handler returns to nobody has no effect, and nothing of a call is left when it is over", []variant{
			{"value", lateValue},
			{"stream", lateStream},
			{"the context of a value ends", contextOfValue},
			{"the context of a stream ends", contextOfStream},
		}},
	}
}

// left checks what a caller gets who has left.
func (e *env) left(err error) {
	e.Helper()
	e.failed(err, genai.Cancelled)
	if !errors.Is(err, context.Canceled) {
		e.Errorf("the error is not context.Canceled: %v", err)
	}
}

// ended reports how the context of a handler ended, as far as the handler can tell.
func (e *env) ended(c <-chan error) {
	e.Helper()
	if err := await(e, c, "the handler's context ends"); !errors.Is(err, context.Canceled) {
		e.Errorf("the handler's context ended with %v, want context.Canceled", err)
	}
}

func leaveBefore(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	e.deadContext(ctx, genai.Cancelled)
}

func leaveDuring(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	over := make(chan error, 1)
	call := place(e, ask, func(ctx context.Context, _ *note) (*note, error) {
		cancel()
		<-ctx.Done()
		over <- ctx.Err()
		return nil, ctx.Err()
	})
	result := await(e, async(func() (*note, error) { return call(ctx, &note{}) }), "the call returns")
	e.left(result.err)
	e.ended(over)
}

func leaveBeforeFirst(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	over := make(chan error, 1)
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, _ func(note) bool) error {
			cancel()
			<-ctx.Done()
			over <- ctx.Err()
			return ctx.Err()
		})
	})
	result := await(e, async(func() (notes, error) { return call(ctx, &note{}) }), "the call returns")
	e.left(result.err)
	e.ended(over)
}

func leaveWhileWaiting(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	over, working := make(chan error, 1), make(chan struct{})
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			yield(note{})
			close(working)
			<-ctx.Done()
			over <- ctx.Err()
			return ctx.Err()
		})
	})
	s := must[notes](e)(call(ctx, &note{}))
	defer s.Close()
	must[note](e)(s.Next())
	next := async(s.Next)
	await(e, working, "the producer works on the next piece")
	cancel()
	e.left(await(e, next, "the reader is told").err)
	e.ended(over)
	_, err := s.Next()
	e.left(err)
}

// leaveWhileProducing: the producer has more than anybody takes, so that it is held up wherever the transport holds
// producers up.
func leaveWhileProducing(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	over := make(chan error, 1)
	call := place(e, tell, endless(over))
	s := must[notes](e)(call(ctx, &note{}))
	defer s.Close()
	must[note](e)(s.Next())
	cancel()
	e.ended(over)
	e.left(await(e, async(func() (n note, err error) {
		for err == nil { // what has arrived may still be read
			n, err = s.Next()
		}
		return n, err
	}), "the reader is told").err)
}

// endless returns a handler whose stream has no end; over is told how its context ended.
func endless(over chan<- error) genai.Handler[*note, notes] {
	large := note{strings.Repeat("x", 64<<10)}
	return func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			for yield(large) {
			}
			<-ctx.Done() // at once: yield has returned false
			over <- ctx.Err()
			return ctx.Err()
		})
	}
}

func leaveLarge(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	over := make(chan error, 1)
	call := place(e, ask, func(ctx context.Context, _ *note) (*note, error) {
		cancel()
		<-ctx.Done()
		over <- ctx.Err()
		return nil, ctx.Err()
	})
	req := &note{strings.Repeat("x", 8<<20/min(slowdown, 8))}
	result := await(e, async(func() (*note, error) { return call(ctx, req) }), "the call returns")
	e.left(result.err)
	e.ended(over)
}

func leaveUnheard(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	release := make(chan struct{})
	defer close(release)
	call := place(e, ask, func(_ context.Context, req *note) (*note, error) {
		cancel()
		<-release
		return req, nil
	})
	result := await(e, async(func() (*note, error) { return call(ctx, &note{}) }), "the call returns although the handler does not")
	e.left(result.err)
}

// leaveUnheardStream: a producer that is not in the reader's goroutine cannot hold the reader up.
func leaveUnheardStream(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	release, working := make(chan struct{}), make(chan struct{})
	defer close(release)
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(_ context.Context, yield func(note) bool) error {
			yield(note{})
			close(working)
			<-release
			return nil
		})
	})
	s := must[notes](e)(call(ctx, &note{}))
	defer s.Close()
	must[note](e)(s.Next())
	next := async(s.Next)
	await(e, working, "the producer works on the next piece")
	cancel()
	e.left(await(e, next, "the reader is told although the producer does not return").err)
}

// timeIsUp uses a real clock, because a wire does, but nothing depends on how long it takes.
func timeIsUp(e *env) {
	ctx, cancel := context.WithTimeout(e.Context(), 20*time.Millisecond)
	defer cancel()
	over := make(chan error, 1)
	call := place(e, ask, func(ctx context.Context, _ *note) (*note, error) {
		<-ctx.Done()
		over <- ctx.Err()
		return nil, ctx.Err()
	})
	result := await(e, async(func() (*note, error) { return call(ctx, &note{}) }), "the call returns")
	e.late(result.err)
	select {
	case err := <-over:
		e.expired(err)
	default: // a slow machine spent all the time before the handler was reached, or the handler is on its way
	}
}

func timeIsUpInStream(e *env) {
	ctx, cancel := context.WithTimeout(e.Context(), 500*time.Millisecond)
	defer cancel()
	over := make(chan error, 1)
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			yield(note{})
			<-ctx.Done()
			over <- ctx.Err()
			return ctx.Err()
		})
	})
	s, err := call(ctx, &note{})
	if err == nil {
		defer s.Close()
		if _, err = s.Next(); err == nil {
			result := await(e, async(s.Next), "the reader is told")
			err = result.err
			e.expired(await(e, over, "the handler's context ends"))
		}
	}
	e.late(err)
}

func (e *env) late(err error) {
	e.Helper()
	e.failed(err, genai.DeadlineExceeded)
	if !errors.Is(err, context.DeadlineExceeded) {
		e.Errorf("the error is not context.DeadlineExceeded: %v", err)
	}
}

// expired allows for a caller who was faster to leave than the handler to see its time end.
func (e *env) expired(err error) {
	e.Helper()
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		e.Errorf("the handler's context ended with %v", err)
	}
}

func lateValue(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		cancel()
		<-ctx.Done()
		return req, nil
	})
	result := await(e, async(func() (*note, error) { return call(ctx, &note{}) }), "the call returns")
	e.left(result.err)
	if result.value != nil {
		e.Error("there is a response beside the error")
	}
}

// lateStream: a stream that nobody is given is closed.
func lateStream(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	closed := make(chan struct{})
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		cancel()
		<-ctx.Done()
		// The stream is tied to another context, so that only those who hold it can end it.
		return genai.NewStream(context.WithoutCancel(ctx), func() (note, error) { return note{}, nil }, func() { close(closed) })
	})
	result := await(e, async(func() (notes, error) { return call(ctx, &note{}) }), "the call returns")
	e.left(result.err)
	await(e, closed, "the stream is closed")
}

// contextOfValue: what a handler has made from its context, such as a timer, is released when the call is over.
func contextOfValue(e *env) {
	over := make(chan struct{})
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		context.AfterFunc(ctx, func() { close(over) })
		return req, nil
	})
	must[*note](e)(call(e.Context(), &note{}))
	await(e, over, "the context of the handler ends with its response")
}

func contextOfStream(e *env) {
	over := make(chan struct{})
	call := place(e, tell, func(ctx context.Context, req *note) (notes, error) {
		context.AfterFunc(ctx, func() { close(over) })
		return once(ctx, *req)
	})
	e.read(must[notes](e)(call(e.Context(), &note{})), 1)
	await(e, over, "the context of the handler ends with its stream")
}

// read reads a stream of n pieces to its end.
func (e *env) read(s notes, n int) {
	e.Helper()
	defer s.Close()
	for i := 0; ; i++ {
		_, err := s.Next()
		switch {
		case err == io.EOF && i == n:
			return
		case err != nil:
			e.Fatalf("the stream ended after %d pieces with %v, want %d", i, err, n)
		}
	}
}

// failed checks the kind of an error that Dial has named.
func (e *env) failed(err error, kind genai.Kind) {
	e.Helper()
	own, ok := err.(*genai.Error)
	switch {
	case err == nil:
		e.Fatalf("it worked, want %s", kind)
	case !ok:
		e.Errorf("the error is a %T, want a *genai.Error: %v", err, err)
	case own.Kind != kind:
		e.Errorf("the error is %s, want %s: %v", own.Kind, kind, err)
	case kind == genai.Cancelled || kind == genai.DeadlineExceeded: // the caller's own end; a stream says no more
	case own.Op == "" || own.Target == "":
		e.Errorf("the error does not say what was called: %v", err)
	}
}

// refused checks an error of a call that was not made.
func (e *env) refused(err error, kind genai.Kind, field string) {
	e.Helper()
	e.failed(err, kind)
	own := genai.AsError(err)
	if own.Started != genai.StartedNo {
		e.Errorf("the call may have started (%q), but nothing was sent: %v", own.Started, err)
	}
	if !strings.HasPrefix(own.Field, field) {
		e.Errorf("the error names the field %q, want %q", own.Field, field)
	}
}

// ran checks how often a handler was called that counts in a buffered channel.
func ran[T any](e *env, calls <-chan T, want int) {
	e.Helper()
	if got := len(calls); got != want {
		e.Errorf("the handler ran %d times, want %d", got, want)
	}
}
