package wiretest

import (
	"encoding/json"
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
)

// An anthropicRequest is what a request may say. Its other fields become Extra.
type anthropicRequest struct {
	Model         string          `json:"model"`
	Messages      []anthropicTurn `json:"messages"`
	System        json.RawMessage `json:"system"`
	MaxTokens     *int            `json:"max_tokens"`
	Stream        bool            `json:"stream"`
	Temperature   *float64        `json:"temperature"`
	TopP          *float64        `json:"top_p"`
	TopK          *int            `json:"top_k"`
	StopSequences []string        `json:"stop_sequences"`
	ServiceTier   string          `json:"service_tier"`
	Metadata      struct {
		UserID string `json:"user_id"`
	} `json:"metadata"`
	Thinking *struct {
		Type         string `json:"type"`
		BudgetTokens *int   `json:"budget_tokens"`
	} `json:"thinking"`
	Tools []struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"input_schema"`
		Strict      *bool           `json:"strict"`
	} `json:"tools"`
	ToolChoice *struct {
		Type                   string `json:"type"`
		Name                   string `json:"name"`
		DisableParallelToolUse *bool  `json:"disable_parallel_tool_use"`
	} `json:"tool_choice"`
	OutputConfig struct {
		Effort string `json:"effort"`
		Format *struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
}

// An anthropicTurn is one message.
type anthropicTurn struct {
	Role    genai.Role      `json:"role"`
	Content json.RawMessage `json:"content"`
}

type anthropicBlock struct {
	Type      string
	Text      string
	Thinking  string
	Signature string
	Data      string
	Title     string
	Source    struct {
		Type      string
		MediaType string `json:"media_type"`
		Data      string
		URL       string
		FileID    string `json:"file_id"`
	}
	ID        string
	Name      string
	Input     json.RawMessage
	ToolUseID string `json:"tool_use_id"`
	Content   json.RawMessage
	IsError   bool `json:"is_error"`
}

func decodeAnthropic(body []byte, c *call) error {
	var in anthropicRequest
	rest, err := decode(body, &in)
	if err != nil {
		return err
	}
	if in.MaxTokens == nil {
		return errBadRequest("max_tokens", "max_tokens: Field required")
	}
	c.stream, c.usage = in.Stream, true
	req := &genai.ChatRequest{
		Model: in.Model, MaxTokens: in.MaxTokens, Temperature: in.Temperature, TopP: in.TopP, TopK: in.TopK,
		Stop: in.StopSequences, ServiceTier: in.ServiceTier, EndUser: in.Metadata.UserID, Extra: rest,
	}
	if t := in.Thinking; t != nil && t.Type != "disabled" || in.OutputConfig.Effort != "" {
		req.Reasoning = &genai.ReasoningOptions{Effort: in.OutputConfig.Effort}
		if t != nil {
			req.Reasoning.MaxTokens = t.BudgetTokens
		}
	}
	if f := in.OutputConfig.Format; f != nil {
		req.Format = &genai.Format{Schema: f.Schema}
	}
	for _, t := range in.Tools {
		req.Tools = append(req.Tools, genai.Tool{Name: t.Name, Description: t.Description, Parameters: t.InputSchema, Strict: t.Strict})
	}
	if t := in.ToolChoice; t != nil {
		mode := map[string]genai.ToolMode{"auto": genai.ToolAuto, "any": genai.ToolRequired, "tool": genai.ToolRequired, "none": genai.ToolNone}[t.Type]
		if mode == "" {
			return errBadRequest("tool_choice.type", "there is no such type")
		}
		req.ToolChoice = &genai.ToolChoice{Mode: mode, Name: t.Name}
		if t.DisableParallelToolUse != nil {
			req.ParallelToolCalls = new(!*t.DisableParallelToolUse)
		}
	}
	if len(in.System) > 0 {
		parts, err := anthropicParts(in.System, "system")
		if err != nil {
			return err
		}
		req.Messages = append(req.Messages, genai.Message{Role: genai.RoleSystem, Parts: parts})
	}
	for i, turn := range in.Messages {
		if req.Messages, err = turn.add(req.Messages, fmt.Sprintf("messages.%d", i)); err != nil {
			return err
		}
	}
	if len(in.Messages) == 0 {
		return errBadRequest("messages", "messages: at least one message is required")
	}
	c.req = req
	return nil
}

// add appends a turn. The results of tools stand in a turn of the user on the wire, before anything else, and in a
// message of their own with us.
func (t *anthropicTurn) add(to []genai.Message, at string) ([]genai.Message, error) {
	if t.Role != genai.RoleUser && t.Role != genai.RoleAssistant && t.Role != genai.RoleSystem {
		return nil, errBadRequest(at+".role", "there is no such role")
	}
	parts, err := anthropicParts(t.Content, at+".content")
	if err != nil {
		return nil, err
	}
	results := 0
	for results < len(parts) && parts[results].ToolResult != nil {
		results++
	}
	if results > 0 {
		to = append(to, genai.Message{Role: genai.RoleTool, Parts: parts[:results]})
	}
	if results < len(parts) || len(parts) == 0 {
		to = append(to, genai.Message{Role: t.Role, Parts: parts[results:]})
	}
	return to, nil
}

// anthropicParts decodes content, which is a text or a list of blocks.
func anthropicParts(raw json.RawMessage, at string) ([]genai.Part, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []genai.Part{{Text: text}}, nil
	}
	var blocks []json.RawMessage
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return nil, errBadRequest(at, "it is neither a text nor a list of blocks")
	}
	var parts []genai.Part
	for i, raw := range blocks {
		at := fmt.Sprintf("%s.%d", at, i)
		var b anthropicBlock
		var head struct{ Type string }
		if json.Unmarshal(raw, &head) != nil || head.Type == "" {
			return nil, errBadRequest(at+".type", "a block needs a type")
		}
		if !knownBlocks[head.Type] { // tools that run at the provider leave many sorts of them
			parts = append(parts, genai.Part{Opaque: &genai.Opaque{Origin: originAnthropic, Type: head.Type, Data: string(raw)}})
			continue
		}
		if err := json.Unmarshal(raw, &b); err != nil {
			return nil, errBadRequest(at, "the block is not what its type says")
		}
		part, err := b.part(at)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

var knownBlocks = map[string]bool{
	"text": true, "image": true, "document": true, "thinking": true, "redacted_thinking": true, "tool_use": true, "tool_result": true,
}

func (b *anthropicBlock) part(at string) (genai.Part, error) {
	switch b.Type {
	case "text":
		return genai.Part{Text: b.Text}, nil
	case "image", "document":
		return b.media(at)
	case "thinking":
		p := genai.Part{Reasoning: &genai.Reasoning{Text: b.Thinking}}
		if b.Signature != "" {
			p.Opaque = &genai.Opaque{Origin: originAnthropic, Type: "signature", Data: b.Signature}
		}
		return p, nil
	case "redacted_thinking":
		return genai.Part{Reasoning: &genai.Reasoning{}, Opaque: &genai.Opaque{Origin: originAnthropic, Type: b.Type, Data: b.Data}}, nil
	case "tool_use":
		return genai.Part{ToolCall: &genai.ToolCall{ID: b.ID, Name: b.Name, Arguments: string(b.Input)}}, nil
	default: // "tool_result"
		r := &genai.ToolResult{CallID: b.ToolUseID, Failed: b.IsError}
		if len(b.Content) > 0 {
			var err error
			if r.Parts, err = anthropicParts(b.Content, at+".content"); err != nil {
				return genai.Part{}, err
			}
		}
		return genai.Part{ToolResult: r}, nil
	}
}

func (b *anthropicBlock) media(at string) (genai.Part, error) {
	var blob genai.Blob
	switch s := b.Source; s.Type {
	case "base64":
		var err error
		if blob, err = base64Blob(s.MediaType, s.Data); err != nil {
			return genai.Part{}, errBadRequest(at+".source.data", "it is not base64")
		}
	case "text":
		blob = genai.NewBlob(s.MediaType, []byte(s.Data))
	case "url":
		blob = genai.BlobURL("", s.URL, "")
	case "file":
	default:
		return genai.Part{}, errBadRequest(at+".source.type", "there is no such type")
	}
	if b.Type == "image" && b.Source.Type != "file" {
		return genai.Part{Image: &blob}, nil
	}
	return genai.Part{File: &genai.File{Name: b.Title, ID: b.Source.FileID, Blob: blob}}, nil
}

// originAnthropic is what the server calls the maker of opaque data that comes back to it.
const originAnthropic = "anthropic"
