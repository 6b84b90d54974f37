package gemini

import (
	"context"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

type embedBody struct {
	Model      string  `json:"model"`
	Content    content `json:"content"`
	Task       string  `json:"taskType,omitzero"`
	Dimensions *int    `json:"outputDimensionality,omitzero"`
}

// Embed turns texts into vectors, in the order of the texts. It is a [genai.Embedder]. Task is "query", "document" or one of
// the provider's words, such as "SEMANTIC_SIMILARITY"; EndUser is Unsupported. The server does not say which model
// answered, so Model stays empty, and takes at most 100 texts at once. Vectors of fewer numbers than the model makes are not
// of length one: normalise them before they are compared by their product.
func (c *Client) Embed(ctx context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.EmbedRequest) (*genai.Embeddings, error) { return c.embed(ctx, req) })
}

func (c *Client) embed(ctx context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	x, err := c.begin(ctx, "embed")
	if err != nil {
		return nil, err
	}
	if req == nil || len(req.Input) == 0 {
		return nil, x.Refuse(genai.InvalidRequest, "input", "there is no text to embed")
	}
	check := exchange.Check{X: x, Provider: "Gemini"}
	check.Lacks("end_user", req.EndUser != "")
	model := check.Model(req.Model, c.Model)
	if check.Err != nil {
		return nil, check.Err
	}
	task := req.Task
	switch task {
	case "query":
		task = "RETRIEVAL_QUERY"
	case "document":
		task = "RETRIEVAL_DOCUMENT"
	}
	bodies := make([]embedBody, len(req.Input))
	for i := range bodies {
		bodies[i] = embedBody{resource(model), content{Parts: []any{part{Text: &req.Input[i]}}}, task, req.Dimensions}
	}
	method := "embedContent"
	var v any = bodies[0]
	if len(bodies) > 1 {
		method = "batchEmbedContents"
		v = struct {
			Requests []embedBody `json:"requests"`
		}{bodies}
	}
	body, err := x.Body(v, nil)
	if err != nil {
		return nil, err
	}
	x.Texts = func(yield func(string)) {
		for _, text := range req.Input {
			yield(text)
		}
	}
	if err := c.post(ctx, x, model, method, "application/json", body); err != nil {
		return nil, err
	}
	data, err := x.Document(ctx)
	if err != nil {
		return nil, err
	}
	d := vectors{width: 768}
	if err := d.decode(data); err != nil {
		return nil, x.Cut(ctx, err)
	}
	if d.failed {
		return nil, x.Problem(data)
	}
	if err := x.Vectors(d.vectors, len(req.Input), req.Dimensions); err != nil {
		return nil, err
	}
	out := &genai.Embeddings{Vectors: d.vectors}
	if d.usage.hasUsage {
		out.Usage = &genai.Usage{Input: d.usage.input}
	}
	return out, nil
}

// vectors is an answer with one vector or several.
type vectors struct {
	vectors [][]float32
	width   int // how long the next vector will probably be
	usage   document
	failed  bool
}

func (v *vectors) decode(text []byte) error {
	s := jsonscan.New(text)
	if s.Next() == '[' { // nobody answers with an array, but some send errors in one
		v.failed = true
		s.Skip()
		return s.End()
	}
	if s.Next() != '{' {
		s.Fail()
		return s.End()
	}
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "embedding":
			v.vector(&s)
		case "embeddings":
			if s.Open('[') {
				for s.More(']') {
					v.vector(&s)
				}
			}
		case "usageMetadata":
			v.usage.count(&s)
		case "error":
			v.failed = s.Raw() != nil || v.failed
		default:
			s.Skip()
		}
	}
	return s.End()
}

func (v *vectors) vector(s *jsonscan.Scanner) {
	var is []float32
	if s.Open('{') {
		for s.More('}') {
			if string(s.Key()) == "values" {
				is = s.Floats(v.width)
				v.width = len(is)
			} else {
				s.Skip()
			}
		}
	}
	v.vectors = append(v.vectors, is)
}
