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
	chat     genai.Chat
	names    []string
	breakers []*resilience.Breaker
}

// New puts the providers behind one router: an attempt goes to the one that answers soonest and whose breaker lets it, a
// failed one is repeated elsewhere if that can help, and when no provider is left the offline model answers. Once the
// first token is out nothing is repeated.
func New(providers ...Provider) *Service {
	s := &Service{chat: Offline}
	if len(providers) == 0 {
		return s
	}
	targets := make([]route.Target[*genai.ChatRequest, *genai.Stream[genai.ChatEvent]], len(providers))
	for i, p := range providers {
		breaker := &resilience.Breaker{Name: p.Name}
		guarded := genai.With(p.Chat, &resilience.Stack{
			Breaker:  breaker,
			Timeouts: &resilience.Timeouts{FirstToken: 30 * time.Second, Idle: 20 * time.Second},
		})
		targets[i] = route.To(p.Name, guarded)
		targets[i].Ready = breaker.Ready
		s.names, s.breakers = append(s.names, p.Name), append(s.breakers, breaker)
	}
	// The retry stands outside the router, so that every attempt chooses again.
	routed := genai.With(route.Among(&route.PeakEWMA{}, targets...).Handle, &resilience.Retry{Attempts: 3})
	s.chat = route.Fallback(routed, Offline)
	return s
}

// Chat is the handler of contract.Answer.
func (s *Service) Chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	return s.chat(ctx, req)
}

// Health is the handler of contract.Health.
func (s *Service) Health(context.Context, *contract.HealthRequest) (*contract.ModelHealth, error) {
	health := &contract.ModelHealth{Models: []contract.ModelState{}}
	for i, b := range s.breakers {
		health.Models = append(health.Models, contract.ModelState{Name: s.names[i], Breaker: string(b.State())})
	}
	health.Models = append(health.Models, contract.ModelState{Name: OfflineModel})
	return health, nil
}
