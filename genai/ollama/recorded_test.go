package ollama_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
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

// TestRecordedInOtherForms: the same bytes in other pieces, with other line ends and with more behind the end come to the same
// answer; cut before the end they come to none.
func TestRecordedInOtherForms(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, r := range recordedtest.Load(t, "ollama", "ollama.chat") {
		if !r.Stream || len(r.Body) > 256<<10 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			want, err := all(client(r.Replay()).Chat(t.Context(), ask))
			if err != nil {
				t.Fatal(err)
			}
			for name, form := range map[string]*recordedtest.Replay{
				"in pieces":      {Body: r.Body, Pieces: rnd},
				"byte by byte":   {Body: r.Body, Bytes: true},
				"CRLF":           {Body: strings.ReplaceAll(r.Body, "\n", "\r\n"), Pieces: rnd},
				"empty lines":    {Body: "\n" + strings.ReplaceAll(r.Body, "\n", "\n\n \n")},
				"other fields":   {Body: strings.ReplaceAll(r.Body, `{"model":`, `{"x":[{"done":true}],"model":`)},
				"no line end":    {Body: strings.TrimRight(r.Body, "\n")},
				"behind the end": {Body: r.Body + "{\"error\":\"m\"}\n<html>"},
				"open":           {Body: r.Body, Open: true},
			} {
				got, err := all(client(form).Chat(t.Context(), ask))
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s (seed %d): %v, %+v; want %+v", name, seed, err, got, want)
				}
			}
			last := strings.TrimRight(r.Body, "\n")
			cuts := []int{0, 1, strings.LastIndex(last, "\n") + 1, len(last) - 1, len(last)}
			for range 20 {
				cuts = append(cuts, rnd.IntN(len(last)))
			}
			slices.Sort(cuts)
			for _, at := range cuts {
				got, err := all(client(&recordedtest.Replay{Body: r.Body[:at]}).Chat(t.Context(), ask))
				where := fmt.Sprintf("cut at %d of %d (seed %d)", at, len(last), seed)
				if at == len(last) {
					if err != nil || !reflect.DeepEqual(got, want) {
						t.Fatalf("%s: %v", where, err)
					}
					continue
				}
				if !errors.Is(err, genai.Truncated) {
					t.Fatalf("%s: %+v, %v", where, got, err)
				}
				if got != nil {
					for _, call := range got.Message.ToolCalls() {
						if !call.Incomplete {
							t.Fatalf("%s: a call could be run", where)
						}
					}
				}
			}
		})
	}
}
