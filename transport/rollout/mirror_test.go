package rollout_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/rollout"
)

// A log keeps what a mirror reports.
type log struct {
	mu  sync.Mutex
	all []rollout.Comparison
}

func (l *log) add(c rollout.Comparison) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, c)
}

func (l *log) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

func TestMirrorCompares(t *testing.T) {
	fails := func(context.Context, *question) (*answer, error) { return nil, genai.Errorf(genai.ServerError, "no") }
	words := func(_ string, a, b rollout.Answer) string {
		if a.Value.(*answer).Text != b.Value.(*answer).Text {
			return "another name"
		}
		return ""
	}
	for name, c := range map[string]struct {
		old, shadow *desk
		differ      func(string, rollout.Answer, rollout.Answer) string
		want        string
	}{
		"alike":                  {old: &desk{name: "a"}, shadow: &desk{name: "a"}, differ: words},
		"different":              {old: &desk{name: "a"}, shadow: &desk{name: "b"}, differ: words, want: "another name"},
		"different, unjudged":    {old: &desk{name: "a"}, shadow: &desk{name: "b"}},
		"the shadow fails":       {old: &desk{name: "a"}, shadow: &desk{do: fails}, want: "fails with server_error"},
		"the client fails":       {old: &desk{do: fails}, shadow: &desk{}, want: "succeeds where the other fails with server_error"},
		"both fail":              {old: &desk{do: fails}, shadow: &desk{do: fails}},
		"both fail in their way": {old: &desk{do: fails}, shadow: &desk{do: func(context.Context, *question) (*answer, error) { panic("no") }}, want: "fails with internal where the other fails with server_error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log log
				m := &rollout.Mirror{Client: c.old.client(), Shadow: c.shadow.client(), Differ: c.differ, Report: log.add}
				got, err := ask.Dial(m)(t.Context(), &question{})
				if c.old.do == nil && (err != nil || got.Text != c.old.name) || c.old.do != nil && genai.KindOf(err) != genai.ServerError {
					t.Errorf("the caller got %v, %v", got, err)
				}
				if err == nil {
					got.Text = "changed by its owner"
				}
				synctest.Wait()
				_ = m.Close()
				if log.len() != 1 || log.all[0].Differs != c.want || log.all[0].Op != "desk.ask" {
					t.Errorf("reported: %+v", log.all)
				}
			})
		})
	}
}

func TestMirrorComparesStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log log
		old, shadow := &desk{name: "a"}, &desk{name: "b"}
		m := &rollout.Mirror{Client: old.client(), Shadow: shadow.client(), Report: log.add, Differ: func(_ string, a, b rollout.Answer) string {
			return join(a.Value) + " " + join(b.Value)
		}}
		defer m.Close()
		s, err := tell.Dial(m)(t.Context(), &question{N: 3})
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err = s.Next(); err != nil {
				break
			}
		}
		if err != io.EOF {
			t.Errorf("the stream ended with %v", err)
		}
		synctest.Wait()
		if log.len() != 1 || log.all[0].Differs != "aaa bbb" {
			t.Errorf("reported: %+v", log.all)
		}
		// Whoever leaves early has no answer that could be compared.
		s, err = tell.Dial(m)(t.Context(), &question{N: 3})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		synctest.Wait()
		if log.len() != 1 {
			t.Errorf("reported: %+v", log.all)
		}
	})
}

func join(v any) string {
	pieces, ok := v.([]any)
	if !ok {
		return "no pieces"
	}
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.(answer).Text)
	}
	return b.String()
}

// TestMirrorNeverAffectsTheCaller: the shadow is slow, hangs, cannot be called, or what the user wrote panics; callers notice
// nothing, and no more than so many copies are under way.
func TestMirrorNeverAffectsTheCaller(t *testing.T) {
	hang := func(ctx context.Context, _ *question) (*answer, error) { <-ctx.Done(); return nil, ctx.Err() }
	for name, c := range map[string]struct {
		shadow transport.Client
		differ func(string, rollout.Answer, rollout.Answer) string
		max    int64 // calls of the shadow
	}{
		"hangs":         {shadow: (&desk{do: hang}).client()},
		"is gone":       {shadow: gone{errors.New("no")}},
		"panics":        {shadow: panicking{}},
		"differ panics": {shadow: (&desk{}).client(), differ: func(string, rollout.Answer, rollout.Answer) string { panic("no") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := &desk{name: "a"}
				m := &rollout.Mirror{Client: old.client(), Shadow: c.shadow, Differ: c.differ, MaxInFlight: 3}
				began := time.Now()
				for range 100 {
					if got, err := ask.Dial(m)(t.Context(), &question{}); err != nil || got.Text != "a" {
						t.Fatalf("the caller got %v, %v", got, err)
					}
				}
				if waited := time.Since(began); waited != 0 {
					t.Errorf("callers waited %v for the shadow", waited)
				}
				if err := m.Close(); err != nil {
					t.Error(err)
				}
				if old.calls.Load() != 100 {
					t.Errorf("the client was called %d times", old.calls.Load())
				}
			})
		})
	}
}

// panicking is a broken client.
type panicking struct{}

func (panicking) Call(context.Context, *transport.Spec, any) (any, error) { panic("no") }

func TestMirrorIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log log
		release := make(chan struct{})
		shadow := &desk{do: func(ctx context.Context, q *question) (*answer, error) { <-release; return &answer{q.User}, nil }}
		old := &desk{name: "a"}
		m := &rollout.Mirror{Client: old.client(), Shadow: shadow.client(), MaxInFlight: 4, Report: log.add}
		for range 20 {
			if _, err := ask.Dial(m)(t.Context(), &question{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := shadow.calls.Load(); n != 4 {
			t.Errorf("%d copies run at a time", n)
		}
		close(release)
		synctest.Wait()
		if log.len() != 4 {
			t.Errorf("%d comparisons", log.len())
		}
		// An answer that is too large is not kept, nor compared.
		small := &rollout.Mirror{Client: old.client(), Shadow: shadow.client(), MaxBytes: 70, Report: log.add}
		if _, err := ask.Dial(small)(t.Context(), &question{User: strings.Repeat("x", 100)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if log.len() != 4 {
			t.Errorf("%+v was compared", log.all[4:])
		}
		_, _ = m.Close(), small.Close()
		before := shadow.calls.Load()
		if _, err := ask.Dial(m)(t.Context(), &question{}); err != nil {
			t.Error(err)
		}
		if shadow.calls.Load() != before {
			t.Error("a closed mirror copies")
		}
	})
}

func TestMirrorSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, shadow := &desk{name: "a"}, &desk{name: "a"}
		m := &rollout.Mirror{Client: old.client(), Shadow: shadow.client(), Percent: 20, MaxInFlight: 1000}
		defer m.Close()
		for range 1000 {
			if _, err := ask.Dial(m)(transport.WithMetadata(t.Context(), "tenant", "a"), &question{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := shadow.calls.Load(); n < 100 || n > 300 { // 8 standard deviations
			t.Errorf("20 %% of 1000 calls are %d", n)
		}
	})
}
