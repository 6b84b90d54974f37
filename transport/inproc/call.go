package inproc

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/timebox"
	"github.com/dovetail-go/dovetail/transport"
)

// A call is one request on its way.
type call struct {
	spec    *transport.Spec // of the caller
	server  *transport.Spec
	handler genai.AnyHandler
	strict  bool
	encoded bool // messages go through the codec

	bare bare            // the caller's context, without its values
	ctx  timebox.Context // the handler's; it ends when the response is over

	reply *transport.Reply // the caller's; nil if it wants none
	own   *transport.Reply // the handler's

	again any // the request of a second call; nil if there is to be none

	settled atomic.Bool // either the handler has returned or the caller has left, whichever was first
	result  chan result
}

type result struct {
	resp any
	err  error
}

// run calls the handler in a goroutine of its own, under a context that ends when the response is over.
func (c *call) run(ctx context.Context, envelope transport.Envelope, req any) (any, error) {
	if c.reply = envelope.Reply; c.reply != nil {
		c.own = &transport.Reply{}
		envelope.Reply = c.own
	}
	outer, err := envelope.Open(&c.bare)
	if err != nil {
		return nil, err
	}
	in, err := c.send(req)
	if err != nil {
		return nil, err
	}
	if c.strict && c.spec.Idempotency == transport.Safe && !c.spec.Streams {
		if c.again, err = c.send(req); err != nil {
			return nil, err
		}
	}
	c.ctx.Context = outer
	c.result = make(chan result, 1)
	go c.handle(in) // ends with the handler, whose context ends with the caller's
	select {
	case r := <-c.result:
		return c.receive(ctx, r)
	case <-ctx.Done():
	}
	if !c.settled.CompareAndSwap(false, true) {
		return c.receive(ctx, <-c.result) // the handler was first
	}
	return nil, genai.ContextError(ctx) // the handler's context has ended with ctx
}

func (c *call) handle(req any) {
	var r result
	defer func() {
		if r.resp == nil && r.err == nil {
			r.err = genai.Errorf(genai.Internal, "the handler ended its goroutine instead of returning")
		}
		if !c.settled.CompareAndSwap(false, true) {
			genai.Discard(r.resp) // nobody waits any more
			return
		}
		c.result <- r
	}()
	r.resp, r.err = c.handler(&c.ctx, req)
	if c.again != nil && r.err == nil {
		_, _ = c.handler(&c.ctx, c.again) // what is safe may be repeated, so the caller notices nothing
	}
}

// receive turns what the handler returned into what the caller gets.
func (c *call) receive(ctx context.Context, r result) (any, error) {
	if c.spec.Streams && r.err == nil {
		c.reply.Arrive(c.own.All())
	} else {
		c.reply.Arrive(c.own.Last())
	}
	if r.err != nil {
		c.ctx.Release()
		return nil, c.crossed(r.err)
	}
	if !c.spec.Streams {
		defer c.ctx.Release()
		if c.encoded {
			return c.decode(r.resp)
		}
		return c.narrower().CopyResponse(ctx, r.resp, nothing)
	}
	stop := func() {
		c.ctx.Release()
		c.reply.Arrive(c.own.Last())
	}
	if c.encoded {
		return c.decodeStream(ctx, r.resp, stop)
	}
	return c.narrower().CopyResponse(ctx, r.resp, stop)
}

func nothing() {}

// share calls the handler for those who promised not to change anything.
func share(ctx context.Context, envelope transport.Envelope, spec *transport.Spec, handler genai.AnyHandler, req any) (any, error) {
	reply, own := envelope.Reply, (*transport.Reply)(nil)
	if reply != nil {
		own = &transport.Reply{}
		envelope.Reply = own
	}
	outer, err := envelope.Open(&bare{ctx})
	if err != nil {
		return nil, err
	}
	resp, err := handler(outer, req)
	if err == nil && spec.Streams {
		reply.Arrive(own.All())
		return spec.ShareResponse(ctx, resp, func() { reply.Arrive(own.Last()) })
	}
	reply.Arrive(own.Last())
	if err != nil {
		return nil, transport.Crossed(err)
	}
	return resp, nil
}

// send returns the request as it arrives.
func (c *call) send(req any) (any, error) {
	if !c.encoded {
		return c.narrower().CopyRequest(req)
	}
	m, err := c.spec.EncodeRequest(req)
	if err != nil {
		return nil, err
	}
	if err := fits(m, "request", c.server.MaxBytes, genai.StartedNo); err != nil {
		return nil, err
	}
	return c.server.DecodeRequest(m)
}

// narrower returns the Spec of the side that takes less, where both have the same types.
func (c *call) narrower() *transport.Spec {
	if c.server.MaxBytes < c.spec.MaxBytes {
		return c.server
	}
	return c.spec
}

// fits refuses what the other side takes and this one does not.
func fits(m transport.Message, what string, max int64, started genai.Started) error {
	if n := m.Len(); n > max {
		return &genai.Error{Kind: genai.TooLarge, Started: started, Message: fmt.Sprintf("the %s has %d bytes; the other side takes %d", what, n, max)}
	}
	return nil
}

// decode returns a value as it arrives from the wire.
func (c *call) decode(resp any) (any, error) {
	m, err := c.server.EncodeResponse(resp)
	if err == nil {
		err = fits(m, "response", c.spec.MaxBytes, genai.StartedYes)
	}
	if err != nil {
		return nil, err
	}
	return c.spec.DecodeResponse(m)
}

// decodeStream returns a stream as it arrives from the wire.
func (c *call) decodeStream(ctx context.Context, resp any, stop func()) (any, error) {
	return c.spec.Receive(ctx, func() (transport.Message, error) {
		m, err := c.server.NextPiece(resp)
		switch {
		case err == nil:
			err = fits(m, "piece", c.spec.MaxBytes, genai.StartedYes)
		case err != io.EOF:
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
