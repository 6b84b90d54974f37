package genaitest

import (
	"context"
	"hash/fnv"
	"math"
	"strings"
	"unicode"

	"github.com/dovetail-go/dovetail/genai"
)

const (
	dimensions    = 256
	maxDimensions = 1 << 16
)

// Embed is a [genai.Embedder] for tests: texts that share words have vectors that are close, and the same text has the
// same vector everywhere. Vectors have length 1 (0 for a text without words) and 256 dimensions unless the request asks
// for another number, of at most 65536. Usage counts words.
func Embed(ctx context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	if req == nil {
		return nil, &genai.Error{Kind: genai.InvalidRequest, Message: "the request is nil"}
	}
	n := dimensions
	if req.Dimensions != nil {
		n = *req.Dimensions
	}
	if n < 1 || n > maxDimensions {
		return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "dimensions", Message: "a vector has 1 to 65536 dimensions"}
	}
	model := req.Model
	if model == "" {
		model = "scripted"
	}
	resp := &genai.Embeddings{Model: model, Vectors: make([][]float32, len(req.Input)), Usage: &genai.Usage{}}
	for i, text := range req.Input {
		words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		resp.Usage.Input += len(words)
		resp.Vectors[i] = vector(words, n)
	}
	return resp, nil
}

// vector counts each word at the place that its hash gives it.
func vector(words []string, n int) []float32 {
	v := make([]float32, n)
	for _, word := range words {
		h := fnv.New64a()
		h.Write([]byte(word))                           // never fails
		v[h.Sum64()*0x9E3779B97F4A7C15>>33%uint64(n)]++ // mixed once more: short words differ in few bits
	}
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum > 0 {
		for i := range v {
			v[i] = float32(float64(v[i]) / math.Sqrt(sum))
		}
	}
	return v
}
