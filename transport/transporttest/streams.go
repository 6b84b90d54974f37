package transporttest

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func streams() []promise {
	return []promise{
		{"S1", "pieces arrive in order, none is lost and none comes twice", []variant{
			{"many small ones", func(e *env) { e.inOrder(100_000/slowdown, "") }},
			{"large ones", func(e *env) { e.inOrder(50/min(slowdown, 5), strings.Repeat("x", 200<<10)) }},
		}},
		{"S2", "an end, an error and a cut are three things", []variant{
			{"an end", func(e *env) { e.inOrder(3, "") }},
			{"an error", endsWithError},
			{"a cut", cutStream},
			{"a cut before the response", cutCall},
		}},
		{"S3", "a piece arrives before the next one is made", []variant{{"each", atOnce}}},
		{"S4", "a producer is no further ahead of its reader than the operation says", []variant{{"each", waitsForReader}}},
		{"S5", "a reader who closes the stream ends the work", []variant{
			{"while the producer works", closeWhileWorking},
			{"while the producer waits", closeWhileWaiting},
			{"by another goroutine", closeFromElsewhere},
		}},
		{"S6", "closing is harmless", []variant{
			{"twice", closeTwice},
			{"after the end", closeAfterEnd},
			{"before the first piece was read", closeUnread},
		}},
		{"S7", "a stream belongs to one reader, and its producer is asked in turn", []variant{
			{"the producer", askedInTurn},
			{"the reader", readInTurn},
		}},
		{"S8", "a stream may have no piece", []variant{
			{"none", noPiece},
			{"preamble only", onlyPreamble},
		}},
		{"S9", "metadata comes back at the end of a stream", []variant{
			{"after the last piece", func(e *env) { e.replyOfStream(nil) }},
			{"with an error", func(e *env) { e.replyOfStream(genai.Errorf(genai.Overloaded, "enough")) }},
		}},
		{"S10", "a piece that is too large ends its stream, and no other", []variant{{"each", onlyThatStream}}},
		{"S11", "streams are read beside one that nobody reads", []variant{{"many", besideOneThatStalls}}},
		{"S12", "a limit to how long a caller waits ends the work, and is the error", []variant{
			{"before the response", waitsForValue},
			{"before the first piece", waitsForFirst},
			{"between two pieces", waitsForNext},
		}},
		{"S13", "a request does not stream", []variant{
			{"a stream as request", func(e *env) { refusedRequest[*genai.Stream[note]](e, "the request") }},
			{"a stream in a request", func(e *env) { refusedRequest[*struct{ Notes notes }](e, "Notes") }},
		}},
		{"S14", "a preamble is held back until there is something real", []variant{{"error after it", errorAfterPreamble}}},
	}
}

func (e *env) inOrder(n int, padding string) {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(_ context.Context, yield func(note) bool) error {
			for i := range n {
				if !yield(note{strconv.Itoa(i) + padding}) {
					return fmt.Errorf("the reader left after %d", i)
				}
			}
			return nil
		})
	})
	s := must[notes](e)(call(e.Context(), &note{}))
	defer s.Close()
	for i := 0; ; i++ {
		piece, err := s.Next()
		switch {
		case err == io.EOF && i == n:
			return
		case err != nil:
			e.Fatalf("after %d of %d pieces: %v", i, n, err)
		case piece.Text != strconv.Itoa(i)+padding:
			e.Fatalf("piece %d is %.20q", i, piece.Text)
		}
	}
}

func endsWithError(e *env) {
	err := failMidway(e, genai.Errorf(genai.Truncated, "the model was cut off"))
	e.failed(err, genai.Truncated)
	if own := genai.AsError(err); own.Started == genai.StartedNo {
		e.Errorf("a stream that has begun did not start: %v", err)
	}
}

// lost checks the error of a call whose connection broke.
func (e *env) lost(err error) {
	e.Helper()
	e.failed(err, genai.Unavailable)
	if own := genai.AsError(err); own.Remote || own.Started == genai.StartedNo {
		e.Errorf("the error says that the other side made it, or that nothing started: %+v", own)
	}
}

func cutStream(e *env) {
	over := make(chan error, 1)
	link := e.link(func(s transport.Server) {
		tell.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
			return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
				yield(note{})
				<-ctx.Done()
				over <- ctx.Err()
				return ctx.Err()
			})
		})
	})
	if link.Cut == nil {
		e.Skip("there is nothing to be cut")
	}
	s := must[notes](e)(tell.Dial(link.Client)(e.Context(), &note{}))
	defer s.Close()
	must[note](e)(s.Next())
	link.Cut()
	e.lost(await(e, async(s.Next), "the reader is told").err)
	e.ended(over)
}

func cutCall(e *env) {
	over, begun := make(chan error, 1), make(chan struct{})
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(ctx context.Context, _ *note) (*note, error) {
			close(begun)
			<-ctx.Done()
			over <- ctx.Err()
			return nil, ctx.Err()
		})
	})
	if link.Cut == nil {
		e.Skip("there is nothing to be cut")
	}
	result := async(func() (*note, error) { return ask.Dial(link.Client)(e.Context(), &note{}) })
	await(e, begun, "the handler is called")
	link.Cut()
	e.lost(await(e, result, "the call returns").err)
	e.ended(over)
}

// atOnce: the producer makes each piece only after the reader has had the one before.
func atOnce(e *env) {
	had := make(chan struct{})
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			for range 10 {
				if !yield(note{}) {
					return ctx.Err()
				}
				select {
				case <-had:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	result := await(e, async(func() (notes, error) { return call(e.Context(), &note{}) }), "the first piece arrives")
	s := must[notes](e)(result.value, result.err)
	defer s.Close()
	for range 10 {
		piece := await(e, async(s.Next), "the piece arrives")
		must[note](e)(piece.value, piece.err)
		sent := async(func() (struct{}, error) { // the producer may run only while somebody waits, so this goes on beside
			select {
			case had <- struct{}{}:
			case <-e.Context().Done():
			}
			return struct{}{}, nil
		})
		defer func() { await(e, sent, "the producer goes on") }()
	}
	if end := await(e, async(s.Next), "the stream ends"); end.err != io.EOF {
		e.Errorf("the stream ended with %v", end.err)
	}
}

func closeWhileWorking(e *env) {
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
	s := must[notes](e)(call(e.Context(), &note{}))
	must[note](e)(s.Next())
	next := async(s.Next) // a producer may run only while somebody waits
	await(e, working, "the producer works on the next piece")
	s.Close()
	e.ended(over)
	e.failedStream(await(e, next, "the reader is told").err)
}

func closeWhileWaiting(e *env) {
	over := make(chan error, 1)
	s := must[notes](e)(place(e, tell, endless(over))(e.Context(), &note{}))
	must[note](e)(s.Next())
	s.Close()
	e.ended(over)
}

func closeFromElsewhere(e *env) {
	over := make(chan error, 1)
	s := must[notes](e)(place(e, tell, endless(over))(e.Context(), &note{}))
	read := async(func() (int, error) {
		for n := 0; ; n++ {
			if _, err := s.Next(); err != nil {
				return n, err
			}
		}
	})
	closed := async(func() (struct{}, error) { return struct{}{}, s.Close() })
	await(e, closed, "closing returns")
	e.failedStream(await(e, read, "the reader is told").err)
	e.ended(over)
}

// failedStream checks what a reader gets whose stream was closed.
func (e *env) failedStream(err error) {
	e.Helper()
	if genai.KindOf(err) != genai.Cancelled {
		e.Errorf("the stream ended with %v, want %s", err, genai.Cancelled)
	}
}

func closeTwice(e *env) {
	over := make(chan error, 1)
	s := must[notes](e)(place(e, tell, endless(over))(e.Context(), &note{}))
	for range 3 {
		if err := s.Close(); err != nil {
			e.Errorf("closing failed: %v", err)
		}
	}
	e.ended(over)
	_, err := s.Next()
	e.failedStream(err)
}

func closeAfterEnd(e *env) {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) { return once(ctx, note{}) })
	s := must[notes](e)(call(e.Context(), &note{}))
	must[note](e)(s.Next())
	if _, err := s.Next(); err != io.EOF {
		e.Errorf("the stream ended with %v", err)
	}
	s.Close()
	if _, err := s.Next(); err != io.EOF {
		e.Errorf("after Close a complete stream ended with %v", err)
	}
}

func closeUnread(e *env) {
	closed := make(chan struct{})
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.NewStream(ctx, func() (note, error) { return note{}, nil }, func() { close(closed) })
	})
	must[notes](e)(call(e.Context(), &note{})).Close()
	await(e, closed, "the producer is released")
}

func noPiece(e *env) {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) { return once[note](ctx) })
	e.read(must[notes](e)(call(e.Context(), &note{})), 0)
}

var talk = transport.Op[*note, *genai.Stream[genai.ChatEvent]]{Name: "suite.talk"}

func onlyPreamble(e *env) {
	call := place(e, talk, func(ctx context.Context, _ *note) (*genai.Stream[genai.ChatEvent], error) {
		return once(ctx, genai.ChatEvent{Start: &genai.ChatStart{Model: "m"}})
	})
	s := must[*genai.Stream[genai.ChatEvent]](e)(call(e.Context(), &note{}))
	defer s.Close()
	if event := must[genai.ChatEvent](e)(s.Next()); event.Start == nil || event.Start.Model != "m" {
		e.Errorf("got %+v", event)
	}
	if _, err := s.Next(); err != io.EOF {
		e.Errorf("the stream ended with %v", err)
	}
}

// errorAfterPreamble: a failure before the first real piece is an ordinary error, so that it can be dealt with.
func errorAfterPreamble(e *env) {
	call := place(e, talk, func(ctx context.Context, _ *note) (*genai.Stream[genai.ChatEvent], error) {
		return genai.Open(ctx, func(_ context.Context, yield func(genai.ChatEvent) bool) error {
			yield(genai.ChatEvent{Start: &genai.ChatStart{Model: "m"}})
			return genai.Errorf(genai.Overloaded, "not today")
		})
	})
	_, err := call(e.Context(), &note{})
	e.failed(err, genai.Overloaded)
}
