package fanout

import (
	"context"

	"github.com/dovetail-go/dovetail/genai"
)

// Bounds keep what one request may set off within limits. The zero value has the defaults.
type Bounds struct {
	AtOnce int // how many parts are asked at the same time; 0 means 8
	Parts  int // how many parts a request may have; 0 means 1000
}

// MapReduce takes a request apart with split, asks each about every part as [Map] does, and puts the answer together with
// reduce, which is given what came back in the order of the parts.
//
// A request with more parts than bounds allow fails with [genai.TooLarge] before anybody is asked: what splits may be a
// model, and nobody wants to find out afterwards how far it went. The first part that fails ends the call, as in Map; an
// error of split or reduce is returned as it is. A cap on the cost is a handler each that fails with
// [genai.BudgetExhausted].
//
// The response may be a stream. If the pieces are streams, they are for reduce to read, and what it leaves of them is
// discarded when the response is over.
func MapReduce[Req, Part, Piece, Resp any](
	split func(ctx context.Context, req Req) ([]Part, error),
	each genai.Handler[Part, Piece],
	reduce func(ctx context.Context, req Req, pieces []Piece) (Resp, error),
	bounds Bounds,
) genai.Handler[Req, Resp] {
	if bounds.AtOnce <= 0 {
		bounds.AtOnce = 8
	}
	if bounds.Parts <= 0 {
		bounds.Parts = 1000
	}
	mapped := Map(each, bounds.AtOnce)
	return func(ctx context.Context, req Req) (Resp, error) {
		var zero Resp
		parts, err := split(ctx, req)
		if err != nil {
			return zero, err
		}
		if len(parts) > bounds.Parts {
			return zero, genai.Errorf(genai.TooLarge, "the request was split into %d parts; there may be %d", len(parts), bounds.Parts)
		}
		pieces, err := mapped(ctx, parts)
		if err != nil {
			return zero, err
		}
		handed := false
		discard := func(error) {
			for _, p := range pieces {
				if genai.Arriving(p) {
					genai.Discard(p)
				}
			}
		}
		defer func() {
			if !handed { // reduce panicked
				discard(nil)
			}
		}()
		resp, err := reduce(ctx, req, pieces)
		handed = true
		genai.Finally(resp, err, discard)
		if err != nil {
			return zero, err
		}
		return resp, nil
	}
}
