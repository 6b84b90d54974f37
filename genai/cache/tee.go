package cache

import (
	"context"
	"io"
	"reflect"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/copier"
)

// A tee gives the pieces of one stream to many readers, each of which begins at the first piece.
type tee struct {
	source source
	proto  refiller // a nil stream of the same type
	copier *copier.Copier
	limit  int64         // how much is held, in bytes
	full   func()        // called once, when something had to be let go of
	demand chan struct{} // has an element if a reader waits for a piece that is not there

	mu     sync.Mutex
	pieces []any // pointers to shallow copies, which do not change; the first has the number first
	first  int
	held   int64
	news   chan struct{} // closed when there is a piece more, or the end
	end    error         // io.EOF, or what cut the stream; nil while it arrives
	panic  *callPanic
}

// A source is what every stream is to those who do not know its type.
type source interface{ Pull() (any, error) }

// newTee makes a tee of a stream, to be pumped. It returns nil if the pieces cannot be copied.
func newTee(stream refiller, limit int64, full func()) *tee {
	t := &tee{
		source: stream.(source),
		proto:  reflect.Zero(reflect.TypeOf(stream)).Interface().(refiller),
		limit:  limit,
		full:   full,
		demand: make(chan struct{}, 1),
		news:   make(chan struct{}),
	}
	// The type of the pieces is known to the stream alone, which shows it to whoever fills it.
	_, _ = t.proto.Fill(context.Background(), func(piece any) error {
		t.copier, _ = copier.For(reflect.TypeOf(piece).Elem())
		return io.EOF
	}, nil)
	if t.copier == nil {
		return nil
	}
	return t
}

// errSlow is for those who are too far behind.
var errSlow = &genai.Error{Kind: genai.LimitReached, Started: genai.StartedYes,
	Message: "this reader of a shared stream fell too far behind the others"}

// pump reads the stream for as long as there are readers who wait for it: ctx ends when there are none. It returns when
// the stream is over.
func (t *tee) pump(ctx context.Context) {
	defer func() {
		if value := recover(); value != nil {
			t.finish(&genai.Error{Kind: genai.Internal, Message: "the producer of a stream panicked"}, newPanic(value))
		} else if t.end == nil {
			t.finish(&genai.Error{Kind: genai.Internal, Message: "the producer of a stream ended its goroutine"}, nil)
		}
		genai.Discard(t.source)
	}()
	for {
		select {
		case <-t.demand:
		case <-ctx.Done():
			t.finish(genai.ContextError(ctx), nil)
			return
		}
		piece, err := t.source.Pull()
		if err != nil {
			t.finish(err, nil)
			return
		}
		own := reflect.New(reflect.TypeOf(piece).Elem())
		own.Elem().Set(reflect.ValueOf(piece).Elem())
		t.add(own.Interface())
	}
}

// add makes a piece known, and lets go of the oldest if too much is held.
func (t *tee) add(piece any) {
	size := sizeOf(piece) + overhead/4
	t.mu.Lock()
	t.pieces = append(t.pieces, piece)
	t.held += size
	dropped := false
	for t.held > t.limit && len(t.pieces) > 1 {
		t.held -= sizeOf(t.pieces[0]) + overhead/4
		t.pieces[0] = nil
		t.pieces = t.pieces[1:]
		dropped = dropped || t.first == 0
		t.first++
	}
	close(t.news)
	t.news = make(chan struct{})
	t.mu.Unlock()
	if dropped {
		t.full()
	}
}

// finish makes the end known.
func (t *tee) finish(err error, p *callPanic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end, t.panic = err, p
	close(t.news)
}

// open returns a stream of all pieces. left is called once, when it is over.
func (t *tee) open(ctx context.Context, left func()) (any, error) {
	r := &reader{tee: t, gone: make(chan struct{})}
	return t.proto.Fill(ctx, r.next, func() {
		close(r.gone)
		left()
	})
}

// A reader is one of those who read.
type reader struct {
	tee  *tee
	at   int           // the number of the next piece
	gone chan struct{} // closed when its stream is over
}

// next fills in the next piece, when it is there.
func (r *reader) next(piece any) error {
	t := r.tee
	for {
		t.mu.Lock()
		switch {
		case r.at < t.first:
			t.mu.Unlock()
			return errSlow
		case r.at < t.first+len(t.pieces):
			from := t.pieces[r.at-t.first]
			t.mu.Unlock()
			r.at++
			if _, err := t.copier.CopyInto(piece, from); err != nil {
				// A value that could not travel, such as half a character: it is shared rather than refused.
				reflect.ValueOf(piece).Elem().Set(reflect.ValueOf(from).Elem())
			}
			return nil
		case t.end != nil:
			end, p := t.end, t.panic
			t.mu.Unlock()
			if p != nil {
				panic(p)
			}
			return end
		}
		news := t.news
		t.mu.Unlock()
		select {
		case t.demand <- struct{}{}:
		default: // somebody else waits too
		}
		select {
		case <-news:
		case <-r.gone:
			return io.ErrClosedPipe // the stream has its own end, and nobody sees this one
		}
	}
}
