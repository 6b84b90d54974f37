package recordedtest_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// An asker asks a client of ours, which gets what was recorded.
type asker func(ctx context.Context, via *http.Client) error

const host = "http://recorded.test"

var hello = &genai.ChatRequest{Model: "m", Messages: []genai.Message{genai.User("hello")}, MaxTokens: new(100)}

func whole(client func(*http.Client) genai.Handler[*genai.ChatRequest, *genai.ChatResponse]) asker {
	return func(ctx context.Context, via *http.Client) error {
		got, err := client(via)(ctx, hello)
		if err == nil && (got.Finish.Reason == "" || len(got.Message.Parts) == 0 && got.Usage == nil) {
			return errors.New("an answer that says nothing")
		}
		return err
	}
}

func stream(client func(*http.Client) genai.Chat) asker {
	return func(ctx context.Context, via *http.Client) error {
		s, err := client(via)(ctx, hello)
		if err == nil {
			_, err = genai.FoldChat(s.All())
		}
		return err
	}
}

// vectors asks for the vector of one text. An answer with more of them is understood, and refused for that alone.
func vectors(client func(*http.Client) genai.Embedder) asker {
	return func(ctx context.Context, via *http.Client) error {
		_, err := client(via)(ctx, &genai.EmbedRequest{Model: "m", Input: []string{"hello"}})
		if e := genai.AsError(err); e != nil && e.Kind == genai.Malformed && strings.Contains(e.Message, "vectors") {
			return nil
		}
		return err
	}
}

// value asks for an answer that is neither a conversation nor a stream.
func value[Req, Resp any](req Req, client func(*http.Client) genai.Handler[Req, Resp]) asker {
	return func(ctx context.Context, via *http.Client) error { _, err := client(via)(ctx, req); return err }
}

// drain reads a stream of anything.
func drain[T any](s *genai.Stream[T], err error) error {
	if err != nil {
		return err
	}
	for _, err = range s.All() {
	}
	return err
}

func openaiAt(via *http.Client) *openai.Client {
	return &openai.Client{BaseURL: host + "/v1", HTTP: via}
}

// chats are the conversations of our clients, by the interface that they speak.
var chats = map[string][]asker{
	"chat.completions": {
		whole(func(via *http.Client) genai.Handler[*genai.ChatRequest, *genai.ChatResponse] {
			return openaiAt(via).Complete
		}),
		stream(func(via *http.Client) genai.Chat { return openaiAt(via).Chat }),
	},
	"responses": {
		whole(func(via *http.Client) genai.Handler[*genai.ChatRequest, *genai.ChatResponse] {
			return openaiAt(via).Respond
		}),
		stream(func(via *http.Client) genai.Chat { return openaiAt(via).Responses }),
	},
	"messages": {
		whole(func(via *http.Client) genai.Handler[*genai.ChatRequest, *genai.ChatResponse] {
			return (&anthropic.Client{BaseURL: host, HTTP: via}).Complete
		}),
		stream(func(via *http.Client) genai.Chat { return (&anthropic.Client{BaseURL: host, HTTP: via}).Chat }),
	},
	"generateContent": {
		whole(func(via *http.Client) genai.Handler[*genai.ChatRequest, *genai.ChatResponse] {
			return (&gemini.Client{BaseURL: host, HTTP: via}).Complete
		}),
		stream(func(via *http.Client) genai.Chat { return (&gemini.Client{BaseURL: host, HTTP: via}).Chat }),
	},
	"ollama.chat": {
		whole(func(via *http.Client) genai.Handler[*genai.ChatRequest, *genai.ChatResponse] {
			return (&ollama.Client{BaseURL: host, HTTP: via}).Complete
		}),
		stream(func(via *http.Client) genai.Chat { return (&ollama.Client{BaseURL: host, HTTP: via}).Chat }),
	},
}

// others are the other interfaces that our clients speak. Those of which the exchanges are neither here nor in chats, nobody speaks.
var others = map[string]asker{
	"openai embeddings": vectors(func(via *http.Client) genai.Embedder { return openaiAt(via).Embed }),
	"gemini batchEmbedContents": vectors(func(via *http.Client) genai.Embedder {
		return (&gemini.Client{BaseURL: host, HTTP: via}).Embed
	}),
	"openai images.generations": value(&genai.ImageRequest{Model: "m", Prompt: "?"}, func(via *http.Client) genai.Painter { return openaiAt(via).Paint }),
	"openai audio.transcriptions": value(&genai.TranscribeRequest{Model: "m", Audio: genai.NewBlob("audio/mpeg", []byte("?"))}, func(via *http.Client) genai.Transcriber {
		return openaiAt(via).Transcribe
	}),
	"openai audio.speech": func(ctx context.Context, via *http.Client) error {
		return drain(openaiAt(via).Speak(ctx, &genai.SpeechRequest{Model: "m", Voice: "v", Text: "?"}))
	},
	"openai models": func(ctx context.Context, via *http.Client) error { return drain(openaiAt(via).Models(ctx)) },
	"anthropic models": func(ctx context.Context, via *http.Client) error {
		return drain((&anthropic.Client{BaseURL: host, HTTP: via}).Models(ctx))
	},
	"ollama ollama.tags": func(ctx context.Context, via *http.Client) error {
		_, err := (&ollama.Client{BaseURL: host, HTTP: via}).Models(ctx)
		return err
	},
}

// spoken returns the clients that speak the interface of an exchange.
func spoken(r recordedtest.Exchange) []asker {
	api := r.API
	if api == "streamGenerateContent" {
		api = "generateContent"
	}
	if chats[api] != nil {
		return chats[api]
	}
	whose := "openai" // and everybody who speaks as OpenAI does
	switch r.Provider {
	case "anthropic", "gemini", "ollama":
		whose = r.Provider
	}
	if ask := others[whose+" "+api]; ask != nil {
		return []asker{ask}
	}
	return nil
}

// nobodys are the interfaces that no client of ours speaks.
var nobodys = []string{
	"bedrock.converse", "bedrock.converse-stream", "bedrock.invoke", "cohere.chat", "cohere.embed", "cachedContents", "interactions",
	"files", "image.generate", "props", "rerank", "models",
}

// recorded is how many exchanges there are, at least.
const recorded = 1221

// TestEveryExchange: not one exchange is passed over. What a client of ours speaks it understands, in both ways of asking, and the refusals
// of all servers are errors of a kind that fits the status. What nobody speaks, and what was recorded of another interface, is refused by
// every client in good order.
func TestEveryExchange(t *testing.T) {
	understood, refused, foreign := 0, 0, map[string]int{}
	for _, file := range recordedtest.Files {
		for _, r := range recordedtest.Load(t, file) {
			mine := spoken(r)
			if mine == nil {
				foreign[r.API]++
				if !slices.Contains(nobodys, r.API) {
					t.Errorf("%s: nobody speaks %s", r.ID, r.API)
				}
			}
			for _, ask := range mine {
				err := ask(t.Context(), r.Replay().Client())
				if r.Status < 300 && err != nil {
					t.Errorf("%s: %v", r.ID, err)
				} else if r.Status >= 300 {
					refusal(t, r, err)
				}
			}
			if mine != nil && r.Status < 300 {
				understood++
			} else if mine != nil {
				refused++
			}
			for api, both := range chats {
				if mine != nil && &chats[api][0] == &mine[0] {
					continue
				}
				for _, ask := range both {
					switch err := ask(t.Context(), r.Replay().Client()); {
					case r.Status >= 300:
						refusal(t, r, err)
					case !slices.Contains([]genai.Kind{genai.Malformed, genai.Truncated, genai.Empty}, genai.KindOf(err)):
						t.Errorf("%s: %s, read as %s: %v", r.ID, r.API, api, err)
					}
				}
			}
		}
	}
	nobody := 0
	for _, n := range foreign {
		nobody += n
	}
	if sum := understood + refused + nobody; sum < recorded {
		t.Errorf("there are %d exchanges, want %d", sum, recorded)
	}
	t.Logf("%d answers understood, %d refusals, %d of interfaces that nobody speaks: %v", understood, refused, nobody, foreign)
}

// refusal checks the error that a client makes of a status.
func refusal(t *testing.T, r recordedtest.Exchange, err error) {
	t.Helper()
	e := genai.AsError(err)
	want := map[int][]genai.Kind{
		400: {genai.InvalidRequest, genai.ContextLength, genai.NotFound, genai.Unauthenticated, genai.Unsupported},
		401: {genai.Unauthenticated},
		403: {genai.PermissionDenied},
		404: {genai.NotFound},
		500: {genai.ServerError, genai.ContextLength},
		501: {genai.Unsupported, genai.Unimplemented},
	}[r.Status]
	if e == nil || !slices.Contains(want, e.Kind) || e.Status != r.Status || e.Message == "" {
		t.Errorf("%s: status %d is %v: %.300s", r.ID, r.Status, err, r.Body)
	}
}
