// Package retrieval finds the passages of a knowledge base that a question is about. It embeds them when it starts and
// compares: a knowledge base of a few thousand passages needs no database.
package retrieval

import (
	"context"
	"io/fs"
	"slices"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
)

// An Index is a knowledge base ready to be searched. It is safe for concurrent use.
type Index struct {
	passages []passage
	vectors  [][]float32
	embed    genai.Embedder
}

// batch is how many passages are embedded at once: what providers accept, and often enough for a progress line.
const batch = 64

// NewIndex splits and embeds the Markdown files of folder. A nil embed means [Lexical]. progress, if not nil, is told
// how far it is.
func NewIndex(ctx context.Context, folder fs.FS, embed genai.Embedder, progress func(done, of int)) (*Index, error) {
	passages, err := read(folder)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(passages))
	for i, p := range passages {
		texts[i] = p.title + "\n" + p.title + "\n" + p.text // a title says more than a line of text
	}
	if embed == nil {
		embed = NewLexical(texts).Embed
	}
	x := &Index{passages: passages, embed: embed}
	for some := range slices.Chunk(texts, batch) {
		result, err := embed(ctx, &genai.EmbedRequest{Input: some, Task: "document"})
		if err != nil {
			return nil, err
		}
		if len(result.Vectors) != len(some) {
			return nil, genai.Errorf(genai.Malformed, "the embedder made %d vectors of %d passages", len(result.Vectors), len(some))
		}
		x.vectors = append(x.vectors, result.Vectors...)
		if progress != nil {
			progress(len(x.vectors), len(texts))
		}
	}
	return x, nil
}

// maxPassages is how many passages one search may ask for.
const maxPassages = 50

// Search is the handler of contract.Search.
func (x *Index) Search(ctx context.Context, req *contract.SearchRequest) (*contract.Passages, error) {
	top := 4
	if req.Top != nil {
		top = *req.Top
	}
	if top < 1 || top > maxPassages {
		return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "top", Message: "ask for 1 to 50 passages"}
	}
	result, err := x.embed(ctx, &genai.EmbedRequest{Input: []string{req.Query}, Task: "query"})
	if err != nil {
		return nil, err
	}
	if len(result.Vectors) != 1 {
		return nil, genai.Errorf(genai.Malformed, "the embedder made %d vectors of one question", len(result.Vectors))
	}
	return x.nearest(result.Vectors[0], top)
}

// nearest returns the best passages, the best first; of equals the one that stands first in the knowledge base, so that
// the same question always finds the same.
func (x *Index) nearest(query []float32, top int) (*contract.Passages, error) {
	type hit struct {
		at    int
		score float32
	}
	hits := make([]hit, 0, len(x.vectors))
	for i, v := range x.vectors {
		if len(v) != len(query) {
			return nil, genai.Errorf(genai.Precondition, "the question has a vector of %d numbers, the index of %d: they come from different models", len(query), len(v))
		}
		var score float32
		for d, q := range query {
			if q != 0 {
				score += q * v[d]
			}
		}
		if score > 0 {
			hits = append(hits, hit{i, score})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	found := &contract.Passages{Passages: []contract.Passage{}}
	for _, h := range hits[:min(top, len(hits))] {
		p := x.passages[h.at]
		found.Passages = append(found.Passages, contract.Passage{Source: p.source, Title: p.title, Text: p.text, Score: float64(h.score)})
	}
	return found, nil
}
