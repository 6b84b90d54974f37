package anthropic_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
)

// A recording is one exchange with a real server.
type recording struct {
	ID, Provider, API string
	Stream            bool
	Request           json.RawMessage
	Status            int
	Headers           map[string]string
	Body              string
	Tags              []string
}

func recordings(t testing.TB) (all []recording) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "recorded", "anthropic.jsonl.gz"))
	if err != nil {
		t.Skip("the recorded exchanges are not here: ", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewReader(z); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var r recording
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			if r.API == "messages" {
				all = append(all, r)
			}
		}
		if err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A replay is an http.RoundTripper that answers with one body, in pieces of a random size.
type replay struct {
	recording
	body string
	rnd  *rand.Rand // nil: all at once
	one  bool       // byte by byte
	open bool       // the body never ends
}

func (r *replay) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil, err
	}
	_ = req.Body.Close()
	h := http.Header{}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	var body io.Reader = strings.NewReader(r.body)
	if r.rnd != nil || r.one {
		body = &dripping{body, r.rnd}
	}
	if r.open {
		body = io.MultiReader(body, waiting{req.Context().Done()})
	}
	return &http.Response{StatusCode: r.Status, Header: h, Body: io.NopCloser(body), ContentLength: -1, Request: req}, nil
}

type dripping struct {
	r   io.Reader
	rnd *rand.Rand
}

func (d *dripping) Read(b []byte) (int, error) {
	n := 1
	if d.rnd != nil {
		n += d.rnd.IntN(40)
	}
	return d.r.Read(b[:min(len(b), n)])
}

// waiting is a body that hangs until its exchange is over.
type waiting struct{ over <-chan struct{} }

func (w waiting) Read([]byte) (int, error) { <-w.over; return 0, errors.New("closed") }

func (r *replay) client() *anthropic.Client {
	return &anthropic.Client{BaseURL: "http://" + r.Provider + ".test/v1", Model: "m", HTTP: &http.Client{Transport: r}}
}

func TestRecorded(t *testing.T) {
	whole, streams := 0, 0
	for _, r := range recordings(t) {
		if r.Status >= 300 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			c := (&replay{recording: r, body: r.Body}).client()
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

func oracle(t *testing.T, r recording) (want expected) {
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
	for _, r := range recordings(t) {
		if r.Status < 300 {
			continue
		}
		n++
		_, err := (&replay{recording: r, body: r.Body}).client().Complete(t.Context(), ask)
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
	for _, r := range recordings(t) {
		if r.Status >= 300 || !r.Stream || len(r.Body) > 128<<10 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			want, err := all((&replay{recording: r, body: r.Body}).client().Chat(t.Context(), ask))
			if err != nil {
				t.Fatal(err)
			}
			lf := strings.ReplaceAll(r.Body, "\r\n", "\n")
			forms := map[string]*replay{
				"in pieces":     {body: r.Body, rnd: rnd},
				"byte by byte":  {body: r.Body, one: true},
				"CRLF":          {body: strings.ReplaceAll(lf, "\n", "\r\n"), rnd: rnd},
				"CR":            {body: strings.ReplaceAll(lf, "\n", "\r"), rnd: rnd},
				"BOM":           {body: "\xef\xbb\xbf" + lf},
				"comments":      {body: strings.ReplaceAll(lf, "\n\n", "\n\n: ping\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n")},
				"other fields":  {body: strings.ReplaceAll(lf, `data: {`, `data: {"x":[{"type":[1e5,null,"\"}"]}],`)},
				"other events":  {body: strings.ReplaceAll(lf, "\n\n", "\n\nevent: new\ndata: {\"type\":\"new\",\"delta\":{\"text\":\"no\"},\"index\":0}\n\n")},
				"no names":      {body: strings.ReplaceAll(lf, "\nevent: ", "\n: ")},
				"behind":        {body: strings.TrimRight(lf, "\n") + "\n\n" + data(stop) + "<html>"},
				"open":          {body: strings.TrimRight(lf, "\n") + "\n\n", open: true},
				"no line end":   {body: strings.TrimRight(lf, "\n")},
				"no stop event": {body: strings.ReplaceAll(lf, `{"type":"message_stop"}`, `{"type":"ping"}`)},
				"no type":       {body: r.Body},
			}
			for name, form := range forms {
				form.recording = r
				if name == "no type" {
					form.Headers = nil
				}
				got, err := all(form.client().Chat(t.Context(), ask))
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
	for _, r := range recordings(t) {
		if r.Status >= 300 || !r.Stream || len(r.Body) > 32<<10 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			body := strings.ReplaceAll(r.Body, "\r\n", "\n")
			want, err := all((&replay{recording: r, body: body}).client().Chat(t.Context(), ask))
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
				got, err := all((&replay{recording: r, body: body[:at]}).client().Chat(t.Context(), ask))
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
