package wiretest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// A recorder is a testing.TB that remembers failures.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

const secret = "sk-very-secret-0123456789abcdef"

func with(transport http.RoundTripper) *openai.Client {
	return &openai.Client{Key: secret, Model: "m", HTTP: &http.Client{Transport: transport}}
}

// TestReplay: what was recorded comes back, with the time it took, and cut where it was.
func TestReplay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tape.jsonl")
	steps := []genaitest.Step{
		genaitest.Pieces("Grüße, ", "wörld").After(time.Second).Every(time.Minute).Usage(1, 2),
		genaitest.Reply("whole"),
		genaitest.Fail(&genai.Error{Kind: genai.RateLimited, RetryAfter: 7 * time.Second, Message: "your key " + secret + " is tired", RequestID: "r1"}),
		genaitest.Pieces("a", "b").Every(time.Second).Then(genai.Truncated),
		genaitest.Fail(genai.Unavailable),
	}
	type outcome struct {
		resp *genai.ChatResponse
		kind genai.Kind
		hint time.Duration
		took time.Duration
	}
	run := func(t *testing.T, c *openai.Client) (all []outcome) {
		for i := range steps {
			began := time.Now()
			var resp *genai.ChatResponse
			var err error
			if req := ask(fmt.Sprint("question ", i)); i == 1 {
				resp, err = c.Complete(t.Context(), req)
			} else {
				resp, err = read(c.Chat(t.Context(), req))
			}
			o := outcome{resp: resp, kind: genai.KindOf(err), took: time.Since(began)}
			if err != nil {
				o.hint = genai.AsError(err).RetryAfter
			}
			all = append(all, o)
		}
		return all
	}
	var want []outcome
	synctest.Test(t, func(t *testing.T) {
		server := &wiretest.Server{Chat: genaitest.Script(steps...).Chat}
		want = run(t, with(&wiretest.Record{File: file, Next: server.Client(t).Transport}))
	})
	if want[0].resp.Text() != "Grüße, wörld" || want[0].took != 61*time.Second || want[2].hint != 7*time.Second || want[3].kind != genai.Truncated || want[4].kind != genai.Unavailable {
		t.Fatalf("the recorded run is wrong already: %s", show(want))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("very-secret")) || bytes.Contains(text, []byte("Authorization")) || bytes.Contains(text, []byte("api.openai.com")) {
		t.Errorf("the file tells too much:\n%s", text)
	}
	if n := bytes.Count(text, []byte("\n")); n != len(steps) {
		t.Errorf("%d lines", n)
	}

	synctest.Test(t, func(t *testing.T) {
		replay := &wiretest.Replay{File: file, Timing: true}
		if got := run(t, with(replay)); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		replay.Verify(t)
	})
	synctest.Test(t, func(t *testing.T) {
		replay := &wiretest.Replay{File: file}
		c := with(replay)
		c.Key = "another-key" // does not matter
		for i, got := range run(t, c) {
			if got.took != 0 || got.kind != want[i].kind || !reflect.DeepEqual(got.resp, want[i].resp) {
				t.Errorf("without timing: %+v", got)
			}
		}
	})
}

func TestReplayStrange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tape.jsonl")
	server := &wiretest.Server{Chat: genaitest.Script(genaitest.Reply("a").Always()).Chat, Embed: genaitest.Embed}
	c := with(&wiretest.Record{File: file, Next: server.Client(t).Transport})
	for _, text := range []string{"one", "two"} {
		if _, err := c.Complete(t.Context(), ask(text)); err != nil {
			t.Fatal(err)
		}
	}
	replay := &wiretest.Replay{File: file}
	c = with(replay)
	if _, err := c.Complete(t.Context(), ask("two")); err != nil {
		t.Errorf("the order does not matter: %v", err)
	}
	if _, err := c.Complete(t.Context(), ask("three")); err == nil || !strings.Contains(err.Error(), "another body") {
		t.Errorf("another question: %v", err)
	}
	if _, err := c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a"}}); err == nil || !strings.Contains(err.Error(), "nothing that is left of the recording was for POST /v1/embeddings") {
		t.Errorf("another operation: %v", err)
	}
	r := &recorder{TB: t}
	replay.Verify(r)
	if len(r.failures) != 3 || !strings.Contains(r.failures[2], "nobody asked again") {
		t.Errorf("%q", r.failures)
	}

	for _, broken := range []string{filepath.Join(t.TempDir(), "none"), func() string {
		name := filepath.Join(t.TempDir(), "broken")
		if err := os.WriteFile(name, []byte("{}\nnot json\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}()} {
		replay = &wiretest.Replay{File: broken}
		if _, err := with(replay).Complete(t.Context(), ask("one")); err == nil {
			t.Error("a broken file is played")
		}
		r = &recorder{TB: t}
		if replay.Verify(r); len(r.failures) == 0 {
			t.Error("a broken file is verified")
		}
	}
	// A file that cannot be written is not passed over in silence.
	c = with(&wiretest.Record{File: filepath.Join(t.TempDir(), "none", "tape"), Next: server.Client(t).Transport})
	if _, err := c.Complete(t.Context(), ask("one")); err == nil {
		t.Error("an exchange was not recorded, and nobody said so")
	}
}

// TestRecordLeft: a client that leaves in the middle leaves a recording of what it read, which goes no further.
func TestRecordLeft(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tape.jsonl")
	synctest.Test(t, func(t *testing.T) {
		server := &wiretest.Server{Chat: genaitest.Script(genaitest.Reply("a").ThenHang(), genaitest.Hang()).Chat}
		for _, c := range []*openai.Client{
			with(&wiretest.Record{File: file, Next: server.Client(t).Transport}),
			with(&wiretest.Replay{File: file}), with(&wiretest.Replay{File: file, Timing: true}),
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			resp, err := read(c.Chat(ctx, ask("hi")))
			if resp == nil || resp.Text() != "a" || genai.KindOf(err) != genai.DeadlineExceeded {
				t.Errorf("%v, %v", resp, err)
			}
			cancel()
			began := time.Now()
			ctx, cancel = context.WithTimeout(t.Context(), time.Hour) // before there were headers
			if resp, err := read(c.Chat(ctx, ask("and now?"))); resp != nil || genai.KindOf(err) != genai.DeadlineExceeded || time.Since(began) != time.Hour {
				t.Errorf("%v, %v after %v", resp, err, time.Since(began))
			}
			cancel()
		}
	})
}

func TestScrubbing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tape.jsonl")
	const all = `AIzaSyA0123456789012345678901234567 eyJhbGciOiJI.eyJzdWIiOiIx.abc hf_abcdefghijklmnopqrstuv mine-is-"quoted" in-the-query`
	server := &wiretest.Server{Chat: genaitest.Script(genaitest.Reply(all).Always()).Chat, Faults: []wiretest.Fault{{Slice: 3}}}
	client := &http.Client{Transport: &wiretest.Record{File: file, Next: server.Client(t).Transport, Secrets: []string{`mine-is-"quoted"`}}}
	resp, err := client.Post("http://host/v1beta/models/m:generateContent?key=in-the-query&alt=json", "application/json", strings.NewReader(geminiAsk))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(resp.Body); err != nil || !strings.Contains(got.String(), "AIza") {
		t.Errorf("the client gets less than what came: %s, %v", &got, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Replayed, so that the pieces are put together again.
	replay := &wiretest.Replay{File: file}
	resp, err = (&http.Client{Transport: replay}).Post("http://other/v1beta/models/m:generateContent?alt=json&key=another", "application/json", strings.NewReader(geminiAsk))
	if err != nil {
		t.Fatal(err)
	}
	var played bytes.Buffer
	if _, err := played.ReadFrom(resp.Body); err != nil || played.Len() != got.Len() || resp.StatusCode != 200 {
		t.Error(&played, err)
	}
	for _, word := range []string{"AIza", "eyJ", "hf_", "quoted", "in-the-query"} {
		if strings.Contains(string(text), word) || strings.Contains(played.String(), word) {
			t.Errorf("%s is in the file:\n%s", word, text)
		}
	}
}

// A sender is a transport that is a function.
type sender func(*http.Request) (*http.Response, error)

func (f sender) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestSecrets: wherever a key was sent, and however the provider spells it when it quotes it, it is not in the file.
func TestSecrets(t *testing.T) {
	const key = `abc/d"e<f+0123456789`
	ways := map[string]func(req *http.Request){
		"bearer":               func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+key) },
		"another scheme":       func(req *http.Request) { req.Header.Set("Authorization", "Token "+key) },
		"no scheme":            func(req *http.Request) { req.Header.Set("Authorization", key) },
		"a name in lower case": func(req *http.Request) { req.Header["x-api-key"] = []string{key} },
		"a name of one's own":  func(req *http.Request) { req.Header.Set("Acme-Gateway-Token", key) },
		"basic":                func(req *http.Request) { req.SetBasicAuth("user", key) },
		"in the URL":           func(req *http.Request) { req.URL.User = url.UserPassword("user", key) },
		"parameter":            func(req *http.Request) { req.URL.RawQuery = "X-Goog-Signature=" + url.QueryEscape(key) },
		"cookie":               func(req *http.Request) { req.Header.Set("Cookie", "theme=dark; session="+key) },
		"part of a signature": func(req *http.Request) {
			req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=me, Signature="+key)
		},
		"a key in a key": func(req *http.Request) {
			req.Header.Set("Api-Key", key[:6])
			req.Header.Set("X-Api-Key", key)
		},
		"on the list": func(*http.Request) {},
	}
	quoted, _ := json.Marshal(key)
	spelled := []string{key, string(quoted), strings.ReplaceAll(string(quoted), "/", `\/`), url.QueryEscape(key), url.PathEscape(key)}
	body := fmt.Sprintf("{%s} org-0123456789abcdefgh", strings.Join(spelled, " , "))
	for name, set := range ways {
		for _, fails := range []bool{false, true} {
			file := filepath.Join(t.TempDir(), "tape.jsonl")
			record := &wiretest.Record{File: file, Next: sender(func(*http.Request) (*http.Response, error) {
				if fails {
					return nil, errors.New("no way: " + body)
				}
				return &http.Response{StatusCode: 401, Header: http.Header{"X-Request-Id": {body}, "Server": {body}}, Body: io.NopCloser(iotest.OneByteReader(strings.NewReader(body)))}, nil
			})}
			if name == "on the list" {
				record.Secrets = []string{key}
			}
			req := httptest.NewRequest(http.MethodPost, "http://host/chat", strings.NewReader(fmt.Sprintf(`{"q":%s}`, quoted)))
			set(req)
			resp, err := record.RoundTrip(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			if (err != nil) != fails {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var line struct {
				Chunks []struct{ Text string }
			}
			if err := json.Unmarshal(text, &line); err != nil {
				t.Fatal(err)
			}
			var played strings.Builder
			for _, c := range line.Chunks {
				played.WriteString(c.Text)
			}
			if !fails && played.Len() != len(body) {
				t.Errorf("%s: %d bytes became %d", name, len(body), played.Len())
			}
			for _, word := range []string{"abc/d", "0123456789", `abc\/d`, "abc%2Fd"} {
				if strings.Contains(string(text), word) || strings.Contains(played.String(), word) {
					t.Errorf("%s, failing %v: %q is in the file:\n%.1000s", name, fails, word, played.String())
				}
			}
		}
	}
}

// TestShortSecrets: a short text is a key where keys are sent, however the name of the header is written, and elsewhere it is
// not: it may stand anywhere.
func TestShortSecrets(t *testing.T) {
	for name, hidden := range map[string]bool{"api-key": true, "X-Api-Key": true, "X-Max-Tokens": false, "Accept": false} {
		file := filepath.Join(t.TempDir(), "tape.jsonl")
		record := &wiretest.Record{File: file, Next: sender(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"limit": 100000}`))}, nil
		})}
		req := httptest.NewRequest(http.MethodGet, "http://host/limits", nil)
		req.Header[name] = []string{"100000"}
		resp, err := record.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte("100000")) == hidden {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

// TestRecordCompressed: a client that asks for compressed answers gets plain ones, which can be scrubbed and played.
func TestRecordCompressed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tape.jsonl")
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = io.WriteString(w, secret)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, secret)
		_ = z.Close()
	}))
	defer provider.Close()
	for _, transport := range []http.RoundTripper{&wiretest.Record{File: file}, &wiretest.Replay{File: file}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, provider.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip")
		req.Header.Set("Authorization", "Bearer "+secret)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || len(text) != len(secret) || resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q, %v", text, err)
		}
		_ = resp.Body.Close()
	}
	if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte(secret)) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestRecordCut: a body that broke off breaks off again, and a recording begins its file anew.
func TestRecordCut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tape.jsonl")
	server := &wiretest.Server{Chat: genaitest.Script(genaitest.Reply("abc").Always()).Chat, Faults: []wiretest.Fault{{Bytes: 5, Then: wiretest.Cut}, {Bytes: 5, Then: wiretest.Cut}}}
	for range 2 {
		for _, transport := range []http.RoundTripper{&wiretest.Record{File: file, Next: server.Client(t).Transport}, &wiretest.Replay{File: file}} {
			resp, err := (&http.Client{Transport: transport}).Post("http://host/chat/completions", "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"a"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if len(text) != 5 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q, %v", text, err)
			}
		}
	}
	text, err := os.ReadFile(file)
	if n := bytes.Count(text, []byte("\n")); err != nil || n != 1 {
		t.Errorf("%d lines, %v", n, err)
	}
}
