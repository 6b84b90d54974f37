package openai_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// FuzzChat: whatever a server sends as a chat completion, there is an answer or an error of a kind, the same ones however the bytes
// are cut, and an answer has an end.
func FuzzChat(f *testing.F) {
	f.Add([]byte(`data: {"choices":[{"index":0,"delta":{"content":"a"}}]}` + "\n\n" + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}` + "\n\ndata: [DONE]\n\n"))
	f.Add([]byte(`data: {"choices":[{"delta":{"tool_calls":[{"index":1,"id":"c","function":{"name":"a","arguments":"{"}}]}}]}` + "\r\n\r\n" + `data: {"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"}"}}]},"finish_reason":"tool_calls"}]}` + "\r\n\r\n"))
	f.Add([]byte(`data: {"error":{"message":"m","type":"overloaded_error","code":529}}` + "\n\n"))
	f.Add([]byte(`{"choices":[{"message":{"content":[{"type":"text","text":"a"}],"refusal":null,"tool_calls":[{"id":"","function":{"name":"a","arguments":{}}}]},"finish_reason":"length"}],"usage":null}`))
	f.Add([]byte(`{"error":"m"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		ask := func(bytes bool) (*genai.ChatResponse, error) {
			replay := &recordedtest.Replay{Body: string(body), Bytes: bytes}
			c := &openai.Client{BaseURL: "http://fuzz.test/v1", HTTP: replay.Client(), MaxBytes: 1 << 16}
			return all(c.Chat(t.Context(), anyRequest))
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
