package transport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A ledger makes a handler work once on each key.
type ledger struct {
	spec *Spec
	next genai.AnyHandler
	own  memory // unless the spec has another

	mu   sync.Mutex
	runs map[string]*run // by id; of this process
}

func (l *ledger) store() Store {
	if l.spec.Results != nil {
		return l.spec.Results
	}
	return &l.own
}

// handle is the handler.
func (l *ledger) handle(ctx context.Context, req any) (any, error) {
	key := Metadata(ctx, Key)
	if key == "" {
		return l.next(ctx, req)
	}
	m, err := l.spec.EncodeRequest(req)
	if err != nil {
		return nil, err
	}
	id, hash := l.id(key, Metadata(ctx, Caller)), hashOf(m)
	r, first := l.join(id, hash)
	if r.request != hash {
		r.leave(ctx)
		return nil, l.otherRequest()
	}
	if first {
		// The run outlives its first caller; what has the deadline and the cancellation of nobody is its own.
		inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		r.cancel = cancel
		go l.drive(context.WithValue(r.reply.note(inner), ownReplyKey{}, r.reply), r, id, req) // ends with the handler, or soon after all callers have left
	}
	return r.read(ctx, l.spec)
}

// id returns under what the store has a call. Callers have nothing to do with each other's keys.
func (l *ledger) id(key, caller string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", caller, key))
	return "dovetail/" + l.spec.Name + "/" + hex.EncodeToString(sum[:16])
}

// join returns the run of a key, with the caller among its readers, and whether it is a new one.
func (l *ledger) join(id, hash string) (r *run, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, ok := l.runs[id]; ok {
		r.enter()
		return r, false
	}
	r = newRun(hash)
	r.enter()
	if l.runs == nil {
		l.runs = map[string]*run{}
	}
	l.runs[id] = r
	return r, true
}

func (l *ledger) otherRequest() error {
	return &genai.Error{Kind: genai.InvalidRequest, Field: "metadata." + Key, Started: genai.StartedNo, Message: "the key was used for another request"}
}

// drive makes a run: it finds out whether it was made before, and if not, makes it and keeps what comes of it.
func (l *ledger) drive(ctx context.Context, r *run, id string, req any) {
	claimed, settled := false, false
	defer func() {
		if p := recover(); p != nil {
			r.finish(panicked(l.spec, "the store", p)) // the store's; handlers do not
		}
		if claimed && !settled { // nobody knows what was done, so it stays marked
			slog.Error("a keyed call has ended without a result", "op", l.spec.Name)
		}
		l.remove(id, r)
		r.finish(genai.Errorf(genai.Internal, "the handler ended its goroutine instead of returning")) // if nothing else came of it
	}()
	mark, err := (&record{recordHead: recordHead{Request: r.request}}).encode()
	if err != nil {
		r.finish(err)
		return
	}
	found, err := l.store().Claim(ctx, id, mark, l.spec.Keep)
	switch {
	case err != nil:
		l.remove(id, r)
		r.finish(unclaimed(err))
		return
	case found != nil:
		l.remove(id, r)
		l.replay(r, found)
		return
	}
	claimed = true
	err = l.work(ctx, r, req)
	var encoded []byte
	if forgotten(err) {
		defer func() { // who is told so may come again at once, and must find no mark, and nothing to join
			l.remove(id, r)
			r.finish(err)
		}()
	} else {
		r.finish(err)
		var failed error
		if encoded, failed = r.record(err).encode(); failed != nil {
			slog.Error("what came of a keyed call cannot be kept", "op", l.spec.Name, "error", failed)
			return
		}
	}
	if err := l.store().Settle(context.WithoutCancel(ctx), id, encoded, l.spec.Keep); err != nil {
		slog.Error("what came of a keyed call was not kept", "op", l.spec.Name, "error", err)
	}
	settled = true
}

// unclaimed is the error of a call for which the store had no answer.
func unclaimed(err error) error {
	e := &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo, Message: "the store of results cannot be asked: " + err.Error(), Err: err}
	if own, ok := errors.AsType[*genai.Error](err); ok {
		e.Kind, e.RetryAfter = own.Kind, own.RetryAfter
	}
	return e
}

// forgotten reports whether the next call may try again. A call that was given up is none that anybody has asked for to the end.
func forgotten(err error) bool {
	kind := genai.KindOf(err)
	return err != nil && (kind.Retryable() || kind == genai.Cancelled || genai.AsError(err).Started == genai.StartedNo)
}

// work calls the handler and lets the readers have what it returns, while it does.
func (l *ledger) work(ctx context.Context, r *run, req any) error {
	resp, err := l.next(ctx, req)
	if err == nil && !l.spec.Streams {
		var m Message
		if m, err = l.spec.EncodeResponse(resp); err == nil {
			r.add(m)
		}
	}
	if err == nil && l.spec.Streams {
		defer genai.Discard(resp)
		for r.wanted(ctx) {
			m, failed := l.spec.NextPiece(resp)
			if err = failed; err != nil {
				break
			}
			r.add(m)
		}
		if err == nil {
			err = genai.ContextError(ctx)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return err
}

// remove lets nobody join a run any more.
func (l *ledger) remove(id string, r *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs[id] == r {
		delete(l.runs, id)
	}
}

// replay lets the readers have what the store has found.
func (l *ledger) replay(r *run, found []byte) {
	old, err := decodeRecord(found)
	conflict := func(format string, args ...any) error {
		return &genai.Error{Kind: genai.Conflict, Started: genai.StartedYes, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case err != nil:
	case old.Request != r.request:
		err = l.otherRequest()
	case !old.Done:
		err = conflict("another process works on the call, or has left it behind")
		err.(*genai.Error).RetryAfter = time.Second
	case old.Problem != nil && !old.kept:
		err = old.Problem.Err()
	case !old.kept:
		err = conflict("the call was answered, but its result was too large to be kept")
	default:
		r.reply.Arrive(old.Metadata)
		for _, m := range old.messages {
			r.add(m)
		}
		if old.Problem != nil {
			err = old.Problem.Err()
		}
	}
	r.finish(err)
}
