package inproc_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

type box struct {
	Names []string `json:"names"`
	Any   any      `json:"any,omitempty"`
}

var pass = transport.Op[*box, *box]{Name: "boxes.pass"}

func identity(_ context.Context, b *box) (*box, error) { return b, nil }

// Two Go types under one name meet as they would on a wire.
func TestOtherTypes(t *testing.T) {
	type newer struct {
		Names []string `json:"names"`
		Added string   `json:"added"`
	}
	for _, shared := range []bool{false, true} {
		n := &inproc.Network{}
		transport.Op[*newer, *newer]{Name: "boxes.pass", Shared: shared}.Serve(n, func(_ context.Context, b *newer) (*newer, error) {
			return &newer{Names: append(b.Names, "x"), Added: "y"}, nil
		})
		op := pass
		op.Shared = shared
		got, err := op.Dial(n)(t.Context(), &box{Names: []string{"a"}})
		if err != nil || strings.Join(got.Names, "") != "ax" {
			t.Errorf("shared %v: %+v, %v", shared, got, err)
		}
	}
}

// A caller who leaves is let go at once, also by a handler that does not heed its context, shared or not; what that handler
// returns later is given back.
func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := transport.Op[*box, *genai.Stream[box]]{Name: "boxes.watch"}
		n := &inproc.Network{}
		var closed atomic.Bool
		op.Serve(n, func(ctx context.Context, _ *box) (*genai.Stream[box], error) {
			time.Sleep(time.Hour)
			return genai.NewStream(context.WithoutCancel(ctx), func() (box, error) { return box{}, nil }, func() { closed.Store(true) })
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := op.Dial(n)(ctx, &box{})
		if !errors.Is(err, genai.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		time.Sleep(2 * time.Hour)
		if !closed.Load() {
			t.Error("a stream that nobody got is still open")
		}
	})
}

// The context of the handler ends with the response, and has the deadline but none of the values of the caller.
func TestContext(t *testing.T) {
	type key struct{}
	n := &inproc.Network{}
	var inside context.Context
	pass.Serve(n, func(ctx context.Context, b *box) (*box, error) {
		inside = ctx
		if ctx.Err() != nil {
			t.Error("it has ended before the call")
		}
		return b, nil
	})
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(context.WithValue(t.Context(), key{}, "secret"), deadline)
	defer cancel()
	if _, err := pass.Dial(n)(ctx, &box{}); err != nil {
		t.Fatal(err)
	}
	if d, ok := inside.Deadline(); !ok || !d.Equal(deadline) || inside.Value(key{}) != nil || inside.Err() == nil {
		t.Errorf("deadline %v, value %v, end %v", d, inside.Value(key{}), inside.Err())
	}
}

// Values with what cannot be copied are refused with the field's name, and the handler is not called.
func TestUncopyable(t *testing.T) {
	n := &inproc.Network{}
	pass.Serve(n, func(context.Context, *box) (*box, error) { t.Error("it was called"); return nil, nil })
	loop := map[string]any{}
	loop["again"] = loop
	for name, value := range map[string]any{"a function": func() {}, "a channel": make(chan int), "a loop": loop} {
		_, err := pass.Dial(n)(t.Context(), &box{Any: value})
		e := genai.AsError(err)
		if e == nil || e.Kind != genai.InvalidRequest || e.Started != genai.StartedNo || !strings.Contains(e.Error(), "any") && !strings.Contains(e.Error(), "Any") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTogether(t *testing.T) {
	n := &inproc.Network{}
	pass.Serve(n, identity)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { // waited for below
			for range 200 {
				if got, err := pass.Dial(n)(t.Context(), &box{Names: []string{"a"}}); err != nil || got.Names[0] != "a" {
					t.Error(got, err)
				}
			}
		})
	}
	all.Wait()
}
