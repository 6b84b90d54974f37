package openai_test

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
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
	"github.com/dovetail-go/dovetail/genai/openai"
)

// A recording is one exchange with a real server.
type recording struct {
	ID, Provider, API string
	Stream            bool
	Request           json.RawMessage
	Status            int
	Headers           map[string]string
	Body              string
	Body64            string `json:"body_b64"`
	Tags              []string
}

func recordings(t *testing.T, api string) (all []recording) {
	t.Helper()
	for _, name := range []string{"openai-chat", "compatible", "embeddings-images-audio"} {
		f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "recorded", name+".jsonl.gz"))
		if err != nil {
			t.Skip("the recorded exchanges are not here: ", err)
		}
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
				if r.Body == "" && r.Body64 != "" {
					raw, err := base64.StdEncoding.DecodeString(r.Body64)
					if err != nil {
						t.Fatal(err)
					}
					r.Body = string(raw)
				}
				if r.API == api {
					all = append(all, r)
				}
			}
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		_ = f.Close()
	}
	return all
}

// A replay is an http.RoundTripper that answers with one body, in pieces of a random size.
type replay struct {
	recording
	body string
	rnd  *rand.Rand // nil: all at once
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
	if r.rnd != nil {
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

func (d *dripping) Read(b []byte) (int, error) { return d.r.Read(b[:min(len(b), 1+d.rnd.IntN(40))]) }

// waiting is a body that hangs until its exchange is over.
type waiting struct{ over <-chan struct{} }

func (w waiting) Read([]byte) (int, error) { <-w.over; return 0, errors.New("closed") }

func (r *replay) client() *openai.Client {
	return &openai.Client{BaseURL: "http://" + r.Provider + ".test/v1", HTTP: &http.Client{Transport: r}}
}

var anyRequest = &genai.ChatRequest{Messages: []genai.Message{genai.User("?")}}

func TestRecordedChats(t *testing.T) {
	whole, streams := 0, 0
	for _, r := range recordings(t, "chat.completions") {
		if r.Status >= 300 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			c := (&replay{recording: r, body: r.Body}).client()
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

func oracle(t *testing.T, r recording) (want expected) {
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
				c := (&replay{recording: r, body: r.Body}).client()
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

// TestRecordedStreamsInOtherForms: the same bytes in other pieces, with other line ends, with comments and with more behind
// the end come to the same answer.
func TestRecordedStreamsInOtherForms(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, r := range recordings(t, "chat.completions") {
		if r.Status >= 300 || !r.Stream || len(r.Body) > 64<<10 || rnd.IntN(3) > 0 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			want, err := all((&replay{recording: r, body: r.Body}).client().Chat(t.Context(), anyRequest))
			if err != nil {
				t.Fatal(err)
			}
			lf := strings.ReplaceAll(r.Body, "\r\n", "\n")
			forms := map[string]*replay{
				"in pieces":    {body: r.Body, rnd: rnd},
				"CRLF":         {body: strings.ReplaceAll(lf, "\n", "\r\n"), rnd: rnd},
				"CR":           {body: strings.ReplaceAll(lf, "\n", "\r"), rnd: rnd},
				"BOM":          {body: "\xef\xbb\xbf" + lf},
				"comments":     {body: strings.ReplaceAll(lf, "\n\n", "\n\n: ping\n\nevent: ping\n\n"), rnd: rnd},
				"other fields": {body: strings.ReplaceAll(lf, `{"choices":`, `{"x":[{"choices":[1e5,null,"\"}"]}],"choices":`)},
				"no type":      {body: r.Body},
			}
			if strings.Contains(lf, "[DONE]") {
				forms["behind the end"] = &replay{body: lf + data(done) + "<html>"}
				forms["open"] = &replay{body: lf, open: true}
			} else {
				forms["no last line end"] = &replay{body: strings.TrimRight(lf, "\n")}
			}
			for name, form := range forms {
				form.recording = r
				if name == "no type" {
					form.Headers = nil
				}
				got, err := all(form.client().Chat(t.Context(), anyRequest))
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
	for _, r := range recordings(t, "chat.completions") {
		if r.Status >= 300 || !r.Stream || len(r.Body) > 32<<10 || slices.Contains(r.Tags, "n>1") || rnd.IntN(4) > 0 {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			body := strings.ReplaceAll(r.Body, "\r\n", "\n")
			want, err := all((&replay{recording: r, body: body}).client().Chat(t.Context(), anyRequest))
			if err != nil {
				t.Fatal(err)
			}
			// The answer has ended when its finish reason is there: where that stands is found without the client.
			finished := strings.Index(body, `"finish_reason":"`)
			if end := strings.Index(body[finished:], "\n"); finished < 0 || end < 0 {
				t.Fatal("no finish reason")
			} else {
				finished += end
			}
			for at := 0; at <= len(body); at += 1 + rnd.IntN(200) {
				got, err := all((&replay{recording: r, body: body[:at]}).client().Chat(t.Context(), anyRequest))
				where := fmt.Sprintf("cut at %d of %d (seed %d)", at, len(body), seed)
				switch {
				case at < finished && err == nil:
					t.Fatalf("%s: taken for complete: %+v", where, got)
				case err != nil && !errors.Is(err, genai.Truncated):
					t.Fatalf("%s: %v", where, err)
				case err == nil && got.Text() != want.Text():
					t.Fatalf("%s: got %q, want %q", where, got.Text(), want.Text())
				}
				if err != nil && got != nil {
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
			c := (&replay{recording: r, body: r.Body}).client()
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
