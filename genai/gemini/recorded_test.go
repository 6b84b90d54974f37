package gemini_test

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
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func client(r *recordedtest.Replay) *gemini.Client {
	return &gemini.Client{BaseURL: "http://gemini.test/v1beta", Model: "m", HTTP: r.Client()}
}

func answers(t *testing.T) (all []recordedtest.Exchange) {
	for _, r := range recordedtest.Load(t, "gemini", "generateContent", "streamGenerateContent") {
		if r.Status < 300 {
			all = append(all, r)
		}
	}
	return all
}

func TestRecorded(t *testing.T) {
	whole, streams := 0, 0
	for _, r := range answers(t) {
		t.Run(r.ID, func(t *testing.T) {
			c := client(r.Replay())
			got, err := all(c.Chat(t.Context(), ask))
			if err != nil {
				t.Fatal(err)
			}
			if r.Stream {
				streams++
			} else {
				whole++
			}
			other, err := c.Complete(t.Context(), ask)
			if err != nil || !reflect.DeepEqual(got, other) {
				t.Errorf("whole %+v, %v; streamed %+v", other, err, got)
			}
			check(t, r, got)
		})
	}
	if whole < 60 || streams < 40 {
		t.Errorf("only %d whole answers and %d streams", whole, streams)
	}
}

// documents takes a recorded body apart, without the client.
func documents(r recordedtest.Exchange) (docs []string) {
	if !r.Stream {
		return []string{r.Body}
	}
	for _, line := range strings.Split(r.Body, "\n") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "data:"); ok {
			docs = append(docs, text)
		}
	}
	return docs
}

// check finds what an answer must come to by another road: encoding/json and maps.
func check(t *testing.T, r recordedtest.Exchange, got *genai.ChatResponse) {
	t.Helper()
	type expected struct {
		text, thoughts, finish string
		calls                  []string
		signatures, kept       int
		usage                  genai.Usage
	}
	var want, is expected
	for _, text := range documents(r) {
		var d struct {
			Candidates []struct {
				Content struct{ Parts []map[string]any }
				Reason  string `json:"finishReason"`
			}
			Usage map[string]any `json:"usageMetadata"`
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		n := func(name string) int { f, _ := d.Usage[name].(float64); return int(f) }
		thoughts := n("thoughtsTokenCount")
		want.usage = genai.Usage{
			Input: n("promptTokenCount") + n("toolUsePromptTokenCount"), Output: n("candidatesTokenCount") + thoughts,
			CacheRead: n("cachedContentTokenCount"), Reasoning: thoughts,
		}
		if want.usage.Input+want.usage.Output != n("totalTokenCount") {
			t.Errorf("the parts of usage do not sum up: %v", d.Usage)
		}
		for _, p := range d.Candidates[0].Content.Parts {
			text, isText := p["text"].(string)
			_, signed := p["thoughtSignature"].(string)
			if signed {
				want.signatures++
			}
			switch f, called := p["functionCall"].(map[string]any); {
			case called:
				arguments, _ := json.Marshal(f["args"])
				want.calls = append(want.calls, f["name"].(string)+string(arguments))
			case !isText, text == "" && signed:
				want.kept++
			case p["thought"] == true:
				want.thoughts += text
			default:
				want.text += text
			}
		}
		if d.Candidates[0].Reason != "" {
			want.finish = d.Candidates[0].Reason
		}
	}
	is.text, is.finish, is.usage = got.Text(), got.Finish.Raw, *got.Usage
	ids := map[string]bool{}
	for _, p := range got.Message.Parts {
		if p.Reasoning != nil {
			is.thoughts += p.Reasoning.Text
		}
		if c := p.ToolCall; c != nil {
			var v any
			if err := json.Unmarshal([]byte(c.Arguments), &v); err != nil {
				t.Error(err)
			}
			arguments, _ := json.Marshal(v)
			is.calls = append(is.calls, c.Name+string(arguments))
			if c.ID == "" || ids[c.ID] {
				t.Errorf("the id of a call is no id: %q", c.ID)
			}
			ids[c.ID] = true
		}
		if o := p.Opaque; o != nil {
			if o.Type == "part" {
				is.kept++
			}
			if o.Type == "thought_signature" || strings.Contains(o.Data, `"thoughtSignature"`) {
				is.signatures++
			}
		}
	}
	if !reflect.DeepEqual(is, want) {
		t.Errorf("got  %+v\nwant %+v", is, want)
	}
	if got.ID == "" || got.Model == "" || got.Finish.Reason == genai.FinishOther || len(want.calls) > 0 != (got.Finish.Reason == genai.FinishToolCalls) {
		t.Errorf("it says too little: %+v", got)
	}
}

func TestRecordedErrors(t *testing.T) {
	n := 0
	for _, r := range recordedtest.Load(t, "gemini", "generateContent", "streamGenerateContent") {
		if r.Status < 300 {
			continue
		}
		n++
		_, err := client(r.Replay()).Chat(t.Context(), ask)
		e, ok := errors.AsType[*genai.Error](err)
		want := map[int]genai.Kind{400: genai.Unauthenticated, 404: genai.NotFound}[r.Status]
		if !ok || e.Kind != want || e.Message == "" || e.Status != r.Status || e.Started != genai.StartedNo || e.Code == "" {
			t.Errorf("%s: %+v", r.ID, err)
		}
	}
	if n < 3 {
		t.Errorf("only %d errors", n)
	}
}

func TestRecordedEmbeddings(t *testing.T) {
	n := 0
	for _, r := range recordedtest.Load(t, "embeddings-images-audio", "batchEmbedContents") {
		if r.Provider != "gemini" {
			continue
		}
		n++
		var asked struct {
			Requests []struct {
				Dimensions *int `json:"output_dimensionality"`
			}
		}
		if err := json.Unmarshal(r.Request, &asked); err != nil {
			t.Fatal(err)
		}
		req := &genai.EmbedRequest{Input: make([]string, len(asked.Requests)), Dimensions: asked.Requests[0].Dimensions}
		got, err := client(r.Replay()).Embed(t.Context(), req)
		if r.Status >= 300 {
			if genai.KindOf(err) != genai.NotFound {
				t.Errorf("%s: %v", r.ID, err)
			}
			continue
		}
		var want struct {
			Embeddings []struct{ Values []float32 }
		}
		if err := json.Unmarshal([]byte(r.Body), &want); err != nil || got == nil {
			t.Fatal(r.ID, err, got)
		}
		for i, e := range want.Embeddings {
			if !slices.Equal(e.Values, got.Vectors[i]) {
				t.Errorf("%s: vector %d differs", r.ID, i)
			}
		}
	}
	if n < 2 {
		t.Errorf("only %d answers", n)
	}
}

var wire = recordedtest.Wire{
	Chat: func(ctx context.Context, _ recordedtest.Exchange, via *http.Client) (*genai.Stream[genai.ChatEvent], error) {
		return (&gemini.Client{BaseURL: "http://gemini.test/v1beta", Model: "m", HTTP: via}).Chat(ctx, ask)
	},
	Ends: func(doc map[string]any) bool {
		candidates, _ := doc["candidates"].([]any)
		feedback, _ := doc["promptFeedback"].(map[string]any)
		return feedback["blockReason"] != nil || len(candidates) > 0 && candidates[0].(map[string]any)["finishReason"] != nil
	},
	Sentinel: true, // there may be a second reason to finish
}

func TestRecordedInOtherForms(t *testing.T) {
	if n := wire.CheckForms(t, answers(t)); n < 40 {
		t.Errorf("only %d streams", n)
	}
}

func TestRecordedCut(t *testing.T) {
	if n := wire.CheckCuts(t, answers(t)); n < 40 {
		t.Errorf("only %d streams", n)
	}
}

// TestRecordedArrays: the server sends its documents as an array to those who do not ask for events.
func TestRecordedArrays(t *testing.T) {
	for _, r := range answers(t) {
		want, err := all(client(r.Replay()).Chat(t.Context(), ask))
		if err != nil {
			t.Fatal(r.ID, err)
		}
		body := "[" + strings.Join(documents(r), "\n,\n") + "]"
		if got, err := all(client(&recordedtest.Replay{Body: body}).Chat(t.Context(), ask)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %+v; want %+v", r.ID, err, got, want)
		}
	}
}

// FuzzAnswer: whatever a server sends, there is an answer or an error of a kind, the same ones however the bytes are cut, and
// an answer has an end.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(data(hello, world, done(``, "STOP"))))
	f.Add([]byte(data(say(`{"functionCall":{"name":"a","args":{}},"thoughtSignature":"s"}`), done(`{"x":1}`, "STOP"), "[DONE]")))
	f.Add([]byte(`[` + hello + `,` + done(`{"text":"","thoughtSignature":"s"}`, "SAFETY") + `]`))
	f.Add([]byte(data(`{"promptFeedback":{"blockReason":"OTHER"}}`)))
	f.Add([]byte(data(`{"error":{"status":"INTERNAL","details":[{"retryDelay":"3s"}]}}`)))
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
	var docs []string
	for range 256 {
		docs = append(docs, hello)
	}
	s := serve(b, stream(append(docs, done(``, "STOP"))...))
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
