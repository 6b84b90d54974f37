package resilience_test

import (
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
	"github.com/dovetail-go/dovetail/resilience/policytest"
)

func TestPolicies(t *testing.T) {
	for name, policy := range map[string]func() genai.Policy{
		"Deadline":         func() genai.Policy { return &resilience.Deadline{} },
		"Retry":            func() genai.Policy { return &resilience.Retry{} },
		"Breaker":          func() genai.Policy { return &resilience.Breaker{} },
		"Bulkhead":         func() genai.Policy { return &resilience.Bulkhead{} },
		"Bulkhead, queued": func() genai.Policy { return &resilience.Bulkhead{Max: 2, Wait: time.Minute} },
		"Timeouts":         func() genai.Policy { return &resilience.Timeouts{} },
		"Timeouts, all": func() genai.Policy {
			return &resilience.Timeouts{Attempt: time.Hour, FirstToken: time.Minute, Idle: time.Minute, Pace: 1e-3, Sample: 1}
		},
		"Hedge":          func() genai.Policy { return &resilience.Hedge{} },
		"Hedge, at once": func() genai.Policy { return &resilience.Hedge{Delay: 1} },
		"RateLimit":      func() genai.Policy { return &resilience.RateLimit{Rate: 1e6, Burst: 1e6} },
		"TokenLimit":     func() genai.Policy { return &resilience.TokenLimit{PerMinute: 1e9} },
		"Adaptive":       func() genai.Policy { return &resilience.Adaptive{} },
		"Shed":           func() genai.Policy { return &resilience.Shed{} },
		"Stack": func() genai.Policy {
			return &resilience.Stack{
				Shed:       &resilience.Shed{},
				Deadline:   &resilience.Deadline{},
				Retry:      &resilience.Retry{},
				Hedge:      &resilience.Hedge{Delay: time.Second},
				RateLimit:  &resilience.RateLimit{Rate: 1e6, Burst: 1e6},
				TokenLimit: &resilience.TokenLimit{PerMinute: 1e9},
				Adaptive:   &resilience.Adaptive{},
				Bulkhead:   &resilience.Bulkhead{},
				Breaker:    &resilience.Breaker{},
				Timeouts:   &resilience.Timeouts{},
			}
		},
	} {
		t.Run(name, func(t *testing.T) { policytest.Run(t, policy) })
	}
}
