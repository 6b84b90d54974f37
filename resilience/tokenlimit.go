package resilience

import (
	"context"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// A TokenLimit bounds how many tokens of a model are used in a minute, the limit that providers enforce. What a request will
// use is reserved before it is made, by the estimate of its method Tokens() int and the longest answer it allows, and settled
// when the response is over:
//
//   - A response that is complete and says its usage costs that, be it less or more than was reserved.
//   - One that was cut, or failed, costs what was reserved, or what it had used so far if that is more: a failure may hide
//     what it used, and so gives nothing back.
//   - One that provably never started costs nothing.
//
// So the limit may be overdrawn by answers that are longer than was thought. Later requests pay for that. A call that would have
// to wait too long fails with [genai.LimitReached] and StartedNo; its RetryAfter is when there is room. A request for more than
// Burst is let through when everything is there. The zero value has no limit.
type TokenLimit struct {
	PerMinute int           // tokens a minute; 0 means no limit
	Burst     int           // how many are kept for a busy moment; 0 means PerMinute
	Output    int           // what is reserved for the answer to a request that does not bound it; 0 means 1000
	Wait      time.Duration // how long a call may wait for its tokens, first come first served; 0 means not at all
	Name      string        // the Target in errors; may be empty

	// Estimate returns what a request will use, prompt and answer; nil means as described above. A request without a
	// method Tokens counts as one token.
	Estimate func(req any) int

	mu   sync.Mutex
	once bool
	left float64 // below zero: overdrawn
	at   int64   // when that was so, by package clock
}

// Wrap returns next behind the limit. All handlers that one TokenLimit guards share it.
func (l *TokenLimit) Wrap(next genai.AnyHandler) genai.AnyHandler {
	if l.PerMinute <= 0 {
		return next
	}
	return func(ctx context.Context, req any) (any, error) {
		reserved := float64(max(l.estimate(req), 1))
		if err := l.reserve(ctx, reserved); err != nil {
			return nil, err
		}
		s := &settlement{limit: l, reserved: reserved}
		returned := false
		defer func() { // also when next panics or exits its goroutine
			if !returned {
				s.settle(errGone)
			}
		}()
		resp, err := next(ctx, req)
		returned = true
		if err == nil && genai.Arriving(resp) {
			genai.Watch(resp, nil, s.see)
			genai.Finally(resp, nil, s.settle)
			return resp, nil
		}
		s.see(resp)
		s.settle(err)
		return resp, err
	}
}

func (l *TokenLimit) estimate(req any) int {
	if l.Estimate != nil {
		return l.Estimate(req)
	}
	n := 1
	if r, ok := req.(interface{ Tokens() int }); ok {
		n = r.Tokens()
	}
	if chat, ok := req.(*genai.ChatRequest); ok {
		if chat.MaxTokens != nil {
			return n + *chat.MaxTokens
		}
		return n + or(l.Output, 1000)
	}
	return n
}

// Left returns how many tokens could be reserved now. It is below zero while the limit is overdrawn.
func (l *TokenLimit) Left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill()
	return int(l.left)
}

// Correct takes what the provider says is left, for example in a header of its response: nobody else knows what other
// programs use. It only ever lowers the limit, because requests under way are not known to the provider yet.
func (l *TokenLimit) Correct(left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill()
	l.left = min(l.left, float64(left))
}

// refill is called under the lock.
func (l *TokenLimit) refill() {
	now := clock.Now()
	if !l.once {
		l.once, l.at, l.left = true, now, l.most()
	}
	l.left = min(l.left+l.rate()*float64(now-l.at), l.most())
	l.at = now
}

func (l *TokenLimit) most() float64 { return float64(or(l.Burst, l.PerMinute)) }

// rate is in tokens a nanosecond.
func (l *TokenLimit) rate() float64 { return float64(l.PerMinute) / float64(time.Minute) }

// reserve takes n tokens, and waits until they are there.
func (l *TokenLimit) reserve(ctx context.Context, n float64) error {
	l.mu.Lock()
	l.refill()
	missing := min(n, l.most()) - l.left
	wait := time.Duration(0)
	if missing > 1e-6 { // less is a matter of rounding
		wait = max(time.Duration(missing/l.rate()), 1)
	}
	if wait > 0 && !patient(ctx, wait, l.Wait) {
		l.mu.Unlock()
		return full(ctx, l.Name, wait, "as many tokens as are allowed in this time are used")
	}
	l.left -= n
	l.mu.Unlock()
	if wait > 0 && !sleep(ctx, wait) {
		l.give(n)
		return genai.ContextError(ctx)
	}
	return nil
}

func (l *TokenLimit) give(n float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill()
	l.left = min(l.left+n, l.most())
}

// A settlement is what one request has reserved.
type settlement struct {
	limit    *TokenLimit
	reserved float64
	used     *genai.Usage // the last that was reported
}

func (s *settlement) see(v any) {
	if u := genai.UsageOf(v); u != nil {
		s.used = u
	}
}

func (s *settlement) settle(err error) {
	cost := s.reserved
	switch {
	case err != nil && genai.AsError(err).Started == genai.StartedNo:
		cost = 0
	case s.used != nil:
		used := float64(s.used.Input + s.used.Output)
		if err == nil && !s.used.LowerBound || used > cost {
			cost = used
		}
	}
	s.limit.give(s.reserved - cost)
}
