package transporttest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
	"github.com/dovetail-go/dovetail/transport/transporttest"
)

// broken are transports that are wrong in one way each, and the promise that tells.
var broken = map[string]struct {
	call    func(*inproc.Network, context.Context, *transport.Spec, any) (any, error)
	promise string
}{
	"hands values over": {promise: "V1", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		spec.Shared = true // for both sides: they have the same one
		return n.Call(ctx, spec, req)
	}},
	"forgets the deadline": {promise: "C1", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		return n.Call(context.WithoutCancel(ctx), spec, req)
	}},
	"drops metadata": {promise: "C5", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		return n.Call(forgetful{ctx}, spec, req)
	}},
	"loses the key": {promise: "R3", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		return n.Call(transport.WithMetadata(ctx, transport.Key, ""), spec, req)
	}},
	"loses what an error says": {promise: "E1", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		resp, err := n.Call(ctx, spec, req)
		if err != nil {
			err = errors.New(err.Error())
		}
		return resp, err
	}},
	"takes a failure for the end": {promise: "S2", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		resp, err := n.Call(ctx, spec, req)
		if err != nil || !spec.Streams {
			return resp, err
		}
		return spec.Receive(ctx, func() (transport.Message, error) {
			m, err := spec.NextPiece(resp)
			if err != nil {
				err = io.EOF
			}
			return m, err
		}, func() { genai.Discard(resp) })
	}},
	"loses a piece": {promise: "S1", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		resp, err := n.Call(ctx, spec, req)
		if err != nil || !spec.Streams {
			return resp, err
		}
		pieces := 0
		return spec.Receive(ctx, func() (transport.Message, error) {
			if pieces++; pieces == 7 {
				if _, err := spec.NextPiece(resp); err != nil {
					return transport.Message{}, err
				}
			}
			return spec.NextPiece(resp)
		}, func() { genai.Discard(resp) })
	}},
	"repeats calls": {promise: "R1", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		resp, err := n.Call(ctx, spec, req)
		if err != nil {
			return n.Call(ctx, spec, req)
		}
		return resp, nil
	}},
	"leaves something running": {promise: "V6", call: func(n *inproc.Network, ctx context.Context, spec *transport.Spec, req any) (any, error) {
		go func() { select {} }() // for ever: that is what is wrong
		return n.Call(ctx, spec, req)
	}},
}

// forgetful is a context without values.
type forgetful struct{ context.Context }

func (forgetful) Value(any) any { return nil }

const which = "DOVETAIL_BROKEN_TRANSPORT"

// TestBroken runs the suite on a transport that is broken; TestSuiteFinds runs it in a process of its own.
func TestBroken(t *testing.T) {
	b, ok := broken[os.Getenv(which)]
	if !ok {
		t.Skip("run by TestSuiteFinds")
	}
	transporttest.Run(t, func(_ testing.TB, serve func(transport.Server)) transporttest.Link {
		n := &brokenNetwork{call: b.call}
		serve(n)
		return transporttest.Link{Client: n}
	}, inReader, uncounted)
}

type brokenNetwork struct {
	inproc.Network
	call func(*inproc.Network, context.Context, *transport.Spec, any) (any, error)
}

func (b *brokenNetwork) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	return b.call(&b.Network, ctx, spec, req)
}

// TestSuiteFinds shows that the suite can fail: each broken transport does, with the promise that it breaks.
func TestSuiteFinds(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestBroken$/^"+b.promise+"_")
			cmd.Env = append(os.Environ(), which+"="+name)
			out, err := cmd.CombinedOutput()
			if _, failed := errors.AsType[*exec.ExitError](err); !failed || !strings.Contains(string(out), "--- FAIL: TestBroken/"+b.promise+"_") {
				t.Errorf("promise %s is kept, says the suite (%v):\n%s", b.promise, err, out)
			}
		})
	}
}
