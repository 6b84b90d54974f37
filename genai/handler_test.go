package genai_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// A tracer is a policy that writes down when it is passed.
type tracer struct {
	name string
	log  *[]string
}

func (p tracer) Wrap(next genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (any, error) {
		*p.log = append(*p.log, "in "+p.name)
		resp, err := next(ctx, req)
		*p.log = append(*p.log, "out "+p.name)
		return resp, err
	}
}

func length(_ context.Context, s string) (int, error) {
	if s == "" {
		return 7, genai.Errorf(genai.InvalidRequest, "empty")
	}
	return len(s), nil
}

func TestWithOrder(t *testing.T) {
	var log []string
	h := genai.With(length, tracer{"a", &log}, nil, tracer{"b", &log})
	if n, err := h(t.Context(), "four"); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if want := []string{"in a", "in b", "out b", "out a"}; !slices.Equal(log, want) {
		t.Errorf("%v, want %v", log, want)
	}
	if n, err := h(t.Context(), ""); n != 0 || !errors.Is(err, genai.InvalidRequest) {
		t.Errorf("a response beside an error: %d, %v", n, err)
	}
	if n, err := genai.With(length, nil, nil)(t.Context(), ""); n != 7 || err == nil {
		t.Errorf("without policies the handler is left alone: %d, %v", n, err)
	}
}

type replace struct{ resp any }

func (p replace) Wrap(genai.AnyHandler) genai.AnyHandler {
	return func(context.Context, any) (any, error) { return p.resp, nil }
}

type closing struct{ closed bool }

func (c *closing) Close() error { c.closed = true; return nil }

func TestWrongTypes(t *testing.T) {
	other := &closing{}
	for _, resp := range []any{other, nil, "4"} {
		if n, err := genai.With(length, replace{resp})(t.Context(), "x"); n != 0 || !errors.Is(err, genai.Internal) {
			t.Errorf("a response of type %T: %d, %v", resp, n, err)
		}
	}
	if !other.closed {
		t.Error("a response of the wrong type was not discarded")
	}
	resp, err := genai.Erase(length)(t.Context(), 5)
	if resp != nil || !errors.Is(err, genai.Internal) || !strings.Contains(err.Error(), "string") {
		t.Errorf("a request of the wrong type: %v, %v", resp, err)
	}
	if resp, err := genai.Erase(length)(t.Context(), ""); resp != nil || err == nil {
		t.Errorf("a response beside an error: %v, %v", resp, err)
	}
	// A nil interface is a legal request of a handler of interfaces.
	asks := genai.Erase(func(_ context.Context, req error) (bool, error) { return req == nil, nil })
	if resp, err := asks(t.Context(), nil); resp != true || err != nil {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestWithAllocatesNothing(t *testing.T) {
	resp := &genai.Verdict{}
	h := genai.With(func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) { return resp, nil }, pass{}, pass{}, pass{})
	req, ctx := &genai.ModerationRequest{}, t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = h(ctx, req) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
