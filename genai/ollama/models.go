package ollama

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/ndjson"
)

// A Model is a model that the server has.
type Model struct {
	Name         string    // with its tag, as in "qwen3:4b"
	Digest       string    // of its contents: a name may come to mean another model, a digest may not
	Size         int64     // bytes on disk
	Modified     time.Time // when it was pulled or made
	Family       string    // such as "qwen3"
	Parameters   string    // how many, as people put it: "4.0B"
	Quantization string    // such as "Q4_K_M"
}

// Models returns the models that the server has. To pull one that it has not, see [Client.Pull].
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	x, err := c.begin(ctx, "models")
	if err != nil {
		return nil, err
	}
	if err := x.Get(ctx, "/api/tags", c.header("application/json")); err != nil {
		return nil, err
	}
	data, err := x.Document(ctx)
	if err != nil {
		return nil, err
	}
	var list struct {
		Error  json.RawMessage
		Models *[]struct {
			Name, Model, Digest string
			Size                int64
			Modified            time.Time `json:"modified_at"`
			Details             struct {
				Family       string
				Parameters   string `json:"parameter_size"`
				Quantization string `json:"quantization_level"`
			}
		}
	}
	switch err := json.Unmarshal(data, &list); {
	case err != nil:
		return nil, x.Misread(data)
	case len(list.Error) > 0 && string(list.Error) != "null":
		return nil, x.Problem(data)
	case list.Models == nil:
		return nil, x.Fail(genai.Malformed, "the answer has no list of models")
	}
	models := make([]Model, 0, len(*list.Models))
	for _, m := range *list.Models {
		if m.Name == "" {
			m.Name = m.Model
		}
		models = append(models, Model{m.Name, m.Digest, m.Size, m.Modified, m.Details.Family, m.Details.Parameters, m.Details.Quantization})
	}
	return models, nil
}

// Progress is how far the server is with a pull.
type Progress struct {
	Status    string `json:"status"`             // what it does, for people: "pulling manifest", "verifying sha256 digest", "success"
	Digest    string `json:"digest,omitzero"`    // of the layer that it pulls
	Total     int64  `json:"total,omitzero"`     // bytes of that layer
	Completed int64  `json:"completed,omitzero"` // how many of them are there
}

// Pull makes the server fetch a model, and returns its progress as it is made. The model is there when the stream is
// complete; a stream that is left early leaves a pull that another one goes on with. The server resolves the name in its
// registry; an empty one is the model of the client.
func (c *Client) Pull(ctx context.Context, model string) (*genai.Stream[Progress], error) {
	x, err := c.begin(ctx, "pull")
	if err != nil {
		return nil, err
	}
	check := exchange.Check{X: x, Provider: "Ollama"}
	model = check.Model(model, c.Model)
	if check.Err != nil {
		return nil, check.Err
	}
	body, err := x.Body(struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}{model, true}, nil)
	if err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	if err := x.Post(inner, "/api/pull", c.header("application/x-ndjson"), body); err != nil {
		cancel()
		return nil, err
	}
	p := &pull{x: x, ctx: ctx, lines: ndjson.NewReader(x.Resp.Body, x.Max())}
	return genai.NewStream(ctx, p.next, func() {
		cancel()
		_ = x.Resp.Body.Close() // there is nothing that its error could say
	})
}

// A pull is the progress of one, being read.
type pull struct {
	x     *exchange.Exchange
	ctx   context.Context
	lines *ndjson.Reader
	begun bool
	done  bool
}

func (p *pull) next() (Progress, error) {
	if p.done {
		return Progress{}, io.EOF
	}
	line, err := p.lines.Next()
	if err != nil {
		return Progress{}, p.x.Cut(p.ctx, exchange.Ended(err, p.begun))
	}
	if !p.begun && line[0] == '<' {
		return Progress{}, p.x.WebPage()
	}
	p.begun = true
	var is struct {
		Progress
		Error json.RawMessage `json:"error"`
	}
	switch err := json.Unmarshal(line, &is); {
	case err != nil:
		return Progress{}, p.x.Misread(line)
	case len(is.Error) > 0 && string(is.Error) != "null":
		return Progress{}, p.x.Problem(line)
	}
	p.done = is.Status == "success"
	return is.Progress, nil
}
