package inproc

import (
	"context"
	"encoding/json"
	"io"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A call is one request on its way.
type call struct {
	spec    *transport.Spec // of the caller
	server  *transport.Spec
	handler genai.AnyHandler
	caller  context.Context
	bare    bare             // the caller's, as the handler sees it
	reply   *transport.Reply // the caller's; nil if it wants none
	own     *transport.Reply // the handler's
	strict  bool
	encoded bool // messages go through the codec

	settled atomic.Bool // either the handler has returned or the caller has left, whichever was first
	result  chan result
}

type result struct {
	resp any
	err  error
}

// run calls the handler in a goroutine of its own, under a context that ends when the response is over.
func (c *call) run(outer context.Context, req any) (any, error) {
	in, err := c.send(req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(outer)
	c.result = make(chan result, 1)
	go c.handle(ctx, in) // ends with the handler, whose context ends with the caller's
	select {
	case r := <-c.result:
		return c.receive(r, cancel)
	case <-c.caller.Done():
	}
	if !c.settled.CompareAndSwap(false, true) {
		return c.receive(<-c.result, cancel) // the handler was first
	}
	cancel()
	return nil, genai.ContextError(c.caller)
}

// errGone is what the caller gets unless the handler returns.
var errGone error = &genai.Error{Kind: genai.Internal, Message: "the handler ended its goroutine instead of returning"}

func (c *call) handle(ctx context.Context, req any) {
	r := result{err: errGone}
	defer func() {
		if !c.settled.CompareAndSwap(false, true) {
			genai.Discard(r.resp) // nobody waits any more
			return
		}
		c.result <- r
	}()
	r.resp, r.err = c.handler(ctx, req)
	if c.strict && r.err == nil && !c.spec.Streams && c.spec.Idempotency == transport.Safe {
		_, _ = c.handler(ctx, req) // what is safe may be repeated, so the caller notices nothing
	}
}

// receive turns what the handler returned into what the caller gets. cancel ends the handler's context.
func (c *call) receive(r result, cancel func()) (any, error) {
	c.bringBack()
	if r.err != nil {
		cancel()
		return nil, c.crossed(r.err)
	}
	if c.encoded {
		return c.decode(r.resp, cancel)
	}
	if !c.spec.Streams { // and so has been brought back whole
		return c.spec.CopyResponse(c.caller, r.resp, cancel)
	}
	return c.spec.CopyResponse(c.caller, r.resp, c.over(cancel))
}

// over returns what is to be done at the end of a stream.
func (c *call) over(cancel func()) func() {
	return func() {
		cancel()
		c.bringBack()
	}
}

// share is run for those who promised not to change anything.
func (c *call) share(ctx context.Context, req any) (any, error) {
	resp, err := c.handler(ctx, req)
	if c.own != nil {
		c.bringBack()
		genai.Finally(resp, err, func(error) { c.bringBack() })
	}
	if err != nil {
		return nil, transport.Crossed(err)
	}
	return resp, nil
}

// bringBack hands on what the handler has replied so far.
func (c *call) bringBack() {
	for name, value := range c.own.All() {
		_ = c.reply.Set(name, value) // it was checked when the handler set it
	}
}

// send returns the request as it arrives.
func (c *call) send(req any) (any, error) {
	if !c.encoded {
		return c.spec.CopyRequest(req)
	}
	m, err := c.spec.EncodeRequest(req)
	if err != nil {
		return nil, err
	}
	return c.server.DecodeRequest(m)
}

// decode returns the response as it arrives from the wire.
func (c *call) decode(resp any, cancel func()) (any, error) {
	if !c.spec.Streams {
		defer cancel()
		m, err := c.server.EncodeResponse(resp)
		if err != nil {
			return nil, err
		}
		return c.spec.DecodeResponse(m)
	}
	stop := c.over(cancel)
	return c.spec.Receive(c.caller, func() (transport.Message, error) {
		m, err := c.server.NextPiece(resp)
		if err != nil && err != io.EOF {
			err = c.crossed(err)
		}
		return m, err
	}, func() {
		genai.Discard(resp)
		stop()
	})
}

// crossed returns an error as it arrives.
func (c *call) crossed(err error) error {
	if !c.strict {
		return transport.Crossed(err)
	}
	text, failed := json.Marshal(transport.ProblemOf(err))
	var p transport.Problem
	if failed == nil {
		failed = json.Unmarshal(text, &p)
	}
	if failed != nil {
		return genai.Errorf(genai.Internal, "an error cannot travel: %v", failed)
	}
	return p.Err()
}
