package openai

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/dovetail-go/dovetail/genai"
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
	x      ask
	origin string // whose opaque data may be sent
	err    *genai.Error
}

// bad notes the first thing that is wrong.
func (e *encoder) bad(kind genai.Kind, field, format string, args ...any) {
	if e.err == nil {
		e.err = e.x.Refuse(kind, field, fmt.Sprintf(format, args...))
	}
}

// encodeChat returns the body of a chat request.
func (c *Client) encodeChat(x ask, origin string, req *genai.ChatRequest, stream bool) ([]byte, error) {
	e := &encoder{x: x, origin: origin}
	if req == nil || len(req.Messages) == 0 {
		return nil, x.Refuse(genai.InvalidRequest, "messages", "there is nothing to answer")
	}
	b := chatBody{
		Model: req.Model, Stream: stream, Temperature: req.Temperature, TopP: req.TopP, Stop: req.Stop, Seed: req.Seed,
		FrequencyPenalty: req.FrequencyPenalty, PresencePenalty: req.PresencePenalty,
		CacheKey: req.CacheKey, ServiceTier: req.ServiceTier, Metadata: req.Metadata,
	}
	if b.Model == "" {
		b.Model = c.Model
	}
	if b.Model == "" && x.official {
		e.bad(genai.InvalidRequest, "model", "neither the request nor the client names a model")
	}
	if stream {
		b.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	// The names differ where the interface moved on and most of those who took it over did not.
	if x.official {
		b.MaxCompletion, b.SafetyIdentifier = req.MaxTokens, req.EndUser
		if req.TopK != nil {
			e.bad(genai.Unsupported, "top_k", "OpenAI has no such tunable")
		}
	} else {
		b.MaxTokens, b.User, b.TopK = req.MaxTokens, req.EndUser, req.TopK
	}
	if req.LogProbs != nil {
		b.LogProbs, b.TopLogProbs = true, req.LogProbs
	}
	if r := req.Reasoning; r != nil {
		b.ReasoningEffort = r.Effort
		if r.MaxTokens != nil {
			e.bad(genai.Unsupported, "reasoning.max_tokens", "this interface takes an effort, and no number of tokens")
		}
	}
	e.tunables(req)
	e.tools(&b, req)
	e.format(&b, req.Format)
	b.Messages = e.messages(req.Messages)
	if e.err != nil {
		return nil, e.err
	}
	return e.x.Body(b, req.Extra)
}

// tunables checks the numbers that JSON cannot carry. Ranges are up to the server: they differ.
func (e *encoder) tunables(req *genai.ChatRequest) {
	for _, t := range [...]struct {
		field string
		value *float64
	}{
		{"temperature", req.Temperature}, {"top_p", req.TopP},
		{"frequency_penalty", req.FrequencyPenalty}, {"presence_penalty", req.PresencePenalty},
	} {
		if t.value != nil && (math.IsNaN(*t.value) || math.IsInf(*t.value, 0)) {
			e.bad(genai.InvalidRequest, t.field, "it is not a number")
		}
	}
}

func (e *encoder) tools(b *chatBody, req *genai.ChatRequest) {
	for i, t := range req.Tools {
		if t.Name == "" {
			e.bad(genai.InvalidRequest, fmt.Sprintf("tools[%d].name", i), "a tool needs a name")
		}
		f := function{Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict}
		if f.Parameters == nil {
			f.Parameters = json.RawMessage(`{"type":"object","properties":{}}`) // many servers insist on a schema
		} else if !json.Valid(f.Parameters) {
			e.bad(genai.InvalidRequest, fmt.Sprintf("tools[%d].parameters", i), "the schema is not JSON")
		}
		b.Tools = append(b.Tools, tool{"function", f})
	}
	if len(req.Tools) > 0 {
		b.ParallelToolCalls = req.ParallelToolCalls // without tools it is an error at OpenAI
	}
	choice := req.ToolChoice
	switch {
	case choice == nil:
	case choice.Name != "" && choice.Mode != genai.ToolRequired:
		e.bad(genai.InvalidRequest, "tool_choice.name", "a tool can be named only if one is required")
	case choice.Name != "":
		b.ToolChoice = struct {
			Type     string            `json:"type"`
			Function map[string]string `json:"function"`
		}{"function", map[string]string{"name": choice.Name}}
	case choice.Mode == genai.ToolAuto || choice.Mode == genai.ToolNone || choice.Mode == genai.ToolRequired:
		b.ToolChoice = choice.Mode
	default:
		e.bad(genai.InvalidRequest, "tool_choice.mode", "there is no such mode")
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
		e.bad(genai.InvalidRequest, "format.schema", "the schema is not JSON")
	}
	s := &jsonSchema{Name: f.Name, Description: f.Description, Schema: f.Schema, Strict: f.Strict}
	if s.Name == "" {
		s.Name = "answer" // the interface insists on one
	}
	b.Format = &responseFormat{Type: "json_schema", Schema: s}
}
