// Package answers is the model behind the desk: a provider if one is configured, guarded by a breaker, time-outs and
// retries, and an offline model for when there is none or it fails.
package answers

import (
	"context"
	"time"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
	"github.com/dovetail-go/dovetail/resilience"
)

// A Provider is a model somewhere else.
type Provider struct {
	Name string // for the page and for errors
	Chat genai.Chat
}

// Service answers from a list of models.
type Service struct {
	chat   genai.Chat
	models []model
}

// A model is what can be looked at of one of them.
type model struct {
	name    string
	breaker *resilience.Breaker // nil for the offline model, which cannot fail
	watch   *watch
}

// New puts the providers behind one router: an attempt goes to the one that answers soonest and whose breaker lets it, a
// failed one is repeated elsewhere if that can help, and when no provider is left the offline model answers. Once the
// first token is out nothing is repeated.
func New(providers ...Provider) *Service {
	last := model{name: OfflineModel, watch: &watch{}}
	s := &Service{chat: genai.With(Offline, last.watch)}
	if len(providers) == 0 {
		s.models = []model{last}
		return s
	}
	targets := make([]route.Target[*genai.ChatRequest, *genai.Stream[genai.ChatEvent]], len(providers))
	for i, p := range providers {
		m := model{p.Name, &resilience.Breaker{Name: p.Name}, &watch{}}
		guarded := genai.With(p.Chat, &resilience.Stack{
			Bulkhead: &resilience.Bulkhead{},
			Breaker:  m.breaker,
			Timeouts: &resilience.Timeouts{FirstToken: 30 * time.Second, Idle: 20 * time.Second},
		}, m.watch)
		targets[i] = route.To(p.Name, guarded)
		targets[i].Ready = m.breaker.Ready
		s.models = append(s.models, m)
	}
	s.models = append(s.models, last)
	// What belongs to the question as a whole stands outside the router, so that every attempt chooses again.
	routed := genai.With(route.Among(&route.PeakEWMA{}, targets...).Handle, &resilience.Stack{
		Deadline: &resilience.Deadline{Total: 5 * time.Minute},
		Retry:    &resilience.Retry{Attempts: 3},
	})
	s.chat = route.Fallback(routed, s.chat)
	return s
}

// Chat is the handler of contract.Answer.
func (s *Service) Chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	return s.chat(ctx, req)
}

// Health is the handler of contract.Health.
func (s *Service) Health(context.Context, *contract.HealthRequest) (*contract.ModelHealth, error) {
	health := &contract.ModelHealth{Models: []contract.ModelState{}}
	for _, m := range s.models {
		f := m.watch.figures()
		state := contract.ModelState{
			Name: m.name, Calls: f.calls, Failures: f.failures, LastFailure: f.lastFailure, InFlight: f.inFlight,
			FirstToken: millis(f.median), LastFirstToken: millis(f.last),
		}
		if m.breaker != nil {
			state.Breaker = string(m.breaker.State())
		}
		health.Models = append(health.Models, state)
	}
	return health, nil
}

func millis(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
