package exchange

import (
	"context"
	"io"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// drainTime is how long the end of a complete stream waits for the end of its body. With it the connection can be used
// again, which is worth a moment but no more: some servers never end it.
const drainTime = 20 * time.Millisecond

// A Reply is an answer that is being read.
type Reply struct {
	// Read reads on and pushes what it finds. It returns io.EOF after a complete answer, and any other error if there is
	// none.
	Read func() error

	x      *Exchange
	ctx    context.Context // of the exchange; it ends when the reply is dropped
	parent context.Context // of the call
	cancel context.CancelFunc
	over   error // what follows after the queue

	queue []genai.ChatEvent
	read  int // how much of the queue was handed out
	rest  [64]byte
}

// Stream opens a stream of the answer that start asks for. What start returns has its headers, and nothing was read.
func Stream(ctx context.Context, start func(context.Context) (*Reply, error)) (*genai.Stream[genai.ChatEvent], error) {
	inner, cancel := context.WithCancel(ctx)
	r, err := start(inner)
	if err != nil {
		cancel()
		return nil, err
	}
	r.cancel, r.parent = cancel, ctx
	return genai.NewStream(ctx, r.next, r.stop)
}

// Whole returns the answer that start asks for.
func Whole(ctx context.Context, start func(context.Context) (*Reply, error)) (*genai.ChatResponse, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := start(inner)
	if err != nil {
		return nil, err
	}
	r.cancel, r.parent = cancel, ctx
	defer r.x.Resp.Body.Close()
	resp, err := genai.FoldChat(func(yield func(genai.ChatEvent, error) bool) {
		for {
			e, err := r.next()
			if err == io.EOF || !yield(e, err) || err != nil {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Reply returns a reply to an exchange that got a response under ctx. Its Read must be set.
func (x *Exchange) Reply(ctx context.Context) *Reply { return &Reply{x: x, ctx: ctx} }

// Push adds an event. One that says nothing is left out.
func (r *Reply) Push(e genai.ChatEvent) {
	if e != (genai.ChatEvent{}) {
		r.queue = append(r.queue, e)
	}
}

// next returns the next event, io.EOF after a complete answer, and any other error if there is none.
func (r *Reply) next() (e genai.ChatEvent, err error) {
	for {
		if r.read < len(r.queue) {
			e = r.queue[r.read]
			r.queue[r.read] = genai.ChatEvent{}
			if r.read++; r.read == len(r.queue) {
				r.queue, r.read = r.queue[:0], 0
			}
			return e, nil
		}
		if r.over != nil {
			return e, r.over
		}
		r.over = r.Read()
	}
}

// stop ends the exchange, wherever it is.
func (r *Reply) stop() {
	r.cancel()
	_ = r.x.Resp.Body.Close() // there is nothing that its error could say
}

// Drain waits a moment for the end of the body, behind an answer that is complete.
func (r *Reply) Drain() {
	timer := time.AfterFunc(drainTime, r.cancel)
	defer timer.Stop()
	for range 8 {
		if _, err := r.x.Resp.Body.Read(r.rest[:]); err != nil {
			return
		}
	}
}
