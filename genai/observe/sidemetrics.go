package observe

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/dovetail-go/dovetail/genai"
)

// sideMetrics are the instruments of one end of calls.
type sideMetrics struct {
	duration, firstPiece metric.Float64Histogram
	pieces               metric.Int64Histogram
	active               metric.Int64UpDownCounter
}

func newSideMetrics(m metric.Meter, side, duration, description string) *sideMetrics {
	prefix := eventPrefix + side + "."
	pieces, err := m.Int64Histogram(prefix+namePieces, metric.WithUnit("{piece}"),
		metric.WithDescription("Number of pieces of a stream."), metric.WithExplicitBucketBoundaries(pieceBoundaries...))
	if err != nil {
		otel.Handle(err)
		pieces = noop.Int64Histogram{}
	}
	active, err := m.Int64UpDownCounter(prefix+nameActive, metric.WithUnit("{call}"),
		metric.WithDescription("Number of calls whose response is not over."))
	if err != nil {
		otel.Handle(err)
		active = noop.Int64UpDownCounter{}
	}
	return &sideMetrics{
		duration:   seconds(m, duration, description, rpcBoundaries),
		firstPiece: seconds(m, prefix+nameFirstPiece, "Time until the first piece of a stream was there.", rpcBoundaries),
		pieces:     pieces, active: active,
	}
}

// A sideCall is what is measured of one call. A nil one measures nothing.
type sideCall struct {
	*sideMetrics
	ctx     context.Context // it does not end, so that the end of the call can be told
	attrs   []attribute.KeyValue
	plain   metric.MeasurementOption // attrs
	began   time.Time
	first   time.Duration // until the first piece; 0 if it is no stream
	arrived atomic.Int64  // pieces
}

func (m *sideMetrics) begin(ctx context.Context, attrs []attribute.KeyValue) *sideCall {
	if m == nil {
		return nil
	}
	c := &sideCall{sideMetrics: m, ctx: context.WithoutCancel(ctx), attrs: attrs, plain: with(attrs), began: time.Now()}
	m.active.Add(c.ctx, 1, c.plain)
	return c
}

// follow returns next, whose stream is watched.
func (c *sideCall) follow(next genai.AnyHandler) genai.AnyHandler {
	if c == nil {
		return next
	}
	return func(ctx context.Context, req any) (any, error) {
		resp, err := next(ctx, req)
		if err == nil && genai.Arriving(resp) {
			c.first = max(time.Since(c.began), 1)
			genai.Watch(resp, nil, func(any) { c.arrived.Add(1) })
		}
		return resp, err
	}
}

// end tells what has been measured when the response is over.
func (c *sideCall) end(err error) {
	if c == nil {
		return
	}
	outcome := c.plain
	if err != nil {
		outcome = with(c.attrs, attribute.String(keyErrorType, errorType(err)))
	}
	if c.first > 0 {
		c.firstPiece.Record(c.ctx, c.first.Seconds(), c.plain)
		c.pieces.Record(c.ctx, c.arrived.Load(), c.plain)
	}
	c.active.Add(c.ctx, -1, c.plain)
	c.duration.Record(c.ctx, time.Since(c.began).Seconds(), outcome)
}
