package observe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/dovetail-go/dovetail/genai"
)

// tracer returns nil if there is nobody to trace for.
func tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		return nil
	}
	t := p.Tracer(scope)
	switch t.(type) {
	case noop.Tracer, *noop.Tracer:
		return nil
	}
	return t
}

// hear adds the events of ctx to a span.
func hear(ctx context.Context, span trace.Span) context.Context {
	return genai.Listen(ctx, func(e genai.Event) {
		attrs := make([]attribute.KeyValue, 0, 8)
		for _, a := range []struct{ key, value string }{
			{keyOp, e.Op}, {keyTarget, e.Target}, {keyFrom, e.From}, {keyTo, e.To}, {keyErrorType, string(e.Kind)},
		} {
			if a.value != "" {
				attrs = append(attrs, attribute.String(a.key, a.value))
			}
		}
		if e.Attempt != 0 {
			attrs = append(attrs, attribute.Int(keyAttempt, e.Attempt))
		}
		for _, a := range []struct {
			key   string
			value time.Duration
		}{{keyDelay, e.Delay}, {keyElapsed, e.Elapsed}} {
			if a.value != 0 {
				attrs = append(attrs, attribute.Float64(a.key, a.value.Seconds()))
			}
		}
		span.AddEvent(eventPrefix+e.Name, trace.WithAttributes(attrs...))
	})
}

// fail says on a span how its call failed; nil means that it did not. A caller who left is told by error.type, but the
// status stays unset: nobody failed, and a stream that is closed after the piece that one waited for is no incident.
func fail(span trace.Span, err error) {
	if err == nil || !span.IsRecording() {
		return
	}
	kind := errorType(err)
	attrs := []attribute.KeyValue{attribute.String(keyErrorType, kind)}
	if e, ok := errors.AsType[*genai.Error](err); ok {
		if e.Status != 0 {
			attrs = append(attrs, attribute.Int(keyHTTPStatus, e.Status))
		}
		if len(e.Attempts) > 0 {
			attrs = append(attrs, attribute.Int(keyAttempts, len(e.Attempts)))
		}
	}
	span.SetAttributes(attrs...)
	if kind != string(genai.Cancelled) {
		span.SetStatus(codes.Error, summary(kind, err))
	}
}

// errorType returns the value of error.type: what the error says it is, or its Kind.
func errorType(err error) string {
	if e, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err); ok && e.ErrorType() != "" {
		return e.ErrorType()
	}
	return string(genai.KindOf(err))
}

// summary says what is known about an error without its text, which a provider may have filled with what it was sent.
func summary(kind string, err error) string {
	e, ok := errors.AsType[*genai.Error](err)
	if !ok {
		return kind
	}
	var details []string
	for _, d := range []struct{ name, value string }{
		{"target", e.Target}, {"reason", e.Reason}, {"field", e.Field}, {"code", e.Code}, {"request", e.RequestID},
	} {
		if d.value != "" {
			details = append(details, d.name+" "+d.value)
		}
	}
	if e.Status != 0 {
		details = append(details, fmt.Sprintf("status %d", e.Status))
	}
	if e.RetryAfter > 0 {
		details = append(details, "retry after "+e.RetryAfter.String())
	}
	if details == nil {
		return kind
	}
	return kind + ": " + strings.Join(details, ", ")
}

// errPanicked is what a call ended with that did not return.
var errPanicked = &genai.Error{Kind: genai.Internal, Message: "the handler panicked"}
