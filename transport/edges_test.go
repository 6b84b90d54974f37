package transport_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// callers serves two operations of a store on sw, which answer with who calls.
func callers(sw *transport.Switch) (seen *int) {
	seen = new(int)
	get.Serve(sw, func(ctx context.Context, _ *note) (*note, error) {
		*seen++
		return &note{transport.Metadata(ctx, transport.Caller)}, nil
	})
	list.Serve(sw, func(ctx context.Context, _ *note) (*genai.Stream[note], error) {
		*seen++
		return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
			yield(note{transport.Metadata(ctx, transport.Caller)})
			return nil
		})
	})
	return seen
}

// locals are the ways in which services of one process may be joined.
func locals(t *testing.T, test func(t *testing.T, local *inproc.Network)) {
	t.Run("inproc", func(t *testing.T) { test(t, &inproc.Network{}) })
	t.Run("strict", func(t *testing.T) { test(t, &inproc.Network{Strict: true}) })
}

func TestEdges(t *testing.T) {
	locals(t, func(t *testing.T, local *inproc.Network) {
		sw := &transport.Switch{Local: local}
		seen := callers(sw)
		asDesk, asBilling := sw.As("desk"), sw.As("billing")
		if got, err := get.Dial(asDesk)(t.Context(), &note{}); err != nil || got.Text != "desk" {
			t.Errorf("what desk has dialled: %+v, %v", got, err)
		}
		if got, err := genai.Collect(list.Dial(asBilling), joined)(t.Context(), &note{}); err != nil || got != "billing" {
			t.Errorf("what billing has dialled: %q, %v", got, err)
		}
		before := *seen
		stolen := list.Dial(transportOnly{asDesk}) // nobody is told of this one
		_, err := stolen(t.Context(), &note{})
		if e := genai.AsError(err); genai.KindOf(err) != genai.PermissionDenied || e.Started != genai.StartedNo || e.Op != "store.list" || e.Target != "store" ||
			!strings.Contains(e.Message, "desk may not call store.list") {
			t.Errorf("what desk has not dialled: %v", err)
		}
		if *seen != before {
			t.Error("a handler saw a call that was refused")
		}
		list.Dial(asDesk)
		if _, err := genai.Collect(stolen, joined)(t.Context(), &note{}); err != nil {
			t.Errorf("what desk has dialled since: %v", err)
		}
		if got, err := get.Dial(sw)(t.Context(), &note{}); err != nil || got.Text != "" {
			t.Errorf("the program itself: %+v, %v", got, err)
		}
	})
}

// transportOnly hides that a client wants to know what was dialled.
type transportOnly struct{ transport.Client }

func joined(pieces iter.Seq2[note, error]) (text string, err error) {
	for piece, failed := range pieces {
		text, err = text+piece.Text, failed
	}
	return text, err
}

// TestNoNamesNoEdges: a composition in which nobody has a name refuses nobody.
func TestNoNamesNoEdges(t *testing.T) {
	locals(t, func(t *testing.T, local *inproc.Network) {
		local.Name = "somebody"
		sw := &transport.Switch{Local: local}
		callers(sw)
		if got, err := get.Dial(sw)(t.Context(), &note{}); err != nil || got.Text != "somebody" {
			t.Errorf("%+v, %v", got, err)
		}
		for caller, op := range sw.Edges() {
			t.Errorf("there is an edge from %s to %s", caller, op)
		}
		sw.As("desk") // from here on it matters who calls
		if got, err := get.Dial(sw)(t.Context(), &note{}); genai.KindOf(err) != genai.PermissionDenied {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestCallerStaysWithTheCall: whom a service calls in turn learns the name of that service, and not of those before it.
func TestCallerStaysWithTheCall(t *testing.T) {
	locals(t, func(t *testing.T, local *inproc.Network) {
		sw := &transport.Switch{Local: local}
		callers(sw)
		asDesk, unnamed := get.Dial(sw.As("desk")), get.Dial(sw)
		desk.Serve(sw, func(ctx context.Context, req *note) (*note, error) {
			ask := asDesk
			if req.Text == "unnamed" {
				ask = unnamed
			}
			got, err := ask(transport.WithMetadata(ctx, "tenant", "1"), req)
			if err != nil {
				return nil, err
			}
			return &note{transport.Metadata(ctx, transport.Caller) + ">" + got.Text}, nil
		})
		front := desk.Dial(sw.As("front"))
		for text, want := range map[string]string{"": "front>desk", "unnamed": "front>"} {
			if got, err := front(transport.WithMetadata(t.Context(), "tenant", "2"), &note{text}); err != nil || got.Text != want {
				t.Errorf("%q: got %+v, %v", text, got, err)
			}
		}
	})
}

// TestAnyServerAsks: a server that knows nothing of edges cannot let anybody in who may not.
func TestAnyServerAsks(t *testing.T) {
	var h genai.AnyHandler
	get.Serve(naive{func(spec *transport.Spec, served genai.AnyHandler) {
		spec.Admit = func(caller string) error { return genai.Errorf(genai.PermissionDenied, "not %s", caller) }
		h = served
	}}, func(context.Context, *note) (*note, error) {
		t.Error("the handler was called")
		return &note{}, nil
	})
	ctx, err := transport.Envelope{Caller: "desk"}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h(ctx, &note{}); genai.KindOf(err) != genai.PermissionDenied || !strings.Contains(err.Error(), "not desk") {
		t.Errorf("got %v", err)
	}
}

// TestEdgesAreNotAll: whom somebody else refuses is refused, edge or not.
func TestEdgesAreNotAll(t *testing.T) {
	sw := &transport.Switch{Local: &inproc.Network{}}
	get.Serve(naive{func(spec *transport.Spec, h genai.AnyHandler) {
		spec.Admit = func(caller string) error { return genai.Errorf(genai.PermissionDenied, "not on a Sunday, %s", caller) }
		sw.Handle(spec, h)
	}}, func(context.Context, *note) (*note, error) { return &note{}, nil })
	if _, err := get.Dial(sw.As("desk"))(t.Context(), &note{}); genai.KindOf(err) != genai.PermissionDenied || !strings.Contains(err.Error(), "not on a Sunday, desk") {
		t.Errorf("got %v", err)
	}
}

type naive struct {
	handle func(*transport.Spec, genai.AnyHandler)
}

func (n naive) Handle(spec *transport.Spec, h genai.AnyHandler) { n.handle(spec, h) }

func TestEdgesAreListed(t *testing.T) {
	sw := &transport.Switch{}
	desk.Dial(sw.As("front"))
	list.Dial(sw.As("desk"))
	get.Dial(sw.As("desk"))
	get.Dial(sw.As("desk")) // once more changes nothing
	sw.As("idle")
	var got []string
	for caller, op := range sw.Edges() {
		got = append(got, caller+" "+op)
	}
	if text := strings.Join(got, ", "); text != "desk store.get, desk store.list, front desk.answer" {
		t.Error(text)
	}
	for range sw.Edges() {
		break // a reviewer who has seen enough
	}
}

func TestCallerNames(t *testing.T) {
	for _, name := range []string{"", " desk", "desk\n", "désk"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is the name of a caller", name)
				}
			}()
			(&transport.Switch{}).As(name)
		}()
	}
	(&transport.Switch{}).As("spiffe://prod/desk")
}
