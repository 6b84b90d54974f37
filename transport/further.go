package transport

import (
	"context"
	"errors"
	"maps"
	"strconv"

	"github.com/dovetail-go/dovetail/genai"
)

// further is a pair of metadata that goes one call: how many further attempts there may be at what the call is a part of, see
// [genai.Trail]. So whoever repeats a request furthest out sets the limit for those further in, however many processes are between.
const further = reserved + "further"

// withFurther returns pairs with the number of further attempts.
func withFurther(pairs map[string]string, n int) map[string]string {
	all := make(map[string]string, len(pairs)+1)
	maps.Copy(all, pairs)
	all[further] = strconv.Itoa(n)
	return all
}

// withoutFurther returns a context in which the number of further attempts counts, and the other pairs.
func withoutFurther(ctx context.Context, pairs map[string]string) (context.Context, map[string]string, error) {
	text, ok := pairs[further]
	if !ok {
		return ctx, pairs, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil, nil, &genai.Error{Kind: genai.InvalidRequest, Field: "metadata." + further, Started: genai.StartedNo, Message: "it is how many further attempts there may be"}
	}
	pairs = maps.Clone(pairs)
	delete(pairs, further)
	trail := &genai.Trail{Context: ctx, Remote: true}
	trail.Limit(int(n))
	return trail, pairs, nil
}

// spend takes what was tried on the other side, for a call that has failed, from the further attempts that there may be here.
func spend(ctx context.Context, err error) {
	e, ok := errors.AsType[*genai.Error](err)
	if !ok || !e.Remote || len(e.Attempts) < 2 {
		return
	}
	trail := genai.TrailOf(ctx)
	for _, a := range e.Attempts[1:] {
		if a.By != "" {
			trail.Take()
		}
	}
}
