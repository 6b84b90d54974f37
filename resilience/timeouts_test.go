package resilience_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
)

// A slow model says its first piece after first, and the others after the gaps.
type slow struct {
	first time.Duration
	gaps  []time.Duration
}

func (m slow) handle(ctx context.Context, _ any) (*genai.Stream[int], error) {
	return genai.Open(ctx, func(ctx context.Context, yield func(int) bool) error {
		if !sleep(ctx, m.first) || !yield(0) {
			return genai.ContextError(ctx)
		}
		for _, gap := range m.gaps {
			if !sleep(ctx, gap) || !yield(0) {
				return genai.ContextError(ctx)
			}
		}
		return nil
	})
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func TestTimeouts(t *testing.T) {
	const none = -1
	second := time.Second
	for name, c := range map[string]struct {
		policy   genai.Policy
		model    slow
		deadline time.Duration // of the caller; 0: none
		use      time.Duration // that the caller takes for a piece
		kind     genai.Kind    // "": none
		field    string
		after    time.Duration // that it ends
		slack    time.Duration // that it may end later
	}{
		"fast":                         {policy: &resilience.Timeouts{}, model: slow{first: second, gaps: []time.Duration{second, second}}, after: 3 * second},
		"no first piece":               {policy: &resilience.Timeouts{}, model: slow{first: time.Hour}, kind: genai.Timeout, field: "Timeouts.FirstToken", after: time.Minute},
		"a limit of one's own":         {policy: &resilience.Timeouts{FirstToken: 3 * second}, model: slow{first: 4 * second}, kind: genai.Timeout, field: "Timeouts.FirstToken", after: 3 * second},
		"no limit":                     {policy: &resilience.Timeouts{FirstToken: none}, model: slow{first: time.Hour}, after: time.Hour},
		"silence in between":           {policy: &resilience.Timeouts{}, model: slow{gaps: []time.Duration{second, time.Hour}}, kind: genai.Timeout, field: "Timeouts.Idle", after: 21 * second, slack: 5 * second},
		"silence that is short enough": {policy: &resilience.Timeouts{}, model: slow{gaps: []time.Duration{19 * second, 19 * second, 19 * second}}, after: 57 * second},
		"no limit on silence":          {policy: &resilience.Timeouts{Idle: none}, model: slow{gaps: []time.Duration{time.Hour}}, after: time.Hour},
		"a slow consumer":              {policy: &resilience.Timeouts{Idle: second}, model: slow{gaps: []time.Duration{0, 0}}, use: time.Minute, after: 3 * time.Minute},
		"the whole attempt":            {policy: &resilience.Timeouts{Attempt: 3 * second}, model: slow{gaps: []time.Duration{2 * second, 2 * second}}, kind: genai.Timeout, field: "Timeouts.Attempt", after: 3 * second},
		"an attempt without a piece":   {policy: &resilience.Timeouts{Attempt: 3 * second}, model: slow{first: 4 * second}, kind: genai.Timeout, field: "Timeouts.Attempt", after: 3 * second},
		"a tighter deadline":           {policy: &resilience.Timeouts{FirstToken: 3 * second}, deadline: second, model: slow{first: 4 * second}, kind: genai.DeadlineExceeded, after: second},
		"a looser deadline":            {policy: &resilience.Timeouts{FirstToken: 3 * second}, deadline: time.Minute, model: slow{first: 4 * second}, kind: genai.Timeout, field: "Timeouts.FirstToken", after: 3 * second},
		"a deadline midway":            {policy: &resilience.Timeouts{}, deadline: 2 * second, model: slow{gaps: []time.Duration{3 * second}}, kind: genai.DeadlineExceeded, after: 2 * second},
		"a pace that is kept":          {policy: &resilience.Timeouts{Pace: 2, Sample: 4}, model: slow{gaps: []time.Duration{second / 2, second / 2, second / 2, second, second}}, after: 3500 * time.Millisecond},
		"too slow a pace":              {policy: &resilience.Timeouts{Pace: 2, Sample: 4}, model: slow{first: second, gaps: []time.Duration{second, second, second}}, kind: genai.Timeout, field: "Timeouts.Pace", after: 3 * second},
		"shorter than the sample":      {policy: &resilience.Timeouts{Pace: 2}, model: slow{gaps: []time.Duration{second, second}}, after: 2 * second},
		"Deadline":                     {policy: &resilience.Deadline{Total: 3 * second}, model: slow{first: 2 * second, gaps: []time.Duration{2 * second}}, kind: genai.Timeout, field: "Deadline.Total", after: 3 * second},
		"Deadline, by default":         {policy: &resilience.Deadline{}, model: slow{first: time.Hour}, kind: genai.Timeout, field: "Deadline.Total", after: 10 * time.Minute},
		"Deadline, not reached":        {policy: &resilience.Deadline{}, model: slow{first: second}, after: second},
		"Deadline and a tighter one":   {policy: &resilience.Deadline{Total: 3 * second}, deadline: second, model: slow{first: time.Hour}, kind: genai.DeadlineExceeded, after: second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				began := time.Now()
				s, err := genai.With(c.model.handle, c.policy)(ctx, nil)
				for err == nil {
					if _, err = s.Next(); err == nil {
						time.Sleep(c.use)
					}
				}
				took := time.Since(began)
				if err == io.EOF {
					err = nil
				}
				if c.kind == "" && err != nil || c.kind != "" && genai.KindOf(err) != c.kind {
					t.Errorf("it ended with %v, want %q", err, c.kind)
				}
				if e := genai.AsError(err); e != nil && e.Field != c.field {
					t.Errorf("the field is %q, want %q", e.Field, c.field)
				}
				if took < c.after || took > c.after+c.slack {
					t.Errorf("it ended after %v, want %v", took, c.after)
				}
			})
		})
	}
}

// A limit that is over while the response is on its way back ends it all the same.
func TestTimeoutsWhatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		h := genai.With(func(ctx context.Context, _ any) (*genai.Stream[int], error) {
			<-ctx.Done() // and opens a stream in spite of it
			return genai.NewStream(context.WithoutCancel(ctx), func() (int, error) { return 1, nil }, func() { closed = true })
		}, &resilience.Timeouts{FirstToken: time.Second})
		s, err := h(t.Context(), nil)
		if s != nil || !errors.Is(err, genai.Timeout) || !closed {
			t.Errorf("got %v, %v; closed: %v", s, err, closed)
		}
	})
}

// A stream that begins too slowly is made again before the caller has seen any of it, and closed; one that breaks while it
// is held back as well.
func TestTimeoutsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, closed := 0, atomic.Int32{}
		model := func(ctx context.Context, _ any) (*genai.Stream[int], error) {
			calls++
			call, n := calls, 0
			return genai.NewStream(context.WithoutCancel(ctx), func() (int, error) { // heeds Close alone
				n++
				switch {
				case call == 1 && n > 1:
					time.Sleep(10 * time.Second)
				case call == 2 && n == 3:
					return 0, genai.Errorf(genai.Truncated, "cut")
				case n == 30:
					return 0, io.EOF
				}
				return 100*call + n, nil
			}, func() { closed.Add(1) })
		}
		h := genai.With(model, &resilience.Retry{Retryable: func(error) bool { return true }}, &resilience.Timeouts{Pace: 2, Sample: 4})
		s, err := h(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		n := 300
		for piece, err := range s.All() {
			if n++; piece != n || err != nil {
				t.Fatalf("got %d, %v, want %d", piece, err, n)
			}
		}
		if n != 329 || calls != 3 || closed.Load() != 3 {
			t.Errorf("%d pieces of %d calls, of which %d were closed", n-300, calls, closed.Load())
		}
	})
}

// The limit on the first piece is over with it, also for a handler that begins to heed its context only then.
func TestTimeoutsAfterTheFirstToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := genai.With(func(ctx context.Context, _ any) (*genai.Stream[int], error) {
			n := 0
			return genai.NewStream(context.WithoutCancel(ctx), func() (int, error) {
				if n++; n > 1 && !sleep(ctx, time.Minute) {
					return 0, genai.ContextError(ctx)
				}
				return n, nil
			}, nil)
		}, &resilience.Timeouts{FirstToken: time.Second, Idle: -1})
		s, err := h(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range 2 {
			if _, err := s.Next(); err != nil {
				t.Error(err)
			}
		}
	})
}

// Nobody waits for the limits of these calls, so they must not cost a timer.
func TestTimeoutsAllocate(t *testing.T) {
	h := (&resilience.Timeouts{}).Wrap((&target{}).handle)
	if n := testing.AllocsPerRun(1000, func() { _, _ = h(t.Context(), nil) }); n > 1 {
		t.Errorf("a call costs %v allocations", n)
	}
}
