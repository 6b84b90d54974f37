package observe

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// Network observes the calls between services. It stands in front of the network that carries them, such as a
// [transport.Switch], and is served on and dialled in its place:
//
//	net := &observe.Network{Network: sw, Tracer: tracer, Meter: meter}
//	Moderate.Serve(net, moderator)
//	moderate := Moderate.Dial(net)
//
// Each call has a CLIENT span where it is made and a SERVER span where it is answered, both called after the operation.
// They are joined by the trace context of the W3C, which travels as metadata, also within one process; so the spans are
// the same wherever a service lives. Both last until the response is over. Baggage is left to the program: what it puts
// into the metadata under the name "baggage" travels, and nothing else does.
//
// The metrics are rpc.client.call.duration and rpc.server.call.duration, whose difference is what lies between the two sides, and
// whose error.type counts the failures by Kind. Besides there are, under dovetail.client. and dovetail.server.: active_calls, which are
// not over, and for streams time_to_first_piece (seconds until the handler returns) and pieces, a histogram of how many there were.
// All have the attribute rpc.method, the name of the operation, and are the same wherever a service lives.
//
// The fields must not change after the first use.
type Network struct {
	Network transport.Network

	Tracer trace.TracerProvider // nil: no spans, and no trace context for what is called
	Meter  metric.MeterProvider // nil: no metrics

	once   sync.Once
	client side
}

// Handle implements [transport.Server].
func (n *Network) Handle(spec *transport.Spec, h genai.AnyHandler) {
	o := n.side(trace.SpanKindServer, "server", nameRPCServer, "Duration of calls that were answered.")
	if o.tracer == nil && o.metrics == nil {
		n.Network.Handle(spec, h)
		return
	}
	n.Network.Handle(spec, func(ctx context.Context, req any) (any, error) {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier{&ctx})
		return o.call(ctx, spec.Name, req, h)
	})
}

// Call implements [transport.Client].
func (n *Network) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	if n.Tracer == nil && n.Meter == nil {
		return n.Network.Call(ctx, spec, req)
	}
	n.once.Do(func() {
		n.client = n.side(trace.SpanKindClient, "client", nameRPCClient, "Duration of calls that were made.")
	})
	o := &n.client
	if o.tracer == nil && o.metrics == nil {
		return n.Network.Call(ctx, spec, req)
	}
	return o.call(ctx, spec.Name, req, func(ctx context.Context, req any) (any, error) {
		propagation.TraceContext{}.Inject(ctx, carrier{&ctx})
		return n.Network.Call(ctx, spec, req)
	})
}

// A side is one end of calls.
type side struct {
	kind    trace.SpanKind
	tracer  trace.Tracer // nil: none
	metrics *sideMetrics // nil: none
}

func (n *Network) side(kind trace.SpanKind, name, duration, description string) side {
	s := side{kind: kind, tracer: tracer(n.Tracer)}
	if m := meter(n.Meter); m != nil {
		s.metrics = newSideMetrics(m, name, duration, description)
	}
	return s
}

// call calls next within a span, and measures how long it takes until the response is over.
func (s *side) call(ctx context.Context, op string, req any, next genai.AnyHandler) (any, error) {
	attrs := []attribute.KeyValue{attribute.String(keyRPCSystem, rpcSystem), attribute.String(keyRPCMethod, op)}
	span := trace.SpanFromContext(context.Background()) // one that does nothing
	if s.tracer != nil {
		ctx, span = s.tracer.Start(ctx, op, trace.WithSpanKind(s.kind), trace.WithAttributes(attrs...))
		if span.IsRecording() {
			ctx = hear(ctx, span)
		}
	}
	m := s.metrics.begin(ctx, attrs)
	return until(ctx, req, m.follow(next), func(err error) {
		m.end(err)
		fail(span, err)
		span.End()
	})
}

// A carrier reads and writes the metadata of a context.
type carrier struct{ ctx *context.Context }

// Get implements [propagation.TextMapCarrier].
func (c carrier) Get(name string) string { return transport.Metadata(*c.ctx, name) }

// Set implements [propagation.TextMapCarrier].
func (c carrier) Set(name, value string) { *c.ctx = transport.WithMetadata(*c.ctx, name, value) }

// Keys implements [propagation.TextMapCarrier]. Nobody asks for them.
func (c carrier) Keys() []string { return nil }
