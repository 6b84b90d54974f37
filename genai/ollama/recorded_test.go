package ollama_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func client(r *recordedtest.Replay) *ollama.Client {
	return &ollama.Client{BaseURL: "http://ollama.test", Model: "m", HTTP: r.Client()}
}

func TestRecorded(t *testing.T) {
	whole, streams := 0, 0
	for _, r := range recordedtest.Load(t, "ollama", "ollama.chat") {
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
	if whole < 15 || streams < 10 {
		t.Errorf("only %d whole answers and %d streams", whole, streams)
	}
}

// check finds what an answer must come to by another road: encoding/json and maps.
func check(t *testing.T, r recordedtest.Exchange, got *genai.ChatResponse) {
	t.Helper()
	type expected struct {
		text, thinking, finish string
		calls                  []string
		input, output          int
	}
	var want, is expected
	for _, text := range strings.Split(r.Body, "\n") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		var l struct {
			Message struct {
				Content, Thinking string
				ToolCalls         []struct {
					ID       string
					Function struct {
						Name      string
						Arguments any
					}
				} `json:"tool_calls"`
			}
			Reason string `json:"done_reason"`
			Input  int    `json:"prompt_eval_count"`
			Output int    `json:"eval_count"`
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		want.text += l.Message.Content
		want.thinking += l.Message.Thinking
		for _, c := range l.Message.ToolCalls {
			arguments, _ := json.Marshal(c.Function.Arguments)
			want.calls = append(want.calls, c.ID+c.Function.Name+string(arguments))
		}
		want.finish, want.input, want.output = l.Reason, l.Input, l.Output
	}
	is.text, is.finish, is.input, is.output = got.Text(), got.Finish.Raw, got.Usage.Input, got.Usage.Output
	for _, p := range got.Message.Parts {
		if p.Reasoning != nil {
			is.thinking += p.Reasoning.Text
		}
	}
	for _, c := range got.Message.ToolCalls() {
		var v any
		if err := json.Unmarshal([]byte(c.Arguments), &v); err != nil {
			t.Error(err)
		}
		arguments, _ := json.Marshal(v)
		is.calls = append(is.calls, c.ID+c.Name+string(arguments))
	}
	if !reflect.DeepEqual(is, want) {
		t.Errorf("got  %+v\nwant %+v", is, want)
	}
	if got.Model == "" || got.Finish.Reason == genai.FinishOther || len(want.calls) > 0 != (got.Finish.Reason == genai.FinishToolCalls) {
		t.Errorf("it ended with %+v", got.Finish)
	}
}

var wire = recordedtest.Wire{
	Chat: func(ctx context.Context, _ recordedtest.Exchange, via *http.Client) (*genai.Stream[genai.ChatEvent], error) {
		return (&ollama.Client{BaseURL: "http://ollama.test", Model: "m", HTTP: via}).Chat(ctx, ask)
	},
	Ends:  func(doc map[string]any) bool { return doc["done"] == true },
	Lines: true,
}

func TestRecordedInOtherForms(t *testing.T) {
	if n := wire.CheckForms(t, recordedtest.Load(t, "ollama", "ollama.chat")); n < 15 {
		t.Errorf("only %d streams", n)
	}
}

func TestRecordedCut(t *testing.T) {
	if n := wire.CheckCuts(t, recordedtest.Load(t, "ollama", "ollama.chat")); n < 15 {
		t.Errorf("only %d streams", n)
	}
}
