package transport_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

func TestMetadataRules(t *testing.T) {
	for name, c := range map[string]struct {
		name, value string
		wrong       bool
	}{
		"a pair":            {"tenant", "a", false},
		"all characters":    {"a-b_c.9", " ~"[1:], false},
		"an empty value":    {"tenant", "", false},
		"no name":           {"", "a", true},
		"capitals":          {"Tenant", "a", true},
		"a name of ours":    {"dovetail-attempt", "9", true},
		"a line break":      {"tenant", "a\r\nx-admin: 1", true},
		"beyond ASCII":      {"tenant", "ä", true},
		"a space in front":  {"tenant", " a", true},
		"too much":          {"tenant", strings.Repeat("a", 8<<10), true},
		"as much as may be": {"tenant", strings.Repeat("a", 8<<10-len("tenant")), false},
	} {
		t.Run(name, func(t *testing.T) {
			called := false
			n := &inproc.Network{}
			op := transport.Op[*ping, *ping]{Name: "a.b"}
			op.Serve(n, func(ctx context.Context, p *ping) (*ping, error) {
				called = true
				if got := transport.Metadata(ctx, c.name); got != c.value {
					t.Errorf("%q arrived", got)
				}
				return p, nil
			})
			_, err := op.Dial(n)(transport.WithMetadata(t.Context(), c.name, c.value), &ping{})
			e := genai.AsError(err)
			switch {
			case c.wrong && (err == nil || called || e.Kind != genai.InvalidRequest || e.Field != "metadata."+c.name || e.Started != genai.StartedNo):
				t.Errorf("got %+v", err)
			case !c.wrong && err != nil:
				t.Error(err)
			}
			if set := (&transport.Reply{}).Set(c.name, c.value); (set != nil) != c.wrong {
				t.Errorf("a reply says %v", set)
			}
			if set := (*transport.Reply)(nil).Set(c.name, c.value); (set != nil) != c.wrong {
				t.Errorf("a reply that nobody wants says %v", set)
			}
		})
	}
}

func TestMetadataReplaces(t *testing.T) {
	ctx := t.Context()
	for n := range 1000 { // more than all of them together may be
		ctx = transport.WithMetadata(ctx, "step", fmt.Sprint("a value of a few bytes ", n))
	}
	n := &inproc.Network{}
	op := transport.Op[*ping, *ping]{Name: "a.b"}
	op.Serve(n, func(ctx context.Context, p *ping) (*ping, error) {
		return &ping{transport.Metadata(ctx, "step")}, nil
	})
	p, err := op.Dial(n)(ctx, &ping{})
	if err != nil || p.Text != "a value of a few bytes 999" {
		t.Error(p, err)
	}
	if transport.Metadata(context.Background(), "step") != "" {
		t.Error("metadata out of nothing")
	}
}

// What a handler replies goes back one call, and is not mixed with what its own calls bring back.
func TestReply(t *testing.T) {
	n := &inproc.Network{}
	outer := transport.Op[*ping, *ping]{Name: "a.outer"}
	inner := transport.Op[*ping, *ping]{Name: "b.inner"}
	inner.Serve(n, func(ctx context.Context, p *ping) (*ping, error) {
		return p, transport.ReplyOf(ctx).Set("cost", "3")
	})
	outer.Serve(n, func(ctx context.Context, p *ping) (*ping, error) {
		collect, replies := transport.WithReply(ctx)
		if _, err := inner.Dial(n)(collect, p); err != nil {
			return nil, err
		}
		if replies.Get("cost") != "3" {
			t.Errorf("the inner call brought back %v", replies.All())
		}
		return p, transport.ReplyOf(ctx).Set("total", "4")
	})
	ctx, replies := transport.WithReply(t.Context())
	if _, err := outer.Dial(n)(ctx, &ping{}); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(replies.All(), map[string]string{"total": "4"}) {
		t.Errorf("the call brought back %v", replies.All())
	}
	var none *transport.Reply
	if none.Get("cost") != "" || none.All() != nil {
		t.Error("no reply has something")
	}
}
