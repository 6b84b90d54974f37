package genai

import "context"

type attemptKey struct{}

// WithAttempt returns a context that says which attempt at the caller's request is being made; the first is 1. Those
// who repeat requests set it, and transports carry it, so that services further in know that somebody outside already
// retries, and leave it to them.
func WithAttempt(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, attemptKey{}, n)
}

// AttemptOf returns the number of the attempt that ctx belongs to; 1 if nobody said otherwise.
func AttemptOf(ctx context.Context) int {
	if n, ok := ctx.Value(attemptKey{}).(int); ok {
		return n
	}
	return 1
}
