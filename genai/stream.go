package genai

import (
	"context"
	"io"
	"iter"
)

// A Stream is a response that arrives in pieces. Having one means that its first real piece is there.
//
// It belongs to one consumer, who calls Next until it fails, or ranges over All, or closes it; Close alone may be
// called by anybody. It also ends with the context it was opened under. Whatever ends it reaches the producer at once.
type Stream[T any] struct {
	lifetime
	next func() (T, error)
	held []T // pieces up to the first real one, read before the Stream was handed out
	slot T   // the piece that watchers are shown, so that showing it allocates nothing

	relay *T // the piece that a transport was given last
}

// maxPreamble bounds the pieces that are held back before the first real one: a producer that sends more of them is
// broken, and would otherwise fill the memory of whoever waits.
const maxPreamble = 1024

// NewStream opens a Stream for those who read from something: next returns the pieces one by one, io.EOF after the
// last, and any other error if the response was cut. It is NewStream that calls next until the first real piece is in
// hand, holding back the preamble (pieces with a method Preamble() bool that reports true). If next fails before
// that, NewStream calls stop and returns the error. A response without any piece is legal: its first Next is io.EOF.
//
// stop releases what next reads from. It is called exactly once, when the stream is over for whatever reason, and
// possibly while next is running in another goroutine, which must then return soon. It may be nil.
//
// The stream ends when ctx does, with the error that [ContextError] makes of it.
func NewStream[T any](ctx context.Context, next func() (T, error), stop func()) (*Stream[T], error) {
	s := &Stream[T]{next: next}
	s.begin(ctx, stop)
	for {
		piece, err := s.pull()
		if err == io.EOF {
			// The end is held back as well: who has not read the preamble yet must still be able to.
			s.next = func() (T, error) { var zero T; return zero, io.EOF }
			return s, nil
		}
		if err != nil {
			s.end(err)
			return nil, s.err
		}
		s.held = append(s.held, piece)
		s.slot = piece
		if p, ok := any(&s.slot).(interface{ Preamble() bool }); !ok || !p.Preamble() {
			return s, nil
		}
		if len(s.held) == maxPreamble {
			s.end(Errorf(Malformed, "%d pieces of preamble and nothing real among them", maxPreamble))
			return nil, s.err
		}
	}
}

// Next returns the next piece. After the last piece of a complete stream it returns io.EOF; any other error means that
// the stream was cut, and is returned again by every later call. After Close it returns a [Cancelled] error, unless
// the stream was over before.
func (s *Stream[T]) Next() (piece T, err error) {
	if s.over.Load() {
		return piece, s.err
	}
	for _, asked := range s.askers {
		asked()
	}
	if len(s.held) > 0 {
		piece, s.held = s.held[0], s.held[1:]
	} else {
		returned := false
		defer func() {
			if !returned {
				s.broken()
			}
		}()
		piece, err = s.next() // straight into the result: a piece may be a dozen words, and this path is hot
		returned = true
		if err != nil {
			s.end(err)
		}
		if s.over.Load() { // or closed, or its context ended, while the piece was on its way
			var zero T
			return zero, s.err
		}
	}
	if len(s.viewers) > 0 {
		s.slot = piece
		shown := any(&s.slot)
		for _, arrived := range s.viewers {
			arrived(shown)
		}
	}
	return piece, nil
}

// pull calls next while the stream is being opened.
func (s *Stream[T]) pull() (piece T, err error) {
	returned := false
	defer func() {
		if !returned {
			s.broken()
		}
	}()
	piece, err = s.next()
	returned = true
	return piece, err
}

// Ahead reads on until n pieces are in hand, for Next to return, or the response is complete. It is for policies that must
// know how a response goes on before the caller sees any of it, and therefore for the time before the first Next. If the
// response is cut, that is the end of the stream, and the error.
func (s *Stream[T]) Ahead(n int) error {
	for len(s.held) < n && !s.over.Load() {
		piece, err := s.pull()
		if err == io.EOF {
			s.next = func() (T, error) { var zero T; return zero, io.EOF }
			return nil
		}
		if err != nil {
			s.end(err)
			break
		}
		s.held = append(s.held, piece)
	}
	if s.over.Load() {
		return s.err
	}
	return nil
}

// All returns the pieces as a single-use sequence. It ends after the last piece, or with one error and the zero
// piece if the stream was cut. Leaving the loop early closes the stream.
func (s *Stream[T]) All() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer s.Close()
		for {
			piece, err := s.Next()
			if err == io.EOF || !yield(piece, err) || err != nil {
				return
			}
		}
	}
}

// Pull is for transports, which move pieces without knowing their type. It is [Stream.Next] with a pointer to the piece, a
// *T that is valid until the next call.
func (s *Stream[T]) Pull() (any, error) {
	piece, err := s.Next()
	if err != nil {
		return nil, err
	}
	if s.relay == nil {
		s.relay = new(T)
	}
	*s.relay = piece
	return s.relay, nil
}

// Fill is for transports: it opens another Stream of the same type as s, which may be nil, and returns it. It is
// [NewStream] with a next that fills in the piece it is given, a pointer to a zero T. That pointer is valid during the
// call only; what the piece refers to must be the piece's own.
func (s *Stream[T]) Fill(ctx context.Context, next func(piece any) error, stop func()) (any, error) {
	slot := new(T)
	boxed := any(slot)
	var zero T
	filled, err := NewStream(ctx, func() (T, error) {
		*slot = zero
		err := next(boxed)
		return *slot, err
	}, stop)
	if err != nil {
		return nil, err
	}
	return filled, nil
}

// Close ends the stream and releases its producer. It may be called at any time, by any goroutine, more than once;
// after the end of the stream it does nothing. It always returns nil.
func (s *Stream[T]) Close() error {
	s.end(errClosed)
	return nil
}
