package anthropic_test

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

// TestRecordedStreamsInOtherForms: the same bytes in other pieces, with other line ends, with comments and with more behind
// the end come to the same answer.
func TestRecordedStreamsInOtherForms(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, r := range recordedtest.Load(t, "anthropic", "messages") {
		if r.Status >= 300 || !r.Stream || len(r.Body) > 128<<10 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			want, err := all(client(r.Replay()).Chat(t.Context(), ask))
			if err != nil {
				t.Fatal(err)
			}
			lf := strings.ReplaceAll(r.Body, "\r\n", "\n")
			forms := map[string]*recordedtest.Replay{
				"in pieces":     {Body: r.Body, Pieces: rnd},
				"byte by byte":  {Body: r.Body, Bytes: true},
				"CRLF":          {Body: strings.ReplaceAll(lf, "\n", "\r\n"), Pieces: rnd},
				"CR":            {Body: strings.ReplaceAll(lf, "\n", "\r"), Pieces: rnd},
				"BOM":           {Body: "\xef\xbb\xbf" + lf},
				"comments":      {Body: strings.ReplaceAll(lf, "\n\n", "\n\n: ping\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n")},
				"other fields":  {Body: strings.ReplaceAll(lf, `data: {`, `data: {"x":[{"type":[1e5,null,"\"}"]}],`)},
				"other events":  {Body: strings.ReplaceAll(lf, "\n\n", "\n\nevent: new\ndata: {\"type\":\"new\",\"delta\":{\"text\":\"no\"},\"index\":0}\n\n")},
				"no names":      {Body: strings.ReplaceAll(lf, "\nevent: ", "\n: ")},
				"behind":        {Body: strings.TrimRight(lf, "\n") + "\n\n" + data(stop) + "<html>"},
				"open":          {Body: strings.TrimRight(lf, "\n") + "\n\n", Open: true},
				"no line end":   {Body: strings.TrimRight(lf, "\n")},
				"no stop event": {Body: strings.ReplaceAll(lf, `{"type":"message_stop"}`, `{"type":"ping"}`)},
				"no type":       {Body: r.Body},
			}
			for name, form := range forms {
				if name != "no type" {
					form.Headers = r.Headers
				}
				got, err := all(client(form).Chat(t.Context(), ask))
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s (seed %d): %v, %+v; want %+v", name, seed, err, got, want)
				}
			}
		})
	}
}

// TestRecordedStreamsCut: a stream that is cut before its end is never complete, and one that is cut behind it is.
func TestRecordedStreamsCut(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, r := range recordedtest.Load(t, "anthropic", "messages") {
		if r.Status >= 300 || !r.Stream || len(r.Body) > 32<<10 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			body := strings.ReplaceAll(r.Body, "\r\n", "\n")
			want, err := all(client(&recordedtest.Replay{Headers: r.Headers, Body: body}).Chat(t.Context(), ask))
			if err != nil {
				t.Fatal(err)
			}
			// The answer has ended when its stop reason is there: where that stands is found without the client.
			finished := strings.Index(body, `"stop_reason":"`)
			if finished < 0 {
				t.Fatal("no reason")
			}
			finished += strings.Index(body[finished:], "\n")
			cuts := []int{0, finished - 1, finished, finished + 1, len(body)}
			for at := 0; at <= len(body); at += 1 + rnd.IntN(200) {
				cuts = append(cuts, at)
			}
			slices.Sort(cuts)
			for _, at := range cuts {
				got, err := all(client(&recordedtest.Replay{Headers: r.Headers, Body: body[:at]}).Chat(t.Context(), ask))
				where := fmt.Sprintf("cut at %d of %d (seed %d)", at, len(body), seed)
				switch {
				case at < finished && err == nil:
					t.Fatalf("%s: taken for complete: %+v", where, got)
				case err != nil && !errors.Is(err, genai.Truncated):
					t.Fatalf("%s: %v", where, err)
				case err == nil && !reflect.DeepEqual(got, want):
					t.Fatalf("%s: got %+v, want %+v", where, got, want)
				}
				if err != nil && got != nil {
					if got.Usage != nil && !got.Usage.LowerBound {
						t.Fatalf("%s: the usage is taken for all", where)
					}
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
