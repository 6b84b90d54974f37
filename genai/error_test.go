package genai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  *genai.Error
		want string
	}{
		{&genai.Error{Kind: genai.Internal}, "internal"},
		{&genai.Error{Kind: genai.Unavailable, Err: io.ErrUnexpectedEOF}, "unavailable: unexpected EOF"},
		{&genai.Error{Kind: genai.Unavailable, Message: "lost", Err: io.EOF}, "unavailable: lost"},
		{&genai.Error{Kind: genai.InvalidRequest, Op: "chat", Target: "a", Field: "top_p", Message: "too big", Attempts: make([]genai.Attempt, 1)},
			"chat: a: invalid_request (top_p): too big"},
		{&genai.Error{Kind: genai.RateLimited, Status: 429, Code: "tokens", RequestID: "r1", RetryAfter: time.Second, Attempts: make([]genai.Attempt, 2)},
			"rate_limited [status 429, code tokens, request r1, retry after 1s, 2 attempts]"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestErrorIs(t *testing.T) {
	noOrder := &genai.Error{Kind: genai.NotFound, Reason: "no_such_order"}
	err := error(fmt.Errorf("desk: %w", &genai.Error{Kind: genai.NotFound, Reason: "no_such_order", Message: "order 7", Err: io.EOF}))
	for target, want := range map[error]bool{
		genai.NotFound:                     true,
		genai.Internal:                     false,
		noOrder:                            true,
		io.EOF:                             true,
		&genai.Error{Kind: genai.NotFound}: false, // no reason: that is what a Kind is for
		&genai.Error{Kind: genai.Internal, Reason: "no_such_order"}:  false,
		&genai.Error{Kind: genai.NotFound, Reason: "no_such_parcel"}: false,
	} {
		if errors.Is(err, target) != want {
			t.Errorf("errors.Is(err, %v) is %v", target, !want)
		}
	}
	if errors.Is(&genai.Error{Kind: genai.NotFound}, &genai.Error{Kind: genai.NotFound}) {
		t.Error("two errors without a reason are the same to errors.Is")
	}
	for kind, target := range map[genai.Kind]error{genai.Cancelled: context.Canceled, genai.DeadlineExceeded: context.DeadlineExceeded} {
		if !errors.Is(&genai.Error{Kind: kind}, target) {
			t.Errorf("%s is not %v", kind, target)
		}
	}
	if (&genai.Error{Kind: genai.Timeout}).ErrorType() != "timeout" {
		t.Error("ErrorType is not the kind")
	}
}

func TestErrorf(t *testing.T) {
	plain := genai.Errorf(genai.Internal, "%d of %d", 1, 2)
	if plain.Message != "1 of 2" || plain.Err != nil {
		t.Errorf("%#v", plain)
	}
	if one := genai.Errorf(genai.Internal, "read: %w", io.EOF); !errors.Is(one, io.EOF) || one.Error() != "internal: read: EOF" {
		t.Errorf("%v", one)
	}
	if two := genai.Errorf(genai.Internal, "%w and %w", io.EOF, io.ErrClosedPipe); !errors.Is(two, io.EOF) || !errors.Is(two, io.ErrClosedPipe) {
		t.Errorf("%v", two)
	}
}

func TestContextError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := genai.Errorf(genai.Timeout, "no first token")
		timeout, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		caused, cause := context.WithCancelCause(t.Context())
		cause(fmt.Errorf("policy: %w", why))
		other, shut := context.WithCancelCause(t.Context())
		shut(io.ErrClosedPipe)
		late, stopLate := context.WithTimeoutCause(t.Context(), time.Second, io.EOF)
		defer stopLate()
		if err := genai.ContextError(timeout); err != nil {
			t.Errorf("a living context: %v", err)
		}
		time.Sleep(2 * time.Second)
		for _, c := range []struct {
			ctx  context.Context
			kind genai.Kind
			is   error
		}{
			{timeout, genai.DeadlineExceeded, context.DeadlineExceeded},
			{cancelled, genai.Cancelled, context.Canceled},
			{caused, genai.Timeout, why},
			{other, genai.Cancelled, io.ErrClosedPipe},
			{late, genai.DeadlineExceeded, io.EOF},
		} {
			if err := genai.ContextError(c.ctx); genai.KindOf(err) != c.kind || !errors.Is(err, c.is) {
				t.Errorf("%v, want %s", err, c.kind)
			}
		}
	})
}
