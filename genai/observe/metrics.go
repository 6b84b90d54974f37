package observe

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// meter returns nil if there is nobody to measure for.
func meter(p metric.MeterProvider) metric.Meter {
	if p == nil {
		return nil
	}
	m := p.Meter(scope)
	switch m.(type) {
	case noop.Meter, *noop.Meter:
		return nil
	}
	return m
}

// instruments are what calls of models are measured with.
type instruments struct {
	duration, firstChunk, perChunk metric.Float64Histogram
	tokens                         metric.Int64Histogram
}

func newInstruments(p metric.MeterProvider) *instruments {
	m := meter(p)
	if m == nil {
		return nil
	}
	tokens, err := m.Int64Histogram(nameTokens, metric.WithUnit("{token}"),
		metric.WithDescription("Number of input and output tokens used."),
		metric.WithExplicitBucketBoundaries(tokenBoundaries...))
	if err != nil {
		otel.Handle(err)
		tokens = noop.Int64Histogram{}
	}
	return &instruments{
		duration:   seconds(m, nameDuration, "Duration of the operation.", secondsBoundaries),
		firstChunk: seconds(m, nameFirstChunk, "Time until the first chunk of a response was received.", secondsBoundaries),
		perChunk:   seconds(m, namePerChunk, "Time between one chunk of a response and the next.", secondsBoundaries),
		tokens:     tokens,
	}
}

// seconds makes a histogram of durations. An instrument that cannot be made is reported as OpenTelemetry reports its
// own failures and does nothing: observation must not fail what it observes.
func seconds(m metric.Meter, name, description string, boundaries []float64) metric.Float64Histogram {
	h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(boundaries...))
	if err != nil {
		otel.Handle(err)
		return noop.Float64Histogram{}
	}
	return h
}

// enabled reports whether anybody wants to know about a call.
func (i *instruments) enabled(ctx context.Context) bool {
	return i != nil && (i.duration.Enabled(ctx) || i.tokens.Enabled(ctx) || i.firstChunk.Enabled(ctx) || i.perChunk.Enabled(ctx))
}

// with returns the attributes of a measurement. It copies, because NewSet sorts in place.
func with(base []attribute.KeyValue, more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(slices.Clone(base), more...)...))
}
