package observe_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricembedded "go.opentelemetry.io/otel/metric/embedded"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// A recorder is a provider of tracers and of meters that remembers what it is told.
type recorder struct {
	embedded.TracerProvider
	metricnoop.MeterProvider
	dropped bool // spans are not recorded, as if a sampler had said so
	off     bool // instruments are not enabled

	mu      sync.Mutex
	spans   []*span
	records []record
	made    map[string]instrument
}

type instrument struct {
	unit       string
	boundaries []float64
}

type record struct {
	name  string
	value float64
	attrs attribute.Set
}

func (r record) String() string {
	return fmt.Sprintf("%s %v {%s}", r.name, r.value, join(r.attrs.ToSlice()))
}

func (r *recorder) Tracer(string, ...trace.TracerOption) trace.Tracer { return &tracer{r: r} }

func (r *recorder) Meter(string, ...metric.MeterOption) metric.Meter { return &meter{r: r} }

type tracer struct {
	embedded.Tracer
	r *recorder
}

func (t *tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.NewSpanStartConfig(opts...)
	parent := trace.SpanContextFromContext(ctx)
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	s := &span{
		r: t.r, name: name, kind: config.SpanKind(), parent: parent, began: time.Now(),
		start: config.Attributes(), attrs: slices.Clone(config.Attributes()),
	}
	id := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: trace.FlagsSampled, TraceState: parent.TraceState()}
	if !id.TraceID.IsValid() {
		binary.BigEndian.PutUint64(id.TraceID[8:], uint64(len(t.r.spans)+1))
	}
	binary.BigEndian.PutUint64(id.SpanID[:], uint64(len(t.r.spans)+1))
	s.context = trace.NewSpanContext(id)
	t.r.spans = append(t.r.spans, s)
	return trace.ContextWithSpan(ctx, s), s
}

// A span remembers what it is told until it ends, as that of an SDK does.
type span struct {
	noop.Span
	r       *recorder
	name    string
	kind    trace.SpanKind
	parent  trace.SpanContext
	context trace.SpanContext
	start   []attribute.KeyValue
	attrs   []attribute.KeyValue
	events  []string
	status  codes.Code
	text    string
	began   time.Time
	took    time.Duration
	ends    int
}

func (s *span) SpanContext() trace.SpanContext { return s.context }
func (s *span) IsRecording() bool              { return !s.r.dropped }

func (s *span) change(f func()) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.ends == 0 {
		f()
	}
}

func (s *span) SetAttributes(attrs ...attribute.KeyValue) {
	s.change(func() { s.attrs = append(s.attrs, attrs...) })
}

func (s *span) SetStatus(code codes.Code, text string) {
	s.change(func() { s.status, s.text = code, text })
}

func (s *span) SetName(name string) { s.change(func() { s.name = name }) }

func (s *span) RecordError(err error, _ ...trace.EventOption) {
	s.AddEvent(err.Error())
}

func (s *span) AddEvent(name string, opts ...trace.EventOption) {
	config := trace.NewEventConfig(opts...)
	s.change(func() { s.events = append(s.events, name+" {"+join(config.Attributes())+"}") })
}

func (s *span) End(...trace.SpanEndOption) {
	s.change(func() { s.took = time.Since(s.began) })
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.ends++
}

// get returns the last value of an attribute as text, or "" if there is none.
func (s *span) get(key string) string {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	value := ""
	for _, a := range s.attrs {
		if string(a.Key) == key {
			value = a.Value.String()
		}
	}
	return value
}

// String describes the span in one line, attributes in the order of their keys.
func (s *span) String() string {
	return fmt.Sprintf("%s [%s] {%s} %s %s", s.name, s.kind, join(s.attrs), s.status, s.text)
}

func join(attrs []attribute.KeyValue) string {
	texts := make([]string, len(attrs))
	for i, a := range attrs {
		texts[i] = string(a.Key) + "=" + a.Value.String()
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

// all returns everything that was recorded, as text.
func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, s := range r.spans {
		fmt.Fprintln(&b, s, s.events)
	}
	for _, x := range r.records {
		fmt.Fprintln(&b, x)
	}
	return b.String()
}

// measured returns the measurements of one instrument, as text.
func (r *recorder) measured(name string) (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.records {
		if x.name == name {
			found = append(found, fmt.Sprintf("%v {%s}", x.value, join(x.attrs.ToSlice())))
		}
	}
	return found
}

type meter struct {
	metricnoop.Meter
	r *recorder
}

func (m *meter) made(name string, i instrument) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	if m.r.made == nil {
		m.r.made = map[string]instrument{}
	}
	m.r.made[name] = i
}

func (m *meter) Float64Histogram(name string, opts ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	config := metric.NewFloat64HistogramConfig(opts...)
	m.made(name, instrument{config.Unit(), config.ExplicitBucketBoundaries()})
	return &floats{r: m.r, name: name}, nil
}

func (m *meter) Int64Histogram(name string, opts ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	config := metric.NewInt64HistogramConfig(opts...)
	m.made(name, instrument{config.Unit(), config.ExplicitBucketBoundaries()})
	return &ints{r: m.r, name: name}, nil
}

func (m *meter) Int64UpDownCounter(name string, opts ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	m.made(name, instrument{unit: metric.NewInt64UpDownCounterConfig(opts...).Unit()})
	return &counts{r: m.r, name: name}, nil
}

// counts remember what is added, each time.
type counts struct {
	metricembedded.Int64UpDownCounter
	r    *recorder
	name string
}

func (c *counts) Enabled(context.Context) bool { return !c.r.off }

func (c *counts) Add(_ context.Context, n int64, opts ...metric.AddOption) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.records = append(c.r.records, record{c.name, float64(n), metric.NewAddConfig(opts).Attributes()})
}

type floats struct {
	metricembedded.Float64Histogram
	r    *recorder
	name string
}

func (h *floats) Enabled(context.Context) bool { return !h.r.off }

func (h *floats) Record(_ context.Context, value float64, opts ...metric.RecordOption) {
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	h.r.records = append(h.r.records, record{h.name, value, metric.NewRecordConfig(opts).Attributes()})
}

type ints struct {
	metricembedded.Int64Histogram
	r    *recorder
	name string
}

func (h *ints) Enabled(context.Context) bool { return !h.r.off }

func (h *ints) Record(_ context.Context, value int64, opts ...metric.RecordOption) {
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	h.r.records = append(h.r.records, record{h.name, float64(value), metric.NewRecordConfig(opts).Attributes()})
}

// fixed always starts the same span, so that benchmarks measure what is ours.
type fixed struct {
	embedded.TracerProvider
	span trace.Span
}

func (f fixed) Tracer(string, ...trace.TracerOption) trace.Tracer { return fixedTracer{span: f.span} }

type fixedTracer struct {
	embedded.Tracer
	span trace.Span
}

func (t fixedTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, t.span
}

// quiet is recording, and keeps nothing.
type quiet struct{ noop.Span }

func (*quiet) IsRecording() bool { return true }

// idle wants measurements, and keeps none.
type idle struct{ metricnoop.MeterProvider }

func (idle) Meter(string, ...metric.MeterOption) metric.Meter { return idleMeter{} }

type idleMeter struct{ metricnoop.Meter }

func (idleMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return idleHistogram{}, nil
}

type idleHistogram struct{ metricnoop.Float64Histogram }

func (idleHistogram) Enabled(context.Context) bool { return true }
