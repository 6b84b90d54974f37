package transport

import (
	"context"
	"crypto/rand"
	"log/slog"
	"reflect"
	"runtime/debug"

	"github.com/dovetail-go/dovetail/genai"
)

// contain makes a panic of h the error of the one call, and so the nil that it returned instead of a response.
func contain(spec *Spec, h genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (resp any, err error) {
		defer func() {
			if p := recover(); p != nil {
				resp, err = nil, panicked(spec, "the handler", p)
			}
		}()
		resp, err = h(ctx, req)
		if err != nil {
			return nil, err
		}
		if missing(resp) {
			return nil, &genai.Error{Kind: genai.Internal, Started: genai.StartedYes, Message: "the handler returned neither a response nor an error"}
		}
		return resp, nil
	}
}

// missing reports whether resp is nil, or a pointer that is.
func missing(resp any) bool {
	v := reflect.ValueOf(resp)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// panicked logs a panic with its stack, and returns what the caller is told: an id to look for in that log.
func panicked(spec *Spec, who string, p any) *genai.Error {
	id := rand.Text()[:10]
	slog.Error(who+" panicked", "op", spec.Name, "id", id, "panic", p, "stack", string(debug.Stack()))
	return &genai.Error{Kind: genai.Internal, Started: genai.StartedYes, Message: who + " panicked; the log of the service has it under " + id}
}

// survive makes a panic in a message's own methods the error of one call. It is deferred.
func (s *Spec) survive(err *error, started genai.Started) {
	if p := recover(); p != nil {
		e := panicked(s, "a method of the message", p)
		e.Started = started
		*err = e
	}
}
