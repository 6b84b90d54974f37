package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

var chatWire = recordedtest.Wire{
	Chat: func(ctx context.Context, r recordedtest.Exchange, via *http.Client) (*genai.Stream[genai.ChatEvent], error) {
		return at(r, via).Chat(ctx, anyRequest)
	},
	Ends: func(doc map[string]any) bool {
		choices, _ := doc["choices"].([]any)
		return slices.ContainsFunc(choices, func(c any) bool {
			choice := c.(map[string]any)
			reason, _ := choice["finish_reason"].(string)
			return choice["index"] == 0.0 && reason != ""
		})
	},
	Sentinel: true, // behind the reason comes the usage
}

// at is a client of the server that answered.
func at(r recordedtest.Exchange, via *http.Client) *openai.Client {
	return &openai.Client{BaseURL: "http://" + r.Provider + ".test/v1", HTTP: via}
}

func recordings(t *testing.T, api string) (all []recordedtest.Exchange) {
	t.Helper()
	for _, name := range []string{"openai-chat", "compatible", "embeddings-images-audio"} {
		all = append(all, recordedtest.Load(t, name, api)...)
	}
	return all
}

var anyRequest = &genai.ChatRequest{Messages: []genai.Message{genai.User("?")}}

func TestRecordedChats(t *testing.T) {
	whole, streams := 0, 0
	for _, r := range recordings(t, "chat.completions") {
		if r.Status >= 300 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			c := at(r, r.Replay().Client())
			want := oracle(t, r)
			var got *genai.ChatResponse
			var err error
			if r.Stream {
				streams++
				got, err = all(c.Chat(t.Context(), anyRequest))
			} else {
				whole++
				got, err = c.Complete(t.Context(), anyRequest)
			}
			if err != nil {
				t.Fatal(err)
			}
			want.check(t, got)
			// The other way of asking must come to the same, whatever the body is.
			var other *genai.ChatResponse
			if r.Stream {
				other, err = c.Complete(t.Context(), anyRequest)
			} else {
				other, err = all(c.Chat(t.Context(), anyRequest))
			}
			if err != nil || !reflect.DeepEqual(got, other) {
				t.Errorf("asked the other way: %+v, %v; want %+v", other, err, got)
			}
		})
	}
	if whole < 50 || streams < 50 {
		t.Errorf("only %d whole answers and %d streams", whole, streams)
	}
}

// expected is what an answer must come to, found by another road: encoding/json and maps.
type expected struct {
	text, refusal, reasoning, finish string
	arguments                        []string // of the calls, decoded and encoded again
	input, output                    int
}

func oracle(t *testing.T, r recordedtest.Exchange) (want expected) {
	t.Helper()
	docs := []string{r.Body}
	if r.Stream {
		docs = nil
		for _, line := range strings.Split(strings.ReplaceAll(r.Body, "\r\n", "\n"), "\n") {
			if text, ok := strings.CutPrefix(line, "data:"); ok && strings.TrimSpace(text) != "[DONE]" {
				docs = append(docs, text)
			}
		}
	}
	arguments := map[float64]string{}
	order := []float64{}
	for _, doc := range docs {
		var d struct {
			Choices []map[string]any
			Usage   *struct {
				Prompt     int `json:"prompt_tokens"`
				Completion int `json:"completion_tokens"`
			}
		}
		if err := json.Unmarshal([]byte(doc), &d); err != nil {
			t.Fatal(err)
		}
		if d.Usage != nil {
			want.input, want.output = d.Usage.Prompt, d.Usage.Completion
		}
		for _, c := range d.Choices {
			if c["index"] != 0.0 {
				continue
			}
			if reason, ok := c["finish_reason"].(string); ok {
				want.finish = reason
			}
			m, _ := c["delta"].(map[string]any)
			if !r.Stream {
				m, _ = c["message"].(map[string]any)
			}
			str := func(name string) string { s, _ := m[name].(string); return s }
			want.text += str("content")
			want.refusal += str("refusal")
			if s := str("reasoning_content"); s != "" {
				want.reasoning += s
			} else {
				want.reasoning += str("reasoning")
			}
			calls, _ := m["tool_calls"].([]any)
			for i, call := range calls {
				f := call.(map[string]any)["function"].(map[string]any)
				n, ok := call.(map[string]any)["index"].(float64)
				if !ok {
					n = float64(i)
				}
				if !slices.Contains(order, n) {
					order = append(order, n)
				}
				piece, _ := f["arguments"].(string)
				arguments[n] += piece
			}
		}
	}
	for _, n := range order {
		want.arguments = append(want.arguments, canonical(arguments[n]))
	}
	return want
}

// canonical makes arguments comparable.
func canonical(arguments string) string {
	var v any
	if arguments == "" {
		return "{}"
	}
	if json.Unmarshal([]byte(arguments), &v) != nil {
		return arguments // an answer of limited length ends anywhere
	}
	text, _ := json.Marshal(v)
	return string(text)
}

func (want expected) check(t *testing.T, got *genai.ChatResponse) {
	t.Helper()
	var reasoning, refusal strings.Builder
	var arguments []string
	for _, p := range got.Message.Parts {
		if p.Reasoning != nil {
			reasoning.WriteString(p.Reasoning.Text)
		}
		refusal.WriteString(p.Refusal)
		if c := p.ToolCall; c != nil {
			if c.ID == "" || c.Name == "" {
				t.Errorf("a call without id or name: %+v", c)
			}
			arguments = append(arguments, canonical(c.Arguments))
		}
	}
	if got.Text() != want.text {
		t.Errorf("text is %q, want %q", got.Text(), want.text)
	}
	if reasoning.String() != want.reasoning || refusal.String() != want.refusal {
		t.Errorf("reasoning is %q, want %q; refusal is %q, want %q", reasoning.String(), want.reasoning, refusal.String(), want.refusal)
	}
	if !slices.Equal(arguments, want.arguments) {
		t.Errorf("calls have %q, want %q", arguments, want.arguments)
	}
	if got.Finish.Raw != want.finish || got.Finish.Reason == "" || got.Finish.Reason == genai.FinishOther {
		t.Errorf("finish is %+v, want %q", got.Finish, want.finish)
	}
	if want.input == 0 && want.output == 0 {
		return
	}
	if got.Usage == nil || got.Usage.Input != want.input || got.Usage.Output < want.output || got.Usage.Output > want.output+got.Usage.Reasoning {
		t.Errorf("usage is %+v, want %d and %d", got.Usage, want.input, want.output)
	}
	if got.ID == "" || got.Model == "" {
		t.Errorf("no id or model: %q, %q", got.ID, got.Model)
	}
}

// TestRecordedErrors: every refusal that was recorded has a Kind that says what is the matter.
func TestRecordedErrors(t *testing.T) {
	n := 0
	for _, api := range []string{"chat.completions", "embeddings"} {
		for _, r := range recordings(t, api) {
			if r.Status < 300 {
				continue
			}
			n++
			t.Run(r.ID, func(t *testing.T) {
				c := at(r, r.Replay().Client())
				var err error
				if api == "embeddings" {
					_, err = c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{"?"}})
				} else {
					_, err = c.Complete(t.Context(), anyRequest)
				}
				e, ok := errors.AsType[*genai.Error](err)
				if !ok {
					t.Fatal("not an *Error: ", err)
				}
				want := map[int][]genai.Kind{
					400: {genai.InvalidRequest, genai.ContextLength, genai.NotFound},
					401: {genai.Unauthenticated},
					403: {genai.PermissionDenied},
					404: {genai.NotFound},
					500: {genai.ServerError},
					501: {genai.Unsupported},
				}[r.Status]
				if !slices.Contains(want, e.Kind) {
					t.Errorf("status %d is %s: %s", r.Status, e.Kind, r.Body)
				}
				if e.Message == "" || e.Status != r.Status || e.Target != r.Provider+".test" {
					t.Errorf("says too little: %+v", e)
				}
				if e.RequestID == "" && (r.Headers["x-request-id"] != "" || r.Headers["mistral-correlation-id"] != "") {
					t.Error("the id of the request is lost")
				}
				if strings.Contains(r.Body, "context size") != (e.Kind == genai.ContextLength) {
					t.Errorf("%s: %s", e.Kind, r.Body)
				}
			})
		}
	}
	if n < 30 {
		t.Errorf("only %d errors", n)
	}
}

func TestRecordedStreamsInOtherForms(t *testing.T) {
	if n := chatWire.CheckForms(t, recordings(t, "chat.completions")); n < 200 {
		t.Errorf("only %d streams", n)
	}
}

func TestRecordedStreamsCut(t *testing.T) {
	if n := chatWire.CheckCuts(t, recordings(t, "chat.completions")); n < 200 {
		t.Errorf("only %d streams", n)
	}
}

func TestRecordedEmbeddings(t *testing.T) {
	n := 0
	for _, r := range recordings(t, "embeddings") {
		if r.Status >= 300 {
			continue
		}
		n++
		t.Run(r.ID, func(t *testing.T) {
			var req struct {
				Input      []string
				Dimensions *int
			}
			if err := json.Unmarshal(r.Request, &req); err != nil {
				t.Fatal(err)
			}
			var want struct {
				Data []struct{ Embedding []float32 }
			}
			if err := json.Unmarshal([]byte(r.Body), &want); err != nil {
				t.Skip("not vectors of numbers: ", err)
			}
			c := at(r, r.Replay().Client())
			got, err := c.Embed(t.Context(), &genai.EmbedRequest{Input: req.Input, Dimensions: req.Dimensions})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got.Vectors {
				if !slices.Equal(v, want.Data[i].Embedding) {
					t.Errorf("vector %d differs", i)
				}
			}
			if got.Usage == nil {
				t.Error("no usage")
			}
		})
	}
	if n < 10 {
		t.Errorf("only %d answers", n)
	}
}
