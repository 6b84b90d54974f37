package wiretest_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
)

// TestRecordedRequests: what clients of others really asked, and real servers really answered, is understood.
func TestRecordedRequests(t *testing.T) {
	understood := map[string]int{}
	for _, name := range []string{"openai-chat", "compatible", "anthropic", "gemini", "ollama", "embeddings-images-audio"} {
		f, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "data", "recorded", name+".jsonl.gz"))
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
				var r struct {
					ID, API, Path string
					Request       json.RawMessage
					Status        int
					Stream        bool
				}
				if err := json.Unmarshal(line, &r); err != nil {
					t.Fatal(err)
				}
				switch r.API {
				case "chat.completions", "messages", "generateContent", "streamGenerateContent", "ollama.chat", "embeddings":
					if r.Status >= 300 || string(r.Request) == "null" {
						break
					}
					understood[r.API]++
					model := genaitest.Script(genaitest.Reply("a"))
					s := &wiretest.Server{Chat: model.Chat, Complete: model.Complete, Embed: genaitest.Embed}
					w := httptest.NewRecorder()
					s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, r.Path, strings.NewReader(string(r.Request))))
					if w.Code != http.StatusOK {
						t.Errorf("%s %s: %d %s\n%.1000s", r.ID, r.Path, w.Code, w.Body, r.Request)
						break
					}
					if r.API != "embeddings" && model.Calls()[0].Streamed != r.Stream {
						t.Errorf("%s: a stream and a whole answer are not told apart", r.ID)
					}
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
	t.Log(understood)
}

// TestRecordedReplays: a Replay plays what others recorded, in the same form.
func TestRecordedReplays(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "data", "recorded", "anthropic.jsonl.gz"))
	if err != nil {
		t.Skip("the recorded exchanges are not here: ", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "anthropic.jsonl")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	replay := &wiretest.Replay{File: file}
	client := &http.Client{Transport: replay}
	for line := range strings.Lines(string(text)) {
		var r struct {
			Method, Path, Body string
			Request            json.RawMessage
			Status             int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		body := string(r.Request)
		if body == "null" {
			body = ""
		}
		req, err := http.NewRequestWithContext(t.Context(), r.Method, "http://host"+r.Path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != r.Body || resp.StatusCode != r.Status {
			t.Errorf("%s: %v, %d", r.Path, err, resp.StatusCode)
		}
		_ = resp.Body.Close()
	}
	replay.Verify(t)
}
