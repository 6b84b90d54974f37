package openai

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

type embedBody struct {
	Model      string   `json:"model,omitzero"`
	Input      []string `json:"input"`
	Dimensions *int     `json:"dimensions,omitzero"`
	Dimension  *int     `json:"output_dimension,omitzero"` // Mistral's name for it
	Encoding   string   `json:"encoding_format,omitzero"`
	User       string   `json:"user,omitzero"`
}

// Embed turns texts into vectors, in the order of the texts. It is a [genai.Embedder]. Task is Unsupported: this interface does
// not ask for it.
func (c *Client) Embed(ctx context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.EmbedRequest) (*genai.Embeddings, error) { return c.embed(ctx, req) })
}

func (c *Client) embed(ctx context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	if err := genai.ContextError(ctx); err != nil {
		return nil, err
	}
	x, err := c.begin("embed")
	if err != nil {
		return nil, err
	}
	if req == nil || len(req.Input) == 0 {
		return nil, x.Refuse(genai.InvalidRequest, "input", "there is no text to embed")
	}
	b := embedBody{Model: req.Model, Input: req.Input, Dimensions: req.Dimensions, User: req.EndUser}
	if x.dimensions == "output_dimension" {
		b.Dimensions, b.Dimension = nil, req.Dimensions
	}
	if b.Model == "" {
		b.Model = c.Model
	}
	if b.Model == "" && x.needsName {
		return nil, x.Refuse(genai.InvalidRequest, "model", "neither the request nor the client names a model")
	}
	if req.EndUser != "" && slices.Contains(x.lacks, "end_user") {
		return nil, x.Refuse(genai.Unsupported, "end_user", x.provider+" has no such setting")
	}
	if req.Task != "" {
		return nil, x.Refuse(genai.Unsupported, "task", x.provider+" has no such setting")
	}
	if x.strict {
		b.Encoding = "base64" // a quarter of the size; not every other server knows it
	}
	body, err := x.Body(b, nil)
	if err != nil {
		return nil, err
	}
	x.Texts = func(yield func(string)) {
		for _, text := range req.Input {
			yield(text)
		}
		yield(req.EndUser)
	}
	if err := c.post(ctx, x, "/embeddings", "application/json", body); err != nil {
		return nil, err
	}
	defer x.Resp.Body.Close()
	data, err := exchange.ReadAll(x.Resp.Body, x.Resp.ContentLength, x.Max())
	if err != nil {
		return nil, x.Cut(ctx, err)
	}
	return x.embeddings(data, req)
}

// embeddings decodes the answer and checks that it answers what was asked.
func (x ask) embeddings(data []byte, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	d := vectors{width: 256}
	if req.Dimensions != nil {
		d.width = min(max(*req.Dimensions, 0), 1<<16)
	}
	switch err := d.decode(data); {
	case err == jsonscan.ErrCut:
		return nil, x.Fail(genai.Truncated, "the answer ends inside of a JSON document")
	case err != nil:
		return nil, x.Fail(genai.Malformed, "the answer is not what this interface answers with")
	case d.failure != nil:
		return nil, x.Problem(d.failure)
	case d.flat && !d.listed:
		return nil, x.Problem(data)
	case len(d.items) == 0:
		return nil, x.Fail(genai.Empty, "the answer has no vector")
	case len(d.items) != len(req.Input):
		return nil, x.Fail(genai.Malformed, fmt.Sprintf("the answer has %d vectors for %d texts", len(d.items), len(req.Input)))
	}
	out := &genai.Embeddings{Model: d.model, Vectors: make([][]float32, len(d.items))}
	if d.usage != nil {
		out.Usage = usageOf(d.usage)
	}
	for i, item := range d.items {
		if d.indexed > 0 { // nobody numbers some of them only
			i = item.index
		}
		if i < 0 || i >= len(out.Vectors) || out.Vectors[i] != nil {
			return nil, x.Fail(genai.Malformed, "the vectors of the answer are numbered wrongly")
		}
		out.Vectors[i] = item.vector
	}
	if err := x.Vectors(out.Vectors, len(req.Input), req.Dimensions); err != nil {
		return nil, err
	}
	return out, nil
}

// vectors is the answer as it is sent.
type vectors struct {
	model   string
	usage   []byte
	failure []byte
	flat    bool // it has the text of an error
	listed  bool // it has a list of vectors
	items   []item
	indexed int // how many of the items are not numbered 0
	width   int // how long the next vector will probably be
}

type item struct {
	index  int
	vector []float32
}

func (d *vectors) decode(text []byte) error {
	s := jsonscan.New(text)
	if s.Next() == '[' {
		d.failure = text
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
		case "model":
			d.model = s.Text()
		case "usage":
			d.usage = s.Raw()
		case "error":
			d.failure = failureIn(s.Raw())
		case "message", "detail":
			d.flat = worded(s.Raw()) || d.flat
		case "data":
			d.listed = s.Next() == '['
			if s.Open('[') {
				for s.More(']') {
					d.item(&s)
				}
			}
		default:
			s.Skip()
		}
	}
	return s.End()
}

func (d *vectors) item(s *jsonscan.Scanner) {
	var it item
	if s.Open('{') {
		for s.More('}') {
			switch string(s.Key()) {
			case "index":
				ok := false
				if it.index, ok = s.Integer(); !ok {
					it.index = -1
				}
			case "embedding":
				it.vector = d.vector(s)
			default:
				s.Skip()
			}
		}
	}
	if it.index != 0 {
		d.indexed++
	}
	d.items = append(d.items, it)
}

// vector reads numbers in an array, or their little-endian bytes in base64.
func (d *vectors) vector(s *jsonscan.Scanner) []float32 {
	if s.Next() == '"' {
		raw, err := base64.StdEncoding.DecodeString(s.Text())
		if err != nil || len(raw)%4 != 0 {
			return nil
		}
		v := make([]float32, len(raw)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return v
	}
	v := s.Floats(d.width)
	d.width = len(v)
	return v
}
