package transport_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

type ping struct {
	Text string `json:"text"`
}

func echo(_ context.Context, p *ping) (*ping, error) { return p, nil }

// panics returns what f panics with.
func panics(f func()) (what string) {
	defer func() { what = fmt.Sprint(recover()) }()
	f()
	return ""
}

type (
	deep    struct{ Inner struct{ Call func() } }
	channel struct{ C chan int }
)

// What a programmer alone can get wrong is found when the program starts, and the message names the place.
func TestOpPanics(t *testing.T) {
	serve := func(name string) func() {
		return func() {
			transport.Op[*ping, *ping]{Name: name}.Serve(&inproc.Network{}, echo)
		}
	}
	for name, c := range map[string]struct {
		f    func()
		want []string
	}{
		"no name":          {serve(""), []string{`""`, "service.operation"}},
		"one word":         {serve("ping"), []string{`"ping"`}},
		"three words":      {serve("a.b.c"), []string{`"a.b.c"`}},
		"capitals":         {serve("Ping.ping"), []string{`"Ping.ping"`}},
		"a path":           {serve("../a.b"), []string{"name"}},
		"a negative bound": {func() { transport.Op[*ping, *ping]{Name: "a.b", MaxBytes: -1}.Dial(&inproc.Network{}) }, []string{"a.b", "MaxBytes"}},
		"an idempotency":   {func() { transport.Op[*ping, *ping]{Name: "a.b", Idempotency: "maybe"}.Dial(&inproc.Network{}) }, []string{"a.b", "maybe"}},
		"a string":         {func() { transport.Op[string, *ping]{Name: "a.b"}.Dial(&inproc.Network{}) }, []string{"request of a.b", "struct"}},
		"a function":       {func() { transport.Op[*deep, *ping]{Name: "a.b"}.Dial(&inproc.Network{}) }, []string{"request of a.b", "Inner.Call", "func"}},
		"a channel":        {func() { transport.Op[*ping, *channel]{Name: "a.b"}.Dial(&inproc.Network{}) }, []string{"response of a.b", "C", "chan"}},
		"a stream of one":  {func() { transport.Op[*ping, *genai.Stream[channel]]{Name: "a.b"}.Dial(&inproc.Network{}) }, []string{"response of a.b", "C", "chan"}},
		"served twice": {func() {
			n := &inproc.Network{}
			op := transport.Op[*ping, *ping]{Name: "a.b"}
			op.Serve(n, echo)
			op.Serve(n, echo)
		}, []string{"a.b", "already"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := panics(c.f)
			for _, part := range c.want {
				if !strings.Contains(got, part) {
					t.Errorf("the panic %q does not say %q", got, part)
				}
			}
		})
	}
}

// Errors name the operation and its service, the innermost, and say whether work may have started.
func TestOpNamesErrors(t *testing.T) {
	op := transport.Op[*ping, *ping]{Name: "desk.ask"}
	inner := transport.Op[*ping, *ping]{Name: "models.answer"}
	n := &inproc.Network{}
	call := op.Dial(n)

	_, err := call(t.Context(), &ping{})
	if e := genai.AsError(err); e.Kind != genai.Unimplemented || e.Op != "desk.ask" || e.Target != "desk" || e.Started != genai.StartedNo {
		t.Errorf("what nobody serves: %+v", e)
	}
	op.Serve(n, func(ctx context.Context, p *ping) (*ping, error) { return inner.Dial(n)(ctx, p) })
	inner.Serve(n, func(context.Context, *ping) (*ping, error) {
		return nil, &genai.Error{Kind: genai.Overloaded, RetryAfter: time.Second, Reason: "queue"}
	})
	_, err = call(t.Context(), &ping{})
	if e := genai.AsError(err); e.Kind != genai.Overloaded || e.Op != "models.answer" || e.Target != "models" || e.RetryAfter != time.Second || e.Reason != "queue" || !e.Remote {
		t.Errorf("a failure two services further in: %+v", e)
	}
	_, err = call(t.Context(), nil)
	if e := genai.AsError(err); e.Kind != genai.InvalidRequest || e.Started != genai.StartedNo {
		t.Errorf("no request: %+v", e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = call(ctx, &ping{}); !errors.Is(err, context.Canceled) || genai.AsError(err).Started != genai.StartedNo {
		t.Errorf("a caller who has left already: %+v", err)
	}
}

// A transport that answers with something else does not make the program panic.
func TestOpDistrustsTransports(t *testing.T) {
	call := transport.Op[*ping, *ping]{Name: "a.b"}.Dial(odd{})
	if _, err := call(t.Context(), &ping{}); !errors.Is(err, genai.Internal) || !strings.Contains(err.Error(), "string") {
		t.Errorf("got %v", err)
	}
}

type odd struct{}

func (odd) Call(context.Context, *transport.Spec, any) (any, error) { return "not a ping", nil }

// A handler that panics, or returns nothing, fails one call.
func TestOpContainsHandlers(t *testing.T) {
	for name, c := range map[string]struct {
		handler genai.Handler[*ping, *ping]
		not     string
	}{
		"a panic": {func(context.Context, *ping) (*ping, error) { panic("secret") }, "secret"},
		"nothing": {func(context.Context, *ping) (*ping, error) { return nil, nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := &inproc.Network{}
			op := transport.Op[*ping, *ping]{Name: "a.b"}
			op.Serve(n, c.handler)
			resp, err := op.Dial(n)(t.Context(), &ping{})
			if resp != nil || !errors.Is(err, genai.Internal) {
				t.Errorf("got %v, %v", resp, err)
			}
			if c.not != "" && strings.Contains(err.Error(), c.not) {
				t.Errorf("the error tells what only the log may: %v", err)
			}
		})
	}
}
