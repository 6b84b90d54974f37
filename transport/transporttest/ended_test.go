package transporttest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// An end is what a server that can end does wrong; the zero value is nothing.
type end struct {
	cuts    bool // it ends what runs
	takes   bool // it goes on taking calls
	hangs   bool // those who come later wait
	gone    bool // it does not come back
	alone   bool // a client of two servers calls one
	repeats bool // a client of two servers calls the other whatever has become of the call
	lets    bool // strangers are let in
	reads   bool // what strangers send is read before they are turned away
}

// A life is a server that can end and begin again.
type life struct {
	end
	mu           sync.Mutex
	ending, over bool
	running      sync.WaitGroup
	all          context.Context
	cancel       context.CancelFunc
}

// ending returns a link whose server can end, come back, stand beside another, and be called by strangers.
func (n *flawed) ending(e end) Link {
	l := &life{end: e}
	l.begin()
	n.ways = append(n.ways, l.pass)
	link := Link{Client: n, Trusts: true, Stop: l.stop, Again: l.begin}
	link.Join = func(other Link) transport.Client {
		if e.alone {
			return n
		}
		return &two{clients: [2]transport.Client{n, other.Client}, repeats: e.repeats}
	}
	link.Strangers = map[string]transport.Client{"no name": stranger{n, e}}
	return link
}

// whole is ending, and the link can be cut besides.
func (n *flawed) whole(e end) Link {
	cable := n.cuttable(false, errCut)
	link := n.ending(e)
	link.Cut = cable.Cut
	return link
}

func (l *life) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over && l.gone {
		return
	}
	l.ending, l.over = false, false
	l.all, l.cancel = context.WithCancel(context.Background())
}

func (l *life) pass(ctx context.Context, _ *transport.Spec, req any, next func(context.Context, any) (any, error)) (any, error) {
	l.mu.Lock()
	switch {
	case l.over && l.hangs:
		l.mu.Unlock()
		<-ctx.Done()
		return nil, ctx.Err()
	case l.over:
		l.mu.Unlock()
		return nil, &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}
	case l.ending:
		l.mu.Unlock()
		return next(ctx, req)
	}
	l.running.Add(1)
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.all, cancel)
	l.mu.Unlock()
	resp, err := next(inner, req)
	genai.Finally(resp, err, func(error) {
		stop()
		cancel()
		l.running.Done()
	})
	return resp, err
}

func (l *life) stop() {
	l.mu.Lock()
	l.ending, l.over = true, !l.takes && !l.cuts
	cancel := l.cancel
	l.mu.Unlock()
	if l.cuts {
		cancel()
	}
	l.running.Wait()
	cancel()
	l.mu.Lock()
	l.over = !l.takes
	l.mu.Unlock()
}

// two is a client of two servers, which it calls in turn.
type two struct {
	clients [2]transport.Client
	repeats bool
	n       atomic.Int64
}

func (t *two) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	first := t.n.Add(1) % 2
	resp, err := t.clients[first].Call(ctx, spec, req)
	if err != nil && ctx.Err() == nil && (t.repeats || spec.Unseen(err)) {
		return t.clients[1-first].Call(ctx, spec, req)
	}
	return resp, err
}

// A stranger is turned away, at the right time or not, or is not.
type stranger struct {
	n *flawed
	end
}

func (s stranger) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	if s.lets {
		return s.n.Call(ctx, spec, req)
	}
	if s.reads {
		m, err := spec.EncodeRequest(req)
		if err != nil {
			return nil, err
		}
		if _, err = s.n.specs[0].DecodeRequest(m); err != nil {
			return nil, err
		}
	}
	return nil, &genai.Error{Kind: genai.Unauthenticated, Started: genai.StartedNo}
}
