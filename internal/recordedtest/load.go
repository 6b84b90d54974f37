package recordedtest

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Files are the files with recordings, without what their names end in.
var Files = []string{"openai-chat", "openai-responses", "anthropic", "gemini", "ollama", "compatible", "embeddings-images-audio", "other"}

// An Exchange is one exchange with a real server.
type Exchange struct {
	ID, Provider, API string
	Stream            bool // a stream was asked for
	Method, Path      string
	Request           json.RawMessage
	Status            int
	Headers           map[string]string
	Body              string
	Body64            string `json:"body_b64"` // instead of Body, in the file only
	Tags              []string
}

// open opens a file beside the repository, which is the folder of the outermost go.mod above the package.
func open(beside string) (f *os.File, err error) {
	err = os.ErrNotExist
	for dir := "."; len(dir) < 60; dir = filepath.Join(dir, "..") {
		if _, none := os.Stat(filepath.Join(dir, "go.mod")); none != nil {
			continue
		}
		if f, err = os.Open(filepath.Join(dir, "..", beside)); err == nil {
			return f, nil
		}
	}
	return nil, err
}

// Load returns the recorded exchanges in a file whose API is one of apis; all of them if there are none. It skips the test if they are
// not there.
func Load(t testing.TB, file string, apis ...string) (all []Exchange) {
	t.Helper()
	f, err := open(filepath.Join("shared", "data", "recorded", file+".jsonl.gz"))
	if err != nil {
		t.Skip("the recorded exchanges are not here: ", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewReader(z); ; { // lines are longer than a bufio.Scanner takes
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e Exchange
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			if e.Body == "" && e.Body64 != "" {
				raw, err := base64.StdEncoding.DecodeString(e.Body64)
				if err != nil {
					t.Fatal(err)
				}
				e.Body = string(raw)
			}
			if len(apis) == 0 || slices.Contains(apis, e.API) {
				all = append(all, e)
			}
		}
		if err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// Table reads a table of cases beside the recordings into v. It skips the test if it is not there.
func Table(t testing.TB, name string, v any) {
	t.Helper()
	f, err := open(filepath.Join("shared", "data", name, "cases.json"))
	if err != nil {
		t.Skip("the shared table is not here: ", err)
	}
	defer f.Close()
	if err := json.NewDecoder(f).Decode(v); err != nil {
		t.Fatal(err)
	}
}
