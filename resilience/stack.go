package resilience

import (
	"fmt"
	"reflect"

	"github.com/dovetail-go/dovetail/genai"
)

// A Stack is policies in the order in which they work together, which belongs to the type and so cannot be wrong; the
// package comment says why it is this one. A nil field is absent. The zero value does nothing.
type Stack struct {
	Shed       *Shed
	Deadline   *Deadline
	Retry      *Retry
	Hedge      *Hedge
	RateLimit  *RateLimit
	TokenLimit *TokenLimit
	Bulkhead   *Bulkhead
	Adaptive   *Adaptive
	Breaker    *Breaker
	Timeouts   *Timeouts
}

// Wrap returns next with all policies of the stack around it.
func (s *Stack) Wrap(next genai.AnyHandler) genai.AnyHandler {
	if s.Timeouts != nil {
		next = s.Timeouts.Wrap(next)
	}
	if s.Breaker != nil {
		next = s.Breaker.Wrap(next)
	}
	if s.Adaptive != nil {
		next = s.Adaptive.Wrap(next)
	}
	if s.Bulkhead != nil {
		next = s.Bulkhead.Wrap(next)
	}
	if s.TokenLimit != nil {
		next = s.TokenLimit.Wrap(next)
	}
	if s.RateLimit != nil {
		next = s.RateLimit.Wrap(next)
	}
	if s.Hedge != nil {
		next = s.Hedge.Wrap(next)
	}
	if s.Retry != nil {
		next = s.Retry.Wrap(next)
	}
	if s.Deadline != nil {
		next = s.Deadline.Wrap(next)
	}
	if s.Shed != nil {
		next = s.Shed.Wrap(next)
	}
	return next
}

// Check finds out whether policies that somebody lists by hand, the outermost first, as for [genai.With], stand in an order
// that is known to be bad. The error is [genai.InvalidRequest] and says which two, and what would go wrong. Policies that are
// not of this package may stand anywhere.
func Check(policies ...genai.Policy) error {
	for i, outer := range policies {
		for _, inner := range policies[i+1:] {
			if why := wrongOrder(kindOf(outer), kindOf(inner)); why != "" {
				return &genai.Error{Kind: genai.InvalidRequest, Field: fmt.Sprintf("policies[%d]", i),
					Message: fmt.Sprintf("%s around %s: %s", kindOf(outer), kindOf(inner), why)}
			}
		}
	}
	return nil
}

// kindOf returns the name of a policy's type, if it is one of ours.
func kindOf(p genai.Policy) string {
	t := reflect.TypeOf(p)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().PkgPath() != reflect.TypeFor[Stack]().PkgPath() {
		return ""
	}
	return t.Elem().Name()
}

// wrongOrder says what goes wrong where outer stands around inner, or "".
func wrongOrder(outer, inner string) string {
	switch outer + " " + inner {
	case "Retry Retry":
		return "both repeat, and the inner one does nothing from the second attempt on; keep one"
	case "Hedge Hedge":
		return "one late answer would be asked for four times; keep one"
	case "Breaker Retry", "Breaker Hedge":
		return "the breaker would see one result of several attempts, and an outage would have to last longer to be noticed"
	case "Hedge Retry":
		return "the second request would be late by the waits between attempts; put Retry outside"
	case "Breaker Bulkhead", "Breaker Adaptive", "Breaker RateLimit", "Breaker TokenLimit":
		return "a call that was let through as a probe could be refused for lack of room, and say nothing about the target"
	case "Timeouts Breaker":
		return "the breaker would not see the time-outs, which look to it like callers who leave"
	case "Timeouts Retry":
		return "one attempt's time would have to do for all of them; put Deadline outside instead"
	case "Retry Deadline":
		return "every attempt would have the whole time; put Deadline outside"
	case "Retry Shed", "Hedge Shed", "Deadline Shed":
		return "what is to be dropped would be tried first; put Shed outermost"
	case "RateLimit Retry", "TokenLimit Retry", "Bulkhead Retry", "Adaptive Retry",
		"RateLimit Hedge", "TokenLimit Hedge", "Bulkhead Hedge", "Adaptive Hedge":
		return "further attempts would not count against the limit"
	}
	return ""
}
