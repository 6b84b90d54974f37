package desk

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/resilience"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A leaky client loses what comes back from the first calls, when the work is done.
type leaky struct {
	transport.Client
	lose atomic.Int32
}

func (l *leaky) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	resp, err := l.Client.Call(ctx, spec, req)
	if err == nil && l.lose.Add(-1) >= 0 {
		genai.Discard(resp)
		return nil, &genai.Error{Kind: genai.Unavailable, Message: "the connection was lost"}
	}
	return resp, err
}

// TestLostAnswers: an answer that was lost on the way is not made again if the question has a key. Whoever repeats the question gets
// it once more, and nothing is paid for twice.
func TestLostAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		key   string
		asked int // how often the same is asked
		lose  int32
		want  int // how often the model answers
		lost  bool
	}{
		"nothing is lost":          {key: "k", asked: 1, want: 1},
		"twice, the same question": {key: "k", asked: 2, want: 1},
		"two answers are lost":     {key: "k", asked: 1, lose: 2, want: 1},
		"without a key":            {asked: 1, lose: 1, want: 1, lost: true},
		"a long key":               {key: fmt.Sprintf("%0250d", 1), asked: 2, lose: 1, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			model := genaitest.Script(genaitest.Pieces("Hel", "lo"), genaitest.Pieces("another answer"))
			n := &inproc.Network{}
			contract.Answer.Serve(n, model.Chat)
			wire := &leaky{Client: n}
			wire.lose.Store(c.lose)
			d := newDesk(contract.Answer.Dial(wire))
			d.Again = &resilience.Retry{Attempts: 6, Base: time.Microsecond, Retryable: Lost}
			// The desk itself keeps nothing here: it has ended in between, say.
			again := contract.Ask
			again.Idempotency = transport.Safe
			again.Serve(n, d.Ask)
			ctx := t.Context()
			if c.key != "" {
				ctx = transport.WithMetadata(ctx, transport.Key, c.key)
			}
			for range c.asked {
				stream, err := again.Dial(n)(ctx, &contract.Question{Text: "question"})
				if err != nil {
					t.Fatal(err)
				}
				text, notice := "", ""
				for u, err := range stream.All() {
					if err != nil {
						t.Fatal(err)
					}
					text += u.Text
					notice += u.Notice
				}
				if (text != "Hello") != c.lost || (notice != "") != c.lost {
					t.Errorf("got %q, and the notice %q", text, notice)
				}
			}
			if n := len(model.Calls()); n != c.want {
				t.Errorf("the model has answered %d times", n)
			}
		})
	}
}
