package transporttest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/resilience"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/transporttest"
)

// TestTimeoutsOfCallers: the limits that package resilience puts around a call fire alike in every mode, with the same error, and end
// the work. Nothing depends on how long they are: what they wait for never comes. This is S12 with a real policy.
func TestTimeoutsOfCallers(t *testing.T) {
	said := map[string]string{}
	for _, test := range []struct {
		name   string
		pieces int // before the producer says no more
		limits resilience.Timeouts
	}{
		{"first piece", 0, resilience.Timeouts{FirstToken: 20 * time.Millisecond}},
		{"next piece", 1, resilience.Timeouts{Idle: 20 * time.Millisecond}},
		// These are deadlines, which the other side has as well, and may be the first to notice.
		{"the whole, before a piece", 0, resilience.Timeouts{Attempt: 20 * time.Millisecond}},
		{"the whole, between two", 1, resilience.Timeouts{Attempt: 500 * time.Millisecond}},
	} {
		t.Run(test.name, func(t *testing.T) {
			transporttest.Modes(t, func(t *testing.T, network transport.Network) {
				spell.Serve(network, func(ctx context.Context, l *line) (*genai.Stream[line], error) {
					return genai.Open(ctx, func(ctx context.Context, yield func(line) bool) error {
						for range test.pieces {
							yield(*l)
						}
						<-ctx.Done() // or the server would not end
						return ctx.Err()
					})
				})
				s, err := genai.With(spell.Dial(network), &test.limits)(t.Context(), &line{"a"})
				if err == nil {
					for _, err = range s.All() {
					}
				}
				e := genai.AsError(err)
				if genai.KindOf(err) != genai.Timeout {
					t.Errorf("got %v, want a timeout", err)
				}
				text := fmt.Sprintf("%s, op %q, target %q: %s", e.Kind, e.Op, e.Target, e.Message) // whether it has started, a busy machine decides
				if first := said[test.name]; first == "" {
					said[test.name] = text
				} else if text != first {
					t.Errorf("got  %s\nwant %s, as in another mode", text, first)
				}
			})
			t.Log(said[test.name])
		})
	}
}
