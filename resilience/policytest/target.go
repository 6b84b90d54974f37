package policytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A target counts the streams it opens, all of which must come to their end.
type target struct {
	calls, opened, ended atomic.Int64
}

const (
	question = "the question"
	answer   = "the answer"
	pieces   = 5
)

type stream = *genai.Stream[int]

// value answers.
func (t *target) value(ctx context.Context, req any) (any, error) {
	t.calls.Add(1)
	if req != question {
		return nil, fmt.Errorf("the handler was asked %v", req)
	}
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	return answer, nil
}

// streams answers with the numbers from 1 to pieces, with a pause before each but the first, and ends with end.
func (t *target) streams(pause time.Duration, end error) genai.AnyHandler {
	return func(ctx context.Context, _ any) (any, error) {
		t.calls.Add(1)
		t.opened.Add(1)
		n := 0
		s, err := genai.NewStream(ctx, func() (int, error) {
			switch {
			case n > 0 && !wait(ctx, pause):
				return 0, genai.ContextError(ctx)
			case n == pieces && end != nil:
				return 0, end
			case n == pieces:
				return 0, io.EOF
			}
			n++
			return n, nil
		}, func() { t.ended.Add(1) })
		if err != nil {
			t.ended.Add(1)
			return nil, err
		}
		return s, nil
	}
}

// fails answers with err.
func (t *target) fails(err error) genai.AnyHandler {
	return func(context.Context, any) (any, error) {
		t.calls.Add(1)
		return nil, err
	}
}

// hangs answers when its context ends.
func (t *target) hangs(ctx context.Context, _ any) (any, error) {
	t.calls.Add(1)
	<-ctx.Done()
	return nil, genai.ContextError(ctx)
}

// left returns an error if a stream that was opened has not ended.
func (t *target) left() error {
	if opened, ended := t.opened.Load(), t.ended.Load(); opened != ended {
		return fmt.Errorf("%d streams were opened and %d ended", opened, ended)
	}
	return nil
}

// wait reports whether d went by before the end of ctx.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// open makes a call that returns a stream.
func open(ctx context.Context, h genai.AnyHandler) (stream, error) {
	resp, err := h(ctx, question)
	if err != nil {
		return nil, fmt.Errorf("a call that works failed: %w", err)
	}
	s, ok := resp.(stream)
	if !ok {
		return nil, fmt.Errorf("the handler returned a stream and the caller got %T", resp)
	}
	return s, nil
}

// read reads a stream to its end, which it returns: io.EOF if it is whole.
func read(s stream) (n int, end error) {
	for {
		piece, err := s.Next()
		if err != nil {
			return n, err
		}
		if n++; piece != n {
			return n, fmt.Errorf("piece %d is %d", n, piece)
		}
	}
}

// failed checks the answer of a call that must have failed as want says.
func failed(resp any, err, want error) error {
	switch {
	case err == nil && resp == nil:
		return errors.New("neither a response nor an error")
	case err == nil:
		return fmt.Errorf("a call that failed with %q returned %v", want, resp)
	case resp != nil:
		return fmt.Errorf("a response with an error: %v", resp)
	case !errors.Is(err, want):
		return fmt.Errorf("the error is %q, and no longer %q", err, want)
	}
	return nil
}
