package transporttest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// places are the promises about servers that end, come back, or stand beside others.
func places() []promise {
	return []promise{
		{"D2", "a call that one server has not seen goes on to another", []variant{
			{"when a server has ended", goesOn},
			{"while a server ends", goesOnWhileEnding},
			{"what was begun stays where it is", staysWhereItBegan},
		}},
		{"D3", "to end twice is to end once, and who calls then is told at once", []variant{
			{"one after the other", func(e *env) { e.endsTwice(false) }},
			{"at the same time", func(e *env) { e.endsTwice(true) }},
		}},
		{"D4", "a server that comes back is called again by those who called it before", []variant{
			{"value", comesBack},
			{"stream", comesBackForStreams},
		}},
	}
}

// A pair is two servers that serve the same, and a client that may call both.
type pair struct {
	call    genai.Handler[*note, *note]
	links   [2]Link
	made    [2]atomic.Int64  // what each has begun to work on
	reached [2]chan struct{} // closed with the first
}

func (e *env) pair(h genai.Handler[*note, *note]) *pair {
	e.Helper()
	p := &pair{reached: [2]chan struct{}{make(chan struct{}), make(chan struct{})}}
	for i := range p.links {
		p.links[i] = e.link(func(s transport.Server) {
			ask.Serve(s, func(ctx context.Context, n *note) (*note, error) {
				if p.made[i].Add(1) == 1 {
					close(p.reached[i])
				}
				return h(ctx, n)
			})
		})
	}
	if p.links[0].Join == nil {
		e.Skip("a client of this transport calls one server")
	}
	p.call = ask.Dial(p.links[0].Join(p.links[1]))
	return p
}

func (p *pair) sum() int64 { return p.made[0].Load() + p.made[1].Load() }

func answer(_ context.Context, n *note) (*note, error) { return n, nil }

func goesOn(e *env) {
	p := e.pair(answer)
	const each = 20
	for range each {
		must[*note](e)(p.call(e.Context(), &note{}))
	}
	await(e, e.draining(p.links[0]), "the server ends")
	before := p.made[0].Load()
	for range each {
		must[*note](e)(p.call(e.Context(), &note{}))
	}
	if p.made[0].Load() != before || p.sum() != 2*each {
		e.Errorf("%d calls were made %d times, %d of them by a server that had ended", 2*each, p.sum(), p.made[0].Load()-before)
	}
	await(e, e.draining(p.links[1]), "the other server ends")
	_, err := p.call(e.Context(), &note{})
	e.refused(err, genai.Unavailable, "")
}

// goesOnWhileEnding: many call all the time while one of two servers ends, and nobody notices.
func goesOnWhileEnding(e *env) {
	p := e.pair(answer)
	var calls atomic.Int64
	over := make(chan struct{})
	var all []<-chan outcome[struct{}]
	for range 4 {
		all = append(all, async(func() (struct{}, error) {
			for {
				if _, err := p.call(e.Context(), &note{}); err != nil {
					return struct{}{}, err
				}
				calls.Add(1)
				select {
				case <-over:
					return struct{}{}, nil
				default:
				}
			}
		}))
	}
	for _, reached := range p.reached {
		await(e, reached, "both servers are called")
	}
	await(e, e.draining(p.links[0]), "the server ends")
	close(over)
	for _, c := range all {
		if err := await(e, c, "the calls return").err; err != nil {
			e.Errorf("a call failed that another server could have taken: %v", err)
		}
	}
	if p.sum() != calls.Load() {
		e.Errorf("%d calls were made %d times", calls.Load(), p.sum())
	}
}

// staysWhereItBegan: nobody can know how far a call had come whose connection broke, so no other server is asked.
func staysWhereItBegan(e *env) {
	working, over := make(chan struct{}, 10), make(chan error, 10)
	p := e.pair(func(ctx context.Context, _ *note) (*note, error) {
		working <- struct{}{}
		<-ctx.Done()
		over <- ctx.Err()
		return nil, ctx.Err()
	})
	if p.links[0].Cut == nil || p.links[1].Cut == nil {
		e.Skip("there is nothing to be cut")
	}
	result := async(func() (*note, error) { return p.call(e.Context(), &note{}) })
	await(e, working, "the handler works")
	p.links[0].Cut()
	p.links[1].Cut()
	e.lost(await(e, result, "the call returns").err)
	e.ended(over)
	if p.sum() != 1 {
		e.Errorf("the call was made %d times", p.sum())
	}
}

func (e *env) endsTwice(together bool) {
	link := e.link(func(s transport.Server) {
		ask.Serve(s, answer)
		tell.Serve(s, func(ctx context.Context, n *note) (notes, error) { return once(ctx, *n) })
	})
	must[*note](e)(ask.Dial(link.Client)(e.Context(), &note{}))
	first := e.draining(link)
	if !together {
		await(e, first, "the server ends")
	}
	await(e, e.draining(link), "the server ends again")
	await(e, first, "the server ends")
	for range 3 {
		value := await(e, async(func() (*note, error) { return ask.Dial(link.Client)(e.Context(), &note{}) }), "the call fails")
		e.refused(value.err, genai.Unavailable, "")
		stream := await(e, async(func() (notes, error) { return tell.Dial(link.Client)(e.Context(), &note{}) }), "the call fails")
		e.refused(stream.err, genai.Unavailable, "")
	}
}

// restarted ends a server and starts it again.
func (e *env) restarted(link Link, between func()) {
	e.Helper()
	if link.Again == nil {
		e.Skip("the server ends with the program")
	}
	await(e, e.draining(link), "the server ends")
	between()
	link.Again()
}

func comesBack(e *env) {
	var made atomic.Int64
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(_ context.Context, n *note) (*note, error) { made.Add(1); return n, nil })
	})
	call := ask.Dial(link.Client)
	must[*note](e)(call(e.Context(), &note{}))
	e.restarted(link, func() {
		_, err := call(e.Context(), &note{})
		e.refused(err, genai.Unavailable, "")
	})
	must[*note](e)(call(e.Context(), &note{}))
	if n := made.Load(); n != 2 {
		e.Errorf("two calls were made %d times", n)
	}
}

// comesBackForStreams: many call at once when the server has come back, and before that nobody has noticed that it was away.
func comesBackForStreams(e *env) {
	link := e.link(func(s transport.Server) {
		tell.Serve(s, func(ctx context.Context, n *note) (notes, error) { return once(ctx, *n, *n) })
	})
	call := tell.Dial(link.Client)
	e.read(must[notes](e)(call(e.Context(), &note{})), 2)
	e.restarted(link, func() {})
	var all sync.WaitGroup
	defer all.Wait()
	for range 8 {
		all.Go(func() { // waited for above
			s, err := call(e.Context(), &note{})
			if err != nil {
				e.Errorf("the call failed: %v", err)
				return
			}
			e.readAll(s, 2)
		})
	}
}

// readAll is read for goroutines that are not that of the test.
func (e *env) readAll(s notes, want int) {
	n := 0
	for _, err := range s.All() {
		if err != nil {
			e.Errorf("the stream ended after %d pieces with %v", n, err)
			return
		}
		n++
	}
	if n != want {
		e.Errorf("the stream had %d pieces, want %d", n, want)
	}
}
