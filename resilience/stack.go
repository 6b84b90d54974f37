package resilience

import "github.com/dovetail-go/dovetail/genai"

// A Stack is policies in the order in which they work together, which belongs to the type and so cannot be wrong; the
// package comment says why it is this one. A nil field is absent. The zero value does nothing.
type Stack struct {
	Deadline *Deadline
	Retry    *Retry
	Bulkhead *Bulkhead
	Breaker  *Breaker
	Timeouts *Timeouts
}

// Wrap returns next with all policies of the stack around it.
func (s *Stack) Wrap(next genai.AnyHandler) genai.AnyHandler {
	if s.Timeouts != nil {
		next = s.Timeouts.Wrap(next)
	}
	if s.Breaker != nil {
		next = s.Breaker.Wrap(next)
	}
	if s.Bulkhead != nil {
		next = s.Bulkhead.Wrap(next)
	}
	if s.Retry != nil {
		next = s.Retry.Wrap(next)
	}
	if s.Deadline != nil {
		next = s.Deadline.Wrap(next)
	}
	return next
}
