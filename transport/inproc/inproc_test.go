package inproc_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

var (
	echoing = transport.Op[*slip, *slip]{Name: "test.echo"}
	telling = transport.Op[*slip, *genai.Stream[slip]]{Name: "test.tell"}
)

// reach serves h and returns the handler that reaches it.
func reach[Req, Resp any](network *inproc.Network, op transport.Op[Req, Resp], h genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	op.Serve(network, h)
	return op.Dial(network)
}

// of returns a stream of slips that ends with end.
func of(ctx context.Context, end error, texts ...string) (*genai.Stream[slip], error) {
	return genai.NewStream(ctx, func() (slip, error) {
		if len(texts) == 0 {
			return slip{}, end
		}
		text := texts[0]
		texts = texts[1:]
		return slip{text}, nil
	}, nil)
}

// TestStrict: what goes unnoticed while values are copied and would fail on a wire.
func TestStrict(t *testing.T) {
	small := transport.Op[*slip, *slip]{Name: "test.small", MaxBytes: 100}
	safe := transport.Op[*slip, *slip]{Name: "test.safe", Idempotency: transport.Safe}
	smallTell := transport.Op[*slip, *genai.Stream[slip]]{Name: "test.smalltell", MaxBytes: 100}
	large := strings.Repeat("x", 100)
	for _, strict := range []bool{false, true} {
		network := &inproc.Network{Strict: strict}
		wants := func(t *testing.T, err error, kind genai.Kind) {
			t.Helper()
			if !strict {
				kind = ""
			}
			if genai.KindOf(err) != kind {
				t.Errorf("strict %v: the error is %v, want kind %q", strict, err, kind)
			}
		}
		_, err := reach(network, small, echo)(t.Context(), &slip{large})
		wants(t, err, genai.TooLarge)

		s, err := reach(network, smallTell, func(ctx context.Context, _ *slip) (*genai.Stream[slip], error) {
			return of(ctx, io.EOF, "short", large)
		})(t.Context(), &slip{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = s.Next()
		_, err = s.Next()
		wants(t, err, genai.TooLarge)

		calls := 0
		_, err = reach(network, safe, func(_ context.Context, req *slip) (*slip, error) {
			calls++
			return req, nil
		})(t.Context(), &slip{})
		wants(t, err, "")
		if want := map[bool]int{false: 1, true: 2}[strict]; calls != want {
			t.Errorf("strict %v: a safe handler was called %d times, want %d", strict, calls, want)
		}
	}
}

// TestStrictLimits: both sides have a limit, and the smaller one counts, as on a wire.
func TestStrictLimits(t *testing.T) {
	large := strings.Repeat("x", 100)
	for _, narrow := range []string{"server", "client"} {
		limits := map[string]int64{narrow: 100}
		network := &inproc.Network{Strict: true}
		transport.Op[*slip, *slip]{Name: "test.value", MaxBytes: limits["server"]}.Serve(network, func(_ context.Context, req *slip) (*slip, error) {
			return &slip{req.Text + large[:50]}, nil
		})
		transport.Op[*slip, *genai.Stream[slip]]{Name: "test.stream", MaxBytes: limits["server"]}.Serve(network, func(ctx context.Context, req *slip) (*genai.Stream[slip], error) {
			return of(ctx, io.EOF, "short", large)
		})
		value := transport.Op[*slip, *slip]{Name: "test.value", MaxBytes: limits["client"]}.Dial(network)
		stream := transport.Op[*slip, *genai.Stream[slip]]{Name: "test.stream", MaxBytes: limits["client"]}.Dial(network)

		if _, err := value(t.Context(), &slip{large}); genai.KindOf(err) != genai.TooLarge || genai.AsError(err).Started != genai.StartedNo {
			t.Errorf("%s, request: %v", narrow, err)
		}
		if _, err := value(t.Context(), &slip{large[:50]}); genai.KindOf(err) != genai.TooLarge || genai.AsError(err).Started != genai.StartedYes {
			t.Errorf("%s, response: %v", narrow, err)
		}
		if _, err := value(t.Context(), &slip{}); err != nil {
			t.Errorf("%s: %v", narrow, err)
		}
		s, err := stream(t.Context(), &slip{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = s.Next()
		if _, err := s.Next(); genai.KindOf(err) != genai.TooLarge || genai.AsError(err).Started != genai.StartedYes {
			t.Errorf("%s, piece: %v", narrow, err)
		}
	}
}

// TestStrictAgain: the second call gets a request of its own, which the first has not changed.
func TestStrictAgain(t *testing.T) {
	var texts []string
	safe := transport.Op[*slip, *slip]{Name: "test.safe", Idempotency: transport.Safe}
	_, err := reach(&inproc.Network{Strict: true}, safe, func(_ context.Context, req *slip) (*slip, error) {
		texts = append(texts, req.Text)
		req.Text = "changed"
		return req, nil
	})(t.Context(), &slip{"sent"})
	if strings.Join(texts, " ") != "sent sent" || err != nil {
		t.Errorf("the handler got %q: %v", texts, err)
	}
}

// TestStrictCallsOnce: only what is safe is called twice, and only if it answers with a value.
func TestStrictCallsOnce(t *testing.T) {
	network := &inproc.Network{Strict: true}
	calls := 0
	count := func(_ context.Context, req *slip) (*slip, error) {
		calls++
		if req.Text == "fail" {
			return nil, genai.Errorf(genai.Overloaded, "not now")
		}
		return req, nil
	}
	_, err := reach(network, echoing, count)(t.Context(), &slip{})
	if err != nil || calls != 1 {
		t.Errorf("an unsafe handler was called %d times: %v", calls, err)
	}
	safe := transport.Op[*slip, *slip]{Name: "test.safe", Idempotency: transport.Safe}
	calls = 0
	_, err = reach(network, safe, count)(t.Context(), &slip{"fail"})
	if !errors.Is(err, genai.Overloaded) || calls != 1 {
		t.Errorf("a handler that failed was called %d times: %v", calls, err)
	}
	stream := transport.Op[*slip, *genai.Stream[slip]]{Name: "test.safetell", Idempotency: transport.Safe}
	calls = 0
	s, err := reach(network, stream, func(ctx context.Context, _ *slip) (*genai.Stream[slip], error) {
		calls++
		return of(ctx, io.EOF, "a")
	})(t.Context(), &slip{})
	if err != nil || calls != 1 {
		t.Errorf("a handler that streams was called %d times: %v", calls, err)
	}
	s.Close()
}

func TestShared(t *testing.T) {
	type page struct {
		Lines []string `json:"lines"`
	}
	value := transport.Op[*page, *page]{Name: "test.value", Shared: true}
	stream := transport.Op[*page, *genai.Stream[*page]]{Name: "test.stream", Shared: true}
	for _, strict := range []bool{false, true} {
		network := &inproc.Network{Strict: strict}
		sent := &page{Lines: []string{"a"}}
		got, err := reach(network, value, func(_ context.Context, req *page) (*page, error) {
			if (req == sent) == strict {
				t.Errorf("strict %v: the handler got the caller's own value: %v", strict, !strict)
			}
			return req, nil
		})(t.Context(), sent)
		if err != nil || (got == sent) == strict {
			t.Errorf("strict %v: the caller got %p, want %p: %v", strict, got, sent, err)
		}
		s, err := reach(network, stream, func(ctx context.Context, req *page) (*genai.Stream[*page], error) {
			return genai.NewStream(ctx, func() (*page, error) { return sent, nil }, nil)
		})(t.Context(), sent)
		if err != nil {
			t.Fatal(err)
		}
		if piece, err := s.Next(); err != nil || (piece == sent) == strict {
			t.Errorf("strict %v: the reader got %p, want %p: %v", strict, piece, sent, err)
		}
		s.Close()
	}
}

// TestSharedKeepsPromises: without the copy, a call is still one between services.
func TestSharedKeepsPromises(t *testing.T) {
	type key struct{}
	network := &inproc.Network{}
	value := transport.Op[*slip, *slip]{Name: "test.value", Shared: true}
	stream := transport.Op[*slip, *genai.Stream[slip]]{Name: "test.stream", Shared: true}
	cause := errors.New("the cause")
	silent := context.WithValue(transport.WithMetadata(t.Context(), "tenant", "acme"), key{}, "the caller's")
	silent = genai.WithAttempt(silent, 2)
	ctx, reply := transport.WithReply(silent)

	look := func(ctx context.Context) {
		if ctx.Value(key{}) != nil {
			t.Error("the handler sees a value of the caller's context")
		}
		if transport.Metadata(ctx, "tenant") != "acme" || genai.AttemptOf(ctx) != 2 {
			t.Errorf("the handler got %+v", transport.EnvelopeOf(ctx))
		}
	}
	call := reach(network, value, func(ctx context.Context, _ *slip) (*slip, error) {
		look(ctx)
		_ = transport.ReplyOf(ctx).Set("cost", "1")
		return nil, &genai.Error{Kind: genai.Overloaded, Message: "not now", Err: cause}
	})
	for _, ctx := range []context.Context{silent, ctx} {
		_, err := call(ctx, &slip{})
		if own := genai.AsError(err); own.Kind != genai.Overloaded || !own.Remote || errors.Is(err, cause) || own.Op != "test.value" {
			t.Errorf("the error is %+v", own)
		}
	}
	if got := reply.Get("cost"); got != "1" {
		t.Errorf("beside the error came the reply %q", got)
	}

	s, err := reach(network, stream, func(ctx context.Context, _ *slip) (*genai.Stream[slip], error) {
		look(ctx)
		_ = transport.ReplyOf(ctx).Set("cost", "2")
		return genai.Open(ctx, func(ctx context.Context, yield func(slip) bool) error {
			yield(slip{"a"})
			return transport.ReplyOf(ctx).Set("cost", "3")
		})
	})(ctx, &slip{})
	if err != nil || reply.Get("cost") != "2" {
		t.Fatalf("with the first piece came the reply %q: %v", reply.Get("cost"), err)
	}
	for _, err := range s.All() {
		if err != nil {
			t.Error(err)
		}
	}
	if got := reply.Get("cost"); got != "3" {
		t.Errorf("at the end of the stream the reply was %q", got)
	}
}

// TestTypesOfBothSides: two sides that were not compiled from the same types understand each other, as on a wire.
func TestTypesOfBothSides(t *testing.T) {
	type older struct {
		Text string `json:"text"`
	}
	type newer struct {
		Text string `json:"text"`
		Tone string `json:"tone"`
	}
	for _, shared := range []bool{false, true} {
		network := &inproc.Network{}
		transport.Op[*newer, *newer]{Name: "test.echo", Shared: shared}.Serve(network, func(_ context.Context, req *newer) (*newer, error) {
			return &newer{req.Text + "!", "glad"}, nil
		})
		transport.Op[*newer, *genai.Stream[newer]]{Name: "test.tell", Shared: shared}.Serve(network, func(ctx context.Context, req *newer) (*genai.Stream[newer], error) {
			return genai.NewStream(ctx, func() (newer, error) { return newer{req.Text + "!", "glad"}, nil }, nil)
		})
		got, err := transport.Op[*older, *older]{Name: "test.echo", Shared: shared}.Dial(network)(t.Context(), &older{"hello"})
		if err != nil || got.Text != "hello!" {
			t.Errorf("got %+v, %v", got, err)
		}
		s, err := transport.Op[*older, *genai.Stream[older]]{Name: "test.tell", Shared: shared}.Dial(network)(t.Context(), &older{"hello"})
		if err != nil {
			t.Fatal(err)
		}
		if piece, err := s.Next(); err != nil || piece.Text != "hello!" {
			t.Errorf("got %+v, %v", piece, err)
		}
		s.Close()
	}
}

// TestStreamsOnOneSide: one side declares a stream and the other a value, which cannot be.
func TestStreamsOnOneSide(t *testing.T) {
	for _, strict := range []bool{false, true} {
		network := &inproc.Network{Strict: strict}
		echoing.Serve(network, echo)
		telling.Serve(network, func(ctx context.Context, _ *slip) (*genai.Stream[slip], error) { return of(ctx, io.EOF, "a") })
		if _, err := (transport.Op[*slip, *genai.Stream[slip]]{Name: "test.echo"}).Dial(network)(t.Context(), &slip{}); genai.KindOf(err) != genai.Precondition {
			t.Errorf("strict %v: a stream of a value: %v", strict, err)
		}
		if _, err := (transport.Op[*slip, *slip]{Name: "test.tell"}).Dial(network)(t.Context(), &slip{}); genai.KindOf(err) != genai.Precondition {
			t.Errorf("strict %v: a value of a stream: %v", strict, err)
		}
	}
}

func TestUnknownOperation(t *testing.T) {
	network := &inproc.Network{}
	call := echoing.Dial(network)
	for range 2 {
		_, err := call(t.Context(), &slip{})
		own := genai.AsError(err)
		if own == nil || own.Kind != genai.Unimplemented || own.Started != genai.StartedNo || own.Op != "test.echo" || own.Target != "test" {
			t.Errorf("the error is %+v", own)
		}
		reach(network, transport.Op[*slip, *slip]{Name: "test.other" + map[bool]string{true: "2"}[network.Strict]}, echo)
		network.Strict = true
	}
	echoing.Serve(network, echo)
	if _, err := call(t.Context(), &slip{}); err != nil {
		t.Errorf("an operation that is served later: %v", err)
	}
}

func TestDuplicate(t *testing.T) {
	network := &inproc.Network{}
	echoing.Serve(network, echo)
	defer func() {
		if p, ok := recover().(string); !ok || !strings.Contains(p, "test.echo") {
			t.Errorf("serving twice panics with %v, want the name", p)
		}
		if _, err := echoing.Dial(network)(t.Context(), &slip{}); err != nil {
			t.Errorf("after the panic the first handler is gone: %v", err)
		}
	}()
	echoing.Serve(network, func(context.Context, *slip) (*slip, error) { return nil, errors.New("the second handler") })
}

// TestServeWhileCalling: handlers may come while others are called.
func TestServeWhileCalling(t *testing.T) {
	network := &inproc.Network{}
	call := reach(network, echoing, echo)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				if _, err := call(t.Context(), &slip{}); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			reach(network, transport.Op[*slip, *slip]{Name: "test.op" + string(rune('a'+i))}, echo)
		})
	}
	all.Wait()
	for i := range 8 {
		if _, err := (transport.Op[*slip, *slip]{Name: "test.op" + string(rune('a'+i))}).Dial(network)(t.Context(), &slip{}); err != nil {
			t.Error(err)
		}
	}
}
