package openai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

var (
	_ genai.Painter     = (&openai.Client{}).Paint
	_ genai.Speaker     = (&openai.Client{}).Speak
	_ genai.Transcriber = (&openai.Client{}).Transcribe
	_ genai.Chat        = (&openai.Client{}).Responses
	_ genai.Completer   = (&openai.Client{}).Respond
)

// A field is one of a form.
type field struct{ name, file, mediaType, value string }

// fields returns what was sent as a form.
func fields(t *testing.T, contentType, body string) (all []field) {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "multipart/form-data" {
		t.Fatalf("not a form: %q", contentType)
	}
	for r := multipart.NewReader(strings.NewReader(body), params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		value, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, field{p.FormName(), p.FileName(), p.Header.Get("Content-Type"), string(value)})
	}
}

// A taker answers every request in one way, and remembers the last.
type taker struct {
	header http.Header
	path   string
	body   string
}

func (k *taker) client(t *testing.T, status int, contentType, body string) *openai.Client {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		k.header, k.path, k.body = r.Header, r.URL.Path, string(text)
		fixed(status, contentType, body)(w, r)
	}))
	t.Cleanup(s.Close)
	return &openai.Client{BaseURL: s.URL + "/v1", Key: "sk-secret-key", Model: "m", HTTP: s.Client()}
}

func TestPaint(t *testing.T) {
	var k taker
	c := k.client(t, 200, "application/json", `{"created":1,"output_format":"webp","data":[{"b64_json":"aGVsbG8="},{"url":"https://example.com/a","revised_prompt":"A nicer cat."}],
		"usage":{"input_tokens":14,"output_tokens":272,"total_tokens":286}}`)
	got, err := c.Paint(t.Context(), &genai.ImageRequest{Prompt: "A cat.", N: new(2), Size: "1024x1024", Quality: "low", Format: "image/webp", EndUser: "u"})
	if err != nil {
		t.Fatal(err)
	}
	want := &genai.Images{Usage: &genai.Usage{Input: 14, Output: 272}, Images: []genai.Image{
		{Blob: genai.NewBlob("image/webp", []byte("hello"))}, {Blob: genai.BlobURL("image/webp", "https://example.com/a", ""), RevisedPrompt: "A nicer cat."}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want := `{"model":"m","prompt":"A cat.","n":2,"size":"1024x1024","quality":"low","output_format":"webp","user":"u"}`; k.path != "/v1/images/generations" || strings.TrimSpace(k.body) != want {
		t.Errorf("asked %s for %s", k.path, k.body)
	}
}

func TestEditPicture(t *testing.T) {
	var k taker
	c := k.client(t, 200, "application/json", `{"data":[{"b64_json":"iVBORw0KGgo="}]}`)
	png, jpg := genai.NewBlob("image/png", []byte("png")), genai.NewBlob("image/jpeg", []byte("jpg"))
	got, err := c.Paint(t.Context(), &genai.ImageRequest{Model: "painter", Prompt: "A hat.", Sources: []genai.Blob{png, jpg}, Mask: &png, N: new(1)})
	if err != nil || got.Images[0].Blob.MediaType() != "image/png" || got.Usage != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []field{{"model", "", "", "painter"}, {"prompt", "", "", "A hat."}, {"n", "", "", "1"}, {"image[]", "file.png", "image/png", "png"},
		{"image[]", "file.jpg", "image/jpeg", "jpg"}, {"mask", "file.png", "image/png", "png"}}
	if all := fields(t, k.header.Get("Content-Type"), k.body); k.path != "/v1/images/edits" || !slices.Equal(all, want) {
		t.Errorf("asked %s for %q", k.path, all)
	}
	if k.header.Get("Authorization") != "Bearer sk-secret-key" {
		t.Error("the key is missing")
	}
}

func TestTranscribe(t *testing.T) {
	var k taker
	c := k.client(t, 200, "application/json", `{"task":"transcribe","language":"english","duration":5.489999771118164,"text":"The sun.",
		"segments":[{"id":0,"start":0.0,"end":4.800000190734863,"text":" The sun.","speaker":"A"}],"usage":{"type":"duration","seconds":6}}`)
	req := &genai.TranscribeRequest{Model: "whisper-1", Audio: genai.NewBlob("audio/mpeg", []byte("mp3")), Language: "en", Prompt: "Sun", Temperature: new(0.0)}
	got, err := c.Transcribe(t.Context(), req)
	want := &genai.Transcript{Text: "The sun.", Language: "english", Duration: 5490 * time.Millisecond,
		Segments: []genai.Segment{{End: 4800 * time.Millisecond, Text: " The sun.", Speaker: "A"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	wantFields := []field{{"model", "", "", "whisper-1"}, {"language", "", "", "en"}, {"prompt", "", "", "Sun"}, {"temperature", "", "", "0"},
		{"response_format", "", "", "verbose_json"}, {"file", "file.mp3", "audio/mpeg", "mp3"}}
	if all := fields(t, k.header.Get("Content-Type"), k.body); k.path != "/v1/audio/transcriptions" || !slices.Equal(all, wantFields) {
		t.Errorf("asked %s for %q", k.path, all)
	}
	for model, format := range map[string]string{"gpt-4o-transcribe": "json", "gpt-4o-transcribe-diarize": "diarized_json", "openai/Whisper-large-v3": "verbose_json"} {
		req := &genai.TranscribeRequest{Model: model, Audio: genai.NewBlob("audio/wav", []byte("wav"))}
		if _, err := c.Transcribe(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if all := fields(t, k.header.Get("Content-Type"), k.body); !slices.Contains(all, field{name: "response_format", value: format}) {
			t.Errorf("%s: %q", model, all)
		}
	}
}

func TestSpeak(t *testing.T) {
	leakCheck(t)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/wav")
		for _, piece := range []string{"RI", "FF", strings.Repeat("x", 100_000)} {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	})
	stream, err := s.client().Speak(t.Context(), &genai.SpeechRequest{Text: "Hello.", Voice: "alloy", Instructions: "Slowly.", Format: "audio/wav", Speed: new(1.5)})
	if err != nil {
		t.Fatal(err)
	}
	var sound bytes.Buffer
	for chunk, err := range stream.All() {
		if err != nil || chunk.Audio.MediaType() != "audio/wav" || chunk.Preamble() {
			t.Fatalf("%+v, %v", chunk, err)
		}
		sound.Write(chunk.Audio.Bytes())
	}
	if sound.String() != "RIFF"+strings.Repeat("x", 100_000) {
		t.Errorf("%d bytes", sound.Len())
	}
	want := map[string]any{"model": "m", "input": "Hello.", "voice": "alloy", "instructions": "Slowly.", "response_format": "wav", "speed": 1.5}
	if s.request.URL.Path != "/v1/audio/speech" || !reflect.DeepEqual(s.body, want) {
		t.Errorf("asked %s for %v", s.request.URL, s.body)
	}
}

// TestSpeakArrives: the first piece is there before the last is made, and a listener who leaves is obeyed.
func TestSpeakArrives(t *testing.T) {
	leakCheck(t)
	gone := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	stream, err := s.client().Speak(t.Context(), &genai.SpeechRequest{Text: "Hello."})
	if err != nil {
		t.Fatal(err)
	}
	if chunk, err := stream.Next(); err != nil || string(chunk.Audio.Bytes()) != "first" {
		t.Fatalf("%+v, %v", chunk, err)
	}
	_ = stream.Close()
	<-gone
}

// TestMediaFailures: what is not the answer is an error that says what it is, without the prompt in it.
func TestMediaFailures(t *testing.T) {
	leakCheck(t)
	const secret = "a very secret prompt for nobody"
	audio := genai.NewBlob("audio/mpeg", []byte("mp3"))
	ways := map[string]func(*testing.T, *openai.Client) error{
		"paint": func(t *testing.T, c *openai.Client) error {
			_, err := c.Paint(t.Context(), &genai.ImageRequest{Prompt: secret})
			return err
		},
		"edit": func(t *testing.T, c *openai.Client) error {
			_, err := c.Paint(t.Context(), &genai.ImageRequest{Prompt: secret, Sources: []genai.Blob{genai.NewBlob("image/png", []byte("png"))}})
			return err
		},
		"transcribe": func(t *testing.T, c *openai.Client) error {
			_, err := c.Transcribe(t.Context(), &genai.TranscribeRequest{Audio: audio, Prompt: secret})
			return err
		},
		"speak": func(t *testing.T, c *openai.Client) error {
			s, err := c.Speak(t.Context(), &genai.SpeechRequest{Text: secret})
			if err != nil {
				return err
			}
			for _, err = range s.All() {
			}
			return err
		},
	}
	for name, c := range map[string]struct {
		status            int
		contentType, body string
		kind              genai.Kind
	}{
		"an error":             {200, "application/json", `{"error":{"message":"no","code":"rate_limit_exceeded"}}`, genai.RateLimited},
		"refused":              {400, "application/json", `{"error":{"message":"Your prompt ` + secret + ` and key sk-secret-key","code":"content_policy_violation"}}`, genai.ContentFiltered},
		"billing":              {429, "application/json", `{"error":{"message":"no","type":"insufficient_quota"}}`, genai.QuotaExhausted},
		"a web page":           {200, "text/html", `<html>` + secret, genai.Malformed},
		"a web page that says": {503, "text/html", `<html>` + secret, genai.Overloaded},
		"a document":           {200, "application/json", `{"ok":true}`, ""},
		"a cut document":       {200, "application/json", `{"data":[{"b64_json":"aGV`, genai.Truncated},
		"nothing":              {200, "audio/mpeg", ``, ""},
	} {
		for way, call := range ways {
			t.Run(way+"/"+name, func(t *testing.T) {
				var k taker
				err := call(t, k.client(t, c.status, c.contentType, c.body))
				kind := genai.KindOf(err)
				if c.kind == "" && (kind == genai.Empty || kind == genai.Malformed || kind == genai.Truncated) {
					kind = ""
				}
				if err == nil || kind != c.kind {
					t.Fatalf("%v, want %s", err, c.kind)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("it quotes: %v", err)
				}
			})
		}
	}
	for body, kind := range map[string]genai.Kind{`{"data":[]}`: genai.Empty, `{"data":[{}]}`: genai.Empty, `{"data":[{"b64_json":"?"}]}`: genai.Malformed, `{"data":1}`: genai.Malformed} {
		var k taker
		if err := ways["paint"](t, k.client(t, 200, "application/json", body)); genai.KindOf(err) != kind {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestSpeakCut(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "sound")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	stream, err := s.client().Speak(t.Context(), &genai.SpeechRequest{Text: "Hello."})
	if err != nil {
		t.Fatal(err)
	}
	for _, err = range stream.All() {
	}
	if !errors.Is(err, genai.Truncated) {
		t.Errorf("it ended with %v", err)
	}
}

// TestUnsupported: a setting that the provider has no word for is named, and nothing is sent.
func TestUnsupported(t *testing.T) {
	s := serve(t, fixed(200, "application/json", "{}"))
	c := s.client()
	official := &openai.Client{Key: "k", HTTP: &http.Client{Transport: &recordedtest.Replay{Body: "{}"}}}
	png, there := genai.NewBlob("image/png", []byte("png")), genai.BlobURL("image/png", "https://example.com/a.png", "")
	chat := func(c *openai.Client, change func(r *genai.ChatRequest)) error {
		req := *ask
		req.Model = "m"
		change(&req)
		_, err := c.Respond(t.Context(), &req)
		return err
	}
	paint := func(r *genai.ImageRequest) error { _, err := c.Paint(t.Context(), r); return err }
	speak := func(c *openai.Client, r *genai.SpeechRequest) error { _, err := c.Speak(t.Context(), r); return err }
	transcribe := func(r *genai.TranscribeRequest) error { _, err := c.Transcribe(t.Context(), r); return err }
	for _, tt := range []struct {
		err   error
		kind  genai.Kind
		field string
	}{
		{chat(c, func(r *genai.ChatRequest) { r.TopK = new(1) }), genai.Unsupported, "top_k"},
		{chat(c, func(r *genai.ChatRequest) { r.Stop = []string{"x"} }), genai.Unsupported, "stop"},
		{chat(c, func(r *genai.ChatRequest) { r.Seed = new(int64(1)) }), genai.Unsupported, "seed"},
		{chat(c, func(r *genai.ChatRequest) { r.FrequencyPenalty = new(1.0) }), genai.Unsupported, "frequency_penalty"},
		{chat(c, func(r *genai.ChatRequest) { r.PresencePenalty = new(1.0) }), genai.Unsupported, "presence_penalty"},
		{chat(c, func(r *genai.ChatRequest) { r.LogProbs = new(1) }), genai.Unsupported, "log_probs"},
		{chat(c, func(r *genai.ChatRequest) { r.Reasoning = &genai.ReasoningOptions{MaxTokens: new(1)} }), genai.Unsupported, "reasoning.max_tokens"},
		{chat(c, func(r *genai.ChatRequest) {
			r.Messages = []genai.Message{{Role: genai.RoleUser, Name: "Ann", Parts: []genai.Part{{Text: "a"}}}}
		}), genai.Unsupported, "messages[0].name"},
		{chat(c, func(r *genai.ChatRequest) {
			r.Messages = []genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{{Audio: &png}}}}
		}), genai.Unsupported, "messages[0].parts[0].audio"},
		{chat(c, func(r *genai.ChatRequest) { r.Messages = nil }), genai.InvalidRequest, "messages"},
		{chat(official, func(r *genai.ChatRequest) { r.Model = "" }), genai.InvalidRequest, "model"},
		{failure(c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a"}, Task: "query"})), genai.Unsupported, "task"},
		{paint(nil), genai.InvalidRequest, "prompt"},
		{paint(&genai.ImageRequest{Prompt: "p", Format: "image/gif"}), genai.Unsupported, "format"},
		{paint(&genai.ImageRequest{Prompt: "p", Mask: &png}), genai.InvalidRequest, "mask"},
		{paint(&genai.ImageRequest{Prompt: "p", Sources: []genai.Blob{png, there}}), genai.Unsupported, "sources[1]"},
		{paint(&genai.ImageRequest{Prompt: "p", Sources: []genai.Blob{{}}}), genai.InvalidRequest, "sources[0]"},
		{speak(c, nil), genai.InvalidRequest, "text"},
		{speak(c, &genai.SpeechRequest{Text: "t", Format: "audio/midi"}), genai.Unsupported, "format"},
		{speak(official, &genai.SpeechRequest{Text: "t", Model: "m"}), genai.InvalidRequest, "voice"},
		{transcribe(nil), genai.InvalidRequest, "audio"},
		{transcribe(&genai.TranscribeRequest{}), genai.InvalidRequest, "audio"},
		{transcribe(&genai.TranscribeRequest{Audio: there}), genai.Unsupported, "audio"},
	} {
		e := genai.AsError(tt.err)
		if e == nil || e.Kind != tt.kind || e.Field != tt.field || e.Started != genai.StartedNo {
			t.Errorf("%v, want %s of %s", tt.err, tt.kind, tt.field)
			continue
		}
		if e.Kind == genai.Unsupported && !strings.Contains(e.Message, "OpenAI") && !strings.Contains(e.Message, "this ") {
			t.Errorf("it does not name the provider: %v", e)
		}
	}
	if s.calls != 0 {
		t.Errorf("%d requests", s.calls)
	}
	// Asked to, the client leaves out what is a setting.
	c.Drop = []string{"top_k", "messages.name", "format", "task"}
	for i, err := range []error{
		chat(c, func(r *genai.ChatRequest) { r.TopK = new(1) }),
		chat(c, func(r *genai.ChatRequest) {
			r.Messages = []genai.Message{{Role: genai.RoleUser, Name: "Ann", Parts: []genai.Part{{Text: "a"}}}}
		}),
		paint(&genai.ImageRequest{Prompt: "p", Format: "image/gif"}),
		speak(c, &genai.SpeechRequest{Text: "t", Format: "audio/midi"}),
		failure(c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a"}, Task: "query"})),
	} {
		if err == nil || genai.KindOf(err) == genai.Unsupported || s.calls != 5 {
			t.Errorf("with Drop: %d: %v after %d calls", i, err, s.calls)
		}
	}
}

// failure is the error of a call.
func failure[T any](_ T, err error) error { return err }

// TestRecordedMedia: every exchange of these interfaces that was recorded comes to what its body says.
func TestRecordedMedia(t *testing.T) {
	n := map[string]int{}
	for _, r := range recordedtest.Load(t, "embeddings-images-audio", "images.generations", "audio.speech", "audio.transcriptions") {
		n[r.API]++
		t.Run(r.ID, func(t *testing.T) {
			c := replayed(r, r.Replay())
			var err error
			switch r.API {
			case "images.generations":
				var got *genai.Images
				if got, err = c.Paint(t.Context(), &genai.ImageRequest{Prompt: "?"}); err == nil {
					if len(got.Images) != 1 || string(got.Images[0].Blob.Bytes()) != "hello" || !strings.HasPrefix(got.Images[0].Blob.MediaType(), "image/") {
						t.Errorf("%+v", got)
					}
					if r.Provider == "openai" && (got.Usage == nil || got.Usage.Input != 14 || got.Usage.Output != 272) {
						t.Errorf("usage %+v", got.Usage)
					}
				}
			case "audio.speech":
				var s *genai.Stream[genai.SpeechChunk]
				if s, err = c.Speak(t.Context(), &genai.SpeechRequest{Text: "?"}); err == nil {
					var sound strings.Builder
					for chunk, err := range s.All() {
						if err != nil || chunk.Audio.MediaType() != r.Headers["content-type"] {
							t.Fatal(chunk.Audio, err)
						}
						sound.Write(chunk.Audio.Bytes())
					}
					if sound.String() != r.Body {
						t.Error("another sound")
					}
				}
			case "audio.transcriptions":
				var got *genai.Transcript
				if got, err = c.Transcribe(t.Context(), &genai.TranscribeRequest{Audio: genai.NewBlob("audio/mpeg", []byte("?"))}); err == nil {
					var want struct {
						Text     string
						Segments []any
					}
					if json.Unmarshal([]byte(r.Body), &want) != nil || got.Text != want.Text || len(got.Segments) != len(want.Segments) {
						t.Errorf("%+v", got)
					}
					if tokens := strings.Contains(r.Body, "input_tokens"); (got.Usage != nil) != tokens || got.Duration == 0 && !tokens {
						t.Errorf("%+v", got)
					}
				}
			}
			if r.Status < 300 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e := genai.AsError(err)
			want := genai.InvalidRequest
			switch {
			case r.Status == 501:
				want = genai.Unsupported
			case strings.Contains(r.Body, "unknown_parameter"):
				want = genai.Unsupported
			case strings.Contains(r.Body, `"param":"model"`):
				want = genai.NotFound
			}
			if e == nil || e.Kind != want || e.Message == "" || e.Status != r.Status {
				t.Errorf("%v, want %s: %s", err, want, r.Body)
			}
		})
	}
	if n["images.generations"] < 10 || n["audio.speech"] < 5 || n["audio.transcriptions"] < 5 {
		t.Errorf("only %v", n)
	}
}

// FuzzDocuments: whatever comes instead of a document, there is an answer with something in it or an error of a kind.
func FuzzDocuments(f *testing.F) {
	for _, body := range []string{`{"data":[{"b64_json":"aGVsbG8="}],"usage":{"input_tokens":1}}`, `{"data":[{"url":"https://example.com"}]}`,
		`{"text":"a","duration":"1.5","segments":[{"start":0,"end":1e300}],"usage":{"seconds":6}}`,
		`{"results":[{"flagged":false,"categories":{"a":null},"category_scores":{"a":1}}]}`, `{"error":{"code":429}}`, `[{"error":"x"}]`, `{"detail":[{"loc":["a",{}]}]}`, `<`} {
		f.Add(200, body)
		f.Add(400, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			status = 200
		}
		replay := &recordedtest.Replay{Status: status, Body: body}
		c := &openai.Client{BaseURL: "http://fuzz.test/v1", HTTP: replay.Client(), MaxBytes: 1 << 16}
		images, err1 := c.Paint(t.Context(), &genai.ImageRequest{Prompt: "?"})
		transcript, err2 := c.Transcribe(t.Context(), &genai.TranscribeRequest{Audio: genai.NewBlob("audio/wav", []byte("?"))})
		verdict, err3 := c.Moderate(t.Context(), &genai.ModerationRequest{Text: "?"})
		if (images == nil) == (err1 == nil) || (transcript == nil) == (err2 == nil) || (verdict == nil) == (err3 == nil) {
			t.Fatal("neither an answer nor an error, or both")
		}
		if images != nil && len(images.Images) == 0 {
			t.Fatal("no picture")
		}
		for _, err := range []error{err1, err2, err3} {
			if e, ok := errors.AsType[*genai.Error](err); err != nil && (!ok || !e.Kind.Known() || e.Kind == genai.Unknown || e.Kind == genai.Internal || e.RetryAfter < 0) {
				t.Fatalf("%v", err)
			}
		}
	})
}
