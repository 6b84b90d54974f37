package sim_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
	"github.com/dovetail-go/dovetail/resilience"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

type hop struct {
	Text string `json:"text"`
}

type (
	hopCall   = genai.Handler[*hop, *hop]
	hopStream = genai.Handler[*hop, *genai.Stream[hop]]
)

// hops are the wires that services may be joined by.
var hops = map[string]func(t *testing.T, serve func(transport.Server)) transport.Client{
	"HTTP": func(t *testing.T, serve func(transport.Server)) transport.Client {
		server := &httptransport.Server{}
		serve(server)
		host := httptest.NewServer(server)
		c := &httptransport.Client{Address: host.URL}
		t.Cleanup(func() {
			c.CloseIdleConnections()
			host.Close()
		})
		return c
	},
	"inproc": func(_ *testing.T, serve func(transport.Server)) transport.Client {
		n := &inproc.Network{Strict: true}
		serve(n)
		return n
	},
}

// TestThreeHops: three services in a row, each of which repeats what fails, in front of a model. However it fails, all of them
// together ask the model no more often than one of them would alone, and no more often than the first of them allows.
func TestThreeHops(t *testing.T) {
	down := func(int32) error { return genai.Errorf(genai.ServerError, "down") }
	for name, c := range map[string]struct {
		attempts [3]int // of each service, the one that is called first in front; 0: 3
		fails    func(n int32) error
		spare    bool // the middle one has another way to the model, and asks there if the first way has failed
		asked    int32
		want     genai.Kind
	}{
		"a model that is down":             {fails: down, asked: 3, want: genai.ServerError},
		"the first has few":                {attempts: [3]int{2, 5, 5}, fails: down, asked: 2, want: genai.ServerError},
		"the first has one":                {attempts: [3]int{1, 3, 1}, fails: down, asked: 3, want: genai.ServerError},
		"the last has few":                 {attempts: [3]int{5, 5, 2}, fails: down, asked: 2, want: genai.ServerError},
		"the last repeats nothing":         {attempts: [3]int{3, 4, 1}, fails: down, asked: 3, want: genai.ServerError},
		"it comes back":                    {fails: func(n int32) error { return onlyIf(n < 3, down(n)) }, asked: 3},
		"nothing that repeating can mend":  {fails: func(int32) error { return genai.Errorf(genai.ContentFiltered, "no") }, asked: 1, want: genai.ContentFiltered},
		"it says that nobody shall repeat": {fails: func(int32) error { return &genai.Error{Kind: genai.RateLimited, Final: true} }, asked: 1, want: genai.RateLimited},
		"two ways to it":                   {attempts: [3]int{4, 4, 2}, spare: true, fails: down, asked: 4, want: genai.ServerError},
		"two ways, and few attempts":       {attempts: [3]int{2, 2, 2}, spare: true, fails: down, asked: 2, want: genai.ServerError},
	} {
		for wire, join := range hops {
			t.Run(name+"/"+wire, func(t *testing.T) {
				var asked atomic.Int32
				model := func(context.Context, *hop) error { return c.fails(asked.Add(1)) }
				call := hopCall(func(ctx context.Context, req *hop) (*hop, error) {
					if err := model(ctx, req); err != nil {
						return nil, err
					}
					return req, nil
				})
				stream := hopStream(func(ctx context.Context, req *hop) (*genai.Stream[hop], error) {
					if err := model(ctx, req); err != nil {
						return nil, err
					}
					return genai.Open(ctx, func(_ context.Context, yield func(hop) bool) error { yield(*req); return nil })
				})
				for i := 2; i >= 0; i-- {
					retry := &resilience.Retry{Attempts: c.attempts[i], Base: time.Microsecond}
					if c.spare && i == 1 {
						call, stream = route.Fallback(call, call), route.Fallback(stream, stream)
					}
					served, streamed := genai.With(call, retry), genai.With(stream, retry)
					callOp := transport.Op[*hop, *hop]{Name: [...]string{"first.call", "second.call", "third.call"}[i]}
					streamOp := transport.Op[*hop, *genai.Stream[hop]]{Name: [...]string{"first.stream", "second.stream", "third.stream"}[i]}
					client := join(t, func(s transport.Server) {
						callOp.Serve(s, served)
						streamOp.Serve(s, streamed)
					})
					call, stream = callOp.Dial(client), streamOp.Dial(client)
				}
				for what, ask := range map[string]func() error{
					"a value": func() error { _, err := call(t.Context(), &hop{"hi"}); return err },
					"a stream": func() error {
						s, err := stream(t.Context(), &hop{"hi"})
						if err == nil {
							err = s.Close()
						}
						return err
					},
				} {
					asked.Store(0)
					if err := ask(); genai.KindOf(err) != c.want {
						t.Errorf("%s: %v", what, err)
					}
					if n := asked.Load(); n != c.asked {
						t.Errorf("%s: the model was asked %d times, want %d", what, n, c.asked)
					}
				}
			})
		}
	}
}

func onlyIf(so bool, err error) error {
	if so {
		return err
	}
	return nil
}

// TestHopsAreFarApart: a connection that cannot be made is tried again by the service that makes it, and by nobody else.
func TestHopsAreFarApart(t *testing.T) {
	var dialled atomic.Int32
	nowhere := clientFunc(func(context.Context, *transport.Spec, any) (any, error) {
		dialled.Add(1)
		return nil, &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}
	})
	call := transport.Op[*hop, *hop]{Name: "third.call"}.Dial(nowhere)
	for _, name := range []string{"second.call", "first.call"} {
		op, served := transport.Op[*hop, *hop]{Name: name}, genai.With(call, &resilience.Retry{Base: time.Microsecond})
		call = op.Dial(hops["HTTP"](t, func(s transport.Server) { op.Serve(s, served) }))
	}
	_, err := genai.With(call, &resilience.Retry{Base: time.Microsecond})(t.Context(), &hop{})
	if e := genai.AsError(err); !errors.Is(err, genai.Unavailable) || !e.Final || len(e.Attempts) != 3 || dialled.Load() != 3 {
		t.Errorf("%d connections, and %+v", dialled.Load(), e)
	}
}

type clientFunc func(context.Context, *transport.Spec, any) (any, error)

func (f clientFunc) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	return f(ctx, spec, req)
}
