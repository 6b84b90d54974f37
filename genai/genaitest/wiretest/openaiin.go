package wiretest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// An openAIRequest is what a chat request may say. Its other fields become Extra.
type openAIRequest struct {
	Model               string            `json:"model"`
	Messages            []openAITurn      `json:"messages"`
	Stream              bool              `json:"stream"`
	StreamOptions       *streamOptions    `json:"stream_options"`
	Temperature         *float64          `json:"temperature"`
	TopP                *float64          `json:"top_p"`
	TopK                *int              `json:"top_k"`
	MaxTokens           *int              `json:"max_tokens"`
	MaxCompletionTokens *int              `json:"max_completion_tokens"`
	Stop                json.RawMessage   `json:"stop"`
	Seed                *int64            `json:"seed"`
	FrequencyPenalty    *float64          `json:"frequency_penalty"`
	PresencePenalty     *float64          `json:"presence_penalty"`
	LogProbs            bool              `json:"logprobs"`
	TopLogProbs         *int              `json:"top_logprobs"`
	ParallelToolCalls   *bool             `json:"parallel_tool_calls"`
	ReasoningEffort     string            `json:"reasoning_effort"`
	User                string            `json:"user"`
	SafetyIdentifier    string            `json:"safety_identifier"`
	PromptCacheKey      string            `json:"prompt_cache_key"`
	ServiceTier         string            `json:"service_tier"`
	Metadata            map[string]string `json:"metadata"`
	Tools               []struct {
		Function struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Parameters  json.RawMessage `json:"parameters"`
			Strict      *bool           `json:"strict"`
		} `json:"function"`
	} `json:"tools"`
	ToolChoice     json.RawMessage `json:"tool_choice"`
	ResponseFormat *struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Schema      json.RawMessage `json:"schema"`
			Strict      *bool           `json:"strict"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// An openAITurn is one message.
type openAITurn struct {
	Role             string           `json:"role"`
	Name             string           `json:"name"`
	Content          json.RawMessage  `json:"content"`
	Refusal          string           `json:"refusal"`
	ReasoningContent string           `json:"reasoning_content"`
	Reasoning        string           `json:"reasoning"`
	ReasoningDetails json.RawMessage  `json:"reasoning_details"`
	ToolCalls        []openAIToolCall `json:"tool_calls"`
	ToolCallID       string           `json:"tool_call_id"`
}

func decodeOpenAI(body []byte, c *call) error {
	var in openAIRequest
	rest, err := decode(body, &in)
	if err != nil {
		return err
	}
	c.stream = in.Stream
	c.usage = in.StreamOptions != nil && in.StreamOptions.IncludeUsage
	req := &genai.ChatRequest{
		Model: in.Model, MaxTokens: in.MaxCompletionTokens, Temperature: in.Temperature, TopP: in.TopP, TopK: in.TopK,
		Seed: in.Seed, FrequencyPenalty: in.FrequencyPenalty, PresencePenalty: in.PresencePenalty,
		ParallelToolCalls: in.ParallelToolCalls, EndUser: in.SafetyIdentifier, CacheKey: in.PromptCacheKey,
		ServiceTier: in.ServiceTier, Metadata: in.Metadata, Extra: rest,
	}
	if req.MaxTokens == nil {
		req.MaxTokens = in.MaxTokens
	}
	if req.EndUser == "" {
		req.EndUser = in.User
	}
	if in.LogProbs {
		if req.LogProbs = in.TopLogProbs; req.LogProbs == nil {
			req.LogProbs = new(0) // the tokens alone, without alternatives
		}
	}
	if in.ReasoningEffort != "" {
		req.Reasoning = &genai.ReasoningOptions{Effort: in.ReasoningEffort}
	}
	if req.Stop, err = stringOrList(in.Stop); err != nil {
		return errBadRequest("stop", "it is neither a string nor a list of strings")
	}
	for _, t := range in.Tools {
		f := t.Function
		req.Tools = append(req.Tools, genai.Tool{Name: f.Name, Description: f.Description, Parameters: f.Parameters, Strict: f.Strict})
	}
	if req.ToolChoice, err = choiceOfOpenAI(in.ToolChoice); err != nil {
		return err
	}
	if f := in.ResponseFormat; f != nil && f.Type != "text" {
		req.Format = &genai.Format{Name: f.JSONSchema.Name, Description: f.JSONSchema.Description, Schema: f.JSONSchema.Schema, Strict: f.JSONSchema.Strict}
	}
	for i, turn := range in.Messages {
		if req.Messages, err = turn.add(req.Messages, fmt.Sprintf("messages[%d]", i)); err != nil {
			return err
		}
	}
	if len(req.Messages) == 0 {
		return errBadRequest("messages", "there is nothing to answer")
	}
	c.req = req
	return nil
}

func choiceOfOpenAI(raw json.RawMessage) (*genai.ToolChoice, error) {
	var mode genai.ToolMode
	var named struct{ Function struct{ Name string } }
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return nil, nil
	case string(raw) == `"any"`: // as Mistral says it
		return &genai.ToolChoice{Mode: genai.ToolRequired}, nil
	case json.Unmarshal(raw, &mode) == nil:
		return &genai.ToolChoice{Mode: mode}, nil
	case json.Unmarshal(raw, &named) == nil && named.Function.Name != "":
		return &genai.ToolChoice{Mode: genai.ToolRequired, Name: named.Function.Name}, nil
	}
	return nil, errBadRequest("tool_choice", "it is neither a mode nor the name of a function")
}

// add appends a turn to the conversation. The results of several tools are several turns on the wire and one with us.
func (t *openAITurn) add(to []genai.Message, at string) ([]genai.Message, error) {
	parts, err := t.parts(at)
	if err != nil {
		return nil, err
	}
	m := genai.Message{Role: genai.Role(t.Role), Name: t.Name, Parts: parts}
	switch m.Role {
	case "developer":
		m.Role = genai.RoleSystem
	case genai.RoleSystem, genai.RoleUser:
	case genai.RoleAssistant:
		if thought, ok := t.thought(); ok {
			m.Parts = append([]genai.Part{thought}, m.Parts...)
		}
		if t.Refusal != "" {
			m.Parts = append(m.Parts, genai.Part{Refusal: t.Refusal})
		}
		for _, c := range t.ToolCalls {
			m.Parts = append(m.Parts, genai.Part{ToolCall: &genai.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments}})
		}
	case genai.RoleTool:
		result := genai.Part{ToolResult: &genai.ToolResult{CallID: t.ToolCallID, Name: t.Name, Parts: parts}}
		if n := len(to); n > 0 && to[n-1].Role == genai.RoleTool {
			to[n-1].Parts = append(to[n-1].Parts, result)
			return to, nil
		}
		m = genai.Message{Role: genai.RoleTool, Parts: []genai.Part{result}}
	default:
		return nil, errBadRequest(at+".role", "there is no such role")
	}
	return append(to, m), nil
}

// thought returns the reasoning in a turn, with what only its maker understands of it.
func (t *openAITurn) thought() (p genai.Part, ok bool) {
	text := t.ReasoningContent + t.Reasoning
	var details []struct{ Text, Summary string }
	if json.Unmarshal(t.ReasoningDetails, &details) == nil && len(details) > 0 {
		p.Opaque = &genai.Opaque{Origin: originOpenAI, Type: "reasoning_details", Data: string(t.ReasoningDetails)}
		for i := 0; i < len(details) && t.ReasoningContent+t.Reasoning == ""; i++ {
			text += details[i].Text + details[i].Summary
		}
	}
	p.Reasoning = &genai.Reasoning{Text: text}
	return p, text != "" || p.Opaque != nil
}

// parts decodes the content of a turn, which is a text or a list.
func (t *openAITurn) parts(at string) ([]genai.Part, error) {
	var text string
	if len(t.Content) == 0 || string(t.Content) == "null" {
		return nil, nil
	}
	if json.Unmarshal(t.Content, &text) == nil {
		return []genai.Part{{Text: text}}, nil
	}
	var list []struct {
		Type  string
		Text  string
		Image openAIImage `json:"image_url"`
		Audio openAIAudio `json:"input_audio"`
		File  struct {
			ID   string `json:"file_id"`
			Name string `json:"filename"`
			Data string `json:"file_data"`
		}
	}
	if err := json.Unmarshal(t.Content, &list); err != nil {
		return nil, errBadRequest(at+".content", "it is neither a text nor a list of parts")
	}
	var parts []genai.Part
	for i, in := range list {
		at := fmt.Sprintf("%s.content[%d]", at, i)
		var err error
		var blob genai.Blob
		switch in.Type {
		case "text":
			parts = append(parts, genai.Part{Text: in.Text})
		case "refusal":
		case "image_url":
			blob, err = blobOf(in.Image.URL)
			parts = append(parts, genai.Part{Image: &blob})
		case "input_audio":
			blob, err = base64Blob(strings.TrimSuffix("audio/"+in.Audio.Format, "/"), in.Audio.Data)
			parts = append(parts, genai.Part{Audio: &blob})
		case "file":
			file := &genai.File{ID: in.File.ID, Name: in.File.Name}
			if in.File.Data != "" {
				file.Blob, err = blobOf(in.File.Data)
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

// An openAIImage is a picture. Mistral leaves out the object around the URL.
type openAIImage struct{ URL string }

func (i *openAIImage) UnmarshalJSON(text []byte) error {
	type plain openAIImage
	if json.Unmarshal(text, &i.URL) == nil {
		return nil
	}
	return json.Unmarshal(text, (*plain)(i))
}

// An openAIAudio is a recording. Mistral sends the bytes alone.
type openAIAudio struct{ Data, Format string }

func (a *openAIAudio) UnmarshalJSON(text []byte) error {
	type plain openAIAudio
	if json.Unmarshal(text, &a.Data) == nil {
		return nil
	}
	return json.Unmarshal(text, (*plain)(a))
}

// blobOf returns what a URL stands for: the bytes that are in it, or itself.
func blobOf(url string) (genai.Blob, error) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return genai.BlobURL("", url, ""), nil
	}
	mediaType, text, _ := strings.Cut(rest, ",")
	return base64Blob(strings.TrimSuffix(mediaType, ";base64"), text)
}

func base64Blob(mediaType, text string) (genai.Blob, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return genai.Blob{}, err
	}
	return genai.NewBlob(mediaType, raw), nil
}

func stringOrList(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var list []string
	err := json.Unmarshal(raw, &list)
	return list, err
}

// openAIEmbedRequest is what an embeddings request may say.
type openAIEmbedRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Dimensions *int            `json:"dimensions"`
	User       string          `json:"user"`
}

func decodeOpenAIEmbed(body []byte, c *call) error {
	var in openAIEmbedRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	input, err := stringOrList(in.Input)
	if err != nil || len(input) == 0 {
		return errBadRequest("input", "it is neither a string nor a list of strings")
	}
	c.embed = &genai.EmbedRequest{Model: in.Model, Input: input, Dimensions: in.Dimensions, EndUser: in.User}
	return nil
}

func openAIVectors(_ *call, resp *genai.Embeddings) any {
	list := make([]any, len(resp.Vectors))
	for i, v := range resp.Vectors {
		list[i] = object{"object": "embedding", "index": i, "embedding": v}
	}
	doc := object{"object": "list", "model": resp.Model, "data": list}
	if resp.Usage != nil {
		doc["usage"] = map[string]int{"prompt_tokens": resp.Usage.Input, "total_tokens": resp.Usage.Input}
	}
	return doc
}
