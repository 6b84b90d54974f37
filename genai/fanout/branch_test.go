package fanout

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// What package context promises holds, whenever the end comes and whoever looks first.
func TestBranchContext(t *testing.T) {
	type key struct{}
	cause := &genai.Error{Kind: genai.Cancelled, Message: "lost"}
	looks := map[string]func(c *branchContext){
		"nobody": func(*branchContext) {},
		"Done":   func(c *branchContext) { c.Done() },
		"Err":    func(c *branchContext) { _ = c.Err() },
		"Value":  func(c *branchContext) { _ = c.Value(key{}) },
		"a child": func(c *branchContext) {
			_, cancel := context.WithCancel(c)
			t.Cleanup(cancel)
		},
	}
	ends := map[string]struct {
		end   func(c *branchContext, parent context.CancelCauseFunc)
		err   error
		cause error
	}{
		"cancelled":         {func(c *branchContext, _ context.CancelCauseFunc) { c.cancel(cause); c.cancel(errPanicked) }, context.Canceled, cause},
		"released":          {func(c *branchContext, _ context.CancelCauseFunc) { c.cancel(errReleased) }, context.Canceled, context.Canceled},
		"with its parent":   {func(_ *branchContext, parent context.CancelCauseFunc) { parent(cause) }, context.Canceled, cause},
		"after its parent":  {func(c *branchContext, parent context.CancelCauseFunc) { parent(cause); c.cancel(errReleased) }, context.Canceled, cause},
		"before its parent": {func(c *branchContext, parent context.CancelCauseFunc) { c.cancel(cause); parent(nil) }, context.Canceled, cause},
		"not at all":        {func(*branchContext, context.CancelCauseFunc) {}, nil, nil},
	}
	for before, look := range looks {
		for name, end := range ends {
			t.Run(before+" "+name, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
				defer cancel(nil)
				c := &branchContext{Context: parent}
				look(c)
				end.end(c, cancel)
				child, stop := context.WithCancel(c)
				defer stop()
				if got := context.Cause(c); got != end.cause {
					t.Errorf("cause %v, want %v", got, end.cause)
				}
				if c.Err() != end.err || child.Err() != end.err || context.Cause(child) != end.cause {
					t.Errorf("%v, and of a child %v because of %v", c.Err(), child.Err(), context.Cause(child))
				}
				select {
				case <-c.Done():
					if end.err == nil {
						t.Error("done too early")
					}
				default:
					if end.err != nil {
						t.Error("not done")
					}
				}
				if c.Value(key{}) != "value" {
					t.Error("the value of the parent is not seen")
				}
			})
		}
	}
}

func TestBranchContextDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := &branchContext{Context: parent}
		if _, ok := c.Deadline(); !ok {
			t.Error("the deadline of the parent is not seen")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		c.cancel(errReleased)
		if c.Err() != context.DeadlineExceeded || context.Cause(c) != context.DeadlineExceeded {
			t.Errorf("%v", c.Err())
		}
	})
}

func TestBranchContextWhileOthersLook(t *testing.T) {
	for range 200 {
		c := &branchContext{Context: t.Context()}
		cause := &genai.Error{Kind: genai.Cancelled, Message: "lost"}
		var wg sync.WaitGroup
		wg.Go(func() { c.cancel(cause) })
		for range 3 {
			wg.Go(func() {
				child, stop := context.WithCancel(c)
				defer stop()
				<-child.Done()
				if context.Cause(c) != error(cause) || c.Err() == nil {
					t.Errorf("%v", context.Cause(c))
				}
			})
		}
		wg.Wait()
	}
}
