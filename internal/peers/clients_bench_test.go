package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/dovetail-go/dovetail/genai"
	client "github.com/dovetail-go/dovetail/genai/openai"
)

// A server of canned answers, so that what is measured is mostly the client. Both clients talk to the same one, over loopback,
// in one process: its own work is in all figures.
func serve(b *testing.B, contentType string, body []byte) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	}))
	b.Cleanup(s.Close)
	return s.URL + "/v1"
}

const whole = `{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Your parcel is on its way.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`

const tokens = 256

func events() []byte {
	var b bytes.Buffer
	for range tokens {
		b.WriteString(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}` + "\n\n")
	}
	b.WriteString(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
	return b.Bytes()
}

// A modelClient asks for an answer, whole or token by token.
type modelClient struct {
	name          string
	whole, stream func() error
}

func clients(url string) []modelClient {
	ours := &client.Client{BaseURL: url, Key: "k", Model: "m"}
	question := &genai.ChatRequest{Messages: []genai.Message{genai.User("Where is my parcel?")}}
	theirs := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("k"), option.WithMaxRetries(0))
	params := openai.ChatCompletionNewParams{Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Where is my parcel?")}}
	return []modelClient{
		{"dovetail", func() error {
			resp, err := ours.Complete(context.Background(), question)
			if err == nil && resp.Text() == "" {
				err = errNothing
			}
			return err
		}, func() error {
			s, err := ours.Chat(context.Background(), question)
			if err != nil {
				return err
			}
			n := 0
			for e, err := range s.All() {
				if err != nil {
					return err
				}
				if e.Text != "" {
					n++
				}
			}
			return counted(n)
		}},
		{"openai-go", func() error {
			resp, err := theirs.Chat.Completions.New(context.Background(), params)
			if err == nil && resp.Choices[0].Message.Content == "" {
				err = errNothing
			}
			return err
		}, func() error {
			s := theirs.Chat.Completions.NewStreaming(context.Background(), params)
			n := 0
			for s.Next() {
				if c := s.Current().Choices; len(c) > 0 && c[0].Delta.Content != "" {
					n++
				}
			}
			if err := s.Err(); err != nil {
				return err
			}
			return counted(n)
		}},
	}
}

var errNothing = errors.New("an empty answer")

func counted(n int) error {
	if n != tokens {
		return fmt.Errorf("%d tokens", n)
	}
	return nil
}

// BenchmarkChat is a whole answer.
func BenchmarkChat(b *testing.B) {
	for _, c := range clients(serve(b, "application/json", []byte(whole))) {
		b.Run(c.name, func(b *testing.B) { measure(b, c.whole) })
	}
}

// BenchmarkStream is an answer of 256 tokens; an operation is all of them.
func BenchmarkStream(b *testing.B) {
	for _, c := range clients(serve(b, "text/event-stream", events())) {
		b.Run(c.name, func(b *testing.B) { measure(b, c.stream) })
	}
}

func measure(b *testing.B, call func() error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
}
