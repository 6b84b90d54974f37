package genai

import (
	"context"
	"iter"
)

// Collect makes a handler of whole responses out of one of streams. fold is given the pieces and returns the whole;
// if it fails, or the stream was cut, so does the call. If fold stops early the rest of the stream is discarded.
//
// Where you fold is where the commit point lies. Collect(With(h, retry), fold) never repeats after the first piece.
// With(Collect(h, fold), retry) retries whole responses, because nobody has seen a piece.
func Collect[Req, T, Resp any](h Handler[Req, *Stream[T]], fold func(iter.Seq2[T, error]) (Resp, error)) Handler[Req, Resp] {
	return func(ctx context.Context, req Req) (Resp, error) {
		var zero Resp
		s, err := h(ctx, req)
		if err != nil {
			return zero, err
		}
		defer s.Close()
		var cut error // kept here too: a fold that overlooks it must not turn a cut stream into a success
		resp, err := fold(func(yield func(T, error) bool) {
			for piece, err := range s.All() {
				cut = err
				if !yield(piece, err) {
					return
				}
			}
		})
		if err == nil {
			err = cut
		}
		if err != nil {
			return zero, err
		}
		return resp, nil
	}
}
