package transporttest

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A flaw is something that a transport does wrong, made of one that does it right. Either side may have it.
type flaw struct {
	name   string
	breaks []string // promises, each of which must be found broken
	call   passage
	handle func(ctx context.Context, spec *transport.Spec, req any, next genai.AnyHandler) (any, error)
	link   func(n *flawed) Link
	races  bool // the race detector finds it as well
	linux  bool // it is found on Linux only
}

// A passage is what a call goes through.
type passage = func(ctx context.Context, spec *transport.Spec, req any, next func(context.Context, any) (any, error)) (any, error)

// flawed is a network with a flaw.
type flawed struct {
	inproc.Network
	flaw     flaw
	handlers map[string]genai.AnyHandler
	specs    []*transport.Spec
	ways     []passage  // that calls take before the flaw
	mu       sync.Mutex // for Specs that are made Shared
}

func (n *flawed) Handle(spec *transport.Spec, h genai.AnyHandler) {
	n.handlers[spec.Name] = h
	n.specs = append(n.specs, spec)
	if n.flaw.handle == nil {
		n.Network.Handle(spec, h)
		return
	}
	n.Network.Handle(spec, func(ctx context.Context, req any) (any, error) { return n.flaw.handle(ctx, spec, req, h) })
}

func (n *flawed) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	next := func(ctx context.Context, req any) (any, error) { return n.Network.Call(ctx, spec, req) }
	for _, through := range append(slices.Clip(n.ways), n.flaw.call) {
		if through != nil {
			further := next
			next = func(ctx context.Context, req any) (any, error) { return through(ctx, spec, req, further) }
		}
	}
	return next(ctx, req)
}

func (f flaw) start(_ testing.TB, serve func(transport.Server)) Link {
	n := &flawed{flaw: f, handlers: map[string]genai.AnyHandler{}}
	n.Strict = true
	serve(n)
	if f.link != nil {
		return f.link(n)
	}
	return n.whole(end{})
}

// bare hides the values of a context.
type bare struct{ context.Context }

func (bare) Value(any) any { return nil }

// A wayOfPieces is how the pieces of a stream reach its reader.
type wayOfPieces func(next func() (transport.Message, error)) func() (transport.Message, error)

// relayed makes a flaw of the way of pieces.
func relayed(way wayOfPieces, stop func(resp any)) passage {
	return func(ctx context.Context, spec *transport.Spec, req any, next func(context.Context, any) (any, error)) (any, error) {
		resp, err := next(ctx, req)
		if err != nil || !spec.Streams {
			return resp, err
		}
		return spec.Receive(ctx, way(func() (transport.Message, error) { return spec.NextPiece(resp) }), func() { stop(resp) })
	}
}

// recoded makes a flaw of what happens to JSON on its way.
func recoded(change func(head []byte) []byte) passage {
	return func(ctx context.Context, spec *transport.Spec, req any, next func(context.Context, any) (any, error)) (any, error) {
		m, err := spec.EncodeRequest(req)
		if err != nil {
			return nil, err
		}
		m.Head = change(m.Head)
		if req, err = spec.DecodeRequest(m); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// direct calls the handler itself.
type direct struct{ n *flawed }

func (d direct) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	return d.n.handlers[spec.Name](ctx, req)
}

// simple copies values and does the rest as it is told.
type simple struct {
	n    *flawed
	open func(context.Context) context.Context
	err  func(error) error
}

func (s simple) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	outer, err := transport.EnvelopeOf(ctx).Open(s.open(ctx))
	if err != nil {
		return nil, err
	}
	in, err := spec.CopyRequest(req)
	if err != nil {
		return nil, err
	}
	resp, err := s.n.handlers[spec.Name](outer, in)
	if err != nil {
		return nil, s.err(err)
	}
	return spec.CopyResponse(ctx, resp, func() {})
}

// sharer copies nothing.
type sharer struct{ n *flawed }

func (s sharer) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	s.n.mu.Lock()
	if !spec.Shared {
		spec.Shared = true // it is nobody else's: every Dial makes its own
	}
	s.n.mu.Unlock()
	return s.n.Network.Call(ctx, spec, req)
}

var errCut = &genai.Error{Kind: genai.Unavailable, Message: "the cable was pulled"}

// cuttable returns a link that can be cut. A stream then ends with end; a call is made once more, or fails.
func (n *flawed) cuttable(again bool, end error) Link {
	var mu sync.Mutex
	cable := make(chan struct{})
	n.ways = append(n.ways, func(ctx context.Context, spec *transport.Spec, req any, next func(context.Context, any) (any, error)) (any, error) {
		mu.Lock()
		cut := cable
		mu.Unlock()
		wasCut := func() bool {
			select {
			case <-cut:
				return true
			default:
				return false
			}
		}
		inner, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { // ends with the response, or at the cut
			select {
			case <-cut:
				cancel()
			case <-done:
			}
		}()
		resp, err := next(inner, req)
		if err != nil || !spec.Streams {
			close(done)
			cancel()
			if err != nil && wasCut() {
				if again {
					return next(ctx, req)
				}
				return nil, errCut
			}
			return resp, err
		}
		return spec.Receive(ctx, func() (transport.Message, error) {
			m, err := spec.NextPiece(resp)
			if err != nil && err != io.EOF && wasCut() {
				err = end
			}
			return m, err
		}, func() {
			genai.Discard(resp)
			cancel()
			close(done)
		})
	})
	return Link{Client: n, Trusts: true, Cut: func() {
		mu.Lock()
		defer mu.Unlock()
		close(cable)
		cable = make(chan struct{}) // for the calls to come
	}}
}

// lax lets everybody in.
type lax struct{ n *flawed }

func (l lax) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	l.n.mu.Lock()
	for _, served := range l.n.specs {
		served.Admit = nil
	}
	l.n.mu.Unlock()
	return l.n.Call(ctx, spec, req)
}

// roomy takes what is too large.
type roomy struct{ n *flawed }

func (r roomy) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	const much = 1 << 40
	r.n.mu.Lock()
	for _, s := range append(slices.Clip(r.n.specs), spec) {
		if s.MaxBytes < much {
			s.MaxBytes = much
		}
	}
	r.n.mu.Unlock()
	return r.n.Call(ctx, spec, req)
}
