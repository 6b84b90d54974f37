package resilience_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

type request struct{ text string }

func direct(context.Context, *request) (*request, error) { return &answered, nil }

var answered request

func run(b *testing.B, h genai.Handler[*request, *request]) {
	ctx, req := context.Background(), &request{"Where is my parcel?"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}

// A call that succeeds, through one policy and through all of them.
func BenchmarkCall(b *testing.B) {
	for _, c := range []struct {
		name   string
		policy []genai.Policy
	}{
		{"direct", nil},
		{"retry", []genai.Policy{&resilience.Retry{}}},
		{"breaker", []genai.Policy{&resilience.Breaker{}}},
		{"bulkhead", []genai.Policy{&resilience.Bulkhead{}}},
		{"timeouts", []genai.Policy{&resilience.Timeouts{}}},
		{"hedge, not needed", []genai.Policy{&resilience.Hedge{Delay: time.Minute}}},
		{"deadline", []genai.Policy{&resilience.Deadline{}}},
		{"retry+breaker+timeouts", []genai.Policy{&resilience.Stack{
			Retry: &resilience.Retry{}, Breaker: &resilience.Breaker{}, Timeouts: &resilience.Timeouts{},
		}}},
		{"stack", []genai.Policy{whole()}},
	} {
		b.Run(c.name, func(b *testing.B) { run(b, genai.With(direct, c.policy...)) })
	}
}

func whole() *resilience.Stack {
	return &resilience.Stack{
		Deadline: &resilience.Deadline{},
		Retry:    &resilience.Retry{},
		Bulkhead: &resilience.Bulkhead{},
		Breaker:  &resilience.Breaker{},
		Timeouts: &resilience.Timeouts{},
	}
}

// What a timeout of the standard library costs, for comparison in the same run.
func BenchmarkContextWithTimeout(b *testing.B) {
	run(b, func(ctx context.Context, req *request) (*request, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return direct(ctx, req)
	})
}

// A second attempt that comes at once and succeeds.
func BenchmarkSecondAttempt(b *testing.B) {
	var n atomic.Int64
	never := &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}
	h := genai.With(func(context.Context, *request) (*request, error) {
		if n.Add(1)%2 == 1 {
			return nil, never
		}
		return &answered, nil
	}, &resilience.Retry{Budget: &resilience.Budget{Ratio: 1}})
	run(b, h)
}

// A call that an open breaker refuses.
func BenchmarkRefused(b *testing.B) {
	breaker := &resilience.Breaker{}
	breaker.Trip()
	h := breaker.Wrap(genai.Erase(direct))
	ctx := context.Background()
	var req any = &request{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h(ctx, req); err == nil {
			b.Fatal("it passed")
		}
	}
}

// Calls of many goroutines through one breaker; compare -cpu 1,2.
func BenchmarkBreakerShared(b *testing.B) {
	h := genai.With(direct, &resilience.Breaker{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx, req := context.Background(), &request{}
		for pb.Next() {
			_, _ = h(ctx, req)
		}
	})
}

// A piece of a stream that all policies watch.
func BenchmarkPiece(b *testing.B) {
	produce := func(ctx context.Context, _ *request) (*genai.Stream[int], error) {
		return genai.NewStream(ctx, func() (int, error) { return 1, nil }, nil)
	}
	for name, h := range map[string]genai.Handler[*request, *genai.Stream[int]]{
		"direct": produce,
		"stack":  genai.With(produce, whole()),
	} {
		b.Run(name, func(b *testing.B) {
			s, err := h(context.Background(), &request{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(); err == io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}
