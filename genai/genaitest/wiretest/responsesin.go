package wiretest

import (
	"encoding/json"
	"fmt"

	"github.com/dovetail-go/dovetail/genai"
)

// A responsesRequest is what a request may say. Its other fields become Extra.
type responsesRequest struct {
	Model             string            `json:"model"`
	Input             json.RawMessage   `json:"input"`
	Instructions      string            `json:"instructions"`
	Stream            bool              `json:"stream"`
	Store             *bool             `json:"store"`   // nothing is kept, whatever it says
	Include           []string          `json:"include"` // nor left out
	Temperature       *float64          `json:"temperature"`
	TopP              *float64          `json:"top_p"`
	MaxOutputTokens   *int              `json:"max_output_tokens"`
	ParallelToolCalls *bool             `json:"parallel_tool_calls"`
	User              string            `json:"user"`
	SafetyIdentifier  string            `json:"safety_identifier"`
	PromptCacheKey    string            `json:"prompt_cache_key"`
	ServiceTier       string            `json:"service_tier"`
	Metadata          map[string]string `json:"metadata"`
	ToolChoice        json.RawMessage   `json:"tool_choice"`
	Tools             []struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
		Strict      *bool           `json:"strict"`
	} `json:"tools"`
	Reasoning *struct {
		Effort string `json:"effort"`
	} `json:"reasoning"`
	Text struct {
		Format *struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Schema      json.RawMessage `json:"schema"`
			Strict      *bool           `json:"strict"`
		} `json:"format"`
	} `json:"text"`
}

// A responsesItem is one element of the conversation.
type responsesItem struct {
	Type      string
	Role      string
	Content   json.RawMessage
	CallID    string `json:"call_id"`
	Name      string
	Arguments string
	Output    json.RawMessage
	Summary   []responsesPart
	Encrypted string `json:"encrypted_content"`
}

type responsesPart struct {
	Type     string
	Text     string
	Refusal  string
	ImageURL string `json:"image_url"`
	FileID   string `json:"file_id"`
	FileName string `json:"filename"`
	FileData string `json:"file_data"`
	FileURL  string `json:"file_url"`
}

func decodeResponses(body []byte, c *call) error {
	var in responsesRequest
	rest, err := decode(body, &in)
	if err != nil {
		return err
	}
	c.stream, c.usage = in.Stream, true
	req := &genai.ChatRequest{
		Model: in.Model, MaxTokens: in.MaxOutputTokens, Temperature: in.Temperature, TopP: in.TopP,
		ParallelToolCalls: in.ParallelToolCalls, EndUser: in.SafetyIdentifier, CacheKey: in.PromptCacheKey,
		ServiceTier: in.ServiceTier, Metadata: in.Metadata, Extra: rest,
	}
	if req.EndUser == "" {
		req.EndUser = in.User
	}
	if in.Reasoning != nil {
		req.Reasoning = &genai.ReasoningOptions{Effort: in.Reasoning.Effort}
	}
	for _, t := range in.Tools {
		req.Tools = append(req.Tools, genai.Tool{Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict})
	}
	var named struct{ Name string }
	if json.Unmarshal(in.ToolChoice, &named) == nil && named.Name != "" {
		req.ToolChoice = &genai.ToolChoice{Mode: genai.ToolRequired, Name: named.Name}
	} else if req.ToolChoice, err = choiceOfOpenAI(in.ToolChoice); err != nil {
		return err
	}
	if f := in.Text.Format; f != nil && f.Type != "text" {
		req.Format = &genai.Format{Name: f.Name, Description: f.Description, Schema: f.Schema, Strict: f.Strict}
	}
	if in.Instructions != "" {
		req.Messages = append(req.Messages, genai.System(in.Instructions))
	}
	if req.Messages, err = responsesInput(req.Messages, in.Input); err != nil {
		return err
	}
	if len(req.Messages) == 0 {
		return errBadRequest("input", "there is nothing to answer")
	}
	c.req = req
	return nil
}

// responsesInput decodes the conversation, which is a text or a list of items.
func responsesInput(to []genai.Message, raw json.RawMessage) ([]genai.Message, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return append(to, genai.User(text)), nil
	}
	var items []json.RawMessage
	if len(raw) > 0 && json.Unmarshal(raw, &items) != nil {
		return nil, errBadRequest("input", "it is neither a text nor a list of items")
	}
	for i, raw := range items {
		at := fmt.Sprintf("input[%d]", i)
		var item responsesItem
		if json.Unmarshal(raw, &item) != nil {
			return nil, errBadRequest(at, "the item is not what its type says")
		}
		role, parts, err := item.parts(raw, at)
		if err != nil {
			return nil, err
		}
		// What the model said and did is several items on the wire and one message with us, and so are the results of tools.
		if n := len(to); n > 0 && to[n-1].Role == role && (role == genai.RoleAssistant || role == genai.RoleTool) {
			to[n-1].Parts = append(to[n-1].Parts, parts...)
			continue
		}
		to = append(to, genai.Message{Role: role, Parts: parts})
	}
	return to, nil
}

// parts decodes an item: whose it is, and what it says.
func (item *responsesItem) parts(raw json.RawMessage, at string) (genai.Role, []genai.Part, error) {
	switch item.Type {
	case "", "message":
		role := genai.Role(item.Role)
		switch role {
		case "developer":
			role = genai.RoleSystem
		case genai.RoleSystem, genai.RoleUser, genai.RoleAssistant:
		default:
			return "", nil, errBadRequest(at+".role", "there is no such role")
		}
		parts, err := responsesParts(item.Content, at+".content")
		return role, parts, err
	case "function_call":
		return genai.RoleAssistant, []genai.Part{{ToolCall: &genai.ToolCall{ID: item.CallID, Name: item.Name, Arguments: item.Arguments}}}, nil
	case "function_call_output":
		parts, err := responsesParts(item.Output, at+".output")
		return genai.RoleTool, []genai.Part{{ToolResult: &genai.ToolResult{CallID: item.CallID, Parts: parts}}}, err
	case "reasoning":
		thought := ""
		for _, p := range item.Summary {
			thought += p.Text
		}
		var shown []responsesPart // by models whose thoughts are open
		if json.Unmarshal(item.Content, &shown) == nil && thought == "" {
			for _, p := range shown {
				thought += p.Text
			}
		}
		return genai.RoleAssistant, []genai.Part{{Reasoning: &genai.Reasoning{Text: thought},
			Opaque: &genai.Opaque{Origin: originOpenAI, Type: item.Type, Data: item.Encrypted}}}, nil
	default: // of tools that run at the provider
		return genai.RoleAssistant, []genai.Part{{Opaque: &genai.Opaque{Origin: originOpenAI, Type: item.Type, Data: string(raw)}}}, nil
	}
}

// originOpenAI is what the server calls the maker of opaque data that comes back to it.
const originOpenAI = "openai"

// responsesParts decodes content, which is a text or a list of parts.
func responsesParts(raw json.RawMessage, at string) ([]genai.Part, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []genai.Part{{Text: text}}, nil
	}
	var list []responsesPart
	if json.Unmarshal(raw, &list) != nil {
		return nil, errBadRequest(at, "it is neither a text nor a list of parts")
	}
	var parts []genai.Part
	for i, in := range list {
		at := fmt.Sprintf("%s[%d]", at, i)
		var blob genai.Blob
		var err error
		switch in.Type {
		case "input_text", "output_text":
			parts = append(parts, genai.Part{Text: in.Text})
		case "refusal":
			parts = append(parts, genai.Part{Refusal: in.Refusal})
		case "input_image":
			blob, err = blobOf(in.ImageURL)
			parts = append(parts, genai.Part{Image: &blob})
		case "input_file":
			file := &genai.File{ID: in.FileID, Name: in.FileName}
			if url := in.FileData + in.FileURL; url != "" {
				file.Blob, err = blobOf(url)
			}
			parts = append(parts, genai.Part{File: file})
		default:
			return nil, errBadRequest(at+".type", "there is no such type")
		}
		if err != nil {
			return nil, errBadRequest(at, "the bytes in it are not base64")
		}
	}
	return parts, nil
}
