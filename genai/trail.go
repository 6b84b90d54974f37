package genai

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// WithTrail returns a context that remembers whom routers asked on behalf of one request, so that each further attempt
// goes to somebody else while there is somebody. Those who repeat or hedge requests call it once, before the first
// attempt, and make every attempt under it. It costs one allocation. A trail does not cross a transport.
func WithTrail(ctx context.Context) context.Context { return &Trail{Context: ctx} }

// A Trail is the memory that [WithTrail] puts into a context. A nil Trail is empty and stays so. It is safe for
// concurrent use.
type Trail struct {
	context.Context
	used atomic.Bool // set once somebody was asked, so that first attempts need no lock
	mu   sync.Mutex
	one  any // the first that was asked; most requests never need more
	more []any
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
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used.Store(true)
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
