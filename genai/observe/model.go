package observe

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/dovetail-go/dovetail/genai"
)

// Model observes requests to one model. It is a [genai.Policy] for the modalities of package genai, and leaves requests
// of other types alone. Put it around the model itself, inside of retries and routes, so that each attempt is seen.
//
// The span is called after the operation and the model, such as "chat gpt-5". The metrics are
// gen_ai.client.operation.duration, gen_ai.client.token.usage, and for streams
// gen_ai.client.operation.time_to_first_chunk and time_per_output_chunk. The first chunk is the first real piece, which a
// handler of streams waits for; the time of a later one is what passed since the one before, so that it includes the
// time that the consumer took.
//
// The fields must not change after Wrap was called.
type Model struct {
	Provider  string // who answers, by its name in the conventions: "openai", "anthropic", "gcp.gemini"; "" means "unknown"
	Name      string // the model that answers requests that name none
	Operation string // for chats, where the provider's own name is wanted; "" means "chat"
	Address   string // the host of the provider; "" leaves it out
	Port      int    // its port; 0 leaves it out
	Local     bool   // the model runs in this process: spans are then INTERNAL, and otherwise CLIENT

	Tracer trace.TracerProvider // nil: no spans
	Meter  metric.MeterProvider // nil: no metrics
}

// Wrap implements [genai.Policy].
func (m *Model) Wrap(next genai.AnyHandler) genai.AnyHandler {
	o := &observer{Model: m, tracer: tracer(m.Tracer), instruments: newInstruments(m.Meter)}
	if o.tracer == nil && o.instruments == nil {
		return next
	}
	return func(ctx context.Context, req any) (any, error) {
		measure := o.instruments.enabled(ctx)
		if o.tracer == nil && !measure {
			return next(ctx, req)
		}
		about := m.about(req)
		if about.operation == "" {
			return next(ctx, req)
		}
		p := o.profile(about)
		var span trace.Span
		recording := false
		if o.tracer != nil {
			ctx, span = o.tracer.Start(ctx, p.name, p.options...)
			recording = span.IsRecording()
			if !recording && !measure {
				return during(ctx, span, req, next) // it is not recorded, but it may carry a trace on
			}
		}
		c := &request{ctx: ctx, base: p.base, began: time.Now(), span: span, recording: recording}
		if measure {
			c.instruments = o.instruments
		}
		if recording {
			o.describe(c, req)
		}
		return c.do(req, next)
	}
}

// An observer is a Model around one handler.
type observer struct {
	*Model
	tracer      trace.Tracer // nil: none
	instruments *instruments // nil: none
	recent      atomic.Pointer[profile]
}

// describe puts the rest of what is known about a request on its span, and the events to come.
func (o *observer) describe(c *request, req any) {
	c.span.SetAttributes(o.details(req)...)
	if n := genai.AttemptOf(c.ctx); n > 1 {
		c.span.SetAttributes(attribute.Int(keyAttempt, n))
	}
	c.ctx = hear(c.ctx, c.span)
}

// A profile is what requests for the same thing share, so that it is made once for those that follow each other.
type profile struct {
	subject
	name    string // of spans
	base    []attribute.KeyValue
	options []trace.SpanStartOption
}

func (o *observer) profile(s subject) *profile {
	p := o.recent.Load()
	if p != nil && p.subject == s {
		return p
	}
	p = &profile{subject: s, name: s.operation, base: o.base(s)}
	if s.model != "" {
		p.name += " " + s.model
	}
	kind := trace.SpanKindClient
	if o.Local {
		kind = trace.SpanKindInternal
	}
	p.options = []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(p.base...)}
	o.recent.Store(p)
	return p
}

// A request is one request that is being answered.
type request struct {
	ctx         context.Context
	base        []attribute.KeyValue // who was asked for what
	began       time.Time
	span        trace.Span   // nil: none
	recording   bool         // somebody records the span
	instruments *instruments // nil: none

	mu         sync.Mutex // a stream may end in another goroutine than the one that reads it
	streams    bool
	first      time.Duration // until the first real piece
	last       time.Time     // when the last real piece came
	pieces     int
	chunkAttrs []metric.RecordOption
	answer     answer
}

// do calls next, and tells the rest when the response is over.
func (c *request) do(req any, next genai.AnyHandler) (any, error) {
	return until(c.ctx, req, func(ctx context.Context, req any) (any, error) {
		resp, err := next(ctx, req)
		c.answer.whole(resp)
		if err == nil && genai.Arriving(resp) {
			c.follow(resp)
		}
		return resp, err
	}, c.end)
}

// follow watches a response that is still arriving.
func (c *request) follow(resp any) {
	c.streams = true
	c.last = time.Now()
	c.first = c.last.Sub(c.began)
	genai.Watch(resp, nil, c.arrived)
}

// arrived takes note of one piece of a stream.
func (c *request) arrived(piece any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answer.add(piece) {
		return
	}
	c.pieces++
	if c.pieces == 1 || c.instruments == nil {
		return // the first one was there before it was asked for
	}
	now := time.Now()
	if c.chunkAttrs == nil {
		c.chunkAttrs = []metric.RecordOption{with(c.base, c.answer.modelAttr()...)}
	}
	c.instruments.perChunk.Record(c.ctx, now.Sub(c.last).Seconds(), c.chunkAttrs...)
	c.last = now
}

// end tells the rest when the response is over.
func (c *request) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recording {
		c.span.SetAttributes(c.answer.attributes()...)
		if c.streams {
			c.span.SetAttributes(attribute.Bool(keyStream, true), attribute.Float64(keyFirstChunk, c.first.Seconds()))
		}
		fail(c.span, err)
	}
	if c.span != nil {
		c.span.End()
	}
	if c.instruments != nil {
		c.measure(err)
	}
}

func (c *request) measure(err error) {
	elapsed := time.Since(c.began)
	model := c.answer.modelAttr()
	succeeded := with(c.base, model...)
	outcome := succeeded
	if err != nil {
		outcome = with(c.base, append(model, attribute.String(keyErrorType, errorType(err)))...)
	}
	i := c.instruments
	i.duration.Record(c.ctx, elapsed.Seconds(), outcome)
	if c.streams {
		i.firstChunk.Record(c.ctx, c.first.Seconds(), succeeded)
	}
	if u := c.answer.usage; u != nil {
		i.tokens.Record(c.ctx, int64(u.Input), with(c.base, append(model, attribute.String(keyTokenType, "input"))...))
		if c.answer.generates || u.Output > 0 {
			i.tokens.Record(c.ctx, int64(u.Output), with(c.base, append(model, attribute.String(keyTokenType, "output"))...))
		}
	}
}
