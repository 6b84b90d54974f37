package transporttest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// A recorder is a test that may fail without the test around it failing.
type recorder struct {
	testing.TB // for what is not below
	ctx        context.Context
	leave      context.CancelFunc

	mu       sync.Mutex
	errors   []string
	skipped  bool
	cleanups []func()
}

// record runs f as a test of its own.
func record(t *testing.T, f func(t testing.TB)) *recorder {
	r := &recorder{TB: t}
	r.ctx, r.leave = context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // waited for below; FailNow ends it
		defer close(done)
		defer r.cleanUp()
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("it panicked: %v", p)
			}
		}()
		f(r)
	}()
	<-done
	return r
}

func (r *recorder) cleanUp() {
	r.leave()
	for {
		r.mu.Lock()
		n := len(r.cleanups)
		if n == 0 {
			r.mu.Unlock()
			return
		}
		last := r.cleanups[n-1]
		r.cleanups = r.cleanups[:n-1]
		r.mu.Unlock()
		last()
	}
}

func (r *recorder) fail(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, text)
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.errors) > 0
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) SkipNow() {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Context() context.Context          { return r.ctx }
func (r *recorder) Helper()                           {}
func (r *recorder) Fail()                             { r.fail("") }
func (r *recorder) FailNow()                          { r.Fail(); runtime.Goexit() }
func (r *recorder) Error(args ...any)                 { r.fail(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }
func (r *recorder) Fatal(args ...any)                 { r.Error(args...); runtime.Goexit() }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); runtime.Goexit() }
func (r *recorder) Skip(...any)                       { r.SkipNow() }
func (r *recorder) Skipf(string, ...any)              { r.SkipNow() }

// inReader are the variants that fail where a stream is pulled in the goroutine of its reader, as package inproc does.
var inReader = []string{"the producer does not heed its context", "the producer ends its goroutine"}

// broken runs the promises with the given ids against a transport, and returns what went wrong: by promise and variant.
func broken(t *testing.T, ids []string, start Start, patience time.Duration) map[string][]string {
	wrong := map[string][]string{}
	for _, p := range promises() {
		if !slices.Contains(ids, p.id) {
			continue
		}
		for _, v := range p.variants {
			if slices.Contains(inReader, v.name) {
				continue
			}
			r := record(t, func(t testing.TB) { v.prove(t, start, patience) })
			if len(r.errors) > 0 {
				wrong[p.id+"/"+v.name] = r.errors
			}
		}
	}
	return wrong
}
