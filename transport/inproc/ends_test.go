package inproc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// TestDeadline: the caller's time is up, and the handler does not heed its context.
func TestDeadline(t *testing.T) {
	for _, strict := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			call := reach(&inproc.Network{Strict: strict}, echoing, func(ctx context.Context, req *slip) (*slip, error) {
				if left, ok := ctx.Deadline(); !ok || time.Until(left) != time.Second {
					t.Errorf("the handler has until %v", left)
				}
				time.Sleep(time.Hour)
				return req, nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			_, err := call(ctx, &slip{})
			if !errors.Is(err, context.DeadlineExceeded) || genai.KindOf(err) != genai.DeadlineExceeded {
				t.Errorf("the error is %v", err)
			}
			if took := time.Since(began); took != time.Second {
				t.Errorf("the caller got its error after %v", took)
			}
			time.Sleep(time.Hour)
		})
	}
}

// TestLeave: the caller leaves, and the handler, who heeds its context, learns it at once.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan time.Time, 1)
		call := reach(&inproc.Network{}, echoing, func(ctx context.Context, _ *slip) (*slip, error) {
			<-ctx.Done()
			told <- time.Now()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(genai.Errorf(genai.Timeout, "the first piece took too long")) })
		began := time.Now()
		_, err := call(ctx, &slip{})
		if genai.KindOf(err) != genai.Timeout || time.Since(began) != time.Second {
			t.Errorf("after %v the error is %v, want what the context was cancelled with", time.Since(began), err)
		}
		if at := <-told; at.Sub(began) != time.Second {
			t.Errorf("the handler was told after %v", at.Sub(began))
		}
	})
}

// TestLateStream: a handler that returns a stream to nobody has it closed.
func TestLateStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan time.Time, 1)
		call := reach(&inproc.Network{}, telling, func(context.Context, *slip) (*genai.Stream[slip], error) {
			time.Sleep(time.Hour)
			return genai.NewStream(context.Background(), func() (slip, error) { return slip{}, nil }, func() { closed <- time.Now() })
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := call(ctx, &slip{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		if at := <-closed; at.Sub(began) != time.Hour {
			t.Errorf("the stream was closed after %v", at.Sub(began))
		}
	})
}

// TestContextEnds: the handler's context ends with the response, so that what the handler has started ends too.
func TestContextEnds(t *testing.T) {
	contexts := make(chan context.Context, 1)
	value := func(ctx context.Context, req *slip) (*slip, error) {
		contexts <- ctx
		if ctx.Err() != nil {
			t.Errorf("while the handler runs its context has ended: %v", ctx.Err())
		}
		if req.Text == "fail" {
			return nil, genai.Errorf(genai.Overloaded, "not now")
		}
		return req, nil
	}
	stream := func(ctx context.Context, req *slip) (*genai.Stream[slip], error) {
		contexts <- ctx
		return of(ctx, io.EOF, "a")
	}
	for _, strict := range []bool{false, true} {
		network := &inproc.Network{Strict: strict}
		ask, tell := reach(network, echoing, value), reach(network, telling, stream)
		for _, text := range []string{"", "fail"} {
			_, _ = ask(t.Context(), &slip{text})
			over(t, <-contexts)
		}
		for _, read := range []func(*genai.Stream[slip]){
			func(s *genai.Stream[slip]) { _, _ = s.Next(); _, _ = s.Next() },
			func(s *genai.Stream[slip]) { s.Close() },
		} {
			s, err := tell(t.Context(), &slip{})
			if err != nil {
				t.Fatal(err)
			}
			ctx := <-contexts
			if ctx.Err() != nil {
				t.Errorf("while the stream is read its producer's context has ended: %v", ctx.Err())
			}
			read(s)
			over(t, ctx)
		}
	}
}

func over(t *testing.T, ctx context.Context) {
	t.Helper()
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("when the response is over its context ended with %v", ctx.Err())
	}
}

// TestDerivedContextEnds: what a handler derives from its context ends with the response, too.
func TestDerivedContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		call := reach(&inproc.Network{}, echoing, func(ctx context.Context, req *slip) (*slip, error) {
			inner, cancel := context.WithTimeout(ctx, time.Hour)
			go func() { // ends with the response
				defer cancel()
				<-inner.Done()
				close(ended)
			}()
			return req, nil
		})
		began := time.Now()
		if _, err := call(t.Context(), &slip{}); err != nil {
			t.Fatal(err)
		}
		<-ended
		if time.Since(began) != 0 {
			t.Errorf("it ended after %v", time.Since(began))
		}
	})
}

// logged returns what is logged until the test ends.
func logged(t *testing.T) *bytes.Buffer {
	before, text := slog.Default(), &bytes.Buffer{}
	slog.SetDefault(slog.New(slog.NewTextHandler(text, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return text
}

func TestPanics(t *testing.T) {
	const secret = "what the prompt said"
	for _, mode := range []struct {
		name           string
		strict, shared bool
	}{{"copying", false, false}, {"strict", true, false}, {"shared", false, true}} {
		t.Run(mode.name, func(t *testing.T) {
			network, log := &inproc.Network{Strict: mode.strict}, logged(t)
			call := reach(network, transport.Op[*slip, *slip]{Name: "test.value", Shared: mode.shared}, func(_ context.Context, req *slip) (*slip, error) {
				if req.Text != "" {
					panic(req.Text)
				}
				return req, nil
			})
			_, err := call(t.Context(), &slip{secret})
			if genai.KindOf(err) != genai.Internal || strings.Contains(err.Error(), secret) || genai.AsError(err).Started != genai.StartedYes {
				t.Errorf("the error is %v", err)
			}
			id := err.Error()[strings.LastIndex(err.Error(), " ")+1:]
			if !strings.Contains(log.String(), "id="+id) || !strings.Contains(log.String(), "op=test.value") || !strings.Contains(log.String(), "ends_test.go") {
				t.Errorf("the log has no stack of %s under %s: %s", "test.value", id, log)
			}
			if _, err := call(t.Context(), &slip{}); err != nil {
				t.Errorf("the next call failed: %v", err)
			}
		})
	}
}

// TestGoexit: a handler that ends its goroutine, as a test that fails in a handler does, ends no call without a word.
func TestGoexit(t *testing.T) {
	for _, strict := range []bool{false, true} {
		network := &inproc.Network{Strict: strict}
		gone := func(resp any, err error) {
			t.Helper()
			if genai.KindOf(err) != genai.Internal || !strings.Contains(err.Error(), "ended its goroutine") {
				t.Errorf("strict %v: got %v, %v", strict, resp, err)
			}
		}
		resp, err := reach(network, echoing, func(context.Context, *slip) (*slip, error) {
			runtime.Goexit()
			return nil, nil
		})(t.Context(), &slip{})
		gone(resp, err)
		s, err := reach(network, telling, func(context.Context, *slip) (*genai.Stream[slip], error) {
			runtime.Goexit()
			return nil, nil
		})(t.Context(), &slip{})
		gone(s, err)
	}
}

// TestNoResponse: a handler that returns neither a response nor an error does not bring down the caller.
func TestNoResponse(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for _, shared := range []bool{false, true} {
			network := &inproc.Network{Strict: strict}
			value := transport.Op[*slip, *slip]{Name: "test.value", Shared: shared}
			stream := transport.Op[*slip, *genai.Stream[slip]]{Name: "test.stream", Shared: shared}
			resp, err := reach(network, value, func(context.Context, *slip) (*slip, error) { return nil, nil })(t.Context(), &slip{})
			if genai.KindOf(err) != genai.Internal || resp != nil {
				t.Errorf("strict %v, shared %v: the caller got %v, %v", strict, shared, resp, err)
			}
			s, err := reach(network, stream, func(context.Context, *slip) (*genai.Stream[slip], error) { return nil, nil })(t.Context(), &slip{})
			if genai.KindOf(err) != genai.Internal || s != nil {
				t.Errorf("strict %v, shared %v: the caller got %v, %v", strict, shared, s, err)
			}
		}
	}
}

// TestNilRequest: a nil pointer is no message.
func TestNilRequest(t *testing.T) {
	for _, strict := range []bool{false, true} {
		_, err := reach(&inproc.Network{Strict: strict}, echoing, echo)(t.Context(), nil)
		if genai.KindOf(err) != genai.InvalidRequest || genai.AsError(err).Started != genai.StartedNo {
			t.Errorf("strict %v: the error is %v", strict, err)
		}
	}
}
