package transporttest_test

import (
	"context"
	"io"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/transporttest"
)

type line struct {
	Text string `json:"text"`
}

var (
	shout = transport.Op[*line, *line]{Name: "modes.shout"}
	spell = transport.Op[*line, *genai.Stream[line]]{Name: "modes.spell"}
)

// TestModes: a test like a user's is run six times, and the network really is what its name says.
func TestModes(t *testing.T) {
	ran := 0
	transporttest.Modes(t, func(t *testing.T, network transport.Network) {
		ran++
		caller := ""
		shout.Serve(network, func(ctx context.Context, l *line) (*line, error) {
			caller = transport.Metadata(ctx, transport.Caller)
			return &line{l.Text + "!"}, nil
		})
		spell.Serve(network, func(ctx context.Context, l *line) (*genai.Stream[line], error) {
			return genai.Open(ctx, func(_ context.Context, yield func(line) bool) error {
				for _, letter := range l.Text {
					if !yield(line{string(letter)}) {
						break
					}
				}
				return nil
			})
		})
		if l, err := shout.Dial(network)(t.Context(), &line{"hey"}); err != nil || l.Text != "hey!" {
			t.Errorf("%+v, %v", l, err)
		}
		s, err := spell.Dial(network)(t.Context(), &line{"abc"})
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for {
			l, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text += l.Text
		}
		if text != "abc" {
			t.Errorf("got %q", text)
		}
		if want := map[string]string{"TestModes/https": "test.internal"}[t.Name()]; caller != want {
			t.Errorf("the caller is %q, want %q", caller, want)
		}
	})
	if ran != 6 {
		t.Errorf("the test ran in %d modes", ran)
	}
}
