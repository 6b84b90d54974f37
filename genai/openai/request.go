package openai

import (
	"encoding/json"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// chatBody is the request as it is sent. What is absent is left to the server.
type chatBody struct {
	Model             string            `json:"model,omitzero"`
	Messages          []message         `json:"messages"`
	Stream            bool              `json:"stream"`
	StreamOptions     *streamOptions    `json:"stream_options,omitzero"`
	Tools             []tool            `json:"tools,omitzero"`
	ToolChoice        any               `json:"tool_choice,omitzero"`
	Format            *responseFormat   `json:"response_format,omitzero"`
	MaxTokens         *int              `json:"max_tokens,omitzero"`
	MaxCompletion     *int              `json:"max_completion_tokens,omitzero"`
	Temperature       *float64          `json:"temperature,omitzero"`
	TopP              *float64          `json:"top_p,omitzero"`
	TopK              *int              `json:"top_k,omitzero"`
	Stop              []string          `json:"stop,omitempty"`
	Seed              *int64            `json:"seed,omitzero"`
	RandomSeed        *int64            `json:"random_seed,omitzero"`
	FrequencyPenalty  *float64          `json:"frequency_penalty,omitzero"`
	PresencePenalty   *float64          `json:"presence_penalty,omitzero"`
	LogProbs          bool              `json:"logprobs,omitzero"`
	TopLogProbs       *int              `json:"top_logprobs,omitzero"`
	ParallelToolCalls *bool             `json:"parallel_tool_calls,omitzero"`
	ReasoningEffort   string            `json:"reasoning_effort,omitzero"`
	User              string            `json:"user,omitzero"`
	SafetyIdentifier  string            `json:"safety_identifier,omitzero"`
	CacheKey          string            `json:"prompt_cache_key,omitzero"`
	ServiceTier       string            `json:"service_tier,omitzero"`
	Metadata          map[string]string `json:"metadata,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitzero"`
	Parameters  json.RawMessage `json:"parameters,omitzero"`
	Strict      *bool           `json:"strict,omitzero"`
}

type responseFormat struct {
	Type   string      `json:"type"`
	Schema *jsonSchema `json:"json_schema,omitzero"`
}

type jsonSchema struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitzero"`
	Schema      json.RawMessage `json:"schema"`
	Strict      *bool           `json:"strict,omitzero"`
}

// An encoder turns a request into its body, or finds out what in it this interface has no words for.
type encoder struct {
	exchange.Check
	d      *dialect
	origin string // whose opaque data may be sent
}

// encodeChat returns the body of a chat request.
func (c *Client) encodeChat(x ask, req *genai.ChatRequest, stream, paths bool) ([]byte, error) {
	e := x.encoder(paths)
	if !e.Messages(req) {
		return nil, e.Err
	}
	b := chatBody{
		Model: req.Model, Stream: stream, Temperature: req.Temperature, TopP: req.TopP, Stop: req.Stop,
		FrequencyPenalty: req.FrequencyPenalty, PresencePenalty: req.PresencePenalty,
		CacheKey: req.CacheKey, ServiceTier: req.ServiceTier, Metadata: req.Metadata,
	}
	if b.Model == "" {
		b.Model = c.Model
	}
	if b.Model == "" && x.needsName {
		e.Bad(genai.InvalidRequest, "model", "neither the request nor the client names a model")
	}
	if stream && !x.noStreamOptions {
		b.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	// The names differ where the interface moved on and most of those who took it over did not.
	x.check(e, req)
	b.TopK = req.TopK
	if x.strict {
		b.MaxCompletion = req.MaxTokens
	} else {
		b.MaxTokens = req.MaxTokens
	}
	if x.endUser == "safety_identifier" {
		b.SafetyIdentifier = req.EndUser
	} else {
		b.User = req.EndUser
	}
	if x.seed == "random_seed" {
		b.RandomSeed = req.Seed
	} else {
		b.Seed = req.Seed
	}
	if req.LogProbs != nil {
		b.LogProbs, b.TopLogProbs = true, req.LogProbs
	}
	if r := req.Reasoning; r != nil {
		b.ReasoningEffort = r.Effort
		if r.MaxTokens != nil {
			e.Bad(genai.Unsupported, "reasoning.max_tokens", "this interface takes an effort, and no number of tokens")
		}
	}
	e.Number("temperature", req.Temperature)
	e.Number("top_p", req.TopP)
	e.Number("frequency_penalty", req.FrequencyPenalty)
	e.Number("presence_penalty", req.PresencePenalty)
	e.tools(&b, req)
	e.format(&b, req.Format)
	b.Messages = e.messages(req.Messages)
	if e.Err != nil && !paths {
		return c.encodeChat(x, req, stream, true)
	}
	if e.Err != nil {
		return nil, e.Err
	}
	return e.X.Body(b, req.Extra)
}

func (e *encoder) tools(b *chatBody, req *genai.ChatRequest) {
	schemas := e.Tools(req.Tools)
	for i, t := range req.Tools {
		b.Tools = append(b.Tools, tool{"function", function{t.Name, t.Description, schemas[i], t.Strict}})
	}
	if len(req.Tools) > 0 {
		b.ParallelToolCalls = req.ParallelToolCalls // without tools it is an error at OpenAI
	}
	choice := req.ToolChoice
	e.Choice(choice)
	switch {
	case choice == nil:
	case choice.Name != "":
		b.ToolChoice = struct {
			Type     string            `json:"type"`
			Function map[string]string `json:"function"`
		}{"function", map[string]string{"name": choice.Name}}
	default:
		b.ToolChoice = choice.Mode
	}
}

func (e *encoder) format(b *chatBody, f *genai.Format) {
	if f == nil {
		return
	}
	if f.Schema == nil {
		b.Format = &responseFormat{Type: "json_object"}
		return
	}
	if !json.Valid(f.Schema) {
		e.Bad(genai.InvalidRequest, "format.schema", "the schema is not JSON")
	}
	s := &jsonSchema{Name: f.Name, Description: f.Description, Schema: f.Schema, Strict: f.Strict}
	if s.Name == "" {
		s.Name = "answer" // the interface insists on one
	}
	b.Format = &responseFormat{Type: "json_schema", Schema: s}
}
