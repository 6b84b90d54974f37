package transport_test

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// allASCII is every byte that a value may have.
func allASCII() string {
	var b strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

const maxMetadata = 8 << 10

var metadataRules = []struct {
	name, value string
	ok          bool
}{
	{"tenant", "acme", true},
	{"a", "", true},
	{"a-b_c.d-0", "x", true},
	{"0", "x", true},
	{".", "x", true},
	{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true},
	{"dovetail", "x", true},
	{"all", allASCII(), true},
	{"inner", "a b", true},
	{"full", strings.Repeat("x", maxMetadata-4), true},
	{"", "x", false},
	{"Tenant", "x", false},
	{"a b", "x", false},
	{"a:b", "x", false},
	{"a\r\nb", "x", false},
	{"ä", "x", false},
	{"\xff", "x", false},
	{"dovetail-attempt", "x", false},
	{"dovetail-", "x", false},
	{"a", " x", false},
	{"a", "x ", false},
	{"a", " ", false},
	{"a", "x\r\ny: z", false},
	{"a", "\t", false},
	{"a", "\x00", false},
	{"a", "\x7f", false},
	{"a", "ä", false},
	{"a", "\xff", false},
	{"full", strings.Repeat("x", maxMetadata-3), false},
	{"baggage", strings.Repeat("x", 8192), true},
	{"baggage", strings.Repeat("x", 8193), false},
	{strings.Repeat("x", maxMetadata+1), "", false},
}

// TestMetadataRules: requests, replies, and what comes in from a peer follow the same rules.
func TestMetadataRules(t *testing.T) {
	network := &inproc.Network{}
	ask.Serve(network, echo)
	call := ask.Dial(network)
	for _, c := range metadataRules {
		wants := func(who string, err error) {
			t.Helper()
			switch own := genai.AsError(err); {
			case c.ok && err != nil:
				t.Errorf("%s: %.30q=%.30q: %v", who, c.name, c.value, err)
			case !c.ok && (own == nil || own.Kind != genai.InvalidRequest || own.Field != "metadata."+c.name):
				t.Errorf("%s: %.30q=%.30q: the error is %v", who, c.name, c.value, err)
			}
		}
		_, err := call(transport.WithMetadata(t.Context(), c.name, c.value), &note{})
		wants("request", err)
		reply := &transport.Reply{}
		wants("reply", reply.Set(c.name, c.value))
		if got := reply.Get(c.name); c.ok && got != c.value || !c.ok && reply.All() != nil {
			t.Errorf("the reply has %.30q=%.30q", c.name, got)
		}
		wants("no reply", (*transport.Reply)(nil).Set(c.name, c.value))
		_, err = transport.Envelope{Metadata: map[string]string{c.name: c.value}}.Open(t.Context())
		wants("envelope", err)
	}
}

// TestMetadataSize: the limit is for all pairs together, and what is replaced does not count.
func TestMetadataSize(t *testing.T) {
	network := &inproc.Network{}
	ask.Serve(network, echo)
	half := strings.Repeat("x", maxMetadata/2-1) // with its name half of what there may be
	ctx, reply := t.Context(), &transport.Reply{}
	for _, name := range []string{"a", "b", "a", "b"} {
		ctx = transport.WithMetadata(ctx, name, half)
		if err := reply.Set(name, half); err != nil {
			t.Errorf("the reply %s: %v", name, err)
		}
	}
	if _, err := ask.Dial(network)(ctx, &note{}); err != nil {
		t.Errorf("two halves: %v", err)
	}
	loaded := transport.WithMetadata(ctx, "baggage", strings.Repeat("x", 8192)) // which a tracer may do that knows nothing of our limits
	if _, err := ask.Dial(network)(loaded, &note{}); err != nil {
		t.Errorf("two halves and baggage: %v", err)
	}
	more := transport.WithMetadata(loaded, "c", "")
	_, err := ask.Dial(network)(more, &note{})
	if own := genai.AsError(err); own == nil || own.Field != "metadata.c" || !strings.Contains(own.Message, "8193") || own.Started != genai.StartedNo {
		t.Errorf("two halves and one byte: %v", err)
	}
	if err := reply.Set("c", ""); genai.KindOf(err) != genai.InvalidRequest {
		t.Errorf("the reply with two halves and one byte: %v", err)
	}
	if err := reply.Set("a", half+"x"); genai.KindOf(err) != genai.InvalidRequest || reply.Get("a") != half {
		t.Errorf("a larger half: %v, and the reply has %d bytes of it", err, len(reply.Get("a")))
	}
	if _, err := (transport.Envelope{Metadata: map[string]string{"a": half, "b": half, "c": ""}}).Open(t.Context()); genai.KindOf(err) != genai.InvalidRequest {
		t.Errorf("a peer sends two halves and one byte: %v", err)
	}
	if _, err := ask.Dial(network)(ctx, &note{}); err != nil {
		t.Errorf("the outer context was changed: %v", err)
	}
}

// TestMetadataContexts: a context is not changed by those who derive from it.
func TestMetadataContexts(t *testing.T) {
	outer := transport.WithMetadata(t.Context(), "step", "1")
	left, right := transport.WithMetadata(outer, "step", "2"), transport.WithMetadata(outer, "side", "right")
	for _, c := range []struct {
		ctx  context.Context
		want map[string]string
	}{
		{t.Context(), nil},
		{outer, map[string]string{"step": "1"}},
		{left, map[string]string{"step": "2"}},
		{right, map[string]string{"step": "1", "side": "right"}},
	} {
		if got := transport.EnvelopeOf(c.ctx); !maps.Equal(got.Metadata, c.want) || got.Attempt != 1 || got.Reply != nil {
			t.Errorf("got %+v, want %v", got, c.want)
		}
		if transport.Metadata(c.ctx, "step") != c.want["step"] || transport.Metadata(c.ctx, "none") != "" {
			t.Errorf("step is %q", transport.Metadata(c.ctx, "step"))
		}
	}
	// The first pair that is wrong is what the caller is told, and what is right does not hide it.
	network := &inproc.Network{}
	ask.Serve(network, echo)
	wrong := transport.WithMetadata(transport.WithMetadata(transport.WithMetadata(outer, "A", ""), "B", ""), "c", "")
	for range 20 {
		if _, err := ask.Dial(network)(wrong, &note{}); err == nil || genai.AsError(err).Field != "metadata.A" {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestEnvelope: what EnvelopeOf takes off, Open puts on, and nothing else.
func TestEnvelope(t *testing.T) {
	ctx, reply := transport.WithReply(genai.WithAttempt(transport.WithMetadata(t.Context(), "a", "b"), 3))
	e := transport.EnvelopeOf(ctx)
	if e.Attempt != 3 || e.Metadata["a"] != "b" || e.Reply != reply {
		t.Errorf("the envelope is %+v", e)
	}
	e.Reply = &transport.Reply{}
	inner, err := e.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if genai.AttemptOf(inner) != 3 || transport.Metadata(inner, "a") != "b" || transport.ReplyOf(inner) != e.Reply {
		t.Errorf("the handler has %+v", transport.EnvelopeOf(inner))
	}
	if next := transport.EnvelopeOf(inner); next.Reply == e.Reply {
		t.Error("what the handler replies is where its own calls bring their replies")
	}
	for name, e := range map[string]transport.Envelope{"zero": {}, "first attempt": {Attempt: 1}, "empty metadata": {Metadata: map[string]string{}}} {
		if got, err := e.Open(t.Context()); err != nil || got != t.Context() {
			t.Errorf("%s: a context is derived for nothing: %v", name, err)
		}
	}
}

// TestReplies: each Reply is between one caller and the handlers it called.
func TestReplies(t *testing.T) {
	network := &inproc.Network{}
	inner, outer := transport.Op[*note, *note]{Name: "store.get"}, transport.Op[*note, *note]{Name: "desk.get"}
	inner.Serve(network, func(ctx context.Context, req *note) (*note, error) {
		return req, transport.ReplyOf(ctx).Set("cost", "1")
	})
	outer.Serve(network, func(ctx context.Context, req *note) (*note, error) {
		if req.Text == "silent" {
			return inner.Dial(network)(ctx, req)
		}
		own, from := transport.WithReply(ctx)
		resp, err := inner.Dial(network)(own, req)
		if transport.ReplyOf(own) != transport.ReplyOf(ctx) {
			t.Error("who asks for the replies of others loses their own")
		}
		_ = transport.ReplyOf(ctx).Set("total", from.Get("cost")+"0")
		return resp, err
	})
	for text, want := range map[string]map[string]string{"silent": nil, "": {"total": "10"}} {
		ctx, reply := transport.WithReply(t.Context())
		if _, err := outer.Dial(network)(ctx, &note{text}); err != nil {
			t.Error(err)
		}
		if !maps.Equal(reply.All(), want) {
			t.Errorf("%q: the reply is %v, want %v", text, reply.All(), want)
		}
	}
	// Without a transport between, the handler sets the Reply of its caller.
	ctx, reply := transport.WithReply(t.Context())
	if err := transport.ReplyOf(ctx).Set("cost", "1"); err != nil || reply.Get("cost") != "1" {
		t.Errorf("the reply is %v, %v", reply.All(), err)
	}
	// Two calls under one context bring back into one Reply; what came later counts.
	ctx, reply = transport.WithReply(t.Context())
	_ = reply.Set("cost", "0")
	_ = reply.Set("before", "1")
	if _, err := inner.Dial(network)(ctx, &note{}); err != nil || !maps.Equal(reply.All(), map[string]string{"cost": "1", "before": "1"}) {
		t.Errorf("the reply is %v, %v", reply.All(), err)
	}
}

func TestNilReply(t *testing.T) {
	var none *transport.Reply
	if transport.ReplyOf(t.Context()) != nil || none.Get("a") != "" || none.All() != nil || none.Set("a", "b") != nil || (&transport.Reply{}).All() != nil {
		t.Error("a nil Reply is not an empty one")
	}
}

func TestReplyIsSafe(t *testing.T) {
	reply := &transport.Reply{}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 100 {
				_ = reply.Set("n"+strconv.Itoa(i), strconv.Itoa(n))
				_ = reply.Get("n0")
				reply.All()["n0"] = "changed"
			}
		})
	}
	all.Wait()
	if got := reply.All(); len(got) != 8 || got["n0"] != "99" {
		t.Errorf("got %v", got)
	}
}
