package transporttest

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func onceOnly() []promise {
	return []promise{{"R1", "no call is repeated", []variant{
		{"that succeeds", succeedsOnce},
		{"that fails", func(e *env) { e.failsOnce(failing) }},
		{"that fails before the first piece", func(e *env) { e.failsOnce(failingStream) }},
		{"whose stream fails", func(e *env) { e.failsOnce(failingMidway) }},
		{"whose caller leaves", leavesOnce},
		{"whose connection breaks", cutOnce},
	}}, {"R2", "a call that no server was there for says so", []variant{{"each", provenUnseen}}},
		{"R4", "a call whose time is up is not made", []variant{
			{"expired", func(e *env) {
				ctx, cancel := context.WithDeadline(e.Context(), time.Unix(1, 0))
				defer cancel()
				e.deadContext(ctx, genai.DeadlineExceeded)
			}},
		}}}
}

func succeedsOnce(e *env) {
	calls := make(chan *note, 10)
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(_ context.Context, req *note) (*note, error) {
			calls <- req
			return req, nil
		})
		tell.Serve(s, func(ctx context.Context, req *note) (notes, error) {
			calls <- req
			return once(ctx, note{})
		})
	})
	must[*note](e)(ask.Dial(link.Client)(e.Context(), &note{}))
	ran(e, calls, 1)
	e.read(must[notes](e)(tell.Dial(link.Client)(e.Context(), &note{})), 1)
	ran(e, calls, 2)
}

// A counting way serves an operation that fails with err, calls it, and returns what the caller gets.
type counting func(e *env, calls chan<- struct{}, err error) error

func failing(e *env, calls chan<- struct{}, err error) error {
	call := place(e, ask, func(context.Context, *note) (*note, error) {
		calls <- struct{}{}
		return nil, err
	})
	_, got := call(e.Context(), &note{})
	return got
}

func failingStream(e *env, calls chan<- struct{}, err error) error {
	call := place(e, tell, func(context.Context, *note) (notes, error) {
		calls <- struct{}{}
		return nil, err
	})
	_, got := call(e.Context(), &note{})
	return got
}

func failingMidway(e *env, calls chan<- struct{}, err error) error {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		calls <- struct{}{}
		return genai.Open(ctx, func(_ context.Context, yield func(note) bool) error {
			yield(note{})
			return err
		})
	})
	s := must[notes](e)(call(e.Context(), &note{}))
	defer s.Close()
	for {
		if _, got := s.Next(); got != nil {
			return got
		}
	}
}

// failsOnce tries every kind that says that another attempt may succeed: to make one is for the caller to decide, even if
// the handler says that it has not begun.
func (e *env) failsOnce(fail counting) {
	kinds := slices.Sorted(genai.Kinds)
	for _, kind := range kinds {
		if !kind.Retryable() {
			continue
		}
		calls := make(chan struct{}, 10)
		err := fail(e, calls, &genai.Error{Kind: kind, Started: genai.StartedNo, Message: "try again"})
		if err == io.EOF || genai.KindOf(err) != kind {
			e.Errorf("the call ended with %v, want %s", err, kind)
		}
		ran(e, calls, 1)
	}
}

func leavesOnce(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	calls, over := make(chan struct{}, 10), make(chan error, 10)
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		calls <- struct{}{}
		if req.Text == "after" {
			return req, nil
		}
		cancel()
		<-ctx.Done()
		over <- ctx.Err()
		return nil, ctx.Err()
	})
	result := await(e, async(func() (*note, error) { return call(ctx, &note{}) }), "the call returns")
	e.left(result.err)
	e.ended(over)
	must[*note](e)(call(e.Context(), &note{"after"})) // whatever was sent before is there
	ran(e, calls, 2)
}

func cutOnce(e *env) {
	calls, over := make(chan struct{}, 10), make(chan error, 10)
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(ctx context.Context, req *note) (*note, error) {
			calls <- struct{}{}
			if req.Text != "cut" {
				return req, nil
			}
			<-ctx.Done()
			over <- ctx.Err()
			return nil, ctx.Err()
		})
	})
	if link.Cut == nil {
		e.Skip("there is nothing to be cut")
	}
	call := ask.Dial(link.Client)
	must[*note](e)(call(e.Context(), &note{"before"})) // so that there is a connection, which may be used again
	await(e, calls, "the handler is called")
	result := async(func() (*note, error) { return call(e.Context(), &note{"cut"}) })
	await(e, calls, "the handler is called")
	link.Cut()
	e.lost(await(e, result, "the call returns").err)
	e.ended(over)
	must[*note](e)(call(e.Context(), &note{"after"}))
	ran(e, calls, 1)
}
