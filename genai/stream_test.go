package genai_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

func TestOpenAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		s, err := genai.Open(t.Context(), func(ctx context.Context, yield func(genai.ChatEvent) bool) error {
			defer close(released)
			yield(genai.ChatEvent{Start: &genai.ChatStart{ID: "1"}})
			for yield(genai.ChatEvent{Text: "a"}) {
			}
			return ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		var outcome error
		genai.Finally(s, nil, func(err error) { outcome = err })
		for range 3 {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		<-released
		if !errors.Is(outcome, genai.Cancelled) || !errors.Is(outcome, context.Canceled) {
			t.Errorf("outcome %v, want Cancelled", outcome)
		}
	})
}

func TestContextEndsIdleStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, err := genai.Open(ctx, func(ctx context.Context, yield func(int) bool) error {
			for i := 0; yield(i); i++ {
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		over := make(chan error, 1)
		genai.Finally(s, nil, func(err error) { over <- err })
		if err := <-over; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		if _, err := s.Next(); !errors.Is(err, genai.DeadlineExceeded) {
			t.Errorf("Next: %v", err)
		}
	})
}

func BenchmarkStreamNext(b *testing.B) {
	s, err := genai.NewStream(b.Context(), func() (genai.ChatEvent, error) { return genai.ChatEvent{Text: "x"}, nil }, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(); err == io.EOF {
			b.Fatal("ended")
		}
	}
}

func BenchmarkOpenNext(b *testing.B) {
	s, err := genai.Open(b.Context(), func(_ context.Context, yield func(genai.ChatEvent) bool) error {
		for yield(genai.ChatEvent{Text: "x"}) {
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(); err == io.EOF {
			b.Fatal("ended")
		}
	}
}

type pass struct{}

func (pass) Wrap(next genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (any, error) { return next(ctx, req) }
}

func BenchmarkWith(b *testing.B) {
	resp := &genai.Verdict{}
	h := genai.With(func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) { return resp, nil }, pass{}, pass{}, pass{})
	req := &genai.ModerationRequest{}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStreamGuarded is a piece through a stream with five policies around it, each of which watches it and waits for
// its end.
func BenchmarkStreamGuarded(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	s, err := genai.NewStream(ctx, func() (genai.ChatEvent, error) { return genai.ChatEvent{Text: "x"}, nil }, nil)
	if err != nil {
		b.Fatal(err)
	}
	seen := 0
	for range 5 {
		genai.Watch(s, func() { seen++ }, func(any) { seen++ })
		genai.Finally(s, nil, func(error) { seen++ })
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(); err == io.EOF {
			b.Fatal("ended")
		}
	}
}
