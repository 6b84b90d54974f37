package transporttest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func flaws() []flaw {
	type (
		caller  = func(context.Context, any) (any, error)
		handler = genai.AnyHandler
		spec    = *transport.Spec
	)
	var one sync.Mutex
	leaked := make(chan struct{})
	var sockets []net.Listener
	return []flaw{
		{name: "it is none", breaks: []string{"V1", "C4", "E1", "E4"}, link: func(n *flawed) Link { return Link{Client: direct{n}} }},
		{name: "it shares values", breaks: []string{"V1", "V2"}, link: func(n *flawed) Link {
			n.Strict = false
			return Link{Client: sharer{n}}
		}},
		{name: "empty is missing", breaks: []string{"V3"}, call: recoded(func(head []byte) []byte {
			return bytes.ReplaceAll(bytes.ReplaceAll(head, []byte("[]"), []byte("null")), []byte("{}"), []byte("null"))
		})},
		{name: "numbers are floats", breaks: []string{"V4", "V5"}, call: recoded(func(head []byte) []byte {
			var v map[string]any
			_ = json.Unmarshal(head, &v)
			text, _ := json.Marshal(v)
			return text
		})},
		{name: "the deadline is forgotten", breaks: []string{"C1"}, handle: func(ctx context.Context, _ spec, req any, next handler) (any, error) {
			inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
			context.AfterFunc(ctx, cancel)
			return next(inner, req)
		}},
		{name: "everybody has a deadline", breaks: []string{"C2"}, handle: func(ctx context.Context, _ spec, req any, next handler) (any, error) {
			inner, cancel := context.WithTimeout(ctx, time.Hour)
			context.AfterFunc(ctx, cancel)
			return next(inner, req)
		}},
		{name: "values of the context leak", breaks: []string{"C4"}, link: func(n *flawed) Link {
			return Link{Client: simple{n, func(ctx context.Context) context.Context { return ctx }, func(err error) error { return transport.Crossed(err) }}}
		}},
		{name: "who calls is forgotten", breaks: []string{"A1"}, handle: func(ctx context.Context, _ spec, req any, next handler) (any, error) {
			return next(bare{ctx}, req)
		}, link: func(n *flawed) Link {
			n.Name = "suite"
			return Link{Client: n, Caller: "suite"}
		}},
		{name: "it believes what callers say", breaks: []string{"A1"}, link: func(n *flawed) Link { return Link{Client: n} }},
		{name: "everybody is let in", breaks: []string{"A2"}, link: func(n *flawed) Link { return Link{Client: lax{n}} }},
		{name: "metadata is dropped", breaks: []string{"C5", "R3"}, handle: func(ctx context.Context, _ spec, req any, next handler) (any, error) {
			return next(bare{ctx}, req)
		}},
		{name: "replies are dropped", breaks: []string{"C5"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			ctx, _ = transport.WithReply(ctx)
			return next(ctx, req)
		}},
		{name: "the reply comes with the first piece only", breaks: []string{"C5", "S9"}, call: func(ctx context.Context, s spec, req any, next caller) (any, error) {
			outer := transport.EnvelopeOf(ctx).Reply
			ctx, inner := transport.WithReply(ctx)
			resp, err := next(ctx, req)
			for name, value := range inner.All() {
				if outer != nil {
					_ = outer.Set(name, value)
				}
			}
			return resp, err
		}},
		{name: "the handler does not learn that the caller left", breaks: []string{"C7", "C9", "C8"}, handle: func(ctx context.Context, _ spec, req any, next handler) (any, error) {
			return next(context.WithoutCancel(ctx), req)
		}},
		{name: "the caller waits for the handler", breaks: []string{"C7"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
			resp, err := next(inner, req)
			genai.Finally(resp, err, func(error) { cancel() })
			return resp, err
		}},
		{name: "a stream for nobody stays open", breaks: []string{"C10"}, handle: func(ctx context.Context, s spec, req any, next handler) (any, error) {
			resp, err := next(ctx, req)
			if err == nil && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return resp, err
		}},
		{name: "errors lose what they say", breaks: []string{"E1", "E3"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			resp, err := next(ctx, req)
			if own := genai.AsError(err); own != nil {
				return nil, &genai.Error{Kind: own.Kind, Message: own.Message, Remote: own.Remote}
			}
			return resp, nil
		}},
		{name: "errors are all alike", breaks: []string{"E1", "E2", "E6", "S14"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			resp, err := next(ctx, req)
			if err != nil {
				return nil, genai.Errorf(genai.Unknown, "%s", err.Error())
			}
			return resp, nil
		}},
		{name: "errors come as they are", breaks: []string{"E1", "E4"}, link: func(n *flawed) Link {
			return Link{Client: simple{n, func(ctx context.Context) context.Context { return bare{ctx} }, func(err error) error { return err }}}
		}},
		{name: "a stream's error is its end", breaks: []string{"E1", "E4", "E8", "S2", "C9"}, call: relayed(func(next func() (transport.Message, error)) func() (transport.Message, error) {
			return func() (transport.Message, error) {
				m, err := next()
				if err != nil {
					err = io.EOF
				}
				return m, err
			}
		}, genai.Discard)},
		{name: "pieces are lost", breaks: []string{"S1"}, call: relayed(func(next func() (transport.Message, error)) func() (transport.Message, error) {
			n := 0
			return func() (transport.Message, error) {
				if n++; n%100 == 3 {
					_, _ = next()
				}
				return next()
			}
		}, genai.Discard)},
		{name: "pieces come twice", breaks: []string{"S1"}, call: relayed(func(next func() (transport.Message, error)) func() (transport.Message, error) {
			var last transport.Message
			n := 0
			return func() (m transport.Message, err error) {
				if n++; n == 3 {
					return last, nil
				}
				m, err = next()
				last = m
				return m, err
			}
		}, genai.Discard)},
		{name: "pieces wait for the one after", breaks: []string{"S3"}, call: relayed(func(next func() (transport.Message, error)) func() (transport.Message, error) {
			type outcome struct {
				m   transport.Message
				err error
			}
			var held []outcome
			return func() (transport.Message, error) {
				for len(held) < 2 && (len(held) == 0 || held[len(held)-1].err == nil) {
					m, err := next()
					held = append(held, outcome{m, err})
				}
				first := held[0]
				held = held[1:]
				return first.m, first.err
			}
		}, genai.Discard)},
		{name: "closing a stream leaves its producer", breaks: []string{"S5", "S6"}, call: relayed(func(next func() (transport.Message, error)) func() (transport.Message, error) {
			return next
		}, func(any) {})},
		{name: "what failed is sent again", breaks: []string{"R1"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			resp, err := next(ctx, req)
			if own := genai.AsError(err); own != nil && own.Kind.Retryable() && own.Started == genai.StartedNo {
				return next(ctx, req)
			}
			return resp, err
		}},
		{name: "everything is sent twice", breaks: []string{"R1", "C3", "R4"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			resp, _ := next(ctx, req)
			genai.Discard(resp)
			return next(ctx, req)
		}},
		{name: "what the cut hit is sent again", breaks: []string{"R1"}, link: func(n *flawed) Link { return n.cuttable(true, errCut) }},
		{name: "a cut is an end", breaks: []string{"S2"}, link: func(n *flawed) Link { return n.cuttable(false, io.EOF) }},
		{name: "a cut is the handler's error", breaks: []string{"S2"}, link: func(n *flawed) Link {
			return n.cuttable(false, &genai.Error{Kind: genai.Unavailable, Remote: true})
		}},
		{name: "calls wait for one another", breaks: []string{"L3"}, handle: func(ctx context.Context, _ spec, req any, next handler) (any, error) {
			one.Lock()
			defer one.Unlock()
			return next(ctx, req)
		}},
		{name: "sockets are left behind", breaks: []string{"E1"}, linux: true, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			if len(sockets) == 0 { // one is enough
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return nil, err
				}
				sockets = append(sockets, l) // closed never, which is the flaw; nor is it garbage, which would be closed
			}
			return next(ctx, req)
		}},
		{name: "goroutines are left behind", breaks: []string{"E1"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			go func() { <-leaked }() // ends never, which is the flaw
			return next(ctx, req)
		}},
		{name: "producers run ahead", breaks: []string{"S4"}, call: relayed(func(next func() (transport.Message, error)) func() (transport.Message, error) {
			var all []transport.Message
			var end error
			return func() (transport.Message, error) {
				for end == nil {
					m, err := next()
					if end = err; err == nil {
						all = append(all, m)
					}
				}
				if len(all) == 0 {
					return transport.Message{}, end
				}
				m := all[0]
				all = all[1:]
				return m, nil
			}
		}, genai.Discard)},
		{name: "bytes are text", breaks: []string{"L4", "L5"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			if p, ok := req.(*picture); ok {
				req = &picture{genai.NewBlob("image/raw", bytes.ToValidUTF8(p.Blob.Bytes(), []byte("?")))}
			}
			resp, err := next(ctx, req)
			if p, ok := resp.(*picture); ok {
				resp = &picture{genai.NewBlob("image/raw", bytes.TrimRight(p.Blob.Bytes(), "\x00"))}
			}
			return resp, err
		}},
		{name: "times are whole seconds", breaks: []string{"V6"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			if n, ok := req.(*numbers); ok {
				req = &numbers{Time: n.Time.Truncate(time.Second)}
			}
			return next(ctx, req)
		}},
		{name: "bad text is mended", breaks: []string{"V7"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			if t, ok := req.(*tree); ok {
				mended := *t
				mended.Text = strings.ToValidUTF8(t.Text, "?")
				req = &mended
			}
			return next(ctx, req)
		}},
		{name: "both sides must have the same contract", breaks: []string{"V9", "D6"}, link: func(n *flawed) Link {
			n.ways = append(n.ways, func(ctx context.Context, s spec, req any, next caller) (any, error) {
				if s.Fingerprint() != n.specs[0].Fingerprint() {
					return nil, genai.Errorf(genai.Malformed, "this is not what I know")
				}
				return next(ctx, req)
			})
			return n.whole(end{})
		}},
		{name: "methods of types are not heeded", breaks: []string{"V11"}, call: recoded(func(head []byte) []byte {
			return bytes.ReplaceAll(head, []byte("+++"), []byte("3"))
		})},
		{name: "nothing can be shared", breaks: []string{"V12"}, call: func(ctx context.Context, s spec, req any, next caller) (any, error) {
			if s.Shared {
				return nil, genai.Errorf(genai.Unsupported, "what is shared cannot be sent")
			}
			return next(ctx, req)
		}},
		{name: "traces end", breaks: []string{"C6"}, handle: func(ctx context.Context, _ spec, req any, next handler) (any, error) {
			return next(transport.WithMetadata(ctx, "traceparent", ""), req)
		}},
		{name: "nobody knows whose error it is", breaks: []string{"E7"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			resp, err := next(ctx, req)
			if err != nil {
				e := *genai.AsError(err)
				e.Remote = false
				return nil, &e
			}
			return resp, nil
		}},
		{name: "the last error counts", breaks: []string{"E9"}, handle: func(ctx context.Context, _ spec, req any, next handler) (any, error) {
			resp, err := next(ctx, req)
			if errors.Is(err, errSecond) {
				return nil, errSecond
			}
			return resp, err
		}},
		{name: "pieces are fetched two at a time", breaks: []string{"S7"}, races: true, call: relayed(func(next func() (transport.Message, error)) func() (transport.Message, error) {
			type outcome struct {
				m   transport.Message
				err error
			}
			return func() (transport.Message, error) {
				both := make(chan outcome, 2)
				for range cap(both) {
					go func() { // waited for below
						m, err := next()
						both <- outcome{m, err}
					}()
				}
				first, second := <-both, <-both
				return first.m, cmp.Or(first.err, second.err)
			}
		}, genai.Discard)},
		{name: "a stream without pieces is an error", breaks: []string{"S8"}, call: relayed(func(next func() (transport.Message, error)) func() (transport.Message, error) {
			n := 0
			return func() (transport.Message, error) {
				m, err := next()
				if n++; n == 1 && err == io.EOF {
					err = genai.Errorf(genai.Malformed, "nothing came")
				}
				return m, err
			}
		}, genai.Discard)},
		{name: "sizes do not matter", breaks: []string{"L1", "S10"}, link: func(n *flawed) Link { return Link{Client: roomy{n}, Trusts: true} }},
		{name: "streams wait for one another", breaks: []string{"S11"}, link: func(n *flawed) Link {
			line := make(chan struct{}, 1)
			n.ways = append(n.ways, func(ctx context.Context, _ spec, req any, next caller) (any, error) {
				select {
				case line <- struct{}{}:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				resp, err := next(ctx, req)
				genai.Finally(resp, err, func(error) { <-line })
				return resp, err
			})
			return n.whole(end{})
		}},
		{name: "why the caller left is forgotten", breaks: []string{"S12"}, call: func(ctx context.Context, _ spec, req any, next caller) (any, error) {
			inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
			stop := context.AfterFunc(ctx, cancel)
			resp, err := next(inner, req)
			genai.Finally(resp, err, func(error) {
				stop()
				cancel()
			})
			return resp, err
		}},
		{name: "calls wait where others work", breaks: []string{"L2"}, link: func(n *flawed) Link {
			room := make(chan struct{}, 4)
			n.ways = append(n.ways, func(ctx context.Context, _ spec, req any, next caller) (any, error) {
				select {
				case room <- struct{}{}:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				defer func() { <-room }()
				return next(ctx, req)
			})
			return n.whole(end{})
		}},
		{name: "a second server is no help", breaks: []string{"D2"}, link: func(n *flawed) Link { return n.whole(end{alone: true}) }},
		{name: "what one server has lost is sent to the other", breaks: []string{"D2"}, link: func(n *flawed) Link { return n.whole(end{repeats: true}) }},
		{name: "who comes after the end waits", breaks: []string{"D3"}, link: func(n *flawed) Link { return n.whole(end{hangs: true}) }},
		{name: "it does not come back", breaks: []string{"D4"}, link: func(n *flawed) Link { return n.whole(end{gone: true}) }},
		{name: "strangers are let in", breaks: []string{"A3"}, link: func(n *flawed) Link { return n.whole(end{lets: true}) }},
		{name: "strangers are heard first", breaks: []string{"A3"}, link: func(n *flawed) Link { return n.whole(end{reads: true}) }},
		{name: "the end cuts what runs", breaks: []string{"D1"}, link: func(n *flawed) Link { return n.ending(end{cuts: true}) }},
		{name: "the end takes new calls", breaks: []string{"D1", "R2"}, link: func(n *flawed) Link { return n.ending(end{takes: true}) }},
	}
}

// kept are the promises that package transport keeps for every transport, so that none can break them.
var kept = []string{"V8", "V10", "E5", "S13"}

// impatience is how long a flaw is waited for. What is sound may fail then as well, on a slow machine, which does no harm.
const impatience = 250 * time.Millisecond

func TestSuiteFindsFlaws(t *testing.T) {
	var ids []string
	for _, p := range promises() {
		ids = append(ids, p.id)
		if !slices.Contains(kept, p.id) && !slices.ContainsFunc(flaws(), func(f flaw) bool { return slices.Contains(f.breaks, p.id) }) {
			t.Errorf("nobody knows whether a transport that breaks %s would be found", p.id)
		}
	}
	if wrong := broken(t, ids, flaw{}.start, patience); len(wrong) > 0 {
		t.Fatalf("without a flaw: %q", wrong)
	}
	for _, f := range flaws() {
		t.Run(f.name, func(t *testing.T) {
			switch {
			case f.races && slowdown > 1:
				t.Skip("the race detector would find it first")
			case f.linux && runtime.GOOS != "linux":
				t.Skip("sockets are counted on Linux only")
			}
			wrong := broken(t, f.breaks, f.start, impatience)
			for _, id := range f.breaks {
				if !slices.ContainsFunc(promises(), func(p promise) bool {
					return p.id == id && slices.ContainsFunc(p.variants, func(v variant) bool { return wrong[id+"/"+v.name] != nil })
				}) {
					t.Errorf("promise %s was not found broken", id)
				}
			}
			t.Logf("found broken: %q", slices.Sorted(maps.Keys(wrong)))
		})
	}
}
