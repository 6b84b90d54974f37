package transport_test

import (
	"context"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// TestFurtherAttempts: the limit for further attempts goes with a call and is nobody's metadata; what was tried on the other side of
// one that has failed counts on this one.
func TestFurtherAttempts(t *testing.T) {
	const pair = "dovetail-further"
	n := &inproc.Network{}
	inner, outer := transport.Op[*ping, *ping]{Name: "b.inner"}, transport.Op[*ping, *ping]{Name: "a.outer"}
	left := func(ctx context.Context, want int) {
		t.Helper()
		if n, limited := genai.TrailOf(ctx).Left(); limited != (want >= 0) || limited && n != want {
			t.Errorf("%d further attempts are left (%v), want %d", n, limited, want)
		}
	}
	want, wantInner := -1, -1
	outer.Serve(n, func(ctx context.Context, p *ping) (*ping, error) {
		left(ctx, want)
		if got := transport.Metadata(ctx, pair); got != "" || transport.Metadata(ctx, "tenant") != "t" {
			t.Errorf("the metadata have %q, and the tenant %q", got, transport.Metadata(ctx, "tenant"))
		}
		genai.TrailOf(ctx).Take()
		return inner.Dial(n)(ctx, p)
	})
	tried := []genai.Attempt{{Kind: genai.ServerError}, {Kind: genai.ServerError, By: "retry"}, {Kind: genai.ServerError}}
	inner.Serve(n, func(ctx context.Context, p *ping) (*ping, error) {
		left(ctx, wantInner)
		if p.Text == "fails" {
			return nil, &genai.Error{Kind: genai.ServerError, Attempts: tried}
		}
		return p, nil
	})
	call := outer.Dial(n)
	ctx := transport.WithMetadata(t.Context(), "tenant", "t")
	if _, err := call(ctx, &ping{}); err != nil {
		t.Error(err)
	}
	trail := &genai.Trail{Context: ctx}
	trail.Limit(3)
	want, wantInner = 3, 2
	if _, err := call(trail, &ping{}); err != nil {
		t.Error(err)
	}
	left(trail, 3) // whoever gets an answer is not told what it took
	if _, err := call(trail, &ping{"fails"}); genai.KindOf(err) != genai.ServerError {
		t.Error(err)
	}
	left(trail, 2)

	for _, wrong := range []string{"", "-1", "x", "1.5", "99999999999"} {
		_, err := transport.Envelope{Metadata: map[string]string{pair: wrong}}.Open(t.Context())
		if e := genai.AsError(err); genai.KindOf(err) != genai.InvalidRequest || e.Field != "metadata."+pair || e.Started != genai.StartedNo {
			t.Errorf("%q: %+v", wrong, e)
		}
	}
}
