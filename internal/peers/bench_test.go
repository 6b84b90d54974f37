package peers

import (
	"context"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/sony/gobreaker/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/fanout"
	"github.com/dovetail-go/dovetail/resilience"
)

func bench(b *testing.B, name string, h ask, fails bool) {
	b.Run(name, func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		req := &request{"Where is my parcel?"}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h(ctx, req); (err != nil) != fails {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSuccess is a call that succeeds, through a retry, a breaker and a timeout.
func BenchmarkSuccess(b *testing.B) {
	bench(b, "direct", direct, false)
	for _, p := range peers() {
		bench(b, p.name, p.compose(direct), false)
	}
	bench(b, "dovetail, whole stack and four targets", wholeStack(direct), false)
}

// BenchmarkHedge is a hedge that is not needed.
func BenchmarkHedge(b *testing.B) {
	bench(b, "dovetail", genai.With(direct, &resilience.Hedge{Delay: time.Minute}), false)
	bench(b, "failsafe-go", failsafeHedge(direct, time.Minute), false)
}

// BenchmarkRefused is a call that an open breaker turns away.
func BenchmarkRefused(b *testing.B) {
	ours := &resilience.Breaker{}
	ours.Trip()
	bench(b, "dovetail", genai.With(direct, ours), true)
	theirs := circuitbreaker.NewWithDefaults[*answer]()
	theirs.Open()
	executor := failsafe.With[*answer](theirs)
	bench(b, "failsafe-go", func(ctx context.Context, req *request) (*answer, error) {
		return executor.WithContext(ctx).Get(func() (*answer, error) { return direct(ctx, req) })
	}, true)
	alone := gobreaker.NewCircuitBreaker[*answer](gobreaker.Settings{Timeout: time.Hour, ReadyToTrip: func(gobreaker.Counts) bool { return true }})
	_, _ = alone.Execute(func() (*answer, error) { return nil, errModel })
	bench(b, "by hand", func(ctx context.Context, req *request) (*answer, error) {
		return alone.Execute(func() (*answer, error) { return direct(ctx, req) })
	}, true)
}

// BenchmarkSecondAttempt is a call whose second attempt comes at once and succeeds.
func BenchmarkSecondAttempt(b *testing.B) {
	flaky := func(err error) ask {
		n := 0
		return func(context.Context, *request) (*answer, error) {
			if n++; n%2 == 1 {
				return nil, err
			}
			return fine, nil
		}
	}
	never := &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}
	bench(b, "dovetail", genai.With(flaky(never), &resilience.Retry{Budget: &resilience.Budget{Ratio: 1}}), false)
	executor := failsafe.With[*answer](retrypolicy.NewWithDefaults[*answer]())
	model := flaky(errModel)
	bench(b, "failsafe-go", func(ctx context.Context, req *request) (*answer, error) {
		return executor.WithContext(ctx).Get(func() (*answer, error) { return model(ctx, req) })
	}, false)
	model = flaky(errModel)
	bench(b, "by hand", func(ctx context.Context, req *request) (*answer, error) {
		return backoff.RetryWithData(func() (*answer, error) { return model(ctx, req) }, backoff.WithContext(backoff.WithMaxRetries(&backoff.ZeroBackOff{}, 2), ctx))
	}, false)
}

// BenchmarkFanout asks eight that answer at once, and takes all answers.
func BenchmarkFanout(b *testing.B) {
	eight := make([]ask, 8)
	for i := range eight {
		eight[i] = direct
	}
	all := fanout.All(eight...)
	bench(b, "dovetail", func(ctx context.Context, req *request) (*answer, error) {
		answers, err := all(ctx, req)
		if err != nil || len(answers) != 8 {
			return nil, errModel
		}
		return fine, nil
	}, false)
	bench(b, "errgroup", func(ctx context.Context, req *request) (*answer, error) {
		answers := make([]*answer, 8)
		g, ctx := errgroup.WithContext(ctx)
		for i, h := range eight {
			g.Go(func() (err error) {
				answers[i], err = h(ctx, req)
				return err
			})
		}
		return fine, g.Wait()
	}, false)
	bench(b, "conc", func(ctx context.Context, req *request) (*answer, error) {
		p := pool.NewWithResults[*answer]().WithContext(ctx)
		for _, h := range eight {
			p.Go(func(ctx context.Context) (*answer, error) { return h(ctx, req) })
		}
		_, err := p.Wait()
		return fine, err
	}, false)
}
