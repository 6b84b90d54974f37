package inproc

import (
	"context"
	"fmt"
	"sync"

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

	mu     sync.RWMutex
	served map[string]served
}

type served struct {
	spec    *transport.Spec
	handler genai.AnyHandler
}

// Handle implements [transport.Server].
func (n *Network) Handle(spec *transport.Spec, h genai.AnyHandler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, taken := n.served[spec.Name]; taken {
		panic(fmt.Sprintf("inproc: %s has a handler already", spec.Name))
	}
	if n.served == nil {
		n.served = map[string]served{}
	}
	n.served[spec.Name] = served{spec, h}
}

// Call implements [transport.Client].
func (n *Network) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	n.mu.RLock()
	op, ok := n.served[spec.Name]
	n.mu.RUnlock()
	if !ok {
		return nil, &genai.Error{Kind: genai.Unimplemented, Started: genai.StartedNo, Message: "nobody serves " + spec.Name + " here"}
	}
	envelope := transport.EnvelopeOf(ctx)
	c := &call{spec: spec, server: op.spec, handler: op.handler, caller: ctx, bare: bare{ctx}, reply: envelope.Reply, strict: n.Strict}
	if c.reply != nil {
		c.own = &transport.Reply{}
		envelope.Reply = c.own
	}
	outer, err := envelope.Open(&c.bare)
	if err != nil {
		return nil, err
	}
	c.encoded = n.Strict || !spec.SameTypes(op.spec)
	if spec.Shared && !c.encoded {
		return c.share(outer, req)
	}
	return c.run(outer, req)
}
