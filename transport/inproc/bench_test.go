package inproc_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A note is about 1 kB of JSON.
type note struct {
	ID    string            `json:"id"`
	Text  string            `json:"text"`
	Tags  []string          `json:"tags,omitempty"`
	Score float64           `json:"score"`
	More  map[string]string `json:"more,omitempty"`
}

func aNote() *note {
	return &note{
		ID: "4711", Text: strings.Repeat("Where is my parcel? ", 45), Tags: []string{"parcel", "late"}, Score: 0.75,
		More: map[string]string{"tenant": "a"},
	}
}

var modes = []struct {
	name    string
	network *inproc.Network
	shared  bool
}{
	{"copying", &inproc.Network{}, false},
	{"shared", &inproc.Network{}, true},
	{"strict", &inproc.Network{Strict: true}, false},
}

// BenchmarkCall1kB sends about 1 kB each way. "codec" is what encoding and decoding them costs, without any call.
func BenchmarkCall1kB(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			op := transport.Op[*note, *note]{Name: "notes.echo", Shared: mode.shared}
			network := &inproc.Network{Strict: mode.network.Strict}
			op.Serve(network, func(_ context.Context, n *note) (*note, error) { return n, nil })
			call := op.Dial(network)
			ctx, req := context.Background(), aNote()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("codec", func(b *testing.B) {
		req := aNote()
		b.ReportAllocs()
		for b.Loop() {
			for range 2 {
				text, err := json.Marshal(req)
				if err != nil {
					b.Fatal(err)
				}
				if err := json.Unmarshal(text, &note{}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkStream256 reads 256 pieces of an answer.
func BenchmarkStream256(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			op := transport.Op[*note, *genai.Stream[genai.ChatEvent]]{Name: "notes.read", Shared: mode.shared}
			network := &inproc.Network{Strict: mode.network.Strict}
			op.Serve(network, func(ctx context.Context, _ *note) (*genai.Stream[genai.ChatEvent], error) {
				return genai.Open(ctx, func(_ context.Context, yield func(genai.ChatEvent) bool) error {
					for range 256 {
						if !yield(genai.ChatEvent{Text: "twenty bytes of text"}) {
							return nil
						}
					}
					return nil
				})
			})
			call := op.Dial(network)
			ctx, req := context.Background(), &note{ID: "4711"}
			b.ReportAllocs()
			for b.Loop() {
				s, err := call(ctx, req)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for _, err := range s.All() {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 256 {
					b.Fatalf("%d pieces", n)
				}
			}
		})
	}
}
