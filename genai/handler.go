package genai

import "context"

// A Handler answers one request. It is safe for concurrent use.
//
// The response is meaningful only if the error is nil, and a Handler never returns a nil response with a nil error.
// Requests are never changed by those who receive them: copy before changing. A Handler returns soon after ctx ends.
type Handler[Req, Resp any] func(ctx context.Context, req Req) (Resp, error)

// AnyHandler is a Handler whose types are hidden, as policies and transports see it.
type AnyHandler = Handler[any, any]

// A Policy guards handlers of any type. It names none, so one value may guard many handlers, and then shares its
// state between them. A Policy is safe for concurrent use, and its zero value is ready.
//
// The handler that Wrap returns may call next any number of times, each time with a context derived from its own. It
// returns a nil response with every error, releases with [Finally] (never with defer) what must last as long as the
// response, and calls [Discard] on each response that it does not return. Package resilience/policytest checks this.
type Policy interface {
	Wrap(next AnyHandler) AnyHandler
}

// With puts policies around h; the first one is the outermost. A nil Policy is skipped. Build the result once and
// call it often: With does the work of composing, a call through it allocates nothing of its own when Req and Resp are
// pointers.
func With[Req, Resp any](h Handler[Req, Resp], policies ...Policy) Handler[Req, Resp] {
	chain := Erase(h)
	guarded := false
	for i := len(policies) - 1; i >= 0; i-- {
		if policies[i] != nil {
			chain = policies[i].Wrap(chain)
			guarded = true
		}
	}
	if !guarded {
		return h
	}
	return Restore[Req, Resp](chain)
}

// Erase hides the types of h. The result answers a request of another type than Req with an [Internal] error.
func Erase[Req, Resp any](h Handler[Req, Resp]) AnyHandler {
	return func(ctx context.Context, req any) (any, error) {
		typed, ok := req.(Req)
		if !ok && req != nil {
			return nil, Errorf(Internal, "a handler of %T was called with a request of type %T", typed, req)
		}
		resp, err := h(ctx, typed)
		if err != nil {
			return nil, err
		}
		return resp, nil
	}
}

// Restore gives an erased handler its types back. A response of another type than Resp is discarded and becomes an
// [Internal] error.
func Restore[Req, Resp any](h AnyHandler) Handler[Req, Resp] {
	return func(ctx context.Context, req Req) (Resp, error) {
		resp, err := h(ctx, req)
		if err != nil {
			var zero Resp
			return zero, err
		}
		typed, ok := resp.(Resp)
		if !ok {
			Discard(resp)
			return typed, Errorf(Internal, "a handler that answers with %T was given a response of type %T", typed, resp)
		}
		return typed, nil
	}
}
