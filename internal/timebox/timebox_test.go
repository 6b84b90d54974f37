package timebox

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/internal/clock"
)

var causes = &Causes{End: errors.New("the whole took too long"), First: errors.New("the first took too long")}

// box returns a context with limits, of which 0 is none.
func box(parent context.Context, end, first time.Duration) *Context {
	c := &Context{Context: parent, Causes: causes}
	if end != 0 {
		c.End = clock.Now() + int64(end)
	}
	if first != 0 {
		c.First = clock.Now() + int64(first)
	}
	return c
}

// watchers are the ways in which somebody can learn that a context has ended.
var watchers = map[string]func(c *Context) (wait func() error){
	"asks": func(c *Context) func() error {
		return func() error {
			time.Sleep(time.Millisecond) // not in the same moment in which something happens
			for c.Err() == nil {
				time.Sleep(time.Second)
			}
			return c.Err()
		}
	},
	"waits": func(c *Context) func() error {
		return func() error { <-c.Done(); return c.Err() }
	},
	"derives": func(c *Context) func() error {
		inner, cancel := context.WithCancel(context.WithValue(c, key{}, "a value"))
		return func() error {
			defer cancel()
			<-inner.Done()
			if !errors.Is(inner.Err(), c.Err()) && c.Err() != context.DeadlineExceeded {
				return errors.New("the derived context ended with something else")
			}
			return c.Err()
		}
	},
	"has a function called": func(c *Context) func() error {
		done := make(chan struct{})
		context.AfterFunc(c, func() { close(done) })
		return func() error { <-done; return c.Err() }
	},
}

type key struct{}

// TestLimits: whoever learns of an end, and however, learns the same at the same time.
func TestLimits(t *testing.T) {
	const never = time.Hour
	for _, c := range []struct {
		name       string
		end, first time.Duration
		parent     time.Duration // its deadline
		disarm     time.Duration
		release    time.Duration
		cancel     time.Duration
		after      time.Duration
		err, over  error
	}{
		{"the whole", 5 * time.Second, 0, never, never, never, never, 5 * time.Second, context.DeadlineExceeded, causes.End},
		{"the first", 0, 3 * time.Second, never, never, never, never, 3 * time.Second, context.Canceled, causes.First},
		{"the first before the whole", 5 * time.Second, 3 * time.Second, never, never, never, never, 3 * time.Second, context.Canceled, causes.First},
		{"the whole before the first", 3 * time.Second, 5 * time.Second, never, never, never, never, 3 * time.Second, context.DeadlineExceeded, causes.End},
		{"disarmed", 5 * time.Second, 3 * time.Second, never, 2 * time.Second, never, never, 5 * time.Second, context.DeadlineExceeded, causes.End},
		{"disarmed too late", 5 * time.Second, 3 * time.Second, never, 4 * time.Second, never, never, 3 * time.Second, context.Canceled, causes.First},
		{"the parent before the whole", 5 * time.Second, 0, 3 * time.Second, never, never, never, 3 * time.Second, context.DeadlineExceeded, nil},
		{"the parent before the first", 0, 5 * time.Second, 3 * time.Second, never, never, never, 3 * time.Second, context.DeadlineExceeded, nil},
		{"the parent alone", 0, 0, 3 * time.Second, never, never, never, 3 * time.Second, context.DeadlineExceeded, nil},
		{"released", 5 * time.Second, 3 * time.Second, never, never, 2 * time.Second, never, 2 * time.Second, context.Canceled, nil},
		{"released at the end of its parent", 5 * time.Second, 0, 2 * time.Second, never, 2500 * time.Millisecond, never, 2 * time.Second, context.DeadlineExceeded, nil},
		{"cancelled", 5 * time.Second, 3 * time.Second, never, never, never, 2 * time.Second, 2 * time.Second, context.Canceled, nil},
	} {
		for how, watch := range watchers {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithTimeout(t.Context(), c.parent)
					defer cancel()
					ctx := box(parent, c.end, c.first)
					began := time.Now()
					wait := watch(ctx)
					time.AfterFunc(c.disarm, func() { ctx.Disarm() })
					time.AfterFunc(c.release, ctx.Release)
					time.AfterFunc(c.cancel, func() { ctx.Cancel(errors.New("enough")) })
					if err := wait(); err != c.err {
						t.Errorf("it ended with %v, want %v", err, c.err)
					}
					if took := time.Since(began).Truncate(time.Second); took != c.after {
						t.Errorf("it ended after %v, want %v", took, c.after)
					}
					if over := ctx.Over(); over != c.over {
						t.Errorf("what is over is %v, want %v", over, c.over)
					}
					if c.over != nil && context.Cause(ctx) != c.over {
						t.Errorf("the cause is %v, want %v", context.Cause(ctx), c.over)
					}
					time.Sleep(10 * time.Second)
					if err := ctx.Err(); err != c.err {
						t.Errorf("later it had ended with %v", err)
					}
					ctx.Release()
					if err := ctx.Err(); err != c.err {
						t.Errorf("after its release it had ended with %v", err)
					}
				})
			})
		}
	}
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		soon, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		for name, c := range map[string]struct {
			ctx  *Context
			want time.Duration // 0: none
		}{
			"none":                             {box(t.Context(), 0, 0), 0},
			"the first is none":                {box(t.Context(), 0, time.Second), 0},
			"the whole":                        {box(t.Context(), 5*time.Second, time.Second), 5 * time.Second},
			"the parent's":                     {box(soon, 0, time.Second), 2 * time.Second},
			"the parent's, before the whole":   {box(soon, 5*time.Second, 0), 2 * time.Second},
			"the whole, before the parent's":   {box(soon, time.Second, 0), time.Second},
			"the whole, that of another whole": {box(box(t.Context(), 5*time.Second, 0), 7*time.Second, 0), 5 * time.Second},
		} {
			for _, armed := range []bool{false, true} {
				if armed {
					c.ctx.Done()
				}
				got, ok := c.ctx.Deadline()
				if ok != (c.want != 0) || ok && !got.Equal(now.Add(c.want)) {
					t.Errorf("%s, armed %v: %v, %v, want %v from now", name, armed, got.Sub(now), ok, c.want)
				}
			}
		}
	})
}

// TestLazy: until somebody waits nothing is made, not even by asking and releasing.
func TestLazy(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	allocs := testing.AllocsPerRun(100, func() {
		c := Context{Context: parent, End: clock.Now() + int64(time.Hour), First: clock.Now() + int64(time.Minute), Causes: causes}
		if c.Err() != nil || !c.Disarm() || c.Err() != nil || c.Over() != nil {
			t.Error("it has ended")
		}
		c.Deadline()
		c.Release()
		c.Release()
		if c.real.Load() != nil {
			t.Error("a context of the standard library was made")
		}
	})
	if allocs > 1 { // its parent refers to nothing, so at most c itself
		t.Errorf("%v allocations", allocs)
	}
}

// TestDisarm: the limit is over for those who were told, and for nobody else.
func TestDisarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unseen := box(t.Context(), 0, time.Second)
		seen := box(t.Context(), 0, time.Second)
		seen.Done()
		asked := box(t.Context(), 0, time.Second)
		time.Sleep(2 * time.Second)
		if asked.Err() == nil || asked.Disarm() || asked.Over() != causes.First {
			t.Errorf("who has asked was told that it is over: %v", asked.Over())
		}
		if seen.Disarm() || seen.Over() != causes.First || seen.Err() != context.Canceled {
			t.Errorf("who waits was told that it is over: %v", seen.Over())
		}
		if !unseen.Disarm() || unseen.Over() != nil || unseen.Err() != nil {
			t.Errorf("nobody was told, and it is over: %v", unseen.Over())
		}
		for name, armed := range map[string]bool{"armed": true, "not armed": false} {
			c := box(t.Context(), 0, time.Second)
			if armed {
				c.Done()
			}
			for range 3 {
				if !c.Disarm() {
					t.Errorf("%s: it was over in time", name)
				}
			}
			time.Sleep(2 * time.Second)
			if c.Err() != nil || !c.Disarm() {
				t.Errorf("%s: it is over although it was disarmed: %v", name, c.Err())
			}
			if !armed && c.real.Load() != nil {
				t.Errorf("%s: asking has made a context of the standard library", name)
			}
			c.Done()
			if c.Err() != nil {
				t.Errorf("%s: for who waits it is over although it was disarmed: %v", name, c.Err())
			}
			c.Release()
			if !c.Disarm() {
				t.Errorf("%s: a release is no end of the limit", name)
			}
		}
		released := box(t.Context(), 0, time.Second)
		released.Done()
		released.Release()
		if !released.Disarm() || released.Over() != nil {
			t.Error("what was released in time is over")
		}
		cancelled := box(t.Context(), 0, time.Second)
		cancelled.Cancel(errors.New("enough"))
		if !cancelled.Disarm() || cancelled.Over() != nil {
			t.Error("what was cancelled in time is over")
		}
	})
}

// A parent counts those who wait for it.
type parent struct {
	context.Context
	waiting int
}

func (p *parent) Value(any) any { return nil } // so that package context does not look past it

func (p *parent) AfterFunc(f func()) (stop func() bool) {
	p.waiting++
	undo := context.AfterFunc(p.Context, f)
	return func() bool {
		p.waiting--
		return undo()
	}
}

// TestRelease: nothing is left with the parent or the clock.
func TestRelease(t *testing.T) {
	outer, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := &parent{Context: outer}
	for _, end := range []time.Duration{0, time.Hour} {
		c := box(p, end, time.Hour)
		c.Done()
		if p.waiting != 1 {
			t.Errorf("%d wait for the parent, want 1", p.waiting)
		}
		c.Release()
		if p.waiting != 0 {
			t.Errorf("after the release %d wait for the parent", p.waiting)
		}
		if c.real.Load().first.Stop() {
			t.Error("after the release there is still a timer")
		}
		c.Done()
		late := box(p, end, time.Hour)
		late.Release()
		<-late.Done()
		if late.real.Load().stop != nil || late.real.Load().first != nil {
			t.Error("who waits after the release starts a timer")
		}
	}
}

// TestCancel: the cause is told, and the first one counts.
func TestCancel(t *testing.T) {
	enough := errors.New("enough")
	c := box(t.Context(), time.Hour, time.Hour)
	inner, cancel := context.WithCancel(c)
	defer cancel()
	c.Cancel(enough)
	c.Cancel(errors.New("again"))
	c.Release()
	if c.Err() != context.Canceled || context.Cause(c) != enough || inner.Err() != context.Canceled || context.Cause(inner) != enough || c.Over() != nil {
		t.Errorf("it ended with %v because of %v", c.Err(), context.Cause(c))
	}
	outer, end := context.WithCancelCause(t.Context())
	defer end(nil)
	for _, armed := range []bool{false, true} {
		c := box(outer, time.Hour, 0)
		if armed {
			c.Done()
		}
		end(enough)
		if c.Err() != context.Canceled || context.Cause(c) != enough || c.Over() != nil {
			t.Errorf("armed %v: with its parent it ended with %v because of %v", armed, c.Err(), context.Cause(c))
		}
	}
}

// TestNoGoroutines: those who derive contexts from it cost no goroutine, as with the contexts of the standard library.
func TestNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		c := box(context.WithValue(t.Context(), key{}, "the parent's"), time.Hour, time.Minute)
		inner := context.Context(c)
		for range 10 {
			next, cancel := context.WithCancel(inner)
			defer cancel()
			inner = next
		}
		nested := box(inner, time.Minute, 0)
		<-box(nested, time.Second, 0).Done()
		synctest.Wait() // for the timer
		if got := runtime.NumGoroutine(); got != before {
			t.Errorf("%d goroutines, before there were %d", got, before)
		}
		if inner.Value(key{}) != "the parent's" || c.Value(key{}) != "the parent's" || box(c, 0, 0).Value(key{}) != "the parent's" {
			t.Error("a value of the parent is hidden")
		}
		c.Release()
		if nested.Err() != context.Canceled || inner.Err() != context.Canceled {
			t.Errorf("what was derived from it lives on: %v, %v", nested.Err(), inner.Err())
		}
	})
}

// TestTogether: everything may happen at once.
func TestTogether(t *testing.T) {
	for range 300 {
		c := box(t.Context(), time.Hour, time.Hour)
		var all sync.WaitGroup
		for _, f := range []func(){
			func() { <-c.Done() },
			func() { c.Err(); c.Deadline(); c.Over(); c.Value(key{}) },
			func() {
				if !c.Disarm() {
					t.Error("an hour was over")
				}
			},
			func() { inner, cancel := context.WithCancel(c); <-inner.Done(); cancel() },
			c.Release,
			c.Release,
		} {
			all.Go(f)
		}
		all.Wait()
		if c.Err() != context.Canceled || c.Over() != nil {
			t.Errorf("it ended with %v, %v", c.Err(), c.Over())
		}
	}
}

func BenchmarkUnwatched(b *testing.B) {
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for b.Loop() {
		c := Context{Context: ctx, End: clock.Now() + int64(time.Hour), First: clock.Now() + int64(time.Minute), Causes: causes}
		_ = c.Err()
		c.Disarm()
		c.Release()
	}
}

func BenchmarkWatched(b *testing.B) {
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for b.Loop() {
		c := Context{Context: ctx, End: clock.Now() + int64(time.Hour), First: clock.Now() + int64(time.Minute), Causes: causes}
		c.Done()
		c.Disarm()
		c.Release()
	}
}
