package httptransport

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/internal/rendezvous"
)

// A pool is the servers that a client may call.
type pool struct {
	all   atomic.Pointer[[]*endpoint] // never changed, only replaced
	names *names                      // nil if all addresses say where the servers are
	began time.Time

	mu      sync.Mutex // guards what follows
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// now returns the time on the clock of the pool, which never stands at 0.
func (p *pool) now() time.Duration { return time.Since(p.began) + 1 }

// enter returns the server for a call; nil if all were tried. Whoever has entered leaves.
func (p *pool) enter(key uint64, tried []*endpoint) *endpoint {
	var room [16]*endpoint
	e := p.pick(key, p.among(room[:0], tried))
	if e != nil {
		e.calls.Add(1)
	}
	return e
}

// leave ends what enter began.
func (e *endpoint) leave() { e.calls.Add(-1) }

// among appends those that may be called: all that are in and were not tried, or if there is none, all that were not tried,
// since whoever is out may be better than nobody.
func (p *pool) among(room, tried []*endpoint) []*endpoint {
	all := *p.all.Load()
	if len(all) == 1 && len(tried) == 0 {
		return all
	}
	for _, e := range all {
		in, ask := e.in(p.now)
		if ask {
			p.background(func(ctx context.Context) { p.ask(ctx, e) })
		}
		if in && !slices.Contains(tried, e) {
			room = append(room, e)
		}
	}
	if len(room) > 0 {
		return room
	}
	for _, e := range all {
		if !slices.Contains(tried, e) {
			room = append(room, e)
		}
	}
	return room
}

// pick returns, of two that chance names, the server with fewer calls of this client. That comes close to knowing all of them,
// and does not send everybody to the one that looks best at the moment (Mitzenmacher, The power of two choices, 2001). A key
// goes to the same server each time, as long as that has not much more to do than the others.
func (p *pool) pick(key uint64, among []*endpoint) *endpoint {
	switch len(among) {
	case 0:
		return nil
	case 1:
		return among[0]
	}
	if key != 0 {
		if e := keeper(key, among); e != nil {
			return e
		}
	}
	i, j := rand.IntN(len(among)), rand.IntN(len(among)-1)
	if j >= i {
		j++
	}
	if among[j].calls.Load() < among[i].calls.Load() {
		i = j
	}
	return among[i]
}

// keeper returns the server that a key belongs to; nil if all have become busier since they were counted.
func keeper(key uint64, among []*endpoint) *endpoint {
	calls := int64(1)
	for _, e := range among {
		calls += e.calls.Load()
	}
	room := rendezvous.Room(0, int(calls), 1, float64(len(among)))
	var best *endpoint
	most := math.Inf(-1)
	for _, e := range among {
		if float64(e.calls.Load()) >= room {
			continue
		}
		if score := rendezvous.Score(key, e.hash, 1); score > most {
			best, most = e, score
		}
	}
	return best
}

// ask asks a server whether it is back.
func (p *pool) ask(ctx context.Context, e *endpoint) {
	switch err := e.ask(ctx); {
	case err == nil:
		e.takeIn()
	case ctx.Err() == nil:
		e.stayOut(p.now())
	}
}

// background does what no call shall wait for. It ends in seconds by itself, and at once with rest.
func (p *pool) background(f func(context.Context)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel == nil {
		p.ctx, p.cancel = context.WithCancel(context.Background())
	}
	ctx := p.ctx
	p.running.Go(func() { f(ctx) }) // rest waits for it
}

// rest closes the connections that wait for the next call, and ends what goes on in the background.
func (p *pool) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel()
		p.running.Wait()
		p.cancel = nil
	}
	for _, e := range *p.all.Load() {
		e.closeIdle()
	}
}
