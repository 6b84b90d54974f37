package observe_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/observe"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

var (
	opModerate = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "moderation.check"}
	opAnswer   = transport.Op[*genai.ChatRequest, *genai.Stream[genai.ChatEvent]]{Name: "answers.chat"}
)

// both is a network whose two sides are two things.
type both struct {
	transport.Server
	transport.Client
}

// networks are the ways from a caller to a handler. run starts the server once everything is served.
func networks(t *testing.T) map[string]func() (n transport.Network, run func()) {
	return map[string]func() (transport.Network, func()){
		"inproc": func() (transport.Network, func()) { return &inproc.Network{}, func() {} },
		"http": func() (transport.Network, func()) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &httptransport.Server{}
			client := &httptransport.Client{Address: "http://" + l.Addr().String()}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			t.Cleanup(func() {
				client.CloseIdleConnections()
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
			return both{server, client}, func() { go func() { ended <- server.Serve(ctx, l) }() } // waited for by the clean-up
		},
	}
}

func TestNetwork(t *testing.T) {
	seen := map[string]string{}
	for name, make := range networks(t) {
		t.Run(name, func(t *testing.T) {
			inner, run := make()
			r := &recorder{}
			n := &observe.Network{Network: inner, Tracer: r, Meter: r}
			opModerate.Serve(n, func(ctx context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
				if req.Text == "" {
					return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "text", Message: "secret"}
				}
				genai.Emit(ctx, genai.Event{Name: "retry", Attempt: 2})
				return &genai.Verdict{}, nil
			})
			model := genaitest.Script(genaitest.Pieces("a", "b"))
			opAnswer.Serve(n, model.Chat)
			run()

			ctx, outer := r.Tracer("").Start(t.Context(), "outer")
			if _, err := opModerate.Dial(n)(ctx, &genai.ModerationRequest{Text: "hello"}); err != nil {
				t.Fatal(err)
			}
			if _, err := opModerate.Dial(n)(ctx, &genai.ModerationRequest{}); !errors.Is(err, genai.InvalidRequest) {
				t.Fatal(err)
			}
			stream, err := opAnswer.Dial(n)(ctx, &genai.ChatRequest{Messages: []genai.Message{genai.User("x")}})
			if err != nil {
				t.Fatal(err)
			}
			if text := r.all(); !strings.Contains(text, "answers.chat") {
				t.Errorf("no span of the stream in\n%s", text)
			}
			for _, err := range stream.All() {
				if err != nil {
					t.Fatal(err)
				}
			}
			outer.End()

			r.mu.Lock()
			spans := slices.Clone(r.spans)
			r.mu.Unlock()
			if len(spans) != 7 {
				t.Fatalf("%d spans, want the outer one and two for each call", len(spans))
			}
			for i, s := range spans[1:] {
				parent, kind := spans[0], trace.SpanKindClient
				if i%2 == 1 {
					parent, kind = spans[i], trace.SpanKindServer
				}
				if s.kind != kind || s.parent.SpanID() != parent.context.SpanID() || s.context.TraceID() != spans[0].context.TraceID() {
					t.Errorf("span %d is %v of %v, want %v of %v", i+1, s.kind, s.parent.SpanID(), kind, parent.context.SpanID())
				}
			}
			text := r.all()
			if strings.Contains(text, "secret") || strings.Contains(text, "hello") {
				t.Errorf("content in\n%s", text)
			}
			if len(r.measured("rpc.client.call.duration")) == 0 || len(r.measured("rpc.server.call.duration")) == 0 {
				t.Error("no durations")
			}
			seen[name], _, _ = strings.Cut(text, "rpc.server.call.duration")
		})
	}
	if seen["inproc"] != seen["http"] {
		t.Errorf("inproc\n%s\nhttp\n%s", seen["inproc"], seen["http"])
	}
}

func TestNetworkOfNobodyAllocates(t *testing.T) {
	inner := &inproc.Network{}
	op := transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "moderation.check", Shared: true}
	n := &observe.Network{Network: inner}
	verdict := &genai.Verdict{}
	op.Serve(n, func(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) { return verdict, nil })
	req := &genai.ModerationRequest{}
	bare, observed := op.Dial(inner), op.Dial(n)
	count := func(call genai.Moderator) float64 {
		return testing.AllocsPerRun(100, func() { _, _ = call(context.Background(), req) })
	}
	if a, b := count(genai.Moderator(bare)), count(genai.Moderator(observed)); b > a {
		t.Errorf("%v allocations, %v without a Network", b, a)
	}
}
