package genai

import (
	"context"
	"time"
)

// An Event is something that happened on the way of a call and that its answer does not show: an attempt that is
// repeated, a breaker that opened. It says so to whoever listens on the call's context, such as a span.
type Event struct {
	Name    string        // what happened: "retry", "breaker", "fallback", "call"
	Op      string        // the operation, where a transport made the call
	Target  string        // to whom, if the target has a name
	From    string        // the state before, where there is one
	To      string        // the state after, where there is one
	Kind    Kind          // the failure that led to it, if one did
	Attempt int           // the attempt that begins or failed; the first is 1
	Delay   time.Duration // the wait before what comes next
	Elapsed time.Duration // how long what has ended took
}

type listenerKey struct{}

type listener struct {
	notify func(Event)
	outer  *listener
}

// Listen returns a context under which every [Emit] calls notify, after those who listened before. notify is called by
// the goroutine in which the event happens, must be safe for concurrent use, and must not block. It does not cross a
// transport: what happens in another process is told there.
func Listen(ctx context.Context, notify func(Event)) context.Context {
	outer, _ := ctx.Value(listenerKey{}).(*listener)
	return context.WithValue(ctx, listenerKey{}, &listener{notify, outer})
}

// Emit tells those who [Listen] on ctx. It costs a look at the context if nobody does.
func Emit(ctx context.Context, e Event) {
	if l, ok := ctx.Value(listenerKey{}).(*listener); ok {
		l.tell(e)
	}
}

func (l *listener) tell(e Event) {
	if l.outer != nil {
		l.outer.tell(e)
	}
	l.notify(e)
}
