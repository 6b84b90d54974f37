package genai

import "context"

// A Priority says what a request is worth when there is not enough for everybody. The names are those of Google's book on
// site reliability engineering (chapter "Handling Overload").
type Priority string

// The priorities, the highest first. Requests are Critical unless somebody says otherwise.
const (
	CriticalPlus  Priority = "critical_plus"  // a failure is noticed at once, and hurts
	Critical      Priority = ""               // somebody waits
	SheddablePlus Priority = "sheddable_plus" // may be done later, such as a batch
	Sheddable     Priority = "sheddable"      // may be left undone
)

// Rank returns 0 for the highest priority and 3 for the lowest. One that is not known counts as Critical.
func (p Priority) Rank() int {
	switch p {
	case CriticalPlus:
		return 0
	case SheddablePlus:
		return 2
	case Sheddable:
		return 3
	}
	return 1
}

type priorityKey struct{}

// WithPriority returns a context whose requests have the priority, over every transport.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// PriorityOf returns the priority of the requests made under ctx.
func PriorityOf(ctx context.Context) Priority {
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}
