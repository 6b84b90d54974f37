package inproc_test

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// TestNothingStaysOpen: whenever the caller leaves, each stream that a handler has opened is released exactly once, although
// its own context never ends.
func TestNothingStaysOpen(t *testing.T) {
	for name, mode := range map[string]struct{ strict, shared bool }{"copying": {}, "strict": {strict: true}, "shared": {shared: true}} {
		t.Run(name, func(t *testing.T) {
			network := &inproc.Network{Strict: mode.strict}
			op := transport.Op[*slip, *genai.Stream[slip]]{Name: "test.tell", Shared: mode.shared}
			var running, opened, closed, streams, finals atomic.Int64
			op.Serve(network, func(ctx context.Context, _ *slip) (*genai.Stream[slip], error) {
				running.Add(1)
				defer running.Add(-1)
				left := rand.N(5)
				idle(left)
				opened.Add(1)
				return genai.NewStream(context.WithoutCancel(ctx), func() (slip, error) {
					if left--; left < 0 {
						return slip{}, io.EOF
					}
					idle(left)
					return slip{"a"}, nil
				}, func() { closed.Add(1) })
			})
			call := op.Dial(network)
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() {
					for range 250 {
						ctx, cancel := context.WithCancel(t.Context())
						ctx, _ = transport.WithReply(ctx)
						callers.Go(func() {
							idle(rand.N(8))
							cancel()
						})
						s, err := call(ctx, &slip{})
						if err != nil {
							if genai.KindOf(err) != genai.Cancelled {
								t.Error(err)
							}
							continue
						}
						streams.Add(1)
						genai.Finally(s, nil, func(error) { finals.Add(1) })
						for _, err := range s.All() {
							if err != nil && genai.KindOf(err) != genai.Cancelled {
								t.Error(err)
							}
						}
					}
				})
			}
			callers.Wait()
			done := func() bool {
				return running.Load() == 0 && opened.Load() == closed.Load() && streams.Load() == finals.Load()
			}
			for tries := 0; !done() && tries < 2000; tries++ {
				time.Sleep(time.Millisecond) // for handlers whose callers have left
			}
			if !done() {
				t.Errorf("%d streams were opened and %d released; %d callers got one, and %d saw its end", opened.Load(), closed.Load(), streams.Load(), finals.Load())
			}
		})
	}
}

// idle lets others run.
func idle(n int) {
	for range n {
		runtime.Gosched()
	}
}

// TestCallsLeaveNothing: the goroutine of a call ends with its handler.
func TestCallsLeaveNothing(t *testing.T) {
	network := &inproc.Network{}
	call := reach(network, echoing, echo)
	tell := reach(network, telling, func(ctx context.Context, _ *slip) (*genai.Stream[slip], error) { return of(ctx, io.EOF, "a", "b") })
	before := runtime.NumGoroutine()
	for range 100 {
		if _, err := call(t.Context(), &slip{}); err != nil {
			t.Fatal(err)
		}
		s, err := tell(t.Context(), &slip{})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	for tries := 0; runtime.NumGoroutine() > before && tries < 1000; tries++ {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("there were %d goroutines, now there are %d", before, after)
	}
}
