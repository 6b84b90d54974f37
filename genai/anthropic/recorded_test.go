package anthropic_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func client(r *recordedtest.Replay) *anthropic.Client {
	return &anthropic.Client{BaseURL: "http://anthropic.test/v1", Model: "m", HTTP: r.Client()}
}

func TestRecorded(t *testing.T) {
	whole, streams := 0, 0
	for _, r := range recordedtest.Load(t, "anthropic", "messages") {
		if r.Status >= 300 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			c := client(r.Replay())
			var got, other *genai.ChatResponse
			var err, otherErr error
			if r.Stream {
				streams++
				got, err = all(c.Chat(t.Context(), ask))
				other, otherErr = c.Complete(t.Context(), ask)
			} else {
				whole++
				got, err = c.Complete(t.Context(), ask)
				other, otherErr = all(c.Chat(t.Context(), ask))
			}
			if err != nil {
				t.Fatal(err)
			}
			oracle(t, r).check(t, got)
			// The other way of asking must come to the same, whatever the body is.
			if otherErr != nil || !reflect.DeepEqual(got, other) {
				t.Errorf("asked the other way: %+v, %v; want %+v", other, otherErr, got)
			}
		})
	}
	if whole < 50 || streams < 50 {
		t.Errorf("only %d whole answers and %d streams", whole, streams)
	}
}

// expected is what an answer must come to, found by another road: encoding/json and maps.
type expected struct {
	text, reasoning, finish string
	signatures, kept        []string
	calls                   []string // name and arguments, decoded and encoded again
	usage                   genai.Usage
}

func oracle(t *testing.T, r recordedtest.Exchange) (want expected) {
	t.Helper()
	type object = map[string]any
	var blocks []object
	usage := object{}
	str := func(o object, name string) string { s, _ := o[name].(string); return s }
	take := func(m object) {
		for name, value := range m {
			if value != nil {
				usage[name] = value
			}
		}
	}
	decode := func(text string) object {
		var o object
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	if !r.Stream {
		m := decode(r.Body)
		for _, b := range m["content"].([]any) {
			blocks = append(blocks, b.(object))
		}
		want.finish = str(m, "stop_reason")
		take(m["usage"].(object))
	} else {
		for _, line := range strings.Split(strings.ReplaceAll(r.Body, "\r\n", "\n"), "\n") {
			text, ok := strings.CutPrefix(line, "data:")
			if !ok || strings.TrimSpace(text) == "[DONE]" {
				continue
			}
			e := decode(text)
			d, _ := e["delta"].(object)
			switch e["type"] {
			case "message_start":
				take(e["message"].(object)["usage"].(object))
			case "content_block_start":
				blocks = append(blocks, e["content_block"].(object))
			case "content_block_delta":
				b := blocks[int(e["index"].(float64))]
				b["text"] = str(b, "text") + str(d, "text")
				b["thinking"] = str(b, "thinking") + str(d, "thinking")
				b["signature"] = str(b, "signature") + str(d, "signature")
				b["json"] = str(b, "json") + str(d, "partial_json")
			case "message_delta":
				want.finish = str(d, "stop_reason")
				take(e["usage"].(object))
			}
		}
	}
	for _, b := range blocks {
		switch b["type"] {
		case "text":
			want.text += str(b, "text")
		case "thinking":
			want.reasoning += str(b, "thinking")
			want.signatures = append(want.signatures, str(b, "signature"))
		case "tool_use":
			input := b["input"]
			if text := str(b, "json"); text != "" && json.Unmarshal([]byte(text), &input) != nil {
				want.calls = append(want.calls, str(b, "name")+text) // an answer of limited length ends anywhere
				continue
			}
			text, _ := json.Marshal(input)
			want.calls = append(want.calls, str(b, "name")+string(text))
		default:
			want.kept = append(want.kept, str(b, "type"))
		}
	}
	n := func(name string) int { f, _ := usage[name].(float64); return int(f) }
	details, _ := usage["output_tokens_details"].(object)
	thinking, _ := details["thinking_tokens"].(float64)
	read, written := n("cache_read_input_tokens"), n("cache_creation_input_tokens")
	want.usage = genai.Usage{
		Input: n("input_tokens") + read + written, Output: n("output_tokens"), CacheRead: read, CacheWrite: written, Reasoning: int(thinking),
	}
	return want
}

func (want expected) check(t *testing.T, got *genai.ChatResponse) {
	t.Helper()
	var is expected
	is.text, is.finish, is.usage = got.Text(), got.Finish.Raw, *got.Usage
	for _, p := range got.Message.Parts {
		if p.Reasoning != nil {
			is.reasoning += p.Reasoning.Text
		}
		if c := p.ToolCall; c != nil {
			var v any
			text := []byte(c.Arguments)
			if json.Unmarshal(text, &v) == nil {
				text, _ = json.Marshal(v)
			}
			is.calls = append(is.calls, c.Name+string(text))
			if c.ID == "" || c.Name == "" {
				t.Errorf("a call without id or name: %+v", c)
			}
		}
		if o := p.Opaque; o != nil {
			switch o.Type {
			case "signature":
				is.signatures = append(is.signatures, o.Data)
			case "citations":
			default:
				is.kept = append(is.kept, o.Type)
			}
		}
	}
	if !reflect.DeepEqual(is, want) {
		t.Errorf("got  %+v\nwant %+v", is, want)
	}
	if got.Finish.Reason == "" || got.ID == "" || got.Model == "" {
		t.Errorf("it says too little: %+v", got)
	}
}

// TestRecordedErrors: every refusal that was recorded has a Kind that says what is the matter.
func TestRecordedErrors(t *testing.T) {
	n := 0
	for _, r := range recordedtest.Load(t, "anthropic", "messages") {
		if r.Status < 300 {
			continue
		}
		n++
		_, err := client(r.Replay()).Complete(t.Context(), ask)
		e, ok := errors.AsType[*genai.Error](err)
		want := map[int]genai.Kind{400: genai.InvalidRequest, 401: genai.Unauthenticated, 404: genai.NotFound}[r.Status]
		if !ok || e.Kind != want || e.Message == "" || e.Status != r.Status || e.Started != genai.StartedNo || e.Code == "" {
			t.Errorf("%s: %+v", r.ID, err)
		}
		if strings.Contains(r.Body, `"request_id":"`) && e.RequestID == "" {
			t.Errorf("%s: the id of the request is lost", r.ID)
		}
	}
	if n < 20 {
		t.Errorf("only %d errors", n)
	}
}

var wire = recordedtest.Wire{
	Chat: func(ctx context.Context, _ recordedtest.Exchange, via *http.Client) (*genai.Stream[genai.ChatEvent], error) {
		return (&anthropic.Client{BaseURL: "http://anthropic.test/v1", Model: "m", HTTP: via}).Chat(ctx, ask)
	},
	Ends: func(doc map[string]any) bool {
		delta, _ := doc["delta"].(map[string]any)
		return doc["type"] == "message_delta" && delta["stop_reason"] != nil || doc["type"] == "message_stop"
	},
}

func TestRecordedStreamsInOtherForms(t *testing.T) {
	if n := wire.CheckForms(t, recordedtest.Load(t, "anthropic", "messages")); n < 50 {
		t.Errorf("only %d streams", n)
	}
}

func TestRecordedStreamsCut(t *testing.T) {
	if n := wire.CheckCuts(t, recordedtest.Load(t, "anthropic", "messages")); n < 50 {
		t.Errorf("only %d streams", n)
	}
}

// TestRecordedStreamsWithout: an answer needs neither the names of its events nor the last one of them.
func TestRecordedStreamsWithout(t *testing.T) {
	for _, r := range recordedtest.Load(t, "anthropic", "messages") {
		if r.Status >= 300 || !r.Stream {
			continue
		}
		want, err := all(client(r.Replay()).Chat(t.Context(), ask))
		if err != nil {
			t.Fatal(r.ID, err)
		}
		for name, body := range map[string]string{
			"no names":      strings.ReplaceAll(r.Body, "\nevent: ", "\n: "),
			"no stop event": strings.ReplaceAll(r.Body, `{"type":"message_stop"}`, `{"type":"ping"}`),
		} {
			got, err := all(client(&recordedtest.Replay{Body: body}).Chat(t.Context(), ask))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s: %v, %+v; want %+v", r.ID, name, err, got, want)
			}
		}
	}
}
