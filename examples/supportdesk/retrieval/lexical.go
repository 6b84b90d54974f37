package retrieval

import (
	"context"
	"math"

	"github.com/dovetail-go/dovetail/examples/supportdesk/internal/words"
	"github.com/dovetail-go/dovetail/genai"
)

// Lexical is an embedder that needs no model: a text is the words in it, rare ones counting for more. It finds what
// shares words with the question, not what means the same; a real embedding model does both.
type Lexical struct {
	dimension map[string]int // of each word that stands in some passage
	weight    []float32      // how much the word of a dimension tells
}

// NewLexical learns from the passages which words there are, and which are rare.
func NewLexical(passages []string) *Lexical {
	l := &Lexical{dimension: map[string]int{}}
	var in []int // how many passages a word stands in
	for _, text := range passages {
		seen := map[int]bool{}
		for _, w := range words.Of(text) {
			d, ok := l.dimension[w]
			if !ok {
				d = len(in)
				l.dimension[w] = d
				in = append(in, 0)
			}
			if !seen[d] {
				seen[d] = true
				in[d]++
			}
		}
	}
	l.weight = make([]float32, len(in))
	for d, n := range in {
		l.weight[d] = float32(math.Log(1 + float64(len(passages))/float64(n)))
	}
	return l
}

// Embed is a genai.Embedder.
func (l *Lexical) Embed(_ context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	result := &genai.Embeddings{Model: "lexical", Vectors: make([][]float32, len(req.Input))}
	for i, text := range req.Input {
		result.Vectors[i] = l.vector(text)
	}
	return result, nil
}

// vector has the length 1, or 0 if the text has no word that stands in a passage.
func (l *Lexical) vector(text string) []float32 {
	v := make([]float32, len(l.weight))
	for _, w := range words.Of(text) {
		if d, ok := l.dimension[w]; ok {
			v[d]++
		}
	}
	var norm float64
	for d, n := range v {
		if n > 0 {
			v[d] = float32(1+math.Log(float64(n))) * l.weight[d]
			norm += float64(v[d]) * float64(v[d])
		}
	}
	if norm > 0 {
		scale := float32(1 / math.Sqrt(norm))
		for d := range v {
			v[d] *= scale
		}
	}
	return v
}
