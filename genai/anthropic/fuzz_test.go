package anthropic_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// FuzzAnswer: whatever a server sends, there is an answer or an error of a kind, the same ones however the bytes are cut, and
// an answer has an end.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(data(start, text, hello, ping, world, end(0), finish("end_turn"), stop)))
	f.Add([]byte(data(start, begin(0, `{"type":"tool_use","id":"1","name":"a","input":{}}`), grow(0, `{"type":"input_json_delta","partial_json":"{}"}`), end(0), finish("tool_use"), stop)))
	f.Add([]byte(data(start, begin(0, `{"type":"thinking"}`), grow(0, `{"signature":"s"}`), begin(0, `{"type":"new","input":{}}`), grow(0, `{"partial_json":"{"}`), stop)))
	f.Add([]byte(data(start, text, grow(0, `{"citation":{"a":1}}`), finish("refusal"))))
	f.Add([]byte(`{"type":"message","content":[{"type":"text","text":"a"},{"type":"thinking","signature":"s"},{"type":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":1}}`))
	f.Add([]byte(data(problem("overloaded_error", "m"))))
	f.Fuzz(func(t *testing.T, body []byte) {
		ask := func(bytes bool) (*genai.ChatResponse, error) {
			c := client(&recordedtest.Replay{Body: string(body), Bytes: bytes})
			c.MaxBytes = 1 << 16
			return all(c.Chat(t.Context(), ask))
		}
		got, err := ask(false)
		if err != nil {
			if e, ok := errors.AsType[*genai.Error](err); !ok || !e.Kind.Known() || e.Kind == genai.Unknown || e.Kind == genai.Internal {
				t.Fatalf("%v", err)
			}
		} else if got.Finish.Reason == "" {
			t.Fatalf("an answer without an end: %+v", got)
		}
		if again, other := ask(true); genai.KindOf(other) != genai.KindOf(err) || !reflect.DeepEqual(again, got) {
			t.Fatalf("all at once %+v, %v, byte by byte %+v, %v", got, err, again, other)
		}
	})
}

func BenchmarkChat(b *testing.B) {
	events := []string{start, text}
	for range 256 {
		events = append(events, hello)
	}
	s := serve(b, stream(append(events, end(0), finish("end_turn"), stop)...))
	c := s.client()
	b.ReportAllocs()
	for b.Loop() {
		stream, err := c.Chat(b.Context(), ask)
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range stream.All() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
