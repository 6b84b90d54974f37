package inproc_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// inModes measures a handler in each of the ways in which it can be called. direct is the handler itself, the floor.
func inModes[Req, Resp any](b *testing.B, h genai.Handler[Req, Resp], measure func(*testing.B, genai.Handler[Req, Resp])) {
	for _, mode := range []struct {
		name           string
		shared, strict bool
	}{
		{"copying", false, false},
		{"shared", true, false},
		{"strict", false, true},
	} {
		b.Run(mode.name, func(b *testing.B) {
			network := &inproc.Network{Strict: mode.strict}
			op := transport.Op[Req, Resp]{Name: "bench.op", Shared: mode.shared}
			op.Serve(network, h)
			measure(b, op.Dial(network))
		})
	}
	b.Run("direct", func(b *testing.B) { measure(b, h) })
}

// conversation is a request of about 1 KB as JSON, with what a request usually has.
func conversation() *genai.ChatRequest {
	limit, warmth := 500, 0.2
	return &genai.ChatRequest{
		Model: "small",
		Messages: []genai.Message{
			genai.System(strings.Repeat("You answer in one sentence. ", 10)),
			genai.User(strings.Repeat("Where is my order? ", 10)),
			genai.Assistant(strings.Repeat("Which one do you mean? ", 10)),
			genai.User("The one of Monday."),
		},
		MaxTokens: &limit, Temperature: &warmth, Stop: []string{"\n\n"}, EndUser: "u-4711",
	}
}

// answer is a response of about 1 KB as JSON.
func answer() *genai.ChatResponse {
	return &genai.ChatResponse{
		ID: "r-1", Model: "small", Message: genai.Assistant(strings.Repeat("It left our house yesterday. ", 30)),
		Finish: genai.Finish{Reason: genai.FinishStop, Raw: "stop"}, Usage: &genai.Usage{Input: 200, Output: 180},
	}
}

// BenchmarkCall is a text of 1 KB there and back, which the budget is for: at most 1.5 µs copying and 60 ns shared.
func BenchmarkCall(b *testing.B) {
	req := &slip{strings.Repeat("x", 1000)}
	inModes(b, echo, func(b *testing.B, call genai.Handler[*slip, *slip]) { oneByOne(b, call, req) })
}

// BenchmarkEmpty is next to nothing there and back: what a call costs whatever it carries.
func BenchmarkEmpty(b *testing.B) {
	inModes(b, echo, func(b *testing.B, call genai.Handler[*slip, *slip]) { oneByOne(b, call, &slip{}) })
}

// BenchmarkComplete is a conversation of 1 KB there and an answer of 1 KB back: types with dozens of fields.
func BenchmarkComplete(b *testing.B) {
	resp := answer()
	complete := func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error) { return resp, nil }
	inModes(b, complete, func(b *testing.B, call genai.Completer) { oneByOne(b, call, conversation()) })
}

// BenchmarkParallel is BenchmarkCall from many goroutines.
func BenchmarkParallel(b *testing.B) {
	req := &slip{strings.Repeat("x", 1000)}
	inModes(b, echo, func(b *testing.B, call genai.Handler[*slip, *slip]) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			for pb.Next() {
				if _, err := call(ctx, req); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// A slip is a message with one text on it.
type slip struct {
	Text string `json:"text"`
}

func echo(_ context.Context, req *slip) (*slip, error) { return req, nil }

func oneByOne[Req, Resp any](b *testing.B, call genai.Handler[Req, Resp], req Req) {
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context()) // as that of a server's request is
	defer cancel()
	for b.Loop() {
		if _, err := call(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}

const pieces = 256

// BenchmarkStream is an answer in 256 pieces of 20 bytes, read to its end.
func BenchmarkStream(b *testing.B) {
	event := genai.ChatEvent{Text: "a piece of 20 bytes "}
	chat := func(ctx context.Context, _ *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		left := pieces
		return genai.NewStream(ctx, func() (genai.ChatEvent, error) {
			if left == 0 {
				return genai.ChatEvent{}, io.EOF
			}
			left--
			return event, nil
		}, nil)
	}
	inModes(b, chat, func(b *testing.B, call genai.Chat) {
		b.ReportAllocs()
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		req := &genai.ChatRequest{Messages: []genai.Message{genai.User("hello")}}
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
			if n != pieces {
				b.Fatalf("%d pieces", n)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pieces, "ns/piece")
	})
}
