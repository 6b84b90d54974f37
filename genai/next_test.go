package genai_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/dovetail-go/dovetail/genai"
)

// script returns a next function that gives the events and then err for ever.
func script(err error, events ...genai.ChatEvent) func() (genai.ChatEvent, error) {
	return func() (genai.ChatEvent, error) {
		if len(events) == 0 {
			return genai.ChatEvent{}, err
		}
		e := events[0]
		events = events[1:]
		return e, nil
	}
}

func TestNewStreamHoldsThePreambleBack(t *testing.T) {
	start, text := genai.ChatEvent{Start: &genai.ChatStart{ID: "1"}}, genai.ChatEvent{Text: "a"}
	cut := genai.Errorf(genai.Truncated, "cut")
	var endless []genai.ChatEvent
	for range 2000 {
		endless = append(endless, start)
	}
	for name, c := range map[string]struct {
		next   func() (genai.ChatEvent, error)
		opens  error // what NewStream fails with
		pieces int
		ends   error
	}{
		"text":                {script(io.EOF, start, text, text), nil, 3, io.EOF},
		"cut after text":      {script(cut, start, text), nil, 2, cut},
		"cut before text":     {script(cut, start), cut, 0, nil},
		"cut at once":         {script(cut), cut, 0, nil},
		"empty":               {script(io.EOF), nil, 0, io.EOF},
		"preamble alone":      {script(io.EOF, start, start), nil, 2, io.EOF},
		"nothing but promise": {script(io.EOF, endless...), genai.Malformed, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			stops := 0
			s, err := genai.NewStream(t.Context(), c.next, func() { stops++ })
			if c.opens != nil {
				if s != nil || !errors.Is(err, c.opens) || stops != 1 {
					t.Fatalf("%v, %v, stopped %d times", s, err, stops)
				}
				return
			}
			if err != nil || stops != 0 {
				t.Fatalf("%v, stopped %d times", err, stops)
			}
			for i := range c.pieces {
				if _, err := s.Next(); err != nil {
					t.Fatalf("piece %d: %v", i, err)
				}
			}
			for range 2 {
				if e, err := s.Next(); err != c.ends || e != (genai.ChatEvent{}) {
					t.Errorf("%v, %v at the end, want %v", e, err, c.ends)
				}
			}
			if stops != 1 {
				t.Errorf("stopped %d times", stops)
			}
		})
	}
}

func TestAllTellsOfACut(t *testing.T) {
	s := count(t, 2, genai.Errorf(genai.Truncated, "cut"))
	pieces, failures := 0, 0
	for _, err := range s.All() {
		if err != nil {
			failures++
		} else {
			pieces++
		}
	}
	if pieces != 2 || failures != 1 {
		t.Errorf("%d pieces and %d errors", pieces, failures)
	}
}

func TestProducerPanics(t *testing.T) {
	for name, fail := range map[string]func(){
		"panic":  func() { panic("secret") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			s, err := genai.NewStream(t.Context(), func() (int, error) {
				if n++; n == 2 {
					fail()
				}
				return n, nil
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var outcome error
			genai.Finally(s, nil, func(err error) { outcome = err })
			done := make(chan struct{})
			go func() { // waited for below
				defer close(done)
				defer func() { _ = recover() }()
				drain(s)
			}()
			<-done
			if !errors.Is(outcome, genai.Internal) || strings.Contains(outcome.Error(), "secret") {
				t.Errorf("ended with %v", outcome)
			}
			if _, err := s.Next(); !errors.Is(err, genai.Internal) {
				t.Errorf("then %v", err)
			}
		})
	}
}

func TestCloseWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		n := 0
		s, err := genai.NewStream(t.Context(), func() (int, error) {
			if n++; n == 2 {
				<-blocked
				return 0, errors.New("use of closed connection") // a consequence
			}
			return n, nil
		}, func() { close(blocked) })
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
		if n, err := s.Next(); n != 0 || !errors.Is(err, genai.Cancelled) {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestStreamUnderADeadContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := genai.Errorf(genai.Timeout, "too slow")
		cancel(why)
		if s, err := genai.Open(ctx, func(context.Context, func(int) bool) error { t.Error("was run"); return nil }); s != nil || err != error(why) {
			t.Errorf("%v, %v", s, err)
		}
		s, err := genai.NewStream(ctx, func() (int, error) { return 0, errors.New("consequence") }, nil)
		if s != nil || !errors.Is(err, genai.Timeout) {
			t.Errorf("%v, %v", s, err)
		}
	})
}

// A relay moves pieces from one stream to another without knowing their type.
func TestPullAndFill(t *testing.T) {
	from := count(t, 3, genai.Errorf(genai.Truncated, "cut"))
	var none *genai.Stream[int]
	resp, err := none.Fill(t.Context(), func(piece any) error {
		p, err := from.Pull()
		if err == nil {
			*piece.(*int) = *p.(*int)
		}
		return err
	}, func() { from.Close() })
	if err != nil {
		t.Fatal(err)
	}
	to := resp.(*genai.Stream[int])
	for want := range 3 {
		if n, err := to.Next(); n != want || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if _, err := to.Next(); !errors.Is(err, genai.Truncated) {
		t.Errorf("the end became %v", err)
	}
	if resp, err := none.Fill(t.Context(), func(any) error { return genai.Unavailable }, nil); resp != nil || !errors.Is(err, genai.Unavailable) {
		t.Errorf("%v, %v", resp, err)
	}
}
