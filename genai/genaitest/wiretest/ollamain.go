package wiretest

import (
	"encoding/json"
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
)

// An ollamaRequest is what a request may say. Its other fields become Extra.
type ollamaRequest struct {
	Model       string          `json:"model"`
	Messages    []ollamaTurn    `json:"messages"`
	Stream      *bool           `json:"stream"` // absent: true
	Format      json.RawMessage `json:"format"`
	Options     json.RawMessage `json:"options"`
	Think       json.RawMessage `json:"think"`
	LogProbs    bool            `json:"logprobs"`
	TopLogProbs *int            `json:"top_logprobs"`
	Tools       []struct {
		Function struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Parameters  json.RawMessage `json:"parameters"`
		} `json:"function"`
	} `json:"tools"`
}

// ollamaOptions are the tunables. Others become the options in Extra.
type ollamaOptions struct {
	NumPredict       *int     `json:"num_predict"`
	Temperature      *float64 `json:"temperature"`
	TopK             *int     `json:"top_k"`
	TopP             *float64 `json:"top_p"`
	Seed             *int64   `json:"seed"`
	Stop             []string `json:"stop"`
	FrequencyPenalty *float64 `json:"frequency_penalty"`
	PresencePenalty  *float64 `json:"presence_penalty"`
}

// An ollamaTurn is one message.
type ollamaTurn struct {
	Role       genai.Role `json:"role"`
	Content    string     `json:"content"`
	Thinking   string     `json:"thinking"`
	Images     []string   `json:"images"`
	ToolName   string     `json:"tool_name"`
	ToolCallID string     `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

func decodeOllama(body []byte, c *call) error {
	var in ollamaRequest
	rest, err := decode(body, &in)
	if err != nil {
		return err
	}
	c.stream, c.usage = in.Stream == nil || *in.Stream, true
	var o ollamaOptions
	if len(in.Options) > 0 && string(in.Options) != "null" {
		more, err := decode(in.Options, &o)
		if err != nil {
			return err
		}
		if more != nil {
			if rest == nil {
				rest = map[string]json.RawMessage{}
			}
			rest["options"] = document(more)
		}
	}
	req := &genai.ChatRequest{
		Model: in.Model, MaxTokens: o.NumPredict, Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, Seed: o.Seed, Stop: o.Stop,
		FrequencyPenalty: o.FrequencyPenalty, PresencePenalty: o.PresencePenalty, Extra: rest,
	}
	if in.LogProbs {
		req.LogProbs = in.TopLogProbs
	}
	switch think := string(in.Think); think {
	case "", "null", "false":
	case "true":
		req.Reasoning = &genai.ReasoningOptions{}
	default:
		req.Reasoning = &genai.ReasoningOptions{}
		if json.Unmarshal(in.Think, &req.Reasoning.Effort) != nil {
			return errBadRequest("think", "it is neither true nor false nor a word")
		}
	}
	switch format := string(in.Format); format {
	case "", "null", `""`:
	case `"json"`:
		req.Format = &genai.Format{}
	default:
		req.Format = &genai.Format{Schema: in.Format}
	}
	for _, t := range in.Tools {
		f := t.Function
		req.Tools = append(req.Tools, genai.Tool{Name: f.Name, Description: f.Description, Parameters: f.Parameters})
	}
	for i, turn := range in.Messages {
		if req.Messages, err = turn.add(req.Messages, fmt.Sprintf("messages[%d]", i)); err != nil {
			return err
		}
	}
	c.req = req
	return nil
}

func (t *ollamaTurn) add(to []genai.Message, at string) ([]genai.Message, error) {
	m := genai.Message{Role: t.Role}
	if t.Thinking != "" {
		m.Parts = append(m.Parts, genai.Part{Reasoning: &genai.Reasoning{Text: t.Thinking}})
	}
	if t.Content != "" {
		m.Parts = append(m.Parts, genai.Part{Text: t.Content})
	}
	for _, text := range t.Images {
		blob, err := base64Blob("", text)
		if err != nil {
			return nil, errBadRequest(at+".images", "a picture is not base64")
		}
		m.Parts = append(m.Parts, genai.Part{Image: &blob})
	}
	for _, c := range t.ToolCalls {
		m.Parts = append(m.Parts, genai.Part{ToolCall: &genai.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: string(c.Function.Arguments)}})
	}
	switch t.Role {
	case genai.RoleSystem, genai.RoleUser, genai.RoleAssistant:
	case genai.RoleTool:
		result := genai.Part{ToolResult: &genai.ToolResult{CallID: t.ToolCallID, Name: t.ToolName, Parts: m.Parts}}
		if n := len(to); n > 0 && to[n-1].Role == genai.RoleTool {
			to[n-1].Parts = append(to[n-1].Parts, result)
			return to, nil
		}
		m.Parts = []genai.Part{result}
	default:
		return nil, errBadRequest(at+".role", "there is no such role")
	}
	return append(to, m), nil
}

func decodeOllamaEmbed(body []byte, c *call) error {
	var in struct {
		Model      string
		Input      json.RawMessage
		Dimensions *int
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	input, err := stringOrList(in.Input)
	if err != nil {
		return errBadRequest("input", "it is neither a string nor a list of strings")
	}
	c.embed = &genai.EmbedRequest{Model: in.Model, Input: input, Dimensions: in.Dimensions}
	return nil
}
