package transporttest

import (
	"context"
	"io"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
)

// askedInTurn: a producer has no lock. Whoever asks for the next piece while it makes one, or without having waited for the one who
// asked before, is found by the producer or by the race detector.
func askedInTurn(e *env) {
	const pieces = 300
	var inside atomic.Int32
	made := 0
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.NewStream(ctx, func() (note, error) {
			if inside.Add(1) > 1 {
				e.Error("a producer is asked for a piece while it makes another")
			}
			defer inside.Add(-1)
			runtime.Gosched() // let in whoever waits
			if made++; made > pieces {
				return note{}, io.EOF
			}
			return note{}, nil
		}, nil)
	})
	e.read(must[notes](e)(call(e.Context(), &note{})), pieces)
}

// readInTurn: the reader of a stream need not be a goroutine, as long as one of them reads at a time.
func readInTurn(e *env) {
	const pieces = 20
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(_ context.Context, yield func(note) bool) error {
			for i := range pieces {
				if !yield(note{strconv.Itoa(i)}) {
					break
				}
			}
			return nil
		})
	})
	s := must[notes](e)(call(e.Context(), &note{}))
	defer s.Close()
	for i := range pieces {
		piece := await(e, async(s.Next), "another goroutine reads")
		if got := must[note](e)(piece.value, piece.err); got.Text != strconv.Itoa(i) {
			e.Errorf("piece %d is %q", i, got.Text)
		}
	}
	if end := await(e, async(s.Next), "another goroutine reads"); end.err != io.EOF {
		e.Errorf("the stream ended with %v", end.err)
	}
}

// errEnough is what a limit around a call says when it is over, as policies do.
var errEnough = &genai.Error{Kind: genai.Timeout, Message: "that is long enough"}

// enough checks what a caller gets whose limit is over, and that the handler is told.
func (e *env) enough(err error, over <-chan error) {
	e.Helper()
	if genai.KindOf(err) != genai.Timeout || genai.AsError(err).Message != errEnough.Message {
		e.Errorf("got %v, want what the limit says: %v", err, errEnough)
	}
	e.ended(over)
}

func waitsForValue(e *env) {
	ctx, cancel := context.WithCancelCause(e.Context())
	defer cancel(nil)
	over := make(chan error, 1)
	call := place(e, ask, func(ctx context.Context, _ *note) (*note, error) {
		cancel(errEnough)
		<-ctx.Done()
		over <- ctx.Err()
		return nil, ctx.Err()
	})
	e.enough(await(e, async(func() (*note, error) { return call(ctx, &note{}) }), "the call returns").err, over)
}

func waitsForFirst(e *env) {
	ctx, cancel := context.WithCancelCause(e.Context())
	defer cancel(nil)
	over := make(chan error, 1)
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, _ func(note) bool) error {
			cancel(errEnough)
			<-ctx.Done()
			over <- ctx.Err()
			return ctx.Err()
		})
	})
	e.enough(await(e, async(func() (notes, error) { return call(ctx, &note{}) }), "the call returns").err, over)
}

func waitsForNext(e *env) {
	ctx, cancel := context.WithCancelCause(e.Context())
	defer cancel(nil)
	over := make(chan error, 1)
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			yield(note{})
			cancel(errEnough) // if the producer runs ahead, before the reader asks
			<-ctx.Done()
			over <- ctx.Err()
			return ctx.Err()
		})
	})
	s, err := call(ctx, &note{})
	for err == nil {
		next := await(e, async(s.Next), "the reader is told")
		err = next.err
	}
	e.enough(err, over)
}
