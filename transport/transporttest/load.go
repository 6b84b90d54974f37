package transporttest

import (
	"context"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func load() []promise {
	return []promise{
		{"L1", "what is larger than the operation allows is refused", []variant{
			{"request", tooLargeRequest},
			{"response", tooLargeResponse},
			{"piece", tooLargePiece},
		}},
		{"L2", "a handler that has enough to do refuses at once, and nothing is queued", []variant{
			{"value", func(e *env) { refusesAtOnce(e, ask, func(_ context.Context, n *note) (*note, error) { return n, nil }) }},
			{"stream", func(e *env) {
				refusesAtOnce(e, tell, func(ctx context.Context, n *note) (notes, error) { return once(ctx, *n) })
			}},
		}},
		{"L3", "calls run beside each other", []variant{
			{"values", together},
			{"streams", streamsTogether},
		}},
		{"L4", "what is large arrives as it was sent", []variant{
			{"64 MiB", func(e *env) { exact(e, 64<<20/min(slowdown, 4), noise) }},
		}},
		{"L5", "what can be made smaller arrives as it was sent", []variant{
			{"zeros", func(e *env) { exact(e, 1<<20, func([]byte) {}) }},
			{"noise", func(e *env) { exact(e, 1<<20, noise) }},
		}},
	}
}

var (
	small     = transport.Op[*note, *note]{Name: "suite.small", MaxBytes: 1000}
	smallTell = transport.Op[*note, *genai.Stream[note]]{Name: "suite.smalltell", MaxBytes: 1000}
)

func tooLargeRequest(e *env) {
	calls := make(chan *note, 10)
	call := place(e, small, func(_ context.Context, req *note) (*note, error) {
		calls <- req
		return req, nil
	})
	_, err := call(e.Context(), &note{strings.Repeat("x", 1001)})
	e.refused(err, genai.TooLarge, "")
	ran(e, calls, 0)
	must[*note](e)(call(e.Context(), &note{strings.Repeat("x", 900)}))
}

func tooLargeResponse(e *env) {
	call := place(e, small, func(context.Context, *note) (*note, error) { return &note{strings.Repeat("x", 1001)}, nil })
	_, err := call(e.Context(), &note{})
	e.failed(err, genai.TooLarge)
}

func tooLargePiece(e *env) {
	call := place(e, smallTell, func(ctx context.Context, _ *note) (notes, error) {
		return once(ctx, note{"a"}, note{strings.Repeat("x", 1001)})
	})
	s := must[notes](e)(call(e.Context(), &note{}))
	defer s.Close()
	must[note](e)(s.Next())
	_, err := s.Next()
	e.failed(err, genai.TooLarge)
}

const crowd = 100

// together: each handler waits until all have been called.
func together(e *env) {
	arrived, all := make(chan struct{}, crowd), make(chan struct{})
	call := place(e, ask, func(ctx context.Context, req *note) (*note, error) {
		arrived <- struct{}{}
		select {
		case <-all:
			return req, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	var results []<-chan outcome[*note]
	for range crowd {
		results = append(results, async(func() (*note, error) { return call(e.Context(), &note{}) }))
	}
	for range crowd {
		await(e, arrived, "all handlers are called")
	}
	close(all)
	for _, c := range results {
		r := await(e, c, "the calls return")
		must[*note](e)(r.value, r.err)
	}
}

// streamsTogether: all streams are open, and none but the last is read, before the others are.
func streamsTogether(e *env) {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return once(ctx, note{"a"}, note{"b"}, note{"c"})
	})
	var open []notes
	for range crowd {
		open = append(open, must[notes](e)(call(e.Context(), &note{})))
	}
	for i := range open {
		e.read(open[len(open)-1-i], 3)
	}
}

// refusesAtOnce: a handler works on a few calls at a time, as those behind a limit do. The next call reaches it while they run, and
// comes back with what the handler says.
func refusesAtOnce[Resp any](e *env, op transport.Op[*note, Resp], answer genai.Handler[*note, Resp]) {
	const few = 4
	room := make(chan struct{}, few)
	working, release := make(chan struct{}, few), make(chan struct{})
	call := place(e, op, func(ctx context.Context, n *note) (none Resp, err error) {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			return none, &genai.Error{Kind: genai.Overloaded, Started: genai.StartedNo, RetryAfter: 1500 * time.Millisecond, Message: "no more now"}
		}
		working <- struct{}{}
		select {
		case <-release:
			return answer(ctx, n)
		case <-ctx.Done():
			return none, ctx.Err()
		}
	})
	work := func() (Resp, error) { return call(e.Context(), &note{}) }
	var running []<-chan outcome[Resp]
	for range few {
		running = append(running, async(work))
	}
	for range few {
		await(e, working, "the handler works")
	}
	for range 3 {
		err := await(e, async(work), "a call beyond the limit is refused while the others run").err
		e.refused(err, genai.Overloaded, "")
		if own := genai.AsError(err); own.RetryAfter != 1500*time.Millisecond || !own.Remote {
			e.Errorf("the error is %+v", own)
		}
	}
	close(release)
	for _, c := range running {
		r := await(e, c, "the calls return")
		genai.Discard(must[Resp](e)(r.value, r.err))
	}
	genai.Discard(must[Resp](e)(work()))
}
