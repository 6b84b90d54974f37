package genai

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A Trail is a context that remembers whom routers asked on behalf of one request, so that each further attempt goes to
// somebody else while there is somebody. Those who repeat or hedge requests make one around the caller's context, before the
// first attempt, and make every attempt under it. Over a transport goes its limit, and nothing else. A nil Trail is empty and
// stays so. It is safe for concurrent use.
type Trail struct {
	context.Context

	// Remote is set by transports for a trail that holds the limit which a caller in another process has for the call, see
	// [Trail.Limit]. It remembers nobody, for what a service asks on behalf of one call may be many requests: those who
	// repeat them make trails of their own inside it, and take from both.
	Remote bool

	used   atomic.Bool // set once somebody was asked, so that first attempts need no lock
	others atomic.Bool
	mu     sync.Mutex
	one    any // the first that was asked; most requests never need more
	more   []any
	last   any
	left   atomic.Int64 // how many further attempts there may be, plus one; 0: nobody has set a limit
}

type trailKey struct{}

// Value makes the trail known to the contexts below it.
func (t *Trail) Value(key any) any {
	if key == (trailKey{}) {
		return t
	}
	return t.Context.Value(key)
}

// TrailOf returns the innermost trail of ctx, or nil if there is none.
func TrailOf(ctx context.Context) *Trail {
	t, _ := ctx.Value(trailKey{}).(*Trail)
	return t
}

// Add notes that target is being asked. Routers name a target by something comparable that is theirs alone, such as a
// pointer.
func (t *Trail) Add(target any) {
	if t == nil || t.Remote {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used.Store(true)
	t.last = target
	if t.one == nil {
		t.one = target
		return
	}
	t.more = append(t.more, target)
}

// Has reports whether target was asked.
func (t *Trail) Has(target any) bool {
	if t == nil || !t.used.Load() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.one == target || slices.Contains(t.more, target)
}

// SetOthers is for routers, which report that there was somebody else to ask, and for those who repeat requests, who
// take that back before each attempt.
func (t *Trail) SetOthers(others bool) {
	if t != nil && !t.Remote && t.others.Load() != others {
		t.others.Store(others)
	}
}

// Others reports whether a router had somebody else to ask during the last attempt, so that a failure which only another
// target can mend is worth another attempt.
func (t *Trail) Others() bool { return t != nil && t.others.Load() }

// Target returns the name of the target that was asked last, if it has one, which is a method Name() string.
func (t *Trail) Target() string {
	if t == nil || !t.used.Load() {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if named, ok := t.last.(interface{ Name() string }); ok {
		return named.Name()
	}
	return ""
}

// Limit sets how many further attempts there may be on behalf of the request, whoever makes them. Only the first call
// counts: the outermost policy owns the request.
func (t *Trail) Limit(further int) {
	if t != nil && t.left.Load() == 0 {
		t.left.CompareAndSwap(0, int64(max(further, 0))+1)
	}
}

// Take takes one of the further attempts that there may be, and reports whether there was one. Where nobody has set a
// limit, there always is.
func (t *Trail) Take() bool {
	if t == nil {
		return true
	}
	for {
		left := t.left.Load()
		switch {
		case left == 0:
			return t.lender().Take()
		case left == 1:
			return false
		case t.left.CompareAndSwap(left, left-1):
			return t.lender().Take()
		}
	}
}

// Left returns how many further attempts there may be; limited is false if nobody has set a limit.
func (t *Trail) Left() (further int, limited bool) {
	if t == nil {
		return 0, false
	}
	further, limited = t.lender().Left()
	if left := t.left.Load(); left > 0 && (!limited || int(left-1) < further) {
		return int(left - 1), true
	}
	return further, limited
}

// lender returns the trail of the call on whose behalf the request is made, if it came from another process.
func (t *Trail) lender() *Trail {
	if t.Remote || t.Context == nil {
		return nil
	}
	if outer := TrailOf(t.Context); outer != nil && outer.Remote {
		return outer
	}
	return nil
}
