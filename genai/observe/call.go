package observe

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/dovetail-go/dovetail/genai"
)

// Call observes what somebody waits for, however many attempts it takes: one INTERNAL span, called "invoke_workflow" and
// the name, whose children are the requests to models below. It is a [genai.Policy] for handlers of any type. Put it
// outside of retries and routes: what they do is then told by events of its span.
//
// The fields must not change after Wrap was called.
type Call struct {
	Name   string               // what is done, such as "desk.answer"; "" leaves it out
	Tracer trace.TracerProvider // nil: no span
}

// Wrap implements [genai.Policy].
func (c *Call) Wrap(next genai.AnyHandler) genai.AnyHandler {
	tracer := tracer(c.Tracer)
	if tracer == nil {
		return next
	}
	name := opWorkflow
	attrs := list{attribute.String(keyOperation, opWorkflow)}
	if c.Name != "" {
		name += " " + c.Name
		attrs.string(keyWorkflow, c.Name)
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(attrs...)}
	return func(ctx context.Context, req any) (any, error) {
		ctx, span := tracer.Start(ctx, name, options...)
		if span.IsRecording() {
			ctx = hear(ctx, span)
		}
		return during(ctx, span, req, next)
	}
}

// during calls next, and ends span when the response is over.
func during(ctx context.Context, span trace.Span, req any, next genai.AnyHandler) (any, error) {
	return until(ctx, req, next, func(err error) {
		fail(span, err)
		span.End()
	})
}

// until calls next, and over when the response is over, even if next panics.
func until(ctx context.Context, req any, next genai.AnyHandler, over func(error)) (any, error) {
	returned := false
	defer func() {
		if !returned {
			over(errPanicked)
		}
	}()
	resp, err := next(ctx, req)
	returned = true
	genai.Finally(resp, err, over)
	if err != nil {
		return nil, err
	}
	return resp, nil
}
