package observe_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/observe"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
	"github.com/dovetail-go/dovetail/transport/transporttest"
)

// An edge is a call from one service to another, and what becomes of it.
type edge struct {
	name string
	call func(ctx context.Context, n transport.Network) error
	want genai.Kind
}

var (
	opValue  = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "edge.value"}
	opStream = transport.Op[*genai.ModerationRequest, *genai.Stream[genai.Verdict]]{Name: "edge.stream"}
)

func edges() []edge {
	value := func(text string) func(context.Context, transport.Network) error {
		return func(ctx context.Context, n transport.Network) error {
			_, err := opValue.Dial(n)(ctx, &genai.ModerationRequest{Text: text})
			return err
		}
	}
	stream := func(text string, most int) func(context.Context, transport.Network) error {
		return func(ctx context.Context, n transport.Network) error {
			s, err := opStream.Dial(n)(ctx, &genai.ModerationRequest{Text: text})
			if err != nil {
				return err
			}
			defer s.Close()
			for range most {
				if _, err := s.Next(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
			return nil
		}
	}
	return []edge{
		{"a value", value("hello"), ""},
		{"an error", value("fail"), genai.RateLimited},
		{"a panic", value("die"), genai.Internal},
		{"a stream", stream("hello", 100), ""},
		{"an error before the first piece", stream("refuse", 100), genai.Overloaded},
		{"an error in a stream", stream("fail", 100), genai.RateLimited},
		{"a stream that is closed", stream("forever", 2), ""},
		{"nobody serves it", func(ctx context.Context, n transport.Network) error {
			_, err := transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "edge.nothing"}.Dial(n)(ctx, &genai.ModerationRequest{})
			return err
		}, genai.Unimplemented},
	}
}

// serveEdges serves what the edges call.
func serveEdges(n transport.Network) {
	failure := &genai.Error{Kind: genai.RateLimited, Target: "a model", Code: "too_many", Status: 429, RetryAfter: time.Second, Message: "secret"}
	opValue.Serve(n, func(ctx context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
		genai.Emit(ctx, genai.Event{Name: "retry", Attempt: 2})
		switch req.Text {
		case "fail":
			return nil, failure
		case "die":
			panic("secret")
		}
		return &genai.Verdict{}, nil
	})
	opStream.Serve(n, func(ctx context.Context, req *genai.ModerationRequest) (*genai.Stream[genai.Verdict], error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(genai.Verdict) bool) error {
			if req.Text == "refuse" {
				return genai.Errorf(genai.Overloaded, "secret")
			}
			for i := 0; i < 5 || req.Text == "forever"; i++ {
				if !yield(genai.Verdict{}) {
					return ctx.Err()
				}
			}
			if req.Text == "fail" {
				return failure
			}
			return nil
		})
	})
}

// alike runs each edge in every mode, and compares what is said of it.
func alike(t *testing.T, said func(r *recorder) []string) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which a panic goes to, on purpose
	defer slog.SetDefault(before)
	first := map[string]string{}
	modes := 0
	transporttest.Modes(t, func(t *testing.T, network transport.Network) {
		modes++
		r := &recorder{}
		n := &observe.Network{Network: network, Tracer: r, Meter: r}
		serveEdges(n)
		for _, e := range edges() {
			r.forget()
			err := e.call(t.Context(), n)
			if genai.KindOf(err) != e.want {
				t.Errorf("%s: got %v, want %s", e.name, err, e.want)
			}
			r.settled(t, e.name)
			text := strings.Join(said(r), "\n")
			if strings.Contains(text, "secret") || strings.Contains(text, "hello") {
				t.Errorf("%s: content in\n%s", e.name, text)
			}
			if first[e.name] == "" {
				first[e.name] = text
				t.Logf("%s:\n%s", e.name, text)
			} else if first[e.name] != text {
				t.Errorf("%s: another mode says\n%s\nand this one\n%s", e.name, first[e.name], text)
			}
		}
	})
	if modes < 6 {
		t.Errorf("there were %d modes", modes)
	}
}

// forget drops what was recorded. Nothing is going on then.
func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans, r.records = nil, nil
}

// settled waits until every span has ended and was measured: the server may hear of an end later than the client.
func (r *recorder) settled(t *testing.T, edge string) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		r.mu.Lock()
		open := slices.ContainsFunc(r.spans, func(s *span) bool { return s.ends == 0 })
		measured := 0 // each call tells last how long it took
		for _, x := range r.records {
			if strings.HasSuffix(x.name, ".call.duration") {
				measured++
			}
		}
		done := len(r.spans) > 0 && !open && measured == len(r.spans)
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s: it does not come to an end:\n%s", edge, r.all())
		}
	}
}

// O1 of package transporttest: the metrics of an edge are the same in every mode, in number, names and attributes. How long things
// took is what may differ.
func TestO1MetricsOfAnEdge(t *testing.T) {
	alike(t, func(r *recorder) (said []string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		active := 0.0
		for _, x := range r.records {
			text := fmt.Sprintf("%s {%s}", x.name, join(x.attrs.ToSlice()))
			if strings.HasSuffix(x.name, ".active_calls") {
				active += x.value
				text += fmt.Sprintf(" %+v", x.value)
			}
			said = append(said, text)
		}
		if active != 0 {
			t.Errorf("%v calls are active when all are over", active)
		}
		slices.Sort(said) // either side may be the first to have measured
		return said
	})
}

// TestPieces: how many pieces there were is counted on both sides, and what is no stream has none.
func TestPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		n := &observe.Network{Network: &inproc.Network{}, Meter: r}
		serveEdges(n)
		for _, e := range edges()[:4] {
			_ = e.call(t.Context(), n)
		}
		synctest.Wait()
		want := []string{"5 {rpc.method=edge.stream rpc.system.name=dovetail}"}
		for _, side := range []string{"client", "server"} {
			if got := r.measured("dovetail." + side + ".pieces"); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", side, got, want)
			}
			if got := r.measured("dovetail." + side + ".time_to_first_piece"); len(got) != 1 || got[0] != "1e-09 {rpc.method=edge.stream rpc.system.name=dovetail}" {
				t.Errorf("%s: %q", side, got)
			}
		}
	})
}

// O2 of package transporttest: the spans of an edge are the same in every mode, with their names, attributes, events and places in
// the trace. There is one of the caller, and below it one of the handler, if there is one.
func TestO2SpansOfAnEdge(t *testing.T) {
	alike(t, func(r *recorder) (said []string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, s := range r.spans {
			below := "the root"
			if i > 0 && s.parent.SpanID() == r.spans[i-1].context.SpanID() && s.context.TraceID() == r.spans[i-1].context.TraceID() {
				below = "the one before"
			}
			if i > 0 && below == "the root" {
				t.Errorf("the span of the handler is not below that of its caller: %v", s)
			}
			if want := []trace.SpanKind{trace.SpanKindClient, trace.SpanKindServer}; i >= len(want) || s.kind != want[i] {
				t.Errorf("span %d of an edge is %v", i, s.kind)
			}
			said = append(said, fmt.Sprint(s, " ", s.events, " below ", below, ", ended ", s.ends))
		}
		return said
	})
}
