package genai_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func TestKinds(t *testing.T) {
	// Written out a second time: whoever changes a decision has to mean it.
	retry := []genai.Kind{genai.Conflict, genai.RateLimited, genai.Overloaded, genai.Unavailable, genai.ServerError, genai.Truncated, genai.Malformed, genai.Empty}
	stay := []genai.Kind{genai.InvalidRequest, genai.ContextLength, genai.TooLarge, genai.ContentFiltered, genai.Conflict, genai.Cancelled, genai.DeadlineExceeded}
	fault := []genai.Kind{genai.Overloaded, genai.Unavailable, genai.ServerError, genai.Timeout, genai.Truncated, genai.Malformed, genai.Internal, genai.Unknown}
	n := 0
	for k := range genai.Kinds {
		n++
		if !k.Known() || k.Error() == "" || !errors.Is(k, k) {
			t.Errorf("%q does not know itself", k)
		}
		if k.Retryable() != slices.Contains(retry, k) {
			t.Errorf("%s: Retryable is %v", k, k.Retryable())
		}
		if k.Failover() == slices.Contains(stay, k) {
			t.Errorf("%s: Failover is %v", k, k.Failover())
		}
		if k.Faulty() != slices.Contains(fault, k) {
			t.Errorf("%s: Faulty is %v", k, k.Faulty())
		}
	}
	if n != 28 {
		t.Errorf("%d kinds", n)
	}
	for range genai.Kinds {
		break
	}
	if k := genai.Kind("other"); k.Known() || k.Retryable() || k.Failover() || k.Faulty() {
		t.Error("a kind outside the set decides something")
	}
}

func TestKindOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want genai.Kind
	}{
		{nil, ""},
		{errors.New("x"), genai.Unknown},
		{genai.RateLimited, genai.RateLimited},
		{fmt.Errorf("call: %w", genai.Errorf(genai.TooLarge, "x")), genai.TooLarge},
		{context.Canceled, genai.Cancelled},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), genai.DeadlineExceeded},
		{&genai.Error{Kind: genai.Timeout, Err: context.DeadlineExceeded}, genai.Timeout},
		{errors.Join(errors.New("x"), genai.NotFound), genai.NotFound},
	} {
		if got := genai.KindOf(c.err); got != c.want {
			t.Errorf("KindOf(%v) = %q, want %q", c.err, got, c.want)
		}
		e := genai.AsError(c.err)
		if (e == nil) != (c.err == nil) || e != nil && (e.Kind != c.want || e != c.err && !errors.Is(e, c.err) && !errors.Is(c.err, e)) {
			t.Errorf("AsError(%v) = %#v", c.err, e)
		}
	}
	if !errors.Is(genai.Cancelled, context.Canceled) || !errors.Is(genai.DeadlineExceeded, context.DeadlineExceeded) || errors.Is(genai.Timeout, context.DeadlineExceeded) {
		t.Error("the errors of package context are not what they should be")
	}
}
