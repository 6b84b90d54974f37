package route

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/copier"
)

// Mirror answers with one handler, and sends copies of the requests to another, whose answers nobody waits for: to try a
// new model on real traffic. Its method value Handle is the handler.
//
// The shadow cannot harm the caller. It has its own deep copy of the request (as a transport would make it), a context of
// its own that ends by Timeout and not with the call, and a bounded number of calls in flight; where there is no room the
// copy is dropped. Its errors and panics go to Report. What the caller pays is the copying, and what it may feel is that
// two are busy instead of one: a shadow needs its own limits upstream.
//
// A Mirror is safe for concurrent use and must not be copied. Its fields are not changed after the first call.
type Mirror[Req, Resp any] struct {
	Main   genai.Handler[Req, Resp] // answers
	Shadow genai.Handler[Req, Resp] // is asked the same; nil means nobody

	Share    float64       // the part of the requests that is copied, from 0 to 1 and chosen by lot; 0 means all of them
	InFlight int           // how many copies may be under way at the same time; 0 means 16
	Timeout  time.Duration // how long one may take, to the end of its stream; 0 means one minute

	// Context returns what a copy takes along from the context of the call, such as a tenant. Of what it returns the values
	// are used, and not its end. nil means nothing: the values of a call often belong to the caller, such as its span.
	Context func(ctx context.Context) context.Context

	// Report is given what the shadow answered, in a goroutine of the copy; what it leaves of a stream is discarded. The
	// request is the copy. Nil means that streams are read to their end, as a caller would, and all else is dropped.
	Report func(ctx context.Context, req Req, resp Resp, err error)

	dropped atomic.Int64
	mu      sync.Mutex // guards what follows
	running int
	closed  bool
	life    context.Context // ends when Shutdown has waited for long enough
	end     context.CancelFunc
	wg      sync.WaitGroup
}

// Handle asks Main, and has the request copied for Shadow.
func (m *Mirror[Req, Resp]) Handle(ctx context.Context, req Req) (Resp, error) {
	if m.Shadow != nil && (m.Share <= 0 || m.Share >= 1 || rand.Float64() < m.Share) {
		m.copy(ctx, req)
	}
	return m.Main(ctx, req)
}

// Dropped returns how many copies were not made because too many were under way, or after Shutdown.
func (m *Mirror[Req, Resp]) Dropped() int64 { return m.dropped.Load() }

// Shutdown ends the copying. It waits for the copies that are under way, cancels them when ctx ends, and returns when none
// is left: nil, or why ctx ended if they had to be cancelled. Requests are then still answered.
func (m *Mirror[Req, Resp]) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	end := m.end
	m.mu.Unlock()
	if end == nil {
		return nil // there never was a copy
	}
	stop := context.AfterFunc(ctx, end)
	m.wg.Wait()
	if !stop() && ctx.Err() != nil {
		return genai.ContextError(ctx)
	}
	end()
	return nil
}

// copy begins a copy of the call, if there is room for it.
func (m *Mirror[Req, Resp]) copy(ctx context.Context, req Req) {
	limit := m.InFlight
	if limit <= 0 {
		limit = 16
	}
	m.mu.Lock()
	if m.closed || m.running >= limit {
		m.mu.Unlock()
		m.dropped.Add(1)
		return
	}
	m.running++
	m.wg.Add(1)
	if m.life == nil {
		m.life, m.end = context.WithCancel(context.Background())
	}
	life := m.life
	m.mu.Unlock()
	own, copied, err := m.take(ctx, req)
	go m.shadow(life, own, copied, err) // Shutdown waits for it; it ends by Timeout at the latest
}

// take makes what the copy needs from the call. It runs the caller's code, such as methods for JSON, in the caller's
// goroutine: a panic there must not reach the caller.
func (m *Mirror[Req, Resp]) take(ctx context.Context, req Req) (own context.Context, copied Req, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked("copying a request", p)
		}
	}()
	own = context.Background()
	if m.Context != nil {
		own = context.WithoutCancel(m.Context(ctx))
	}
	// A retry of the caller must not avoid a target because the shadow was there.
	own = &genai.Trail{Context: own}
	if any(req) == nil {
		return own, req, nil
	}
	c, err := copier.For(reflect.TypeOf(req))
	if err != nil {
		return own, req, genai.Errorf(genai.InvalidRequest, "a request that cannot be copied: %w", err)
	}
	fresh, _, err := c.Copy(req)
	if err != nil {
		return own, req, err
	}
	copied, _ = fresh.(Req)
	return own, copied, nil
}

// shadow asks Shadow and lets go of the answer.
func (m *Mirror[Req, Resp]) shadow(life, ctx context.Context, req Req, err error) {
	defer func() {
		m.mu.Lock()
		m.running--
		m.mu.Unlock()
		m.wg.Done()
	}()
	var resp Resp
	if err == nil {
		timeout := m.Timeout
		if timeout <= 0 {
			timeout = time.Minute
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		resp, err = m.ask(ctx, req)
	} else {
		var none Req // the caller's own request is not for anybody else
		req = none
	}
	defer func() {
		if p := recover(); p != nil {
			_ = panicked("who was told of a shadow", p) // and nobody is left to be told
		}
	}()
	if err == nil {
		defer genai.Discard(resp)
	}
	if m.Report != nil {
		m.Report(ctx, req, resp, err)
		return
	}
	if s, ok := any(resp).(interface{ Pull() (any, error) }); ok && err == nil {
		for err == nil {
			_, err = s.Pull()
		}
	}
}

func (m *Mirror[Req, Resp]) ask(ctx context.Context, req Req) (resp Resp, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked("a shadow", p)
		}
	}()
	return m.Shadow(ctx, req)
}

// panicked logs a panic with its stack, for which there is no place in an error, and returns an error that says so.
func panicked(who string, p any) error {
	slog.Error(who+" panicked", "panic", p, "stack", string(debug.Stack()))
	return genai.Errorf(genai.Internal, "%s panicked; the log has its stack", who)
}
