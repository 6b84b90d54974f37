package transport_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A post is a client that answers as it is told.
type post struct {
	calls atomic.Int32
	err   error
	then  func() // during the call
}

func (p *post) Call(_ context.Context, _ *transport.Spec, req any) (any, error) {
	p.calls.Add(1)
	if p.then != nil {
		p.then()
	}
	if p.err != nil {
		return nil, p.err
	}
	return &stub{ID: req.(*ticket).ID}, nil
}

// What was turned away where a service lived goes on to where it lives, and nothing else does.
func TestMovedDuringACall(t *testing.T) {
	refused := (&transport.Problem{Kind: genai.Unavailable, Refused: true}).Err()
	for name, c := range map[string]struct {
		err    error
		stays  bool // the service does not move
		failed genai.Kind
	}{
		"nobody there":             {err: &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}},
		"turned away":              {err: refused},
		"too much to do":           {err: (&transport.Problem{Kind: genai.Overloaded, Refused: true}).Err()},
		"turned away, not moved":   {err: refused, stays: true, failed: genai.Unavailable},
		"may have started":         {err: &genai.Error{Kind: genai.Unavailable}, failed: genai.Unavailable},
		"has started":              {err: &genai.Error{Kind: genai.Unavailable, Started: genai.StartedYes}, failed: genai.Unavailable},
		"further in it has not":    {err: (&transport.Problem{Kind: genai.Unavailable, Started: genai.StartedNo}).Err(), failed: genai.Unavailable},
		"turned away one hop away": {err: transport.Crossed(refused), failed: genai.Unavailable},
		"a wrong request":          {err: (&transport.Problem{Kind: genai.InvalidRequest, Refused: true}).Err(), failed: genai.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			sw := &transport.Switch{Local: &inproc.Network{}}
			newPlace := &post{}
			oldPlace := &post{err: c.err, then: func() {
				if !c.stays {
					sw.Point("gate", "new", newPlace)
				}
			}}
			sw.Point("gate", "old", oldPlace)
			var to []string
			ctx := genai.Listen(t.Context(), func(e genai.Event) { to = append(to, e.To) })
			s, err := punch.Dial(sw)(ctx, &ticket{ID: 7})
			if genai.KindOf(err) != c.failed {
				t.Fatalf("got %v, want %q", err, c.failed)
			}
			if err == nil && (s.ID != 7 || newPlace.calls.Load() != 1 || !slices.Equal(to, []string{"old", "new"})) {
				t.Errorf("the new place answered %+v to %d calls; the calls went to %v", s, newPlace.calls.Load(), to)
			}
			if oldPlace.calls.Load() != 1 || err != nil && newPlace.calls.Load() != 0 {
				t.Errorf("%d calls to the old place, %d to the new one", oldPlace.calls.Load(), newPlace.calls.Load())
			}
		})
	}
}

func TestMoveErrors(t *testing.T) {
	sw := &transport.Switch{Placement: transport.Placement{At: map[string]string{"gate": "town:1"}}, Local: &inproc.Network{}, Remotes: []transport.Remote{&town{}}}
	for _, to := range []string{transport.Here, "gopher://a", ""} {
		if err := sw.Move("gate", to); genai.KindOf(err) != genai.InvalidRequest || genai.AsError(err).Started != genai.StartedNo {
			t.Errorf("moving to %q: %v", to, err)
		}
	}
	if _, err := punch.Dial(sw)(t.Context(), &ticket{}); genai.KindOf(err) != genai.Unimplemented {
		t.Errorf("it does not stay where it was: %v", err)
	}
	if err := sw.Move("elsewhere", "town:2"); err != nil {
		t.Errorf("a service that the placement does not know cannot move: %v", err)
	}
}

// A call through a Switch costs next to nothing above one without.
func BenchmarkSwitch(b *testing.B) {
	direct := &post{}
	sw := &transport.Switch{}
	sw.Point("gate", "direct", direct)
	for _, c := range []struct {
		name   string
		client transport.Client
	}{{"none", direct}, {"switch", sw}} {
		b.Run(c.name, func(b *testing.B) {
			call, req := punch.Dial(c.client), &ticket{}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
