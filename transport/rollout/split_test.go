package rollout_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
	"github.com/dovetail-go/dovetail/transport/rollout"
)

type question struct {
	User string `json:"user"`
	N    int    `json:"n,omitzero"`
}

type answer struct {
	Text string `json:"text"`
}

var (
	ask  = transport.Op[*question, *answer]{Name: "desk.ask"}
	tell = transport.Op[*question, *genai.Stream[answer]]{Name: "desk.tell"}
)

// A desk answers with its name, and counts.
type desk struct {
	name  string
	calls atomic.Int64
	do    func(ctx context.Context, q *question) (*answer, error) // instead, if not nil
	say   func(n int) string                                      // what a stream says, if not nil
}

func (d *desk) ask(ctx context.Context, q *question) (*answer, error) {
	d.calls.Add(1)
	if d.do != nil {
		return d.do(ctx, q)
	}
	return &answer{d.name}, nil
}

func (d *desk) tell(ctx context.Context, q *question) (*genai.Stream[answer], error) {
	d.calls.Add(1)
	return genai.Open(ctx, func(ctx context.Context, yield func(answer) bool) error {
		for i := range q.N {
			text := d.name
			if d.say != nil {
				text = d.say(i)
			}
			if !yield(answer{text}) {
				return ctx.Err()
			}
		}
		return nil
	})
}

// client serves the desk.
func (d *desk) client() transport.Client {
	n := &inproc.Network{}
	ask.Serve(n, d.ask)
	tell.Serve(n, d.tell)
	return n
}

func byUser(_ context.Context, _ string, req any) string {
	if q, ok := req.(*question); ok {
		return q.User
	}
	return ""
}

func TestSplitByKey(t *testing.T) {
	const users = 1000
	old, fresh := &desk{name: "old"}, &desk{name: "new"}
	s := &rollout.Split{Old: old.client(), New: fresh.client(), Key: byUser}
	elsewhere := &rollout.Split{Old: s.Old, New: s.New, Key: byUser}
	moved := map[string]bool{}
	for _, percent := range []float64{-5, 0, 0.1, 1, 10, 50, 100, 200} {
		s.Set(percent)
		elsewhere.Set(percent)
		before := fresh.calls.Load()
		for i := range users {
			q := &question{User: fmt.Sprint("user", i)}
			a, err := ask.Dial(s)(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			b, err := ask.Dial(elsewhere)(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if a.Text != b.Text {
				t.Errorf("at %v %%, %s goes to %s here and to %s elsewhere", percent, q.User, a.Text, b.Text)
			}
			if moved[q.User] && a.Text != "new" {
				t.Errorf("%s goes back while the share grows to %v %%", q.User, percent)
			}
			moved[q.User] = a.Text == "new"
		}
		share := float64(fresh.calls.Load()-before) / (2 * users) * 100
		want := max(0, min(percent, 100))
		if share < want*0.7-0.2 || share > want*1.3+0.2 {
			t.Errorf("%v %% are %v %%", percent, share)
		}
		if s.Percent() < want-1e-6 || s.Percent() > want+1e-6 {
			t.Errorf("%v was set and %v returned", percent, s.Percent())
		}
	}
}

func TestSplitWithoutKey(t *testing.T) {
	for name, key := range map[string]func(context.Context, string, any) string{"nil": nil, "empty": func(context.Context, string, any) string { return "" }} {
		t.Run(name, func(t *testing.T) {
			old, fresh := &desk{name: "old"}, &desk{name: "new"}
			s := &rollout.Split{Old: old.client(), New: fresh.client(), Key: key}
			s.Set(50)
			for range 1000 {
				if _, err := ask.Dial(s)(t.Context(), &question{}); err != nil {
					t.Fatal(err)
				}
			}
			if n := fresh.calls.Load(); n < 300 || n > 700 { // 12 standard deviations
				t.Errorf("%d of 1000 calls went to the new place", n)
			}
		})
	}
}

// TestSplitKeepsKeyedCallsTogether: a call that is repeated goes where it went before, or it would be made twice.
func TestSplitKeepsKeyedCallsTogether(t *testing.T) {
	old, fresh := &desk{name: "old"}, &desk{name: "new"}
	s := &rollout.Split{Old: old.client(), New: fresh.client()}
	s.Set(50)
	both := map[string]bool{}
	for i := range 20 {
		first := ""
		for range 5 {
			a, err := ask.Dial(s)(transport.WithMetadata(t.Context(), transport.Key, fmt.Sprint("order ", i)), &question{})
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = a.Text
			}
			if a.Text != first {
				t.Fatalf("order %d went to %s and then to %s", i, first, a.Text)
			}
		}
		both[first] = true
	}
	if len(both) != 2 {
		t.Errorf("all went to %v", both)
	}
}

// gone is a place that cannot be reached, or has failed.
type gone struct{ err error }

func (g gone) Call(context.Context, *transport.Spec, any) (any, error) { return nil, g.err }

func TestSplitFallsBack(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want genai.Kind
	}{
		"nobody there": {&genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}, ""},
		"turned away":  {(&transport.Problem{Kind: genai.Overloaded, Refused: true}).Err(), ""},
		"may have run": {&genai.Error{Kind: genai.Unavailable}, genai.Unavailable},
		"wrong":        {&genai.Error{Kind: genai.InvalidRequest, Started: genai.StartedNo}, genai.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			old := &desk{name: "old"}
			s := &rollout.Split{Old: old.client(), New: gone{c.err}}
			s.Set(100)
			a, err := ask.Dial(s)(t.Context(), &question{})
			if genai.KindOf(err) != c.want || err == nil && a.Text != "old" {
				t.Errorf("got %v, %v", a, err)
			}
		})
	}
}
