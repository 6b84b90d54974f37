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

// An Exchange is one exchange with a real server.
type Exchange struct {
	ID, Provider, API string
	Stream            bool // a stream was asked for
	Path              string
	Request           json.RawMessage
	Status            int
	Headers           map[string]string
	Body              string
	Body64            string `json:"body_b64"` // instead of Body, in the file only
	Tags              []string
}

// Load returns the recorded exchanges in a file whose API is one of apis. It skips the test if they are not there.
func Load(t testing.TB, file string, apis ...string) (all []Exchange) {
	t.Helper()
	root := "."
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root = filepath.Join(root, ".."); len(root) > 100 {
			t.Fatal("no go.mod above this package")
		}
	}
	f, err := os.Open(filepath.Join(root, "..", "shared", "data", "recorded", file+".jsonl.gz"))
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
			if slices.Contains(apis, e.API) {
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
