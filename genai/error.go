package genai

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// An Error is every failure that Dovetail reports. It carries what a program needs in order to decide what to do
// next, and never a key or the text of a prompt. Only Kind is always set.
//
// It is an ordinary value: do not change one that somebody else may hold.
type Error struct {
	Kind       Kind          // what went wrong
	Op         string        // the operation: "desk.answer", "chat"
	Target     string        // who was asked: the name of a service, an endpoint, a route's target
	Reason     string        // a service's own stable name for the case, such as "no_such_order"; see Is
	Message    string        // for people: what happened, and what to do about it
	Field      string        // the field of the request, or the setting, that is wrong
	Status     int           // the provider's HTTP status; 0 if there was none
	Code       string        // the provider's own error code or type
	RequestID  string        // the provider's name for the request, to quote to its support
	Raw        string        // what the provider answered, word for word but for what it quotes of the request; cut if it is long, and never sent on
	RetryAfter time.Duration // how long the other side asks us to wait; 0 if it did not say
	Started    Started       // whether work may have begun, and so may be billed
	Final      bool          // somebody further in has repeated the request as often as it may be: nobody further out should
	Remote     bool          // the error was made on the other side of a transport, which brought it here
	Attempts   []Attempt     // what was tried, if more than once
	Err        error         // the cause, if there is one; errors.Is and errors.As look into it
}

// Started says whether the work of a failed call may have begun. What may have started must not be repeated silently.
type Started string

// The states of Started. The zero value means that nobody knows.
const (
	StartedUnknown Started = ""
	StartedNo      Started = "no"
	StartedYes     Started = "yes"
)

// An Attempt is one try at a request.
type Attempt struct {
	Target     string        `json:"target,omitzero"`      // who was asked
	By         string        `json:"by,omitzero"`          // who decided to try: "retry", "hedge", "fallback"
	Kind       Kind          `json:"kind,omitzero"`        // how it failed; empty if it succeeded
	Delay      time.Duration `json:"delay,omitzero"`       // how long was waited before it
	RetryAfter time.Duration `json:"retry_after,omitzero"` // what the target asked for when it failed
	Elapsed    time.Duration `json:"elapsed,omitzero"`     // how long it took
	Tokens     int           `json:"tokens,omitzero"`      // of the prompt, as estimated, if the target may have read it: they may be billed
}

// Errorf makes an Error from a Kind and a message. A %w among the verbs becomes its cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	e := &Error{Kind: kind, Message: wrapped.Error()}
	switch wrapped.(type) {
	case interface{ Unwrap() error }, interface{ Unwrap() []error }:
		e.Err = wrapped
	}
	return e
}

// Error describes the failure in one line: operation, target, kind, message, and what support will ask for.
func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Op, e.Target} {
		if part != "" {
			b.WriteString(part)
			b.WriteString(": ")
		}
	}
	b.WriteString(string(e.Kind))
	if e.Field != "" {
		fmt.Fprintf(&b, " (%s)", e.Field)
	}
	switch {
	case e.Message != "":
		b.WriteString(": ")
		b.WriteString(e.Message)
	case e.Err != nil:
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	var details []string
	if e.Status != 0 {
		details = append(details, fmt.Sprintf("status %d", e.Status))
	}
	if e.Code != "" {
		details = append(details, "code "+e.Code)
	}
	if e.RequestID != "" {
		details = append(details, "request "+e.RequestID)
	}
	if e.RetryAfter > 0 {
		details = append(details, "retry after "+e.RetryAfter.String())
	}
	if len(e.Attempts) > 1 {
		details = append(details, fmt.Sprintf("%d attempts", len(e.Attempts)))
	}
	if details != nil {
		fmt.Fprintf(&b, " [%s]", strings.Join(details, ", "))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target names this failure: its Kind, the error of package context that its Kind stands for, or
// an *Error with the same Kind and the same, non-empty Reason. The last makes package-level sentinels work, on either
// side of a wire:
//
//	var ErrNoSuchOrder = &genai.Error{Kind: genai.NotFound, Reason: "no_such_order"}
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case Kind:
		return e.Kind == t
	case *Error:
		return t.Reason != "" && e.Reason == t.Reason && e.Kind == t.Kind
	}
	return e.Kind.Is(target)
}

// ErrorType returns the Kind: the value of error.type in OpenTelemetry, which looks for a method of this name.
func (e *Error) ErrorType() string { return string(e.Kind) }

// KindOf returns the Kind of err: that of the first [*Error] or Kind in its chain, Cancelled or DeadlineExceeded for
// the errors of package context, Unknown for anything else, and the empty Kind for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	}
	return Unknown
}

// AsError returns the first [*Error] in the chain of err, or a new one of its [KindOf] with err as cause. It returns
// nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: KindOf(err), Message: err.Error(), Err: err}
}

// ContextError returns nil while ctx lives, and otherwise why it ended: the [*Error] that it was cancelled with, if
// context.Cause has one, or else Cancelled or DeadlineExceeded with the cause inside. Ask it before classifying the
// error of anything that was given ctx: what such a thing reports after the end is a consequence, not the cause.
func ContextError(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*Error](cause); ok {
		return e
	}
	kind := Cancelled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = DeadlineExceeded
	}
	return &Error{Kind: kind, Message: cause.Error(), Err: cause}
}

// errClosed is what a stream that its consumer closed ends with. It is one value, so that closing costs nothing.
var errClosed = &Error{Kind: Cancelled, Message: "the stream was closed by its consumer"}
