package genai

import "context"

// A Kind says what went wrong, out of one closed set. It is itself an error, to be looked for with errors.Is:
//
//	errors.Is(err, genai.RateLimited)
//
// Its text is the value of error.type in telemetry and the "kind" on our wires.
type Kind string

// What the caller asked for cannot be had; asking again the same way cannot help.
const (
	InvalidRequest   Kind = "invalid_request"     // the request is wrong; Field names what
	Unsupported      Kind = "unsupported"         // this model, server or transport lacks what was asked for; Field names it
	ContextLength    Kind = "context_length"      // more tokens than the model's window holds
	TooLarge         Kind = "too_large"           // more bytes than somebody takes
	ContentFiltered  Kind = "content_filtered"    // refused for what it says, by a provider or by a check of ours
	Unauthenticated  Kind = "unauthenticated"     // no credentials, or wrong or expired ones
	PermissionDenied Kind = "permission_denied"   // known, but not allowed
	NotFound         Kind = "not_found"           // no such model, object or job
	Unimplemented    Kind = "unimplemented"       // no such operation there
	Precondition     Kind = "failed_precondition" // both sides are well but do not fit, such as two versions of a contract
	Conflict         Kind = "conflict"            // something else is going on with the same object
)

// There is not enough of something.
const (
	RateLimited    Kind = "rate_limited"    // too many requests or tokens for now; RetryAfter may say for how long
	QuotaExhausted Kind = "quota_exhausted" // paid-up or daily allowance is gone; waiting a moment does not help
	Overloaded     Kind = "overloaded"      // the server has more work than it can take
)

// Something broke.
const (
	Unavailable Kind = "unavailable"    // no connection, or one that was lost
	ServerError Kind = "server_error"   // the provider failed, by its own account
	Timeout     Kind = "timeout"        // one of our limits on an attempt, or the provider's own
	Truncated   Kind = "truncated"      // the response was cut before its end
	Malformed   Kind = "malformed"      // the answer cannot be understood
	Empty       Kind = "empty_response" // an answer without content, tool call or reason
	Internal    Kind = "internal"       // a bug: a panic, or a contract broken by our side or by a handler
	Unknown     Kind = "unknown"        // an error that nobody classified
)

// The caller's own end.
const (
	Cancelled        Kind = "cancelled"         // the caller left; also errors.Is context.Canceled
	DeadlineExceeded Kind = "deadline_exceeded" // the caller's time is up; also errors.Is context.DeadlineExceeded
)

// Refused on our side, before anything was sent.
const (
	BreakerOpen     Kind = "breaker_open"     // the target failed too often of late
	LimitReached    Kind = "limit_reached"    // a bulkhead or limiter of ours is full
	BudgetExhausted Kind = "budget_exhausted" // no attempt, token or money left to spend on this
	NoTarget        Kind = "no_target"        // a router had nowhere to send it
)

// Error returns the text of the Kind.
func (k Kind) Error() string { return string(k) }

// Is makes Cancelled and DeadlineExceeded equal to the errors of package context.
func (k Kind) Is(target error) bool {
	return k == Cancelled && target == context.Canceled || k == DeadlineExceeded && target == context.DeadlineExceeded
}

// Known reports whether k belongs to the set.
func (k Kind) Known() bool { _, ok := kinds[k]; return ok }

// Kinds calls yield with every Kind of the set, in no order. It is a sequence to range over.
func Kinds(yield func(Kind) bool) {
	for k := range kinds {
		if !yield(k) {
			return
		}
	}
}

// Retryable reports whether the same request to the same target may succeed after a while. An error of Kind Unknown
// is not: nobody knows what the attempt did.
func (k Kind) Retryable() bool { return kinds[k].retry }

// Failover reports whether another target may succeed where this one failed. Where a request was refused for what it
// is, it is not: a filtered text must not go shopping for a laxer model, and a wrong request stays wrong.
func (k Kind) Failover() bool { return kinds[k].failover }

// Faulty reports whether the target is to blame, so that a breaker counts it. Neither the caller's faults nor
// back-pressure are; they say nothing about the health of the target.
func (k Kind) Faulty() bool { return kinds[k].fault }

type verdict struct{ retry, failover, fault bool }

// kinds is the one table of decisions.
var kinds = map[Kind]verdict{
	InvalidRequest:   {},
	Unsupported:      {failover: true},
	ContextLength:    {},
	TooLarge:         {},
	ContentFiltered:  {},
	Unauthenticated:  {failover: true},
	PermissionDenied: {failover: true},
	NotFound:         {failover: true},
	Unimplemented:    {failover: true},
	Precondition:     {failover: true},
	Conflict:         {retry: true},
	RateLimited:      {retry: true, failover: true},
	QuotaExhausted:   {failover: true},
	Overloaded:       {retry: true, failover: true, fault: true},
	Unavailable:      {retry: true, failover: true, fault: true},
	ServerError:      {retry: true, failover: true, fault: true},
	Timeout:          {failover: true, fault: true},
	Truncated:        {retry: true, failover: true, fault: true},
	Malformed:        {retry: true, failover: true, fault: true},
	Empty:            {retry: true, failover: true},
	Internal:         {failover: true, fault: true},
	Unknown:          {failover: true, fault: true},
	Cancelled:        {},
	DeadlineExceeded: {},
	BreakerOpen:      {failover: true},
	LimitReached:     {failover: true},
	BudgetExhausted:  {failover: true},
	NoTarget:         {failover: true},
}
