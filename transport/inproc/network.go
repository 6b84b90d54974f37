package inproc

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A Network joins what is served on it with those who call it, in this process. The zero value is ready. It is safe for
// concurrent use.
//
// Each call runs in a goroutine of its own, which ends with the handler. A stream is pulled by its reader, in the reader's
// goroutine. Operations that are declared Shared run in the goroutine of the caller.
type Network struct {
	// Strict sends every message through the codec of the wire, and calls the handlers of operations that are declared
	// Safe twice, to find out in tests what would go wrong between processes. It is slower by a factor of ten.
	Strict bool

	// Name is who calls: what handlers find as [transport.Caller], unless the call has a name of its own, see
	// [transport.Switch.As]. "" names nobody.
	Name string

	// Results keeps what came of keyed calls, see [transport.Keyed]; nil means in memory.
	Results transport.Store

	mu     sync.Mutex                        // held by those who change served
	served atomic.Pointer[map[string]served] // a map that is never changed, so that calls need no lock
}

type served struct {
	spec    *transport.Spec
	handler genai.AnyHandler
}

// Handle implements [transport.Server].
func (n *Network) Handle(spec *transport.Spec, h genai.AnyHandler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := map[string]served{}
	if before := n.served.Load(); before != nil {
		maps.Copy(next, *before)
	}
	if _, taken := next[spec.Name]; taken {
		panic(fmt.Sprintf("inproc: %s has a handler already", spec.Name))
	}
	if n.Results != nil {
		spec.Results = n.Results
	}
	next[spec.Name] = served{spec, h}
	n.served.Store(&next)
}

// Call implements [transport.Client].
func (n *Network) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	var op served
	if all := n.served.Load(); all != nil {
		op = (*all)[spec.Name]
	}
	if op.handler == nil {
		return nil, &genai.Error{Kind: genai.Unimplemented, Started: genai.StartedNo, Message: "nobody serves " + spec.Name + " here"}
	}
	envelope := transport.EnvelopeOf(ctx)
	if envelope.Caller == "" {
		envelope.Caller = n.Name
	}
	if op.spec.Admit != nil {
		if err := op.spec.Admit(envelope.Caller); err != nil {
			return nil, err
		}
	}
	if spec.Streams != op.spec.Streams {
		return nil, &genai.Error{Kind: genai.Precondition, Started: genai.StartedNo,
			Message: "one side says that the response of " + spec.Name + " arrives in pieces, and the other that it does not"}
	}
	same := spec.SameTypes(op.spec)
	if !same && !strings.Contains(spec.Agreed(), op.spec.Fingerprint()) {
		if err := spec.Agree(op.spec.Contract()); err != nil {
			return nil, err
		}
	}
	encoded := n.Strict || !same
	if spec.Shared && !encoded {
		return share(ctx, envelope, spec, op.handler, req)
	}
	c := &call{spec: spec, server: op.spec, handler: op.handler, strict: n.Strict, encoded: encoded}
	c.bare.Context = ctx
	return c.run(ctx, envelope, req)
}
