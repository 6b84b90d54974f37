package transporttest

import (
	"context"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func executions() []promise {
	return []promise{{"R1", "a call is made once, whatever happens to it", []variant{
		{"it fails", onceIfFailing},
		{"the connection breaks before the answer", func(e *env) { e.onceIfCut(ask) }},
		{"the same with an operation that may be repeated", func(e *env) {
			op := ask
			op.Idempotency = transport.Safe
			e.onceIfCut(op)
		}},
		{"the connection breaks in a stream", onceIfCutMidway},
	}}}
}

// onceIfFailing fails in every way, also in those where repeating the call would help.
func onceIfFailing(e *env) {
	var calls atomic.Int64
	var kind genai.Kind
	call := place(e, ask, func(context.Context, *note) (*note, error) {
		calls.Add(1)
		return nil, genai.Errorf(kind, "no")
	})
	for kind = range genai.Kinds {
		calls.Store(0)
		_, err := call(e.Context(), &note{})
		if n := calls.Load(); n != 1 || err == nil {
			e.Errorf("a call that failed with %s was made %d times: %v", kind, n, err)
		}
	}
}

// onceIfCut breaks the connection, which has been used before, while the handler works. The caller learns that nobody
// knows what became of the work.
func (e *env) onceIfCut(op transport.Op[*note, *note]) {
	var calls atomic.Int64
	working, release := make(chan struct{}, 8), make(chan struct{})
	link := e.link(func(s transport.Server) {
		op.Serve(s, func(_ context.Context, n *note) (*note, error) {
			calls.Add(1)
			if n.Text == "wait" {
				working <- struct{}{}
				<-release // and not the end of the context: the work is done in any case
			}
			return n, nil
		})
	})
	defer close(release)
	if link.Cut == nil {
		e.Skip("this transport has no connection that could break")
	}
	call := op.Dial(link.Client)
	must[*note](e)(call(e.Context(), &note{}))
	calls.Store(0)
	done := async(func() (*note, error) { return call(e.Context(), &note{"wait"}) })
	await(e, working, "the handler works")
	link.Cut()
	err := await(e, done, "the call ends").err
	if fail := genai.AsError(err); err == nil || fail.Kind != genai.Unavailable || fail.Started == genai.StartedNo {
		e.Errorf("the caller got %+v", fail)
	}
	if n := calls.Load(); n != 1 {
		e.Errorf("the work was done %d times", n)
	}
}

func onceIfCutMidway(e *env) {
	var calls atomic.Int64
	release := make(chan struct{})
	link := e.link(func(s transport.Server) {
		tell.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
			calls.Add(1)
			return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
				yield(note{"1"})
				select {
				case <-release:
				case <-ctx.Done():
				}
				return nil
			})
		})
	})
	defer close(release)
	if link.Cut == nil {
		e.Skip("this transport has no connection that could break")
	}
	s := must[notes](e)(tell.Dial(link.Client)(e.Context(), &note{}))
	defer s.Close()
	if _, err := s.Next(); err != nil {
		e.Fatal(err)
	}
	done := async(s.Next)
	link.Cut()
	if err := await(e, done, "the stream ends").err; genai.KindOf(err) != genai.Truncated && genai.KindOf(err) != genai.Unavailable {
		e.Errorf("the stream ended with %v", err)
	}
	if n := calls.Load(); n != 1 {
		e.Errorf("the work was done %d times", n)
	}
}
