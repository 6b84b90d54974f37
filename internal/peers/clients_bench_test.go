package peers

import (
	"bytes"
	"context"
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

// BenchmarkChat is a whole answer.
func BenchmarkChat(b *testing.B) {
	url := serve(b, "application/json", []byte(whole))
	b.Run("dovetail", func(b *testing.B) {
		c := &client.Client{BaseURL: url, Key: "k", Model: "m"}
		b.ReportAllocs()
		for b.Loop() {
			resp, err := c.Complete(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("Where is my parcel?")}})
			if err != nil || resp.Text() == "" {
				b.Fatal(err)
			}
		}
	})
	b.Run("openai-go", func(b *testing.B) {
		c := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("k"), option.WithMaxRetries(0))
		b.ReportAllocs()
		for b.Loop() {
			resp, err := c.Chat.Completions.New(context.Background(), openai.ChatCompletionNewParams{
				Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Where is my parcel?")},
			})
			if err != nil || resp.Choices[0].Message.Content == "" {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStream is an answer of 256 tokens; an operation is all of them.
func BenchmarkStream(b *testing.B) {
	url := serve(b, "text/event-stream", events())
	b.Run("dovetail", func(b *testing.B) {
		c := &client.Client{BaseURL: url, Key: "k", Model: "m"}
		b.ReportAllocs()
		for b.Loop() {
			s, err := c.Chat(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("Where is my parcel?")}})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for e, err := range s.All() {
				if err != nil {
					b.Fatal(err)
				}
				if e.Text != "" {
					n++
				}
			}
			if n != tokens {
				b.Fatal(fmt.Sprint(n, " tokens"))
			}
		}
	})
	b.Run("openai-go", func(b *testing.B) {
		c := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("k"), option.WithMaxRetries(0))
		b.ReportAllocs()
		for b.Loop() {
			s := c.Chat.Completions.NewStreaming(context.Background(), openai.ChatCompletionNewParams{
				Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Where is my parcel?")},
			})
			n := 0
			for s.Next() {
				if c := s.Current().Choices; len(c) > 0 && c[0].Delta.Content != "" {
					n++
				}
			}
			if err := s.Err(); err != nil || n != tokens {
				b.Fatal(err, n)
			}
		}
	})
}
