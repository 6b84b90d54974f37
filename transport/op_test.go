package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

type note struct {
	Text string `json:"text"`
}

var ask = transport.Op[*note, *note]{Name: "desk.ask"}

func echo(_ context.Context, req *note) (*note, error) { return req, nil }

// kept is a server that only remembers.
type kept struct {
	spec    *transport.Spec
	handler genai.AnyHandler
}

func (k *kept) Handle(spec *transport.Spec, h genai.AnyHandler) { k.spec, k.handler = spec, h }

// specOf returns the Spec of an operation.
func specOf[Req, Resp any](op transport.Op[Req, Resp]) *transport.Spec {
	k := &kept{}
	op.Serve(k, func(context.Context, Req) (resp Resp, err error) { return resp, errors.New("nobody calls it") })
	return k.spec
}

// A line is a client that answers as a function says.
type line func(ctx context.Context, spec *transport.Spec, req any) (any, error)

func (l line) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	return l(ctx, spec, req)
}

// panicOf returns the text that f panics with.
func panicOf(f func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprint(p)
		}
	}()
	f()
	return ""
}

// refused checks that neither side of an operation can be had, and that both are told the same.
func refused[Req, Resp any](t *testing.T, op transport.Op[Req, Resp], words ...string) {
	t.Helper()
	serve := panicOf(func() { op.Serve(&kept{}, nil) })
	dial := panicOf(func() { op.Dial(line(nil)) })
	if serve != dial {
		t.Errorf("Serve panics with %q, Dial with %q", serve, dial)
	}
	if serve == "" {
		t.Errorf("%+v was taken", op)
	}
	for _, word := range words {
		if !strings.Contains(serve, word) {
			t.Errorf("the panic is %q and does not say %q", serve, word)
		}
	}
}

type (
	withFunc struct {
		Name string
		Then func()
	}
	withChan    struct{ Done chan int }
	withPrivate struct{ secret string }
	withMethods struct{ Reader io.Reader }
	withComplex struct{ Z complex128 }
	withKey     struct{ By map[bool]string }
	withNested  struct {
		Lists []map[string]*withFunc `json:"lists"`
	}
	// written can be written as JSON and not be read.
	written     struct{ N int }
	withWritten struct{ Level written }
	word        string
)

func (written) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

func TestTypesThatCannotTravel(t *testing.T) {
	_ = withPrivate{}.secret
	const name = "desk.op"
	refused(t, transport.Op[*withFunc, *note]{Name: name}, "request of desk.op", "withFunc.Then")
	refused(t, transport.Op[*note, *withFunc]{Name: name}, "response of desk.op", "withFunc.Then")
	refused(t, transport.Op[*note, *genai.Stream[withFunc]]{Name: name}, "response of desk.op", "withFunc.Then")
	refused(t, transport.Op[*note, *genai.Stream[*withChan]]{Name: name}, "withChan.Done")
	refused(t, transport.Op[withPrivate, note]{Name: name}, "withPrivate.secret")
	refused(t, transport.Op[*withMethods, note]{Name: name}, "withMethods.Reader", "interface")
	refused(t, transport.Op[*withComplex, note]{Name: name}, "withComplex.Z")
	refused(t, transport.Op[*withKey, note]{Name: name}, "withKey.By")
	refused(t, transport.Op[*withNested, note]{Name: name}, "withNested.Lists[][].Then")
	refused(t, transport.Op[*withWritten, note]{Name: name}, "withWritten.Level", "UnmarshalJSON")
	refused(t, transport.Op[string, note]{Name: name}, "string is not a struct")
	refused(t, transport.Op[word, note]{Name: name}, "word is not a struct")
	refused(t, transport.Op[[]note, note]{Name: name}, "is not a struct")
	refused(t, transport.Op[map[string]string, note]{Name: name}, "is not a struct")
	refused(t, transport.Op[**note, note]{Name: name}, "is not a struct")
	refused(t, transport.Op[any, note]{Name: name}, "is not a struct")
	refused(t, transport.Op[func(), note]{Name: name}, "is not a struct")
	refused(t, transport.Op[*genai.Stream[note], note]{Name: name}, "request of desk.op")
	refused(t, transport.Op[*note, *genai.Stream[string]]{Name: name}, "string is not a struct")
	refused(t, transport.Op[*note, *genai.Stream[*genai.Stream[note]]]{Name: name}, "response of desk.op")
}

func TestTypesThatTravel(t *testing.T) {
	for name, spec := range map[string]*transport.Spec{
		"values":    specOf(transport.Op[note, note]{Name: "desk.op"}),
		"nothing":   specOf(transport.Op[struct{}, *struct{}]{Name: "desk.op"}),
		"recursive": specOf(transport.Op[*genai.ChatRequest, *genai.ChatResponse]{Name: "desk.op"}),
		"fields left out": specOf(transport.Op[*struct {
			Done chan int `json:"-"`
		}, note]{Name: "desk.op"}),
		"fields of any":    specOf(transport.Op[*struct{ Any any }, note]{Name: "desk.op"}),
		"every modality":   specOf(transport.Op[*genai.SpeechRequest, *genai.Images]{Name: "desk.op"}),
		"times and errors": specOf(transport.Op[*struct{ At time.Time }, *transport.Problem]{Name: "desk.op"}),
	} {
		if spec.Streams {
			t.Errorf("%s: a value is said to stream", name)
		}
	}
	if !specOf(transport.Op[*note, *genai.Stream[note]]{Name: "desk.op"}).Streams || !specOf(transport.Op[*note, *genai.Stream[*note]]{Name: "desk.op"}).Streams {
		t.Error("a stream is said not to stream")
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "desk", "desk.", ".ask", ".", "desk.ask.more", "Desk.ask", "desk.Ask", "desk.a sk", "desk/ask", "desk..ask", "-desk.ask", "desk._ask", "tür.auf", "desk.ask\n", "desk.ask?x"} {
		refused(t, transport.Op[note, note]{Name: name}, fmt.Sprintf("%q", name), "service.operation")
	}
	for _, name := range []string{"desk.ask", "d.a", "desk-2.ask_it", "0.1"} {
		spec := specOf(transport.Op[note, note]{Name: name})
		if service, _, _ := strings.Cut(name, "."); spec.Service() != service {
			t.Errorf("the service of %s is %q", name, spec.Service())
		}
	}
}

func TestSpec(t *testing.T) {
	spec := specOf(transport.Op[note, note]{Name: "desk.ask"})
	if spec.Name != "desk.ask" || spec.Idempotency != transport.Unsafe || spec.MaxBytes != 32<<20 || spec.Shared || spec.Streams {
		t.Errorf("without settings: %+v", spec)
	}
	spec = specOf(transport.Op[note, note]{Name: "desk.ask", Idempotency: transport.Safe, MaxBytes: 1, Shared: true})
	if spec.Idempotency != transport.Safe || spec.MaxBytes != 1 || !spec.Shared {
		t.Errorf("with settings: %+v", spec)
	}
	refused(t, transport.Op[note, note]{Name: "desk.ask", MaxBytes: -1}, "desk.ask", "MaxBytes")
	refused(t, transport.Op[note, note]{Name: "desk.ask", Idempotency: "sure"}, "desk.ask", "Idempotency", `"sure"`)
}

func TestDuplicateNames(t *testing.T) {
	for name, server := range map[string]transport.Server{"inproc": &inproc.Network{}, "switch": &transport.Switch{Local: &inproc.Network{}}} {
		ask.Serve(server, echo)
		transport.Op[*note, *note]{Name: "desk.other"}.Serve(server, echo)
		if text := panicOf(func() { transport.Op[note, note]{Name: "desk.ask"}.Serve(server, nil) }); !strings.Contains(text, "desk.ask") {
			t.Errorf("%s: serving a name twice panics with %q", name, text)
		}
	}
}

// TestDialNames: whatever a client fails with, the caller is told which operation failed, where, and whether it started.
func TestDialNames(t *testing.T) {
	further := &genai.Error{Kind: genai.NotFound, Op: "store.get", Target: "store", Started: genai.StartedYes, Reason: "no_such_order"}
	for _, c := range []struct {
		name string
		err  error
		want genai.Error
	}{
		{"nothing known", errors.New("odd"), genai.Error{Kind: genai.Unknown, Op: "desk.ask", Target: "desk", Message: "odd"}},
		{"not started", &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}, genai.Error{Kind: genai.Unavailable, Op: "desk.ask", Target: "desk", Started: genai.StartedNo}},
		{"from further in", further, *further},
		{"wrapped", fmt.Errorf("the line: %w", &genai.Error{Kind: genai.Timeout, Message: "too slow"}), genai.Error{Kind: genai.Timeout, Op: "desk.ask", Target: "desk", Message: "the line: timeout: too slow"}},
		{"of package context, while ours lives", context.Canceled, genai.Error{Kind: genai.Cancelled, Op: "desk.ask", Target: "desk", Message: "context canceled"}},
	} {
		_, err := ask.Dial(line(func(context.Context, *transport.Spec, any) (any, error) { return nil, c.err }))(t.Context(), &note{})
		got, ok := err.(*genai.Error)
		if !ok {
			t.Errorf("%s: the error is a %T", c.name, err)
			continue
		}
		if got.Kind != c.want.Kind || got.Op != c.want.Op || got.Target != c.want.Target || got.Started != c.want.Started || got.Message != c.want.Message || got.Reason != c.want.Reason {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.name, got, c.want)
		}
	}
	own := &genai.Error{Kind: genai.Unavailable}
	if _, err := ask.Dial(line(func(context.Context, *transport.Spec, any) (any, error) { return nil, own }))(t.Context(), &note{}); err == error(own) || own.Op != "" || own.Target != "" {
		t.Errorf("the error of somebody else was changed: %+v", own)
	}
}

// TestDialWrongType: a transport that returns something else is found out, and what it returned is released.
func TestDialWrongType(t *testing.T) {
	closed := 0
	stream := func(ctx context.Context) any {
		s, err := genai.NewStream(ctx, func() (note, error) { return note{}, nil }, func() { closed++ })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, wrong := range []any{nil, note{}, "text", stream(t.Context())} {
		resp, err := ask.Dial(line(func(context.Context, *transport.Spec, any) (any, error) { return wrong, nil }))(t.Context(), &note{})
		if genai.KindOf(err) != genai.Internal || resp != nil || genai.AsError(err).Op != "desk.ask" {
			t.Errorf("for a %T the caller got %v, %v", wrong, resp, err)
		}
	}
	if closed != 1 {
		t.Errorf("the stream was closed %d times", closed)
	}
}

// TestDialContext: an end of the context is what the caller is told, whatever the transport says, and nobody is called
// after it.
func TestDialContext(t *testing.T) {
	var leave context.CancelFunc
	calls, closed := 0, 0
	tell := transport.Op[*note, *genai.Stream[note]]{Name: "desk.tell"}.Dial(line(func(ctx context.Context, _ *transport.Spec, req any) (any, error) {
		calls++
		leave()
		if req.(*note).Text == "fail" {
			return nil, &genai.Error{Kind: genai.Unavailable, Message: "the connection was closed"}
		}
		return genai.NewStream(context.Background(), func() (note, error) { return note{}, nil }, func() { closed++ })
	}))
	for _, text := range []string{"fail", "stream"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		leave = cancel
		s, err := tell(ctx, &note{text})
		if !errors.Is(err, context.Canceled) || genai.KindOf(err) != genai.Cancelled || s != nil || genai.AsError(err).Op != "desk.tell" {
			t.Errorf("%s: the caller who has left got %v, %v", text, s, err)
		}
		_, err = tell(ctx, &note{text})
		if !errors.Is(err, context.Canceled) || genai.AsError(err).Started != genai.StartedNo {
			t.Errorf("%s: whose context had ended before got %v", text, err)
		}
	}
	if calls != 2 || closed != 1 {
		t.Errorf("the transport was called %d times, want 2; %d streams were released, want 1", calls, closed)
	}
	_, err := tell(transport.WithMetadata(t.Context(), "Tenant", "acme"), &note{})
	if genai.KindOf(err) != genai.InvalidRequest || genai.AsError(err).Field != "metadata.Tenant" || calls != 2 {
		t.Errorf("with wrong metadata: %v after %d calls", err, calls)
	}
}

// TestContain: what a transport is given to call neither panics nor returns nothing.
func TestContain(t *testing.T) {
	quiet(t)
	for name, h := range map[string]genai.Handler[*note, *note]{
		"panic":    func(context.Context, *note) (*note, error) { panic("the prompt") },
		"nil":      func(context.Context, *note) (*note, error) { return nil, nil },
		"panicked": func(context.Context, *note) (*note, error) { panic(errors.New("the prompt")) },
	} {
		k := &kept{}
		ask.Serve(k, h)
		resp, err := k.handler(t.Context(), &note{})
		if genai.KindOf(err) != genai.Internal || resp != nil || strings.Contains(err.Error(), "the prompt") || genai.AsError(err).Started != genai.StartedYes {
			t.Errorf("%s: got %v, %v", name, resp, err)
		}
	}
	k := &kept{}
	ask.Serve(k, echo)
	if resp, err := k.handler(t.Context(), "text"); genai.KindOf(err) != genai.Internal || resp != nil {
		t.Errorf("a request of another type: %v, %v", resp, err)
	}
	if resp, err := k.handler(t.Context(), &note{"a"}); err != nil || resp.(*note).Text != "a" {
		t.Errorf("got %v, %v", resp, err)
	}
}
