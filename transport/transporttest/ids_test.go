package transporttest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// elsewhere are promises, or parts of them, that cannot be asked of every transport, and the tests that prove them, by folder.
var elsewhere = map[string]map[string]string{
	"../httptransport": {
		"A4": "TestA4OpenListenerAsksForIdentity",
		"C8": "TestC8KilledCaller",
		"D5": "TestD5ReadyOfEachService",
		"L2": "TestL2MaxInFlight",
		"S3": "TestS3ThroughAProxy",
	},
	"../../genai/observe": {
		"O1": "TestO1MetricsOfAnEdge",
		"O2": "TestO2SpansOfAnEdge",
	},
}

// TestEveryPromiseIsProved: each promise that the library makes for its transports is a test with its name, here or elsewhere, and
// the documentation says where.
func TestEveryPromiseIsProved(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	outside := map[string]bool{}
	for folder, proofs := range elsewhere {
		text := tests(t, folder)
		for id, name := range proofs {
			outside[id] = true
			if !strings.Contains(text, "func "+name+"(t *testing.T)") {
				t.Errorf("there is no %s in %s", name, folder)
			}
			if !strings.Contains(string(doc), name) {
				t.Errorf("doc.go does not say that %s proves %s", name, id)
			}
		}
	}
	all := promises()
	for i, p := range all {
		if slices.ContainsFunc(all[:i], func(other promise) bool { return other.id == p.id }) {
			t.Errorf("there are two promises %s", p.id)
		}
	}
	for _, series := range []struct {
		letter string
		last   int
	}{{"V", 12}, {"C", 10}, {"E", 9}, {"S", 14}, {"L", 5}, {"D", 6}, {"R", 4}, {"A", 4}, {"O", 2}} {
		for n := range series.last {
			id := fmt.Sprint(series.letter, n+1)
			if !outside[id] && !slices.ContainsFunc(all, func(p promise) bool { return p.id == id }) {
				t.Errorf("nothing proves %s", id)
			}
		}
	}
}

func tests(t *testing.T, folder string) string {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
