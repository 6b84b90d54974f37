package transporttest

import (
	"context"
	"strconv"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func keyed() []promise {
	return []promise{{"R3", "a keyed call is made once, however often it is repeated", []variant{
		{"while it runs", keyedJoins},
		{"when it is over", keyedReplays},
		{"a stream", keyedStream},
		{"that may be made again is made anew", keyedAnew},
		{"the connection breaks", keyedAfterCut},
		{"under another key, or none", keyedApart},
		{"with another request", keyedMisused},
		{"calls of the handler are others", keyStays},
	}}}
}

var (
	keyedAsk  = transport.Op[*note, *note]{Name: "suite.keyedask", Idempotency: transport.Keyed}
	keyedTell = transport.Op[*note, *genai.Stream[note]]{Name: "suite.keyedtell", Idempotency: transport.Keyed}
)

// counted answers with what it is asked, when it may.
func counted(calls *atomic.Int64, release <-chan struct{}) genai.Handler[*note, *note] {
	return func(ctx context.Context, n *note) (*note, error) {
		calls.Add(1)
		if release != nil {
			select {
			case <-release:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return n, nil
	}
}

func withKey(e *env, key string) context.Context {
	return transport.WithMetadata(e.Context(), transport.Key, key)
}

func keyedJoins(e *env) {
	var calls atomic.Int64
	release := make(chan struct{})
	call := place(e, keyedAsk, counted(&calls, release))
	var results []<-chan outcome[*note]
	for range 10 {
		results = append(results, async(func() (*note, error) { return call(withKey(e, "a"), &note{"x"}) }))
	}
	close(release)
	for _, r := range results {
		o := await(e, r, "the calls end")
		if n := must[*note](e)(o.value, o.err); n.Text != "x" {
			e.Errorf("got %+v", n)
		}
	}
	if n := calls.Load(); n != 1 {
		e.Errorf("the work was done %d times", n)
	}
}

func keyedReplays(e *env) {
	var calls atomic.Int64
	call := place(e, keyedAsk, counted(&calls, nil))
	for range 3 {
		if n := must[*note](e)(call(withKey(e, "a"), &note{"x"})); n.Text != "x" {
			e.Errorf("got %+v", n)
		}
	}
	if n := calls.Load(); n != 1 {
		e.Errorf("the work was done %d times", n)
	}
}

func keyedStream(e *env) {
	var calls atomic.Int64
	call := place(e, keyedTell, func(ctx context.Context, n *note) (notes, error) {
		calls.Add(1)
		return once(ctx, note{"1"}, note{"2"}, note{"3"})
	})
	for range 3 {
		e.read(must[notes](e)(call(withKey(e, "a"), &note{})), 3)
	}
	if n := calls.Load(); n != 1 {
		e.Errorf("the work was done %d times", n)
	}
}

// keyedAnew: who is told to try again may do so at once, and is not given what came of the first call.
func keyedAnew(e *env) {
	var calls atomic.Int64
	fails := func() error {
		if calls.Add(1)%2 == 1 {
			return genai.Errorf(genai.Overloaded, "not now")
		}
		return nil
	}
	link := e.link(func(s transport.Server) {
		keyedAsk.Serve(s, func(_ context.Context, n *note) (*note, error) { return n, fails() })
		keyedTell.Serve(s, func(ctx context.Context, n *note) (notes, error) {
			if err := fails(); err != nil {
				return nil, err
			}
			return once(ctx, *n)
		})
	})
	ask, tell := keyedAsk.Dial(link.Client), keyedTell.Dial(link.Client)
	for i := range 20 {
		ctx := withKey(e, strconv.Itoa(i))
		_, err := ask(ctx, &note{})
		e.failed(err, genai.Overloaded)
		must[*note](e)(ask(ctx, &note{}))
		_, err = tell(ctx, &note{})
		e.failed(err, genai.Overloaded)
		e.read(must[notes](e)(tell(ctx, &note{})), 1)
	}
	if n := calls.Load(); n != 80 {
		e.Errorf("the work was done %d times, want 80", n)
	}
}

// keyedAfterCut: whoever has lost the connection repeats the call, and joins the work that goes on.
func keyedAfterCut(e *env) {
	var calls atomic.Int64
	release, working := make(chan struct{}), make(chan struct{}, 8)
	link := e.link(func(s transport.Server) {
		keyedAsk.Serve(s, func(ctx context.Context, n *note) (*note, error) {
			working <- struct{}{}
			return counted(&calls, release)(ctx, n)
		})
	})
	if link.Cut == nil {
		e.Skip("this transport has no connection that could break")
	}
	call := keyedAsk.Dial(link.Client)
	first := async(func() (*note, error) { return call(withKey(e, "a"), &note{"x"}) })
	await(e, working, "the handler works")
	link.Cut()
	if err := await(e, first, "the call ends").err; genai.KindOf(err) != genai.Unavailable {
		e.Errorf("got %v", err)
	}
	again := async(func() (*note, error) { return call(withKey(e, "a"), &note{"x"}) })
	close(release)
	o := await(e, again, "the call ends")
	if n := must[*note](e)(o.value, o.err); n.Text != "x" {
		e.Errorf("got %+v", n)
	}
	if n := calls.Load(); n != 1 {
		e.Errorf("the work was done %d times", n)
	}
}

func keyedApart(e *env) {
	var calls atomic.Int64
	call := place(e, keyedAsk, counted(&calls, nil))
	for _, ctx := range []context.Context{withKey(e, "a"), withKey(e, "b"), e.Context(), e.Context()} {
		must[*note](e)(call(ctx, &note{}))
	}
	if n := calls.Load(); n != 4 {
		e.Errorf("the work was done %d times", n)
	}
}

func keyedMisused(e *env) {
	var calls atomic.Int64
	call := place(e, keyedAsk, counted(&calls, nil))
	must[*note](e)(call(withKey(e, "a"), &note{"x"}))
	_, err := call(withKey(e, "a"), &note{"y"})
	e.refused(err, genai.InvalidRequest, "metadata."+transport.Key)
	if n := calls.Load(); n != 1 {
		e.Errorf("the work was done %d times", n)
	}
}

func keyStays(e *env) {
	var inner genai.Handler[*note, *note]
	link := e.link(func(s transport.Server) {
		keyedAsk.Serve(s, func(ctx context.Context, _ *note) (*note, error) { return inner(ctx, &note{}) })
		ask.Serve(s, func(ctx context.Context, _ *note) (*note, error) {
			return &note{transport.Metadata(ctx, transport.Key)}, nil
		})
	})
	inner = ask.Dial(link.Client)
	if n := must[*note](e)(keyedAsk.Dial(link.Client)(withKey(e, "a"), &note{})); n.Text != "" {
		e.Errorf("the key %q went on", n.Text)
	}
	if n := must[*note](e)(inner(withKey(e, "b"), &note{})); n.Text != "b" {
		e.Errorf("the key arrived as %q", n.Text)
	}
}
