package anthropic

import (
	"encoding/json"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// prompt is the part of a request that is read by the model, and so is counted.
type prompt struct {
	Model      string        `json:"model"`
	System     []any         `json:"system,omitempty"`
	Messages   []turn        `json:"messages"`
	Tools      []tool        `json:"tools,omitempty"`
	ToolChoice *toolChoice   `json:"tool_choice,omitzero"`
	Thinking   *thinking     `json:"thinking,omitzero"`
	Output     *outputConfig `json:"output_config,omitzero"`
}

// chatBody is the request as it is sent. What is absent is left to the server.
type chatBody struct {
	prompt
	MaxTokens   int       `json:"max_tokens"`
	Stream      bool      `json:"stream"`
	Temperature *float64  `json:"temperature,omitzero"`
	TopP        *float64  `json:"top_p,omitzero"`
	TopK        *int      `json:"top_k,omitzero"`
	Stop        []string  `json:"stop_sequences,omitempty"`
	ServiceTier string    `json:"service_tier,omitzero"`
	Metadata    *metadata `json:"metadata,omitzero"`
}

type tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitzero"`
	Schema      json.RawMessage `json:"input_schema"`
	Strict      *bool           `json:"strict,omitzero"`
}

type toolChoice struct {
	Type   string `json:"type"`
	Name   string `json:"name,omitzero"`
	Single bool   `json:"disable_parallel_tool_use,omitzero"`
}

type thinking struct {
	Type   string `json:"type"`
	Budget int    `json:"budget_tokens,omitzero"`
}

type outputConfig struct {
	Effort string        `json:"effort,omitzero"`
	Format *outputFormat `json:"format,omitzero"`
}

type outputFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

type metadata struct {
	UserID string `json:"user_id"`
}

// An encoder turns a request into its body, or finds out what in it this interface has no words for.
type encoder struct {
	exchange.Check
	origin string // whose opaque data may be sent
}

func newEncoder(x *exchange.Exchange, paths bool) *encoder {
	return &encoder{exchange.Check{X: x, Provider: "Anthropic", Paths: paths}, x.Base.Host}
}

// encodeChat returns the body of a chat request.
func (c *Client) encodeChat(x *exchange.Exchange, req *genai.ChatRequest, stream, paths bool) ([]byte, error) {
	e := newEncoder(x, paths)
	if !e.Messages(req) {
		return nil, e.Err
	}
	b := chatBody{
		prompt: e.prompt(req, c.Model), MaxTokens: c.MaxTokens, Stream: stream, Temperature: req.Temperature,
		TopP: req.TopP, TopK: req.TopK, Stop: req.Stop, ServiceTier: req.ServiceTier,
	}
	if b.MaxTokens <= 0 {
		b.MaxTokens = maxTokens
		if b.Thinking != nil {
			b.MaxTokens += b.Thinking.Budget
		}
	}
	if req.MaxTokens != nil {
		b.MaxTokens = *req.MaxTokens
	}
	if req.EndUser != "" {
		b.Metadata = &metadata{req.EndUser}
	}
	e.Number("temperature", req.Temperature)
	e.Number("top_p", req.TopP)
	e.Lacks("seed", req.Seed != nil)
	e.Lacks("frequency_penalty", req.FrequencyPenalty != nil)
	e.Lacks("presence_penalty", req.PresencePenalty != nil)
	e.Lacks("log_probs", req.LogProbs != nil)
	e.Lacks("metadata", len(req.Metadata) > 0)
	if req.CacheKey != "" {
		e.Bad(genai.Unsupported, "cache_key", "Anthropic caches by marks in the request and not by a key; put cache_control into Extra")
	}
	if e.Err != nil && !paths {
		return c.encodeChat(x, req, stream, true)
	}
	if e.Err != nil {
		return nil, e.Err
	}
	return x.Body(b, req.Extra)
}

// prompt translates what the model reads.
func (e *encoder) prompt(req *genai.ChatRequest, model string) prompt {
	p := prompt{Model: e.Model(req.Model, model)}
	e.messages(&p, req.Messages)
	e.tools(&p, req)
	e.reasoning(&p, req.Reasoning)
	p.resume()
	e.format(&p, req.Format)
	return p
}

func (e *encoder) tools(p *prompt, req *genai.ChatRequest) {
	schemas := e.Tools(req.Tools)
	for i, t := range req.Tools {
		p.Tools = append(p.Tools, tool{t.Name, t.Description, schemas[i], t.Strict})
	}
	choice := req.ToolChoice
	e.Choice(choice)
	switch {
	case choice == nil:
	case choice.Mode == genai.ToolAuto || choice.Mode == genai.ToolNone:
		p.ToolChoice = &toolChoice{Type: string(choice.Mode)}
	case choice.Name != "":
		p.ToolChoice = &toolChoice{Type: "tool", Name: choice.Name}
	default:
		p.ToolChoice = &toolChoice{Type: "any"}
	}
	// Several calls at once are the default, and where there is no tool it is an error to speak of them.
	if req.ParallelToolCalls == nil || *req.ParallelToolCalls || len(req.Tools) == 0 {
		return
	}
	if p.ToolChoice == nil {
		p.ToolChoice = &toolChoice{Type: string(genai.ToolAuto)}
	}
	p.ToolChoice.Single = p.ToolChoice.Type != string(genai.ToolNone)
}

// reasoning translates how long to think. A budget is for models that want one; with an effort and no budget the model
// decides by itself how much thinking the effort is worth.
func (e *encoder) reasoning(p *prompt, r *genai.ReasoningOptions) {
	switch {
	case r == nil:
		return
	case r.Effort == "none" || r.Effort == "" && r.MaxTokens != nil && *r.MaxTokens == 0:
		p.Thinking = &thinking{Type: "disabled"}
		return
	case r.MaxTokens != nil && *r.MaxTokens <= 0:
		e.Bad(genai.InvalidRequest, "reasoning.max_tokens", "it must be above zero")
	case r.MaxTokens != nil:
		p.Thinking = &thinking{Type: "enabled", Budget: *r.MaxTokens}
	case r.Effort != "":
		p.Thinking = &thinking{Type: "adaptive"}
	}
	if r.Effort != "" {
		p.Output = &outputConfig{Effort: r.Effort}
	}
}

func (e *encoder) format(p *prompt, f *genai.Format) {
	if f == nil {
		return
	}
	if f.Schema == nil {
		e.Bad(genai.Unsupported, "format.schema", "Anthropic takes a schema for answers in JSON, and cannot do without")
		return
	}
	if p.Output == nil {
		p.Output = &outputConfig{}
	}
	p.Output.Format = &outputFormat{"json_schema", e.Schema(f)}
}
