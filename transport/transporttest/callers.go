package transporttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func callers() []promise {
	return []promise{
		{"A1", "the handler knows who calls, as far as the server has made sure of it", []variant{
			{"value", knownCaller},
			{"stream", knownCallerOfStream},
			{"who says to be somebody", claimedCaller},
		}},
		{"A2", "who may not call is told so, and no handler is", []variant{
			{"value", func(e *env) { refusedCaller(e, ask) }},
			{"keyed", func(e *env) {
				refusedCaller(e, transport.Op[*note, *note]{Name: "suite.keyed", Idempotency: transport.Keyed})
			}},
			{"shared", func(e *env) { refusedCaller(e, transport.Op[*note, *note]{Name: "suite.shared", Shared: true}) }},
			{"stream", func(e *env) { refusedCaller(e, tell) }},
			{"who may", admittedCaller},
		}},
		{"A3", "who shows no good credentials is turned away before the request is read", []variant{
			{"value", func(e *env) { strangers(e, transport.Op[*sealed, *note]{Name: "suite.sealed"}) }},
			{"keyed", func(e *env) {
				strangers(e, transport.Op[*sealed, *note]{Name: "suite.sealed", Idempotency: transport.Keyed})
			}},
			{"stream", func(e *env) { strangers(e, transport.Op[*sealed, notes]{Name: "suite.sealed"}) }},
		}},
	}
}

func knownCaller(e *env) {
	l := e.link(func(s transport.Server) {
		ask.Serve(s, func(ctx context.Context, _ *note) (*note, error) {
			return &note{transport.Metadata(ctx, transport.Caller)}, nil
		})
	})
	if got := must[*note](e)(ask.Dial(l.Client)(e.Context(), &note{})); got.Text != l.Caller {
		e.Errorf("the handler takes the caller for %q, who is %q", got.Text, l.Caller)
	}
}

func knownCallerOfStream(e *env) {
	l := e.link(func(s transport.Server) {
		tell.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
			return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
				yield(note{transport.Metadata(ctx, transport.Caller)})
				return nil
			})
		})
	})
	for piece, err := range must[notes](e)(tell.Dial(l.Client)(e.Context(), &note{})).All() {
		if err != nil || piece.Text != l.Caller {
			e.Errorf("the producer takes the caller for %q, who is %q; %v", piece.Text, l.Caller, err)
		}
	}
}

// fixed is a transport to one server, for a Switch.
type fixed struct{ transport.Client }

func (f fixed) Dial(string) (transport.Client, error) { return f.Client, nil }

func (fixed) Listen(string) (transport.Listener, error) {
	return nil, genai.Errorf(genai.Unsupported, "this is for callers")
}

func claimedCaller(e *env) {
	l := e.link(func(s transport.Server) {
		ask.Serve(s, func(ctx context.Context, _ *note) (*note, error) {
			return &note{transport.Metadata(ctx, transport.Caller)}, nil
		})
	})
	want := l.Caller
	if l.Trusts {
		want = "somebody"
	}
	sw := &transport.Switch{Placement: transport.Placement{At: map[string]string{"suite": "the server"}}, Remotes: []transport.Remote{fixed{l.Client}}}
	if got := must[*note](e)(ask.Dial(sw.As("somebody"))(e.Context(), &note{})); got.Text != want {
		e.Errorf("the handler takes the caller for %q, want %q", got.Text, want)
	}
}

// A doorman is a server whose operations ask somebody whom to let in.
type doorman struct {
	transport.Server
	admit func(caller string) error
}

func (d doorman) Handle(spec *transport.Spec, h genai.AnyHandler) {
	spec.Admit = d.admit
	d.Server.Handle(spec, h)
}

// askedFor collects who wants to be let in.
type askedFor struct {
	mu    sync.Mutex
	names []string
}

func (a *askedFor) add(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = append(a.names, name)
}

// only fails the test if it was asked for anybody but one, or for nobody.
func (a *askedFor) only(e *env, name string) {
	e.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.names) == 0 || slices.ContainsFunc(a.names, func(asked string) bool { return asked != name }) {
		e.Errorf("the server was asked to let in %q, want %q", a.names, name)
	}
}

func refusedCaller[Resp any](e *env, op transport.Op[*note, Resp]) {
	var asked askedFor
	called := make(chan struct{}, 10)
	l := e.link(func(s transport.Server) {
		op.Serve(doorman{s, func(caller string) error {
			asked.add(caller)
			return &genai.Error{Kind: genai.PermissionDenied, Started: genai.StartedNo, Message: "not on the list"}
		}}, func(context.Context, *note) (none Resp, err error) {
			called <- struct{}{}
			return none, genai.Errorf(genai.Internal, "the handler was called")
		})
	})
	resp, err := op.Dial(l.Client)(transport.WithMetadata(e.Context(), transport.Key, "1"), &note{})
	if err == nil {
		genai.Discard(resp)
	}
	if own := genai.AsError(err); !errors.Is(err, genai.PermissionDenied) || own.Started != genai.StartedNo || own.Op != op.Name || !strings.Contains(own.Message, "not on the list") {
		e.Errorf("the error is %+v", own)
	}
	if len(called) > 0 {
		e.Error("a handler was called for somebody who may not")
	}
	asked.only(e, l.Caller)
}

func admittedCaller(e *env) {
	var asked askedFor
	l := e.link(func(s transport.Server) {
		ask.Serve(doorman{s, func(caller string) error {
			asked.add(caller)
			return nil
		}}, func(_ context.Context, n *note) (*note, error) { return n, nil })
	})
	if got := must[*note](e)(ask.Dial(l.Client)(e.Context(), &note{"in"})); got.Text != "in" {
		e.Errorf("got %+v", got)
	}
	asked.only(e, l.Caller)
}

// A sealed message is one whose text tells when the server reads it. On a wire it is a note.
type sealed struct {
	Text sealedText `json:"text"`
}

type sealedText string

var unsealed atomic.Int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *sealedText) UnmarshalText(text []byte) error {
	unsealed.Add(1)
	*s = sealedText(text)
	return nil
}

// MarshalText implements [encoding.TextMarshaler].
func (s sealedText) MarshalText() ([]byte, error) { return []byte(s), nil }

// strangers calls an operation in the name of those who may not.
func strangers[Resp any](e *env, served transport.Op[*sealed, Resp]) {
	called := make(chan struct{}, 100)
	l := e.link(func(s transport.Server) {
		served.Serve(s, func(context.Context, *sealed) (none Resp, err error) {
			called <- struct{}{}
			return none, genai.Errorf(genai.NotFound, "the handler was called")
		})
	})
	if len(l.Strangers) == 0 {
		e.Skip("the server asks nobody for credentials")
	}
	dialled := transport.Op[*note, Resp]{Name: served.Name, Idempotency: served.Idempotency}
	before := unsealed.Load()
	for name, c := range l.Strangers {
		resp, err := dialled.Dial(c)(transport.WithMetadata(e.Context(), transport.Key, "1"), &note{"secret"})
		if err == nil {
			genai.Discard(resp)
		}
		if own := genai.AsError(err); genai.KindOf(err) != genai.Unauthenticated || own.Started != genai.StartedNo {
			e.Errorf("with %s: %v", name, err)
		}
	}
	if n := unsealed.Load() - before; n != 0 || len(called) > 0 {
		e.Errorf("the requests of strangers were read %d times, and the handler was called %d times", n, len(called))
	}
	_, err := dialled.Dial(l.Client)(e.Context(), &note{"secret"})
	e.failed(err, genai.NotFound) // who is known gets to the handler
	if unsealed.Load() == before {
		e.Error("nobody has read the request of somebody who is known")
	}
}
