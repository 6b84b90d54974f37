package retrieval

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/examples/supportdesk/knowledge"
	"github.com/dovetail-go/dovetail/genai"
)

func folder(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestSplit(t *testing.T) {
	got := split("guide.md", "# Guide\nIntro.\n\n## First thing\nOne.\n```\n## not a heading\n```\n### Deep\nTwo.\r\n## Empty\n## Last, done!\nThree.")
	want := []passage{
		{"guide.md", "Guide", "Intro."},
		{"guide.md#first-thing", "Guide: First thing", "One.\n```\n## not a heading\n```"},
		{"guide.md#deep", "Guide: Deep", "Two."},
		{"guide.md#last-done", "Guide: Last, done!", "Three."},
	}
	if len(got) != len(want) {
		t.Fatalf("%d passages: %+v", len(got), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("passage %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	for _, p := range split("long.md", "# L\n"+strings.Repeat("A sentence that goes on.\n\n", 400)) {
		if len(p.text) > maxPassage+100 {
			t.Errorf("a passage of %d bytes", len(p.text))
		}
	}
}

func TestSearchFindsTheSection(t *testing.T) {
	x, err := NewIndex(t.Context(), knowledge.Files, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := x.Search(t.Context(), &contract.SearchRequest{Query: "How does a circuit breaker open?"})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Passages) != 4 || !strings.Contains(strings.ToLower(found.Passages[0].Text), "breaker") {
		t.Errorf("%+v", found)
	}
	for i, p := range found.Passages[1:] {
		if p.Score > found.Passages[i].Score {
			t.Error("the best passage must come first")
		}
	}
	none, err := x.Search(t.Context(), &contract.SearchRequest{Query: "zzzz qqqq"})
	if err != nil || none.Passages == nil || len(none.Passages) != 0 {
		t.Errorf("nothing to find gave %+v, %v", none, err)
	}
}

func TestBadInput(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no files": {}, "no markdown": {"a.txt": "text"}, "empty": {"a.md": "\n \n", "b.md": "# Title\n"},
	} {
		_, err := NewIndex(t.Context(), folder(files), nil, nil)
		if !errors.Is(err, genai.InvalidRequest) || !strings.Contains(err.Error(), "-knowledge") {
			t.Errorf("%s: %v", name, err)
		}
	}
	x, err := NewIndex(t.Context(), folder(map[string]string{"a.md": "word"}), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, top := range []int{0, -1, 51} {
		if _, err := x.Search(t.Context(), &contract.SearchRequest{Query: "word", Top: &top}); !errors.Is(err, genai.InvalidRequest) {
			t.Errorf("top %d: %v", top, err)
		}
	}
}

// An embedder that changes under an index must be noticed: its vectors cannot be compared.
func TestAnotherEmbedderIsNoticed(t *testing.T) {
	size := 3
	embed := func(_ context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
		e := &genai.Embeddings{}
		for range req.Input {
			e.Vectors = append(e.Vectors, make([]float32, size))
		}
		return e, nil
	}
	x, err := NewIndex(t.Context(), folder(map[string]string{"a.md": "word"}), embed, nil)
	if err != nil {
		t.Fatal(err)
	}
	size = 4
	if _, err := x.Search(t.Context(), &contract.SearchRequest{Query: "word"}); !errors.Is(err, genai.Precondition) {
		t.Errorf("%v", err)
	}
}

func TestProgress(t *testing.T) {
	last, of := 0, 0
	if _, err := NewIndex(t.Context(), knowledge.Files, nil, func(done, all int) { last, of = done, all }); err != nil {
		t.Fatal(err)
	}
	if last == 0 || last != of {
		t.Errorf("%d of %d", last, of)
	}
}
