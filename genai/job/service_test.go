package job_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
)

// A look is what one look at a job finds.
type look struct {
	status job.Status
	err    error
}

// A script is a service with one job in it, which goes on by one look at a time.
type script struct {
	looks     []look
	at        []time.Duration // when each look came
	start     time.Time
	cancelled int
	uncancel  error // what Cancel says
}

func (s *script) service() *job.Service[string, string] {
	s.start = time.Now()
	return &job.Service[string, string]{
		Submit: func(context.Context, string) (*job.Status, error) {
			return &job.Status{ID: "j1", State: job.Queued}, nil
		},
		Look: func(_ context.Context, ref *job.Ref) (*job.Status, error) {
			if ref.ID != "j1" {
				return nil, genai.Errorf(genai.NotFound, "no such job")
			}
			n := min(len(s.at), len(s.looks)-1)
			s.at = append(s.at, time.Since(s.start))
			status := s.looks[n].status
			status.ID = "j1"
			return &status, s.looks[n].err
		},
		Cancel: func(ctx context.Context, ref *job.Ref) (*job.Status, error) {
			s.cancelled++
			if err := genai.ContextError(ctx); err != nil {
				return nil, err
			}
			return &job.Status{ID: ref.ID, State: job.Cancelling}, s.uncancel
		},
		Result: func(_ context.Context, ref *job.Ref) (string, error) {
			last := s.looks[len(s.looks)-1].status
			if last.State == job.Failed {
				return "", last.Failure()
			}
			return "the result of " + ref.ID, nil
		},
	}
}

func is(state job.State, done int) look { return look{status: job.Status{State: state, Done: done}} }

func fails(kind genai.Kind) look { return look{err: &genai.Error{Kind: kind}} }

// seen reads a stream to its end: what it said, and how it ended.
func seen(s *genai.Stream[job.Status], err error) (states []string, _ error) {
	if err != nil {
		return nil, err
	}
	for status, err := range s.All() {
		if err != nil {
			return states, err
		}
		states = append(states, string(status.State))
	}
	return states, nil
}

func TestWait(t *testing.T) {
	why := &genai.Error{Kind: genai.QuotaExhausted, Message: "no money"}
	many := make([]look, 12)
	for i := range many {
		many[i] = fails(genai.Unavailable)
	}
	cases := []struct {
		name  string
		looks []look
		want  string
		kind  genai.Kind
	}{
		{"over at once", []look{is(job.Succeeded, 1)}, "succeeded", ""},
		{"only news is told", []look{is(job.Queued, 0), is(job.Queued, 0), is(job.Running, 1), is(job.Running, 1), is(job.Running, 2), is(job.Succeeded, 3)},
			"queued running running succeeded", ""},
		{"what is no news", []look{{status: job.Status{State: job.Running, RetryAfter: 1}}, {status: job.Status{State: job.Running, RetryAfter: 2, Err: why}}, is(job.Succeeded, 0)}, "running succeeded", ""},
		{"failed", []look{is(job.Running, 1), {status: job.Status{State: job.Failed, Err: why}}}, "running failed", genai.QuotaExhausted},
		{"failed without a word", []look{is(job.Failed, 0)}, "failed", genai.ServerError},
		{"cancelled", []look{is(job.Cancelling, 1), is(job.Cancelled, 1)}, "cancelling cancelled", genai.Cancelled},
		{"expired", []look{is(job.Expired, 1)}, "expired", genai.Timeout},
		{"looks that fail", []look{fails(genai.RateLimited), is(job.Running, 0), fails(genai.ServerError), fails(genai.Timeout), is(job.Succeeded, 1)},
			"running succeeded", ""},
		{"a state of tomorrow", []look{is("dreaming", 0), is(job.Succeeded, 0)}, "dreaming succeeded", ""},
		{"a reason that stays", []look{is(job.Running, 0), fails(genai.Unauthenticated)}, "running", genai.Unauthenticated},
		{"too many failures", append([]look{is(job.Running, 0)}, many...), "running", genai.Unavailable},
		{"failures that are not in a row", slices.Concat(many[:9], []look{is(job.Running, 0)}, many[:9], []look{is(job.Succeeded, 0)}), "running succeeded", ""},
		{"never a look", many, "", genai.Unavailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				states, err := seen((&script{looks: c.looks}).service().Wait(t.Context(), &job.Ref{ID: "j1"}))
				if got := strings.Join(states, " "); got != c.want || genai.KindOf(err) != c.kind {
					t.Errorf("saw %q and %v, want %q and %s", got, err, c.want, c.kind)
				}
			})
		})
	}
}

// TestPauses: the waits grow by half up to twelve times the first, a server that asks for more gets it, and chance adds a
// quarter at most.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := make([]look, 12)
		for i := range looks {
			looks[i] = is(job.Running, i)
		}
		looks[2] = look{err: &genai.Error{Kind: genai.RateLimited, RetryAfter: 5 * time.Minute}}
		looks[4].status.RetryAfter = 3 * time.Minute
		looks[11] = is(job.Succeeded, 0)
		s := &script{looks: looks}
		service := s.service()
		service.Every = 10 * time.Second
		var events []genai.Event
		ctx := genai.Listen(t.Context(), func(e genai.Event) { events = append(events, e) })
		if _, err := seen(service.Wait(ctx, &job.Ref{ID: "j1"})); err != nil {
			t.Fatal(err)
		}
		want := 10 * time.Second
		for i := 1; i < len(s.at); i++ {
			asked := map[int]time.Duration{2: 5 * time.Minute, 4: 3 * time.Minute}[i-1]
			pause := max(want, asked)
			if got := s.at[i] - s.at[i-1]; got < pause || got > pause+pause/4+1 {
				t.Errorf("pause %d is %v, want %v", i, got, pause)
			}
			want = min(want*3/2, 2*time.Minute)
		}
		if want != 2*time.Minute {
			t.Errorf("the longest wait is never reached: %v", want)
		}
		if len(events) != 1 || events[0].Name != "look" || events[0].Kind != genai.RateLimited || events[0].Attempt != 1 || events[0].Delay < 5*time.Minute {
			t.Errorf("events are %+v", events)
		}
	})
}

// TestEndlessPauses: a wait that no Duration holds is long, and not negative.
func TestEndlessPauses(t *testing.T) {
	for _, endless := range []*job.Service[string, string]{
		(&script{looks: []look{{err: &genai.Error{Kind: genai.RateLimited, RetryAfter: math.MaxInt64}}}}).service(),
		{Every: math.MaxInt64, Look: func(context.Context, *job.Ref) (*job.Status, error) { return &job.Status{State: job.Running}, nil }},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 24*365*time.Hour)
			defer cancel()
			calls := 0
			inner := endless.Look
			endless.Look = func(ctx context.Context, ref *job.Ref) (*job.Status, error) { calls++; return inner(ctx, ref) }
			if _, err := seen(endless.Wait(ctx, &job.Ref{ID: "j1"})); !errors.Is(err, genai.DeadlineExceeded) || calls != 1 {
				t.Errorf("%d looks, %v", calls, err)
			}
		})
	}
}

// TestYears: waits of decades do not become negative ones.
func TestYears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{looks: []look{is(job.Running, 0), is(job.Running, 0), is(job.Succeeded, 0)}}
		service := s.service()
		service.Every = math.MaxInt64/12 + 1
		if _, err := seen(service.Wait(t.Context(), &job.Ref{ID: "j1"})); err != nil || len(s.at) != 3 || s.at[2]-s.at[1] < 24*365*10*time.Hour {
			t.Errorf("looked at %v, %v", s.at, err)
		}
	})
}

// TestConsequence: what a look reports after the end of its context is not the reason.
func TestConsequence(t *testing.T) {
	begin := func() (context.Context, *job.Service[string, string]) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		return ctx, &job.Service[string, string]{
			Submit: func(context.Context, string) (*job.Status, error) {
				return &job.Status{ID: "j1", State: job.Queued}, nil
			},
			Look: func(context.Context, *job.Ref) (*job.Status, error) {
				cancel()
				return nil, errors.New("the line is dead")
			},
			Cancel: func(context.Context, *job.Ref) (*job.Status, error) { return &job.Status{}, nil },
		}
	}
	ctx, service := begin()
	if _, err := service.Wait(ctx, &job.Ref{ID: "j1"}); !errors.Is(err, genai.Cancelled) {
		t.Error(err)
	}
	ctx, service = begin()
	if _, err := service.Do(ctx, ""); !errors.Is(err, genai.Cancelled) {
		t.Error(err)
	}
}

// TestLeaving: who leaves a stream leaves at once, and the job goes on.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{looks: []look{is(job.Running, 0)}}
		stream, err := s.service().Wait(t.Context(), &job.Ref{ID: "j1"})
		if err != nil {
			t.Fatal(err)
		}
		if status, err := stream.Next(); err != nil || status.State != job.Running {
			t.Fatal(status, err)
		}
		go func() { time.Sleep(time.Hour); stream.Close() }()
		before := time.Now()
		if _, err := stream.Next(); !errors.Is(err, genai.Cancelled) {
			t.Error(err)
		}
		if waited := time.Since(before); waited != time.Hour {
			t.Errorf("left after %v", waited)
		}
		if s.cancelled != 0 {
			t.Error("the job was cancelled")
		}
	})
}

func TestDo(t *testing.T) {
	cases := []struct {
		name      string
		script    script
		every     time.Duration
		want      string
		kind      genai.Kind
		says      string
		cancelled int
	}{
		{"done", script{looks: []look{is(job.Running, 0), is(job.Succeeded, 1)}}, 0, "the result of j1", "", "", 0},
		{"expired, with what there is", script{looks: []look{is(job.Expired, 1)}}, 0, "the result of j1", "", "", 0},
		{"failed", script{looks: []look{is(job.Failed, 1)}}, 0, "", genai.ServerError, "the result of job j1", 0},
		{"out of sight", script{looks: []look{fails(genai.NotFound)}}, 0, "", genai.NotFound, "job j1 goes on", 0},
		{"no time left", script{looks: []look{is(job.Running, 0)}}, time.Hour, "", genai.DeadlineExceeded, "job j1 was cancelled", 1},
		{"no time left and no way to cancel", script{looks: []look{is(job.Running, 0)}, uncancel: genai.Conflict}, time.Hour, "", genai.DeadlineExceeded, "job j1 could not be cancelled", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				service := c.script.service()
				service.Every = c.every
				var do genai.Handler[string, string] = service.Do
				got, err := do(ctx, "work")
				if got != c.want || genai.KindOf(err) != c.kind || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %q, %v", got, err)
				}
				if n := c.script.cancelled; n != c.cancelled {
					t.Errorf("cancelled %d times", n)
				}
			})
		})
	}
	refuses := &job.Service[string, string]{Submit: func(context.Context, string) (*job.Status, error) { return nil, genai.TooLarge }}
	if _, err := refuses.Do(t.Context(), ""); !errors.Is(err, genai.TooLarge) {
		t.Error(err)
	}
}

// TestFarewell: a cancellation that hangs does not hold up who has left.
func TestFarewell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := (&script{looks: []look{is(job.Running, 0)}}).service()
		service.Cancel = func(ctx context.Context, _ *job.Ref) (*job.Status, error) {
			<-ctx.Done()
			return nil, genai.ContextError(ctx)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := service.Do(ctx, "work")
		if waited := time.Since(start); waited > time.Minute+2*time.Second || !errors.Is(err, genai.DeadlineExceeded) || !strings.Contains(err.Error(), "j1 could not be cancelled") {
			t.Errorf("%v after %v", err, waited)
		}
	})
}
