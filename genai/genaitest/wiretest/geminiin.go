package wiretest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A geminiRequest is what a request may say. Its other fields become Extra.
type geminiRequest struct {
	Contents          []geminiTurn    `json:"contents"`
	SystemInstruction *geminiTurn     `json:"systemInstruction"`
	GenerationConfig  json.RawMessage `json:"generationConfig"`
	Tools             []struct {
		Functions []struct {
			Name                 string          `json:"name"`
			Description          string          `json:"description"`
			Parameters           json.RawMessage `json:"parameters"`
			ParametersJSONSchema json.RawMessage `json:"parametersJsonSchema"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
	ToolConfig *struct {
		Calling *struct {
			Mode    string   `json:"mode"`
			Allowed []string `json:"allowedFunctionNames"`
			Snake   []string `json:"allowed_function_names"` // which the provider understands too
		} `json:"functionCallingConfig"`
	} `json:"toolConfig"`
}

// A geminiConfig has the tunables. Others become the generationConfig in Extra.
type geminiConfig struct {
	MaxOutputTokens    *int            `json:"maxOutputTokens"`
	Temperature        *float64        `json:"temperature"`
	TopP               *float64        `json:"topP"`
	TopK               *int            `json:"topK"`
	StopSequences      []string        `json:"stopSequences"`
	Seed               *int64          `json:"seed"`
	FrequencyPenalty   *float64        `json:"frequencyPenalty"`
	PresencePenalty    *float64        `json:"presencePenalty"`
	ResponseLogprobs   bool            `json:"responseLogprobs"`
	Logprobs           *int            `json:"logprobs"`
	ResponseMIMEType   string          `json:"responseMimeType"`
	ResponseSchema     json.RawMessage `json:"responseSchema"`
	ResponseJSONSchema json.RawMessage `json:"responseJsonSchema"`
	ThinkingConfig     *struct {
		Level  string `json:"thinkingLevel"`
		Budget *int   `json:"thinkingBudget"`
	} `json:"thinkingConfig"`
}

// A geminiTurn is one message.
type geminiTurn struct {
	Role  string       `json:"role"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text       string
	Thought    bool
	Signature  string `json:"thoughtSignature"`
	InlineData *struct {
		MIMEType string `json:"mimeType"`
		Data     string `json:"data"`
	} `json:"inlineData"`
	FileData *struct {
		MIMEType string `json:"mimeType"`
		URI      string `json:"fileUri"`
	} `json:"fileData"`
	FunctionCall *struct {
		ID, Name string
		Args     json.RawMessage
	} `json:"functionCall"`
	FunctionResponse *geminiResult `json:"functionResponse"`
}

type geminiResult struct {
	ID, Name string
	Response json.RawMessage
}

// text returns the result, and whether it tells of a failure. The interface wants an object; what is none goes under "output",
// and a failure under "error", as the interface says.
func (r *geminiResult) text() (text string, failed bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(r.Response, &object) == nil && len(object) == 1 {
		for _, name := range []string{"output", "error"} {
			if raw, ok := object[name]; ok && json.Unmarshal(raw, &text) == nil {
				return text, name == "error"
			}
		}
	}
	return string(r.Response), false
}

func decodeGemini(body []byte, c *call) error {
	var in geminiRequest
	rest, err := decode(body, &in)
	if err != nil {
		return err
	}
	c.usage = true
	var g geminiConfig
	if len(in.GenerationConfig) > 0 && string(in.GenerationConfig) != "null" {
		more, err := decode(in.GenerationConfig, &g)
		if err != nil {
			return err
		}
		if more != nil {
			if rest == nil {
				rest = map[string]json.RawMessage{}
			}
			rest["generationConfig"] = document(more)
		}
	}
	req := &genai.ChatRequest{
		Model: c.req.Model, MaxTokens: g.MaxOutputTokens, Temperature: g.Temperature, TopP: g.TopP, TopK: g.TopK, Stop: g.StopSequences,
		Seed: g.Seed, FrequencyPenalty: g.FrequencyPenalty, PresencePenalty: g.PresencePenalty, Extra: rest,
	}
	if g.ResponseLogprobs {
		req.LogProbs = g.Logprobs
	}
	if t := g.ThinkingConfig; t != nil {
		req.Reasoning = &genai.ReasoningOptions{Effort: t.Level, MaxTokens: t.Budget}
	}
	if g.ResponseMIMEType == "application/json" {
		req.Format = &genai.Format{Schema: g.ResponseJSONSchema}
		if g.ResponseSchema != nil {
			req.Format.Schema = g.ResponseSchema
		}
	}
	for _, t := range in.Tools {
		for _, f := range t.Functions {
			parameters := f.Parameters
			if parameters == nil {
				parameters = f.ParametersJSONSchema
			}
			req.Tools = append(req.Tools, genai.Tool{Name: f.Name, Description: f.Description, Parameters: parameters})
		}
	}
	if t := in.ToolConfig; t != nil && t.Calling != nil {
		mode := map[string]genai.ToolMode{"AUTO": genai.ToolAuto, "ANY": genai.ToolRequired, "NONE": genai.ToolNone, "VALIDATED": genai.ToolAuto}[t.Calling.Mode]
		if mode == "" {
			return errBadRequest("toolConfig.functionCallingConfig.mode", "there is no such mode")
		}
		req.ToolChoice = &genai.ToolChoice{Mode: mode}
		if allowed := append(t.Calling.Allowed, t.Calling.Snake...); len(allowed) == 1 {
			req.ToolChoice.Name = allowed[0]
		}
	}
	if in.SystemInstruction != nil {
		m, err := in.SystemInstruction.message("systemInstruction")
		if err != nil {
			return err
		}
		req.Messages = append(req.Messages, genai.Message{Role: genai.RoleSystem, Parts: m.Parts})
	}
	for i, turn := range in.Contents {
		m, err := turn.message(fmt.Sprintf("contents[%d]", i))
		if err != nil {
			return err
		}
		req.Messages = append(req.Messages, m)
	}
	if len(in.Contents) == 0 {
		return errBadRequest("contents", "contents is not specified")
	}
	c.req = req
	return nil
}

func (t *geminiTurn) message(at string) (genai.Message, error) {
	m := genai.Message{Role: genai.RoleUser}
	switch t.Role {
	case "model":
		m.Role = genai.RoleAssistant
	case "user", "", "function":
	default:
		return m, errBadRequest(at+".role", "the roles are user and model")
	}
	for i, p := range t.Parts {
		part, err := p.part(fmt.Sprintf("%s.parts[%d]", at, i))
		if err != nil {
			return m, err
		}
		if part.ToolResult != nil {
			m.Role = genai.RoleTool
		}
		m.Parts = append(m.Parts, part)
	}
	return m, nil
}

func (p *geminiPart) part(at string) (out genai.Part, err error) {
	if p.Signature != "" {
		out.Opaque = &genai.Opaque{Origin: originGemini, Type: "thoughtSignature", Data: p.Signature}
	}
	switch {
	case p.FunctionCall != nil:
		out.ToolCall = &genai.ToolCall{ID: p.FunctionCall.ID, Name: p.FunctionCall.Name, Arguments: string(p.FunctionCall.Args)}
	case p.FunctionResponse != nil:
		r := p.FunctionResponse
		text, failed := r.text()
		out.ToolResult = &genai.ToolResult{CallID: r.ID, Name: r.Name, Parts: []genai.Part{{Text: text}}, Failed: failed}
	case p.InlineData != nil:
		blob, err := base64Blob(p.InlineData.MIMEType, p.InlineData.Data)
		if err != nil {
			return out, errBadRequest(at+".inlineData.data", "it is not base64")
		}
		place(&out, blob)
	case p.FileData != nil:
		place(&out, genai.BlobURL(p.FileData.MIMEType, p.FileData.URI, ""))
	case p.Thought:
		out.Reasoning = &genai.Reasoning{Text: p.Text}
	default:
		out.Text = p.Text
	}
	return out, nil
}

// place puts a blob where its media type says it belongs.
func place(p *genai.Part, b genai.Blob) {
	switch kind, _, _ := strings.Cut(b.MediaType(), "/"); kind {
	case "image":
		p.Image = &b
	case "audio":
		p.Audio = &b
	default:
		p.File = &genai.File{Blob: b}
	}
}

// originGemini is what the server calls the maker of opaque data that comes back to it.
const originGemini = "gemini"

// A geminiEmbedRequest asks for one text, or, in a batch, has one such request for each.
type geminiEmbedRequest struct {
	Content    geminiTurn           `json:"content"`
	TaskType   string               `json:"taskType"`
	Dimensions *int                 `json:"outputDimensionality"`
	Requests   []geminiEmbedRequest `json:"requests"`
}

func decodeGeminiEmbed(body []byte, c *call) error {
	var in geminiEmbedRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	c.batch = in.Requests != nil
	all := in.Requests
	if !c.batch {
		all = []geminiEmbedRequest{in}
	}
	req := &genai.EmbedRequest{Model: c.embed.Model}
	for _, one := range all {
		m, err := one.Content.message("content")
		if err != nil {
			return err
		}
		req.Input = append(req.Input, m.Text())
		req.Dimensions, req.Task = one.Dimensions, one.TaskType
	}
	c.embed = req
	return nil
}

func geminiVectors(c *call, resp *genai.Embeddings) any {
	var all []any
	for _, v := range resp.Vectors {
		all = append(all, object{"values": v})
	}
	if c.batch {
		return object{"embeddings": all}
	}
	return object{"embedding": object{"values": slices.Concat(resp.Vectors...)}} // of one text
}
