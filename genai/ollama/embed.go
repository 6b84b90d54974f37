package ollama

import (
	"context"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

type embedBody struct {
	Model      string         `json:"model"`
	Input      []string       `json:"input"`
	Dimensions *int           `json:"dimensions,omitzero"`
	Truncate   bool           `json:"truncate"`
	Options    map[string]any `json:"options,omitempty"`
	KeepAlive  string         `json:"keep_alive,omitzero"`
}

// Embed turns texts into vectors, in the order of the texts. It is a [genai.Embedder]. A text that is longer than the
// window of the model is an error: the server is told not to cut it, as it does by itself. Task and EndUser are Unsupported.
func (c *Client) Embed(ctx context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	return exchange.Dropping(c.Drop, req, func(req *genai.EmbedRequest) (*genai.Embeddings, error) { return c.embed(ctx, req) })
}

func (c *Client) embed(ctx context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	x, err := c.begin(ctx, "embed")
	if err != nil {
		return nil, err
	}
	check := exchange.Check{X: x, Provider: "Ollama"}
	if req == nil || len(req.Input) == 0 {
		return nil, x.Refuse(genai.InvalidRequest, "input", "there is no text to embed")
	}
	check.Lacks("task", req.Task != "")
	check.Lacks("end_user", req.EndUser != "")
	b := embedBody{
		Model: check.Model(req.Model, c.Model), Input: req.Input, Dimensions: req.Dimensions, Options: c.Options, KeepAlive: c.keepAlive(),
	}
	if check.Err != nil {
		return nil, check.Err
	}
	body, err := x.Body(b, nil)
	if err != nil {
		return nil, err
	}
	x.Texts = func(yield func(string)) {
		for _, text := range req.Input {
			yield(text)
		}
	}
	if err := x.Post(ctx, "/api/embed", c.header("application/json"), body); err != nil {
		return nil, err
	}
	data, err := x.Document(ctx)
	if err != nil {
		return nil, err
	}
	return embeddings(ctx, x, data, req)
}

// embeddings decodes the answer and checks that it answers what was asked.
func embeddings(ctx context.Context, x *exchange.Exchange, data []byte, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	out := &genai.Embeddings{}
	failed, width := false, 256
	s := jsonscan.New(data)
	if s.Next() != '{' {
		s.Fail()
	}
	if s.Open('{') {
		for s.More('}') {
			switch string(s.Key()) {
			case "model":
				out.Model = s.Text()
			case "embeddings":
				if s.Open('[') {
					for s.More(']') {
						v := s.Floats(width)
						width = len(v)
						out.Vectors = append(out.Vectors, v)
					}
				}
			case "prompt_eval_count":
				if n, ok := s.Integer(); ok {
					out.Usage = &genai.Usage{Input: n}
				}
			case "error":
				failed = s.Raw() != nil || failed
			default:
				s.Skip()
			}
		}
	}
	if err := s.End(); err != nil {
		return nil, x.Cut(ctx, err)
	}
	if failed {
		return nil, x.Problem(data)
	}
	if err := x.Vectors(out.Vectors, len(req.Input), req.Dimensions); err != nil {
		return nil, err
	}
	return out, nil
}
