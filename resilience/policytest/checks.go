package policytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

func passesValues(ctx context.Context, p genai.Policy) error {
	t := &target{}
	return asks(ctx, p.Wrap(t.value))
}

// asks makes a call that returns a value.
func asks(ctx context.Context, h genai.AnyHandler) error {
	resp, err := h(ctx, question)
	if err != nil {
		return fmt.Errorf("a call that works failed: %w", err)
	}
	if resp != answer {
		return fmt.Errorf("the handler returned %q and the caller got %v", answer, resp)
	}
	return nil
}

func passesFailures(ctx context.Context, p genai.Policy) error {
	wrong := genai.Errorf(genai.InvalidRequest, "wrong")
	t := &target{}
	resp, err := p.Wrap(t.fails(wrong))(ctx, question)
	if err := failed(resp, err, wrong); err != nil {
		return err
	}
	if genai.KindOf(err) != genai.InvalidRequest {
		return fmt.Errorf("the failure %q has become %q", genai.InvalidRequest, genai.KindOf(err))
	}
	return nil
}

func passesLastFailure(ctx context.Context, p genai.Policy) error {
	down := genai.Errorf(genai.ServerError, "down")
	t := &target{}
	resp, err := p.Wrap(t.fails(down))(ctx, question)
	if t.calls.Load() == 0 {
		return fmt.Errorf("the first call did not reach the handler: %w", err)
	}
	return failed(resp, err, down)
}

type contextKey struct{}

func passesContext(ctx context.Context, p genai.Policy) error {
	var got any
	h := p.Wrap(func(ctx context.Context, _ any) (any, error) {
		got = ctx.Value(contextKey{})
		return answer, nil
	})
	if err := asks(context.WithValue(ctx, contextKey{}, "value"), h); err != nil {
		return err
	}
	if got != "value" {
		return errors.New("a value of the caller's context does not reach the handler")
	}
	return nil
}

func passesCancel(ctx context.Context, p genai.Policy) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &target{}
	h := p.Wrap(t.hangs)
	done := make(chan error, 1)
	go func() { // ends with the call, which cancel ends
		resp, err := h(ctx, question)
		done <- failed(resp, err, genai.Cancelled)
	}()
	synctest.Wait()
	began := time.Now()
	cancel()
	err := <-done
	if late := time.Since(began); err == nil && late > 0 {
		return fmt.Errorf("the call ended %v after its caller had left", late)
	}
	return err
}

func passesDeadline(ctx context.Context, p genai.Policy) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	t := &target{}
	began := time.Now()
	resp, err := p.Wrap(t.hangs)(ctx, question)
	if err := failed(resp, err, genai.DeadlineExceeded); err != nil {
		return err
	}
	if took := time.Since(began); took > time.Second {
		return fmt.Errorf("the call ended %v after the deadline of its caller", took-time.Second)
	}
	return nil
}

func passesStreams(ctx context.Context, p genai.Policy) error {
	t := &target{}
	s, err := open(ctx, p.Wrap(t.streams(0, nil)))
	if err != nil {
		return err
	}
	if n, end := read(s); n != pieces || end != io.EOF {
		return fmt.Errorf("of %d pieces %d came, and the end was %w", pieces, n, end)
	}
	return t.left()
}

func keepsSlowStreams(ctx context.Context, p genai.Policy) error {
	t := &target{}
	s, err := open(ctx, p.Wrap(t.streams(time.Millisecond, nil)))
	if err != nil {
		return err
	}
	defer s.Close()
	for n := range pieces {
		if _, err := s.Next(); err != nil {
			return fmt.Errorf("what the policy holds for a stream did not last: piece %d: %w", n+1, err)
		}
		time.Sleep(time.Second)
	}
	if _, err := s.Next(); err != io.EOF {
		return fmt.Errorf("a whole stream ended with %w", err)
	}
	return t.left()
}

func passesBreaks(ctx context.Context, p genai.Policy) error {
	cut := genai.Errorf(genai.Truncated, "cut")
	t := &target{}
	s, err := open(ctx, p.Wrap(t.streams(0, cut)))
	if err != nil {
		return err
	}
	n, end := read(s)
	switch {
	case n != pieces:
		return fmt.Errorf("of %d pieces before the end %d came", pieces, n)
	case end == io.EOF:
		return errors.New("a stream that broke looks whole")
	case !errors.Is(end, cut):
		return fmt.Errorf("a stream that ended with %q ended with %w", cut, end)
	}
	return t.left()
}

func closesStreams(ctx context.Context, p genai.Policy) error {
	t := &target{}
	s, err := open(ctx, p.Wrap(t.streams(0, nil)))
	if err != nil {
		return err
	}
	_, _ = s.Next()
	s.Close()
	s.Close()
	synctest.Wait()
	return t.left()
}

func cancelsStreams(ctx context.Context, p genai.Policy) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &target{}
	s, err := open(ctx, p.Wrap(t.streams(time.Hour, nil)))
	if err != nil {
		return err
	}
	if _, err := s.Next(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { // ends with the stream, which cancel ends
		_, err := s.Next()
		done <- err
	}()
	synctest.Wait()
	cancel()
	if err := <-done; !errors.Is(err, genai.Cancelled) {
		return fmt.Errorf("a stream whose caller has left ended with %w", err)
	}
	synctest.Wait()
	return t.left()
}

func passesPanics(ctx context.Context, p genai.Policy) (err error) {
	h := p.Wrap(func(context.Context, any) (any, error) { panic("the handler's own") })
	defer func() {
		if what := recover(); what == nil {
			err = errors.New("a panic was swallowed")
		}
	}()
	_, _ = h(ctx, question)
	return nil
}

func passesGoexit(ctx context.Context, p genai.Policy) error {
	h := p.Wrap(func(context.Context, any) (any, error) {
		runtime.Goexit()
		return nil, nil
	})
	ended, returned := make(chan struct{}), false
	go func() { // ends with the handler
		defer close(ended)
		_, _ = h(ctx, question)
		returned = true
	}()
	<-ended
	if returned {
		return errors.New("the end of the goroutine was swallowed")
	}
	return nil
}

// rounds is more than anything that is kept for a call by default.
const rounds = 600

func releases(ctx context.Context, p genai.Policy) error {
	t := &target{}
	value, whole := p.Wrap(t.value), p.Wrap(t.streams(0, nil))
	wrong := p.Wrap(t.fails(genai.Errorf(genai.InvalidRequest, "wrong")))
	for range rounds {
		if err := asks(ctx, value); err != nil {
			return err
		}
		if resp, err := wrong(ctx, question); err == nil || errors.Is(err, genai.LimitReached) {
			return fmt.Errorf("a wrong request got %v, %w", resp, err)
		}
		s, err := open(ctx, whole)
		if err != nil {
			return err
		}
		if _, end := read(s); end != io.EOF {
			return end
		}
		if s, err = open(ctx, whole); err != nil {
			return err
		}
		s.Close()
	}
	if err := asks(ctx, value); err != nil {
		return err
	}
	return t.left()
}

func recovers(ctx context.Context, p genai.Policy) error {
	t := &target{}
	for name, h := range map[string]genai.AnyHandler{
		"failures":       t.fails(genai.Errorf(genai.ServerError, "down")),
		"broken streams": t.streams(0, genai.Errorf(genai.Truncated, "cut")),
		"panics":         func(context.Context, any) (any, error) { panic("the handler's own") },
		"lost calls": func(context.Context, any) (any, error) {
			runtime.Goexit()
			return nil, nil
		},
	} {
		h := p.Wrap(h)
		for range rounds {
			ended := make(chan struct{})
			go func() { // ends with the call
				defer close(ended)
				defer func() { _ = recover() }()
				resp, err := h(ctx, question)
				if s, ok := resp.(stream); ok && err == nil {
					_, _ = read(s)
				}
			}()
			<-ended
		}
		time.Sleep(time.Hour)
		for range pieces { // a cautious policy lets them pass one after the other
			if err := asks(ctx, p.Wrap(t.value)); err != nil {
				return fmt.Errorf("an hour after %d %s: %w", rounds, name, err)
			}
		}
	}
	return t.left()
}

func servesMany(ctx context.Context, p genai.Policy) error {
	t := &target{}
	value, streams := p.Wrap(t.value), p.Wrap(t.streams(0, nil))
	var callers sync.WaitGroup
	wrong := make(chan error, 8)
	for range cap(wrong) {
		callers.Go(func() { // waited for below
			for range 50 {
				if err := asks(ctx, value); err != nil {
					wrong <- err
					return
				}
				s, err := open(ctx, streams)
				if err != nil {
					wrong <- err
					return
				}
				if _, end := read(s); end != io.EOF {
					wrong <- end
					return
				}
			}
		})
	}
	callers.Wait()
	close(wrong)
	if err := <-wrong; err != nil {
		return err
	}
	return t.left()
}

func guardsMany(ctx context.Context, p genai.Policy) error {
	t := &target{}
	one := p.Wrap(t.value)
	two := p.Wrap(func(context.Context, any) (any, error) { return 2, nil })
	if err := asks(ctx, one); err != nil {
		return err
	}
	if resp, err := two(ctx, question); err != nil || resp != 2 {
		return fmt.Errorf("the second handler answered %v, %w", resp, err)
	}
	return asks(ctx, one)
}
