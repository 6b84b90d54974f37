package route_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

// quiet keeps the log out of the test's output.
func quiet(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}

func TestMirror(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, got []string
		m := &route.Mirror[string, string]{
			Main: says("main"),
			Shadow: func(_ context.Context, q string) (string, error) {
				time.Sleep(time.Second)
				asked = append(asked, q)
				return "shadow", nil
			},
			Report: func(_ context.Context, q, resp string, err error) {
				if err != nil {
					t.Error(err)
				}
				got = append(got, q+" "+resp)
			},
		}
		began := time.Now()
		answer, err := m.Handle(t.Context(), "q")
		if answer != "main" || err != nil || time.Since(began) != 0 {
			t.Errorf("%q, %v after %v", answer, err, time.Since(began))
		}
		if err := m.Shutdown(t.Context()); err != nil || len(asked) != 1 || len(got) != 1 || got[0] != "q shadow" {
			t.Errorf("%v, %v", err, got)
		}
		if answer, err := m.Handle(t.Context(), "q"); answer != "main" || err != nil {
			t.Errorf("after Shutdown: %q, %v", answer, err)
		}
		if synctest.Wait(); len(got) != 1 || m.Dropped() != 1 {
			t.Errorf("copied after Shutdown")
		}
	})
}

// Whatever a shadow does, the caller has his answer, at once and as it was.
func TestMirrorNeverHurts(t *testing.T) {
	quiet(t)
	type handler = genai.Handler[*genai.ChatRequest, *genai.ChatResponse]
	var kinds []genai.Kind
	for name, shadow := range map[string]handler{
		"fails":  func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) { return nil, genai.Unavailable },
		"panics": func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) { panic("no") },
		"hangs": func(ctx context.Context, _ *genai.ChatRequest) (*genai.ChatResponse, error) {
			<-ctx.Done()
			return nil, genai.ContextError(ctx)
		},
		"scribbles": func(_ context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
			req.Messages[0].Parts[0].Text = "scribbled"
			req.Messages = append(req.Messages[:0], genai.User("more"))
			return &genai.ChatResponse{}, nil
		},
		"emits": func(ctx context.Context, _ *genai.ChatRequest) (*genai.ChatResponse, error) {
			genai.Emit(ctx, genai.Event{Name: "from the shadow"})
			if ctx.Value(secret{}) != nil {
				t.Error("the shadow knows what is the caller's")
			}
			return &genai.ChatResponse{}, nil
		},
		"none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var reported error
				m := &route.Mirror[*genai.ChatRequest, *genai.ChatResponse]{Main: model("main"), Shadow: shadow,
					Report: func(_ context.Context, _ *genai.ChatRequest, _ *genai.ChatResponse, err error) { reported = err }}
				ctx := genai.Listen(context.WithValue(t.Context(), secret{}, "x"), func(e genai.Event) { t.Errorf("the caller was told %v", e) })
				req := question("hello")
				resp, err := m.Handle(ctx, req)
				if err != nil || resp.Text() != "main answers hello" {
					t.Fatalf("%v, %v", resp, err)
				}
				req.Messages[0].Parts[0].Text = "another question" // the caller's own again
				synctest.Wait()
				if req.Messages[0].Text() != "another question" || len(req.Messages) != 1 {
					t.Error("the request was changed")
				}
				began := time.Now()
				if err := m.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != 0 && took != time.Minute {
					t.Errorf("the copy took %v", took)
				}
				kinds = append(kinds, genai.KindOf(reported))
			})
		})
	}
	want := map[genai.Kind]int{"": 3, genai.Unavailable: 1, genai.Internal: 1, genai.DeadlineExceeded: 1}
	for _, k := range kinds {
		want[k]--
	}
	for k, n := range want {
		if n != 0 {
			t.Errorf("%q was reported %d times less than it happened", k, n)
		}
	}
}

type secret struct{}

// spiteful is a request whose method for JSON panics, in the caller's goroutine.
type spiteful struct{ X int }

func (spiteful) MarshalJSON() ([]byte, error) { panic("no JSON") }
func (*spiteful) UnmarshalJSON([]byte) error  { panic("no JSON") }

func TestMirrorOfWhatCannotBeCopied(t *testing.T) {
	quiet(t)
	run := func(t *testing.T, mirror interface {
		Shutdown(context.Context) error
	}, call func() error, reported *error, want genai.Kind) {
		if err := call(); err != nil {
			t.Error(err)
		}
		if err := mirror.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if genai.KindOf(*reported) != want {
			t.Errorf("reported %v", *reported)
		}
	}
	var err error
	a := &route.Mirror[func(), string]{Main: func(context.Context, func()) (string, error) { return "ok", nil },
		Shadow: func(context.Context, func()) (string, error) { t.Error("asked"); return "", nil },
		Report: func(_ context.Context, req func(), _ string, e error) {
			if req != nil {
				t.Error("the caller's own request got out")
			}
			err = e
		}}
	run(t, a, func() error { _, err := a.Handle(t.Context(), func() {}); return err }, &err, genai.InvalidRequest)
	b := &route.Mirror[spiteful, string]{Main: func(context.Context, spiteful) (string, error) { return "ok", nil },
		Shadow: func(context.Context, spiteful) (string, error) { t.Error("asked"); return "", nil },
		Report: func(_ context.Context, _ spiteful, _ string, e error) { err = e }}
	run(t, b, func() error { _, err := b.Handle(t.Context(), spiteful{}); return err }, &err, genai.Internal)
	c := &route.Mirror[string, string]{Main: says("ok"), Shadow: says("ok"), Context: func(context.Context) context.Context { panic("hook") },
		Report: func(_ context.Context, _, _ string, e error) { err = e; panic("reporter") }}
	run(t, c, func() error { _, err := c.Handle(t.Context(), "q"); return err }, &err, genai.Internal)
	d := &route.Mirror[any, string]{Main: func(context.Context, any) (string, error) { return "ok", nil },
		Shadow: func(_ context.Context, req any) (string, error) { return "", req.(error) },
		Report: func(_ context.Context, _ any, _ string, e error) { err = e }}
	run(t, d, func() error { _, err := d.Handle(t.Context(), nil); return err }, &err, genai.Internal)
}

func TestMirrorIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		m := &route.Mirror[string, string]{Main: says("main"), InFlight: 3, Timeout: time.Hour,
			Shadow: func(ctx context.Context, _ string) (string, error) {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				<-ctx.Done()
				return "", genai.ContextError(ctx)
			}}
		for range 10 {
			_, _ = m.Handle(t.Context(), "q")
		}
		synctest.Wait()
		if running.Load() != 3 || m.Dropped() != 7 {
			t.Errorf("%d are under way, %d were dropped", running.Load(), m.Dropped())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := m.Shutdown(ctx); genai.KindOf(err) != genai.DeadlineExceeded || time.Since(began) != time.Minute || running.Load() != 0 {
			t.Errorf("%v after %v, %d left", err, time.Since(began), running.Load())
		}
		if most.Load() != 3 {
			t.Errorf("%d at the same time", most.Load())
		}
	})
}

func TestMirrorStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &struct{ read, ended atomic.Int32 }{}
		shadow := func(ctx context.Context, _ string) (*genai.Stream[int], error) {
			s, err := genai.Open(ctx, func(_ context.Context, yield func(int) bool) error {
				defer source.ended.Add(1)
				for i := range 5 {
					source.read.Add(1)
					if !yield(i) {
						break
					}
				}
				return nil
			})
			return s, err
		}
		m := &route.Mirror[string, *genai.Stream[int]]{Main: numbers(2), Shadow: shadow}
		ctx, cancel := context.WithCancel(t.Context())
		s, err := m.Handle(ctx, "q")
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		cancel() // the end of the call is not the end of the copy
		synctest.Wait()
		if source.read.Load() != 5 || source.ended.Load() != 1 {
			t.Errorf("read %d pieces, ended %d", source.read.Load(), source.ended.Load())
		}
		m = &route.Mirror[string, *genai.Stream[int]]{Main: numbers(2), Shadow: shadow,
			Report: func(_ context.Context, _ string, s *genai.Stream[int], _ error) { _, _ = s.Next() }}
		_, _ = m.Handle(t.Context(), "q")
		if err := m.Shutdown(t.Context()); err != nil || source.ended.Load() != 2 {
			t.Errorf("%v: what the report left was not closed", err)
		}
	})
}

// What the shadow asked is not what the caller asked, when the caller tries again.
func TestMirrorLeavesNoTrail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := route.Among(&route.RoundRobin{}, route.To("a", says("a")), route.To("b", says("b")))
		m := &route.Mirror[string, string]{Main: fails(genai.Unavailable), Shadow: r.Handle,
			Context: func(ctx context.Context) context.Context { return ctx }}
		ctx := &genai.Trail{Context: t.Context()}
		_, _ = m.Handle(ctx, "q")
		synctest.Wait()
		for range 10 {
			if trail := genai.TrailOf(ctx); trail.Has(r.Candidates()[0]) || trail.Has(r.Candidates()[1]) {
				t.Fatal("the shadow is in the caller's trail")
			}
		}
	})
}

func TestMirrorShare(t *testing.T) {
	var n atomic.Int32
	m := &route.Mirror[string, string]{Main: says("main"), InFlight: 1 << 20, Share: 0.1,
		Shadow: func(context.Context, string) (string, error) { n.Add(1); return "", errors.New("no") }}
	const calls = 20000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range calls / 4 {
				_, _ = m.Handle(t.Context(), "q")
			}
		})
	}
	wg.Wait()
	if err := m.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if share := float64(n.Load()) / calls; math.Abs(share-0.1) > 0.015 { // seven standard deviations
		t.Errorf("%.3f of the calls were copied", share)
	}
}
