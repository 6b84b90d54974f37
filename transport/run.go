package transport

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// linger is how long the work on a keyed call goes on without anybody who waits for it.
const linger = time.Minute

// A run is the work on a keyed call, with those who wait for it.
type run struct {
	request string // its hash
	reply   *Reply
	cancel  context.CancelCauseFunc // of the handler; set before there is a handler

	mu       sync.Mutex
	messages []Message     // the response, or the pieces so far, from base on
	base     int           // how many were let go
	size     int           // of the messages, in bytes
	over     bool          // nothing more will come
	err      error         // why, if not because it is complete
	readers  int           // who are waiting, or reading
	want     int           // how many messages the fastest of them asks for
	change   chan struct{} // closed, and replaced, when any of it has changed
	timer    *time.Timer   // runs while nobody waits
}

func newRun(request string) *run {
	return &run{request: request, reply: &Reply{}, change: make(chan struct{})}
}

// changed must be called with the lock held.
func (r *run) changed() {
	close(r.change)
	r.change = make(chan struct{})
}

func (r *run) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers++
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// leave is called when a reader has what it wants, or wants no more.
func (r *run) leave(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers--
	if r.readers > 0 || r.over {
		return
	}
	r.changed()
	after := linger
	if genai.KindOf(context.Cause(ctx)) == genai.Unavailable {
		after = 0 // the server ends, and so must its work
	}
	r.timer = time.AfterFunc(after, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.readers == 0 {
			r.cancel(&genai.Error{Kind: genai.Cancelled, Started: genai.StartedYes, Message: "nobody waited for the call any more"})
		}
	})
}

// add takes a message. What is too much to be kept is let go, oldest first.
func (r *run) add(m Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
	r.size += int(m.Len()) + recordCost
	for r.size > maxRecord && len(r.messages) > 1 {
		r.size -= int(r.messages[0].Len()) + recordCost
		r.messages = r.messages[1:]
		r.base++
	}
	r.changed()
}

// finish ends the run; the first call decides how.
func (r *run) finish(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	r.over, r.err = true, err
	if r.timer != nil {
		r.timer.Stop()
	}
	r.changed()
	r.cancel(nil)
}

// wanted waits until somebody asks for one more message, or nobody is left to ask: then the rest is read for those who come
// back. It reports false if the work shall end.
func (r *run) wanted(ctx context.Context) bool {
	for {
		r.mu.Lock()
		ready, change := r.want > r.base+len(r.messages) || r.readers == 0, r.change
		r.mu.Unlock()
		if ctx.Err() != nil || ready {
			return ctx.Err() == nil
		}
		select {
		case <-change:
		case <-ctx.Done():
		}
	}
}

// record returns what is to be kept of a run that is over.
func (r *run) record(err error) *record {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := &record{recordHead: recordHead{Request: r.request, Done: true, Metadata: r.reply.Last()}}
	if err != nil {
		old.Problem = ProblemOf(err)
	}
	if r.base == 0 && r.size <= maxRecord {
		old.messages, old.kept = r.messages, true
	}
	return old
}

// message returns the message at a position, when it is there, or what the run has ended with. It gives up when stopped is
// closed.
func (r *run) message(at int, stopped <-chan struct{}) (Message, error) {
	for {
		r.mu.Lock()
		if r.want <= at {
			r.want = at + 1
			r.changed()
		}
		switch {
		case at < r.base:
			r.mu.Unlock()
			return Message{}, &genai.Error{Kind: genai.Conflict, Started: genai.StartedYes, Message: "the call is beyond this piece, and what came before was too large to be kept"}
		case at < r.base+len(r.messages):
			m := r.messages[at-r.base]
			r.mu.Unlock()
			return m, nil
		case r.over:
			err := r.err
			r.mu.Unlock()
			if err == nil {
				err = io.EOF
			}
			return Message{}, err
		}
		change := r.change
		r.mu.Unlock()
		select {
		case <-change:
		case <-stopped:
			return Message{}, &genai.Error{Kind: genai.Cancelled, Message: "the caller has left"}
		}
	}
}

// read returns the response to one caller, who is among the readers.
func (r *run) read(ctx context.Context, spec *Spec) (any, error) {
	if !spec.Streams {
		defer r.leave(ctx)
		m, err := r.message(0, ctx.Done())
		ReplyOf(ctx).Arrive(r.reply.Last())
		if err == nil {
			return spec.DecodeResponse(m)
		}
		if over := genai.ContextError(ctx); over != nil {
			return nil, over
		}
		if err == io.EOF {
			err = genai.Errorf(genai.Internal, "a response is kept that has no message")
		}
		return nil, err
	}
	stopped := make(chan struct{})
	at := -1
	return spec.Receive(ctx, func() (Message, error) {
		at++
		m, err := r.message(at, stopped)
		switch {
		case err != nil:
			ReplyOf(ctx).Arrive(r.reply.Last())
		case at == 0:
			ReplyOf(ctx).Arrive(r.reply.All())
		}
		return m, err
	}, func() {
		close(stopped)
		r.leave(ctx)
	})
}
