package transport

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Problem is an error on its way: a problem detail of RFC 9457, extended by the members of a [genai.Error]. The cause
// does not travel; its text does, where it is the message.
type Problem struct {
	Title  string `json:"title"`           // the kind, for people
	Status int    `json:"status"`          // the status of HTTP that belongs to the kind
	Detail string `json:"detail,omitzero"` // the message

	Kind           genai.Kind      `json:"kind"`
	Retryable      bool            `json:"retryable"` // see [genai.Kind.Retryable]; false of a kind that is retryable: the error is Final
	Op             string          `json:"op,omitzero"`
	Target         string          `json:"target,omitzero"`
	Reason         string          `json:"reason,omitzero"`
	Field          string          `json:"field,omitzero"`
	ProviderStatus int             `json:"provider_status,omitzero"`
	Code           string          `json:"code,omitzero"`
	RequestID      string          `json:"request_id,omitzero"`
	RetryAfter     int64           `json:"retry_after_ms,omitzero"` // rounded up
	Started        genai.Started   `json:"started,omitzero"`
	Attempts       []genai.Attempt `json:"attempts,omitzero"`

	// Refused is for servers: the call was turned away before a handler saw it, so it may be sent elsewhere whatever it
	// would have done. It goes one hop: Started is also what somebody further in has said about a call of the handler's.
	Refused bool `json:"refused,omitzero"`

	// Contract is for servers: the description of the operation, for a caller who has another one. See [Spec.Agree].
	Contract json.RawMessage `json:"contract,omitzero"`
}

// errRefused is the cause of an error that was Refused.
var errRefused = errors.New("no handler saw the call")

// Unseen reports whether err, with which a [Client] has failed, proves that no handler has seen the call: it was never sent, or
// turned away. Such a call may be sent elsewhere, whatever it would have done. That Started is no does not prove it: somebody
// further in may have said so about a call of the handler's.
func (s *Spec) Unseen(err error) bool {
	e, ok := err.(*genai.Error)
	return ok && e.Started == genai.StartedNo && (!e.Remote || e.Err == errRefused)
}

// ProblemOf returns how err travels.
func ProblemOf(err error) *Problem {
	e := genai.AsError(err)
	p := &Problem{
		Title: strings.ReplaceAll(string(e.Kind), "_", " "), Status: StatusOf(e.Kind), Detail: e.Message,
		Kind: e.Kind, Retryable: e.Kind.Retryable() && !e.Final, Op: e.Op, Target: e.Target, Reason: e.Reason, Field: e.Field,
		ProviderStatus: e.Status, Code: e.Code, RequestID: e.RequestID,
		RetryAfter: milliseconds(e.RetryAfter),
		Started:    e.Started, Attempts: slices.Clone(e.Attempts),
	}
	if own, ok := err.(*genai.Error); !ok || own != e {
		p.Detail = err.Error() // somebody has wrapped it in words
	} else if p.Detail == "" && e.Err != nil {
		p.Detail = e.Err.Error()
	}
	return p
}

// milliseconds rounds up, so that nobody comes too early. What is negative is no wait.
func milliseconds(wait time.Duration) int64 {
	ms := int64(wait / time.Millisecond)
	if wait%time.Millisecond > 0 {
		ms++
	}
	return max(ms, 0)
}

// maxMilliseconds is the longest wait that a [time.Duration] holds.
const maxMilliseconds = int64(math.MaxInt64 / time.Millisecond)

// Err returns the error that a problem describes, marked Remote. A kind that we do not know, from a newer peer, becomes
// Unknown, and an empty one is guessed from the status.
func (p *Problem) Err() *genai.Error {
	e := &genai.Error{
		Kind: p.Kind, Op: p.Op, Target: p.Target, Reason: p.Reason, Message: p.Detail, Field: p.Field,
		Status: p.ProviderStatus, Code: p.Code, RequestID: p.RequestID,
		RetryAfter: time.Duration(min(max(p.RetryAfter, 0), maxMilliseconds)) * time.Millisecond,
		Started:    p.Started, Remote: true, Attempts: p.Attempts,
	}
	e.Final = e.Kind.Retryable() && !p.Retryable
	switch {
	case e.Kind == "":
		e.Kind = KindOf(p.Status)
	case !e.Kind.Known():
		e.Kind = genai.Unknown
	}
	switch e.Started {
	case genai.StartedNo, genai.StartedYes:
	default:
		e.Started = genai.StartedUnknown
	}
	if p.Refused {
		e.Err, e.Started = errRefused, genai.StartedNo
	}
	return e
}

// Crossed returns err as it arrives on the other side of a transport.
func Crossed(err error) *genai.Error {
	if own, ok := errors.AsType[*genai.Error](err); ok && own == err && own.Remote && own.Err == nil {
		return own
	}
	return ProblemOf(err).Err()
}

// statuses are those of RFC 9110 and RFC 6585 that come closest; 499 is what proxies log for a client that left.
var statuses = map[genai.Kind]int{
	genai.InvalidRequest:   http.StatusBadRequest,
	genai.Unsupported:      http.StatusUnprocessableEntity,
	genai.ContextLength:    http.StatusRequestEntityTooLarge,
	genai.TooLarge:         http.StatusRequestEntityTooLarge,
	genai.ContentFiltered:  http.StatusUnprocessableEntity,
	genai.Unauthenticated:  http.StatusUnauthorized,
	genai.PermissionDenied: http.StatusForbidden,
	genai.NotFound:         http.StatusNotFound,
	genai.Unimplemented:    http.StatusNotImplemented,
	genai.Precondition:     http.StatusPreconditionFailed,
	genai.Conflict:         http.StatusConflict,
	genai.RateLimited:      http.StatusTooManyRequests,
	genai.QuotaExhausted:   http.StatusTooManyRequests,
	genai.Overloaded:       http.StatusServiceUnavailable,
	genai.Unavailable:      http.StatusServiceUnavailable,
	genai.ServerError:      http.StatusBadGateway,
	genai.Timeout:          http.StatusGatewayTimeout,
	genai.Truncated:        http.StatusBadGateway,
	genai.Malformed:        http.StatusBadGateway,
	genai.Empty:            http.StatusBadGateway,
	genai.Cancelled:        499,
	genai.DeadlineExceeded: http.StatusGatewayTimeout,
	genai.BreakerOpen:      http.StatusServiceUnavailable,
	genai.LimitReached:     http.StatusTooManyRequests,
	genai.BudgetExhausted:  http.StatusTooManyRequests,
	genai.NoTarget:         http.StatusServiceUnavailable,
}

// StatusOf returns the status of HTTP for a kind; 500 where there is none that says more.
func StatusOf(kind genai.Kind) int {
	if status, ok := statuses[kind]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// KindOf returns the kind that a status of HTTP suggests where nobody said more: the answer of a proxy, say.
func KindOf(status int) genai.Kind {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return genai.InvalidRequest
	case http.StatusUnauthorized:
		return genai.Unauthenticated
	case http.StatusForbidden:
		return genai.PermissionDenied
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return genai.Unimplemented
	case http.StatusConflict:
		return genai.Conflict
	case http.StatusPreconditionFailed:
		return genai.Precondition
	case http.StatusRequestEntityTooLarge:
		return genai.TooLarge
	case http.StatusTooManyRequests:
		return genai.RateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return genai.Unavailable
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return genai.Timeout
	}
	return genai.Unknown
}
