package timebox_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/internal/timebox"
)

var causes = &timebox.Causes{End: errors.New("the end"), First: errors.New("the first")}

func box(parent context.Context, end, first time.Duration) *timebox.Context {
	c := &timebox.Context{Context: parent, Causes: causes}
	if end > 0 {
		c.End = clock.Now() + int64(end)
	}
	if first > 0 {
		c.First = clock.Now() + int64(first)
	}
	return c
}

// Each of these is the same whether somebody waits on Done from the beginning, or nobody ever does.
func TestContext(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		end, first time.Duration
		do         func(*timebox.Context, context.CancelFunc) // after a second and a half
		wait       time.Duration                              // after that
		err, cause error
		over       error
	}{
		"no limit":        {wait: time.Hour},
		"the end":         {end: 2 * second, wait: second, err: context.DeadlineExceeded, cause: causes.End, over: causes.End},
		"not yet the end": {end: 3 * second, wait: second},
		"the first":       {first: second, err: context.Canceled, cause: causes.First, over: causes.First},
		"both":            {end: 4 * second, first: 2 * second, wait: second, err: context.Canceled, cause: causes.First, over: causes.First},
		"disarmed":        {end: time.Hour, first: 2 * second, do: func(c *timebox.Context, _ context.CancelFunc) { c.Disarm() }, wait: time.Minute},
		"disarmed, and then the end": {end: time.Minute, first: 2 * second, do: func(c *timebox.Context, _ context.CancelFunc) { c.Disarm() }, wait: time.Minute,
			err: context.DeadlineExceeded, cause: causes.End, over: causes.End},
		"released":     {end: time.Minute, do: func(c *timebox.Context, _ context.CancelFunc) { c.Release(); c.Release() }, wait: time.Hour, err: context.Canceled, cause: context.Canceled},
		"cancelled":    {do: func(c *timebox.Context, _ context.CancelFunc) { c.Cancel(errors.New("why")) }, err: context.Canceled, cause: errors.New("why")},
		"parent's end": {end: time.Minute, do: func(_ *timebox.Context, cancel context.CancelFunc) { cancel() }, err: context.Canceled, cause: context.Canceled},
	} {
		for _, waited := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancel(t.Context())
					defer cancel()
					b := box(parent, c.end, c.first)
					defer b.Release()
					ended := make(chan struct{})
					if waited {
						go func() { // ends with the test
							<-b.Done()
							close(ended)
						}()
						synctest.Wait()
					}
					time.Sleep(1500 * time.Millisecond)
					if c.do != nil {
						c.do(b, cancel)
					}
					time.Sleep(c.wait)
					synctest.Wait()
					if err := b.Err(); err != c.err {
						t.Errorf("it ended with %v, want %v", err, c.err)
					}
					if c.err != nil {
						<-b.Done()
						if cause := context.Cause(b); cause.Error() != c.cause.Error() {
							t.Errorf("the cause is %v, want %v", cause, c.cause)
						}
					}
					if over := b.Over(); over != c.over {
						t.Errorf("the limit that was over is %v, want %v", over, c.over)
					}
					if waited && c.err != nil {
						<-ended
					}
				})
			})
		}
	}
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, ok := box(t.Context(), 0, time.Second).Deadline(); ok {
			t.Error("the limit until Disarm is no deadline")
		}
		if d, ok := box(t.Context(), time.Minute, 0).Deadline(); !ok || time.Until(d) != time.Minute {
			t.Errorf("%v, %v", d, ok)
		}
		parent, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d, ok := box(parent, time.Minute, 0).Deadline(); !ok || time.Until(d) != time.Second {
			t.Errorf("%v, %v", d, ok)
		}
	})
}

// Contexts that are derived end with it and see its values, and Disarm reports what they were told.
func TestDerived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		b := box(context.WithValue(t.Context(), key{}, "value"), 0, time.Second)
		child, cancel := context.WithCancel(b)
		defer cancel()
		if child.Value(key{}) != "value" {
			t.Error("it does not see the values")
		}
		<-child.Done()
		if context.Cause(child) != causes.First || b.Disarm() {
			t.Errorf("it ended for %v", context.Cause(child))
		}
		b.Release()
		if late := box(t.Context(), 0, time.Second); !late.Disarm() {
			t.Error("nobody has been told anything")
		}
	})
}
