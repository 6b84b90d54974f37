package transporttest

import (
	"context"
	"strings"

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
