package copier_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/copier"
)

// request is a conversation of about 1 kB in JSON.
func request() *genai.ChatRequest {
	return &genai.ChatRequest{
		Model:       "small-1",
		Temperature: new(0.2),
		MaxTokens:   new(500),
		Stop:        []string{"\n\n"},
		Messages: []genai.Message{
			genai.System(strings.Repeat("Answer briefly. ", 20)),
			genai.User(strings.Repeat("Where is my parcel? ", 10)),
			genai.Assistant("Which number has it?"),
			genai.User("It is 42."),
		},
		Tools: []genai.Tool{{
			Name:        "lookup",
			Description: "Finds a parcel.",
			Parameters:  json.RawMessage(`{"type":"object","properties":{"number":{"type":"integer"}},"required":["number"]}`),
		}},
		Metadata: map[string]string{"tenant": "a"},
	}
}

func BenchmarkCopy(b *testing.B) {
	text, err := json.Marshal(request())
	if err != nil {
		b.Fatal(err)
	}
	for name, v := range map[string]any{
		"request of 1 kB": request(),
		"answer":          &genai.ChatResponse{ID: "1", Model: "small-1", Message: genai.Assistant(strings.Repeat("It is on its way. ", 20)), Usage: &genai.Usage{Input: 10}},
		"verdict":         &genai.Verdict{Reason: "fine"},
		"event":           &genai.ChatEvent{Text: "token"},
		"1000 vectors":    &genai.Embeddings{Vectors: [][]float32{make([]float32, 1000)}},
	} {
		c, err := copier.For(reflect.TypeOf(v))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/copy", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := c.Copy(v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/check", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Check(v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/JSON", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := trip(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Logf("the request has %d bytes in JSON", len(text))
}

func BenchmarkCopyInto(b *testing.B) {
	c, err := copier.For(reflect.TypeFor[genai.ChatEvent]())
	if err != nil {
		b.Fatal(err)
	}
	from, to := &genai.ChatEvent{Text: "token"}, &genai.ChatEvent{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.CopyInto(to, from); err != nil {
			b.Fatal(err)
		}
	}
}
