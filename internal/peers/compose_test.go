package peers

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/cloudwego/eino/compose"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	kitbreaker "github.com/go-kit/kit/circuitbreaker"
	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	"github.com/go-kit/kit/sd/lb"
	gobreakerv1 "github.com/sony/gobreaker"
	"github.com/sony/gobreaker/v2"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
	"github.com/dovetail-go/dovetail/resilience"
)

// What is composed everywhere: three attempts, a breaker, and a minute for each attempt, each library with its defaults beside
// that. The waits between attempts are as short as each of them allows, so that they can be measured.
type ask = genai.Handler[*request, *answer]

type (
	request struct{ text string }
	answer  struct{ text string }
)

var fine = &answer{"fine"}

func direct(context.Context, *request) (*answer, error) { return fine, nil }

// A peer puts its retry, breaker and timeout around a model.
type peer struct {
	name    string
	compose func(model ask) ask
}

func peers() []peer {
	return []peer{
		{"dovetail", dovetail},
		{"failsafe-go", failsafeGo},
		{"by hand", byHand},
		{"go-kit", goKit},
		{"eino", eino},
	}
}

func dovetail(model ask) ask {
	return genai.With(model, &resilience.Stack{
		Retry: &resilience.Retry{}, Breaker: &resilience.Breaker{}, Timeouts: &resilience.Timeouts{},
	})
}

// wholeStack is Dovetail's router over four targets, each with all that a target should have.
func wholeStack(model ask) ask {
	var targets []route.Target[*request, *answer]
	for _, name := range []string{"a", "b", "c", "d"} {
		targets = append(targets, route.Target[*request, *answer]{Name: name, Handler: genai.With(model, &resilience.Stack{
			Bulkhead: &resilience.Bulkhead{}, Breaker: &resilience.Breaker{}, Timeouts: &resilience.Timeouts{},
		})})
	}
	return genai.With(route.Among(&route.PeakEWMA{}, targets...).Handle, &resilience.Retry{})
}

func failsafeGo(model ask) ask {
	retry := retrypolicy.NewBuilder[*answer]().WithMaxRetries(2).Build()
	breaker := circuitbreaker.NewBuilder[*answer]().WithFailureThreshold(5).WithDelay(5 * time.Second).Build()
	limit := timeout.New[*answer](time.Minute)
	executor := failsafe.With[*answer](retry, breaker, limit)
	return func(ctx context.Context, req *request) (*answer, error) {
		return executor.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[*answer]) (*answer, error) {
			return model(e.Context(), req)
		})
	}
}

func failsafeHedge(model ask, delay time.Duration) ask {
	executor := failsafe.With[*answer](hedgepolicy.NewWithDelay[*answer](delay))
	return func(ctx context.Context, req *request) (*answer, error) {
		return executor.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[*answer]) (*answer, error) {
			return model(e.Context(), req)
		})
	}
}

// byHand is what one writes with gobreaker and backoff, following their documentation.
func byHand(model ask) ask {
	breaker := gobreaker.NewCircuitBreaker[*answer](gobreaker.Settings{Timeout: 5 * time.Second})
	return func(ctx context.Context, req *request) (*answer, error) {
		schedule := backoff.WithContext(backoff.WithMaxRetries(backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond)), 2), ctx)
		return backoff.RetryWithData(func() (*answer, error) {
			return breaker.Execute(func() (*answer, error) {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				return model(ctx, req)
			})
		}, schedule)
	}
}

func goKit(model ask) ask {
	breaker := gobreakerv1.NewCircuitBreaker(gobreakerv1.Settings{Timeout: 5 * time.Second})
	var e endpoint.Endpoint = func(ctx context.Context, req any) (any, error) { return model(ctx, req.(*request)) }
	e = kitbreaker.Gobreaker(breaker)(e)
	e = lb.Retry(3, time.Minute, lb.NewRoundRobin(sd.FixedEndpointer{e}))
	return func(ctx context.Context, req *request) (*answer, error) {
		resp, err := e(ctx, req)
		if err != nil {
			return nil, err
		}
		return resp.(*answer), nil
	}
}

// eino has no breaker; this is its smallest composition, a chain of one.
func eino(model ask) ask {
	chain, err := compose.NewChain[*request, *answer]().AppendLambda(compose.InvokableLambda(func(ctx context.Context, req *request) (*answer, error) {
		return model(ctx, req)
	})).Compile(context.Background())
	if err != nil {
		panic(err)
	}
	return func(ctx context.Context, req *request) (*answer, error) { return chain.Invoke(ctx, req) }
}

var errModel = errors.New("the model is ill")
