package resilience

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/internal/window"
)

// Shed drops requests that have no chance before they cost anything: those whose caller has no time left, and, while the
// target refuses many, a part of the others, those of the lowest priority first (see [genai.WithPriority]). It is the
// adaptive throttling of Google's book on site reliability engineering (chapter "Handling Overload"): of the requests of
// the window no more are sent than K times as many as were accepted.
//
// A request counts as refused if it fails with Overloaded, RateLimited, Unavailable, Timeout, LimitReached or BreakerOpen,
// and a caller who leaves counts as neither. A request that is dropped fails with [genai.LimitReached], or with
// [genai.DeadlineExceeded] if there was no time, and StartedNo. Put it outside of everything else. The zero value is ready.
type Shed struct {
	K      float64       // 0 means 2; 1.1 is strict and makes more mistakes
	Window time.Duration // 0 means 2 min; it should be twice as long as nearly all calls take
	Min    int           // how many requests it takes to judge; 0 means 50

	// Least is the time that a caller must have left; 0 means any.
	Least time.Duration

	Name string // the Target in errors; may be empty

	// Rand returns a number from 0 to 1, and must be safe for concurrent use; nil means rand.Float64 of math/rand/v2.
	Rand func() float64

	once     sync.Once
	asked    [4]window.Counter // by the rank of the priority
	accepted window.Window
}

func (s *Shed) start() {
	s.once.Do(func() {
		span := or(s.Window, 2*time.Minute)
		for i := range s.asked {
			s.asked[i].Init(span)
		}
		s.accepted.Init(span)
	})
}

// Wrap returns next with Shed in front. All handlers that one Shed guards share its judgement.
func (s *Shed) Wrap(next genai.AnyHandler) genai.AnyHandler {
	s.start()
	return func(ctx context.Context, req any) (any, error) {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < max(s.Least, 1) {
			return nil, &genai.Error{Kind: genai.DeadlineExceeded, Target: s.Name, Started: genai.StartedNo, Message: "there is no time left for the request"}
		}
		rank, now := genai.PriorityOf(ctx).Rank(), clock.Now()
		s.asked[rank].Add(now)
		if s.drop(rank, now) {
			return nil, &genai.Error{Kind: genai.LimitReached, Target: s.Name, RetryAfter: time.Second, Started: genai.StartedNo,
				Message: "the target refuses too much of late, and this request matters less than others"}
		}
		resp, err := next(ctx, req)
		switch genai.KindOf(err) {
		case genai.Overloaded, genai.RateLimited, genai.Unavailable, genai.Timeout, genai.LimitReached, genai.BreakerOpen:
		default:
			s.accepted.Succeeded(clock.Now())
		}
		return resp, err
	}
}

// drop decides about a request. What is too much is taken from the lowest priority first.
func (s *Shed) drop(rank int, now int64) bool {
	total := 0
	var asked [4]int
	for i := range s.asked {
		asked[i] = s.asked[i].Sum(now)
		total += asked[i]
	}
	if total < or(s.Min, 50) {
		return false
	}
	accepted, _ := s.accepted.Sum(now)
	excess := float64(total) - or(s.K, 2)*float64(max(accepted, 1))
	for i := len(asked) - 1; i > rank; i-- {
		excess -= float64(asked[i])
	}
	if excess <= 0 {
		return false
	}
	random := s.Rand
	if random == nil {
		random = rand.Float64
	}
	return random() < excess/float64(asked[rank]+1)
}
