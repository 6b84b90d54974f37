package genai_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/dovetail-go/dovetail/genai"
)

func TestOpen(t *testing.T) {
	cut := genai.Errorf(genai.Truncated, "cut")
	for name, c := range map[string]struct {
		pieces int
		err    error
		ends   error
	}{
		"complete": {3, nil, io.EOF},
		"cut":      {3, cut, cut},
		"empty":    {0, nil, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := genai.Open(t.Context(), func(_ context.Context, yield func(int) bool) error {
				for i := range c.pieces {
					if !yield(i) {
						return nil
					}
				}
				return c.err
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.pieces {
				if n, err := s.Next(); n != i || err != nil {
					t.Fatalf("%d, %v", n, err)
				}
			}
			if _, err := s.Next(); err != c.ends {
				t.Errorf("ended with %v, want %v", err, c.ends)
			}
		})
	}
	if s, err := genai.Open(t.Context(), func(context.Context, func(int) bool) error { return cut }); s != nil || err != error(cut) {
		t.Errorf("a failure before the first piece: %v, %v", s, err)
	}
}

func TestOpenNeverRunsAhead(t *testing.T) {
	made := 0
	s, err := genai.Open(t.Context(), func(_ context.Context, yield func(int) bool) error {
		for yield(made) {
			made++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 5 {
		if n, _ := s.Next(); made > n+1 {
			t.Fatalf("at piece %d, %d were made", n, made)
		}
	}
}

// Close reaches a producer that is busy, by its context.
func TestOpenCloseWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned := false
		s, err := genai.Open(t.Context(), func(ctx context.Context, yield func(int) bool) error {
			defer func() { returned = true }()
			yield(1)
			<-ctx.Done()
			if yield(2) {
				t.Error("yield wants more after the end")
			}
			return ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		go func() { // ends at once
			synctest.Wait()
			s.Close()
		}()
		if _, err := s.Next(); !errors.Is(err, genai.Cancelled) {
			t.Errorf("%v", err)
		}
		if !returned {
			t.Error("the producer is still there")
		}
	})
}
