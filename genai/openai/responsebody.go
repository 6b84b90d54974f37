package openai

import (
	"encoding/base64"
	"encoding/json"

	"github.com/dovetail-go/dovetail/genai"
)

// responseBody is the request as it is sent. What is absent is left to the server.
type responseBody struct {
	Model             string            `json:"model,omitzero"`
	Input             []any             `json:"input"`
	Stream            bool              `json:"stream"`
	Store             bool              `json:"store"`
	Include           []string          `json:"include,omitempty"`
	Tools             []responseTool    `json:"tools,omitzero"`
	ToolChoice        any               `json:"tool_choice,omitzero"`
	ParallelToolCalls *bool             `json:"parallel_tool_calls,omitzero"`
	Text              *responseText     `json:"text,omitzero"`
	Reasoning         *responseEffort   `json:"reasoning,omitzero"`
	MaxTokens         *int              `json:"max_output_tokens,omitzero"`
	Temperature       *float64          `json:"temperature,omitzero"`
	TopP              *float64          `json:"top_p,omitzero"`
	User              string            `json:"user,omitzero"`
	SafetyIdentifier  string            `json:"safety_identifier,omitzero"`
	CacheKey          string            `json:"prompt_cache_key,omitzero"`
	ServiceTier       string            `json:"service_tier,omitzero"`
	Metadata          map[string]string `json:"metadata,omitempty"`
}

type responseTool struct {
	Type string `json:"type"`
	function
}

type responseText struct {
	Format responseTextFormat `json:"format"`
}

type responseTextFormat struct {
	Type string `json:"type"`
	*jsonSchema
}

type responseEffort struct {
	Effort string `json:"effort,omitzero"`
}

// A responseMessage is one turn of a person, of the application or of the model.
type responseMessage struct {
	Type    string     `json:"type"`
	Role    genai.Role `json:"role"`
	Content any        `json:"content"` // a string, or []inputPart
	Phase   string     `json:"phase,omitzero"`
}

type inputPart struct {
	Type     string  `json:"type"`
	Text     *string `json:"text,omitzero"`
	Refusal  string  `json:"refusal,omitzero"`
	Image    string  `json:"image_url,omitzero"`
	FileID   string  `json:"file_id,omitzero"`
	FileName string  `json:"filename,omitzero"`
	FileData string  `json:"file_data,omitzero"`
	FileURL  string  `json:"file_url,omitzero"`
}

type responseCall struct {
	Type      string `json:"type"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type responseResult struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Output any    `json:"output"` // a string, or []inputPart
}

// encodeResponse returns the body of a request.
func (c *Client) encodeResponse(x ask, req *genai.ChatRequest, stream, paths bool) ([]byte, error) {
	e := x.encoder(paths)
	e.Provider = "the responses interface of OpenAI"
	if !e.Messages(req) {
		return nil, e.Err
	}
	b := responseBody{
		Model: req.Model, Stream: stream, MaxTokens: req.MaxTokens, Temperature: req.Temperature, TopP: req.TopP,
		CacheKey: req.CacheKey, ServiceTier: req.ServiceTier, Metadata: req.Metadata,
	}
	if b.Model == "" {
		b.Model = c.Model
	}
	if b.Model == "" && x.needsName {
		e.Bad(genai.InvalidRequest, "model", "neither the request nor the client names a model")
	}
	if x.endUser == "safety_identifier" {
		b.SafetyIdentifier = req.EndUser
	} else {
		b.User = req.EndUser
	}
	if r := req.Reasoning; r != nil {
		e.Lacks("reasoning.max_tokens", r.MaxTokens != nil)
		if r.Effort != "" {
			b.Reasoning = &responseEffort{r.Effort}
		}
		b.Include = []string{"reasoning.encrypted_content"} // models that do not reason refuse to be asked for it
	}
	e.Number("temperature", req.Temperature)
	e.Number("top_p", req.TopP)
	e.Lacks("top_k", req.TopK != nil)
	e.Lacks("stop", len(req.Stop) > 0)
	e.Lacks("seed", req.Seed != nil)
	e.Lacks("frequency_penalty", req.FrequencyPenalty != nil)
	e.Lacks("presence_penalty", req.PresencePenalty != nil)
	e.Unread("log_probs", req.LogProbs != nil)
	e.responseTools(&b, req)
	if f := req.Format; f != nil {
		var chat chatBody
		e.format(&chat, f)
		b.Text = &responseText{responseTextFormat{chat.Format.Type, chat.Format.Schema}}
	}
	for i := range req.Messages {
		b.Input = e.input(b.Input, &req.Messages[i], e.At("", "messages", i))
	}
	if e.Err != nil && !paths {
		return c.encodeResponse(x, req, stream, true)
	}
	if e.Err != nil {
		return nil, e.Err
	}
	return e.X.Body(b, req.Extra)
}

func (e *encoder) responseTools(b *responseBody, req *genai.ChatRequest) {
	schemas := e.Tools(req.Tools)
	for i, t := range req.Tools {
		b.Tools = append(b.Tools, responseTool{"function", function{t.Name, t.Description, schemas[i], t.Strict}})
	}
	if len(req.Tools) > 0 {
		b.ParallelToolCalls = req.ParallelToolCalls
	}
	choice := req.ToolChoice
	e.Choice(choice)
	switch {
	case choice == nil:
	case choice.Name != "":
		b.ToolChoice = map[string]string{"type": "function", "name": choice.Name}
	default:
		b.ToolChoice = choice.Mode
	}
}

// input appends a message, which is one item, or several if it is of the model or of tools.
func (e *encoder) input(to []any, m *genai.Message, at string) []any {
	e.Lacks(at+".name", m.Name != "")
	switch m.Role {
	case genai.RoleSystem, genai.RoleUser:
		return append(to, responseMessage{Type: "message", Role: m.Role, Content: e.inputParts(m.Role, m.Parts, at)})
	case genai.RoleAssistant:
		return e.output(to, m, at)
	case genai.RoleTool:
		for i := range m.Parts {
			r, at := m.Parts[i].ToolResult, e.At(at, "parts", i)
			if r == nil {
				e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools only")
				continue
			}
			to = append(to, responseResult{"function_call_output", r.CallID, e.inputParts(m.Role, r.Parts, at+".tool_result")})
		}
		if len(m.Parts) == 0 {
			e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools")
		}
	default:
		e.Bad(genai.InvalidRequest, at+".role", "there is no such role")
	}
	return to
}

// inputParts translates what a person, the application or a tool says. A single text goes as a string.
func (e *encoder) inputParts(role genai.Role, in []genai.Part, at string) any {
	parts := make([]inputPart, 0, len(in))
	texts := ""
	for i := range in {
		p, at := &in[i], e.At(at, "parts", i)
		media := p.Image != nil || p.Audio != nil || p.File != nil
		switch {
		case media && role == genai.RoleSystem:
			e.Bad(genai.Unsupported, at, "a system message has text only in this interface")
		case p.Audio != nil:
			e.Bad(genai.Unsupported, at+".audio", "the responses interface of OpenAI takes no recordings")
		case p.Image != nil:
			parts = append(parts, inputPart{Type: "input_image", Image: e.url(*p.Image, at+".image")})
		case p.File != nil:
			parts = append(parts, e.inputFile(p.File, at+".file"))
		case p.ToolCall != nil || p.ToolResult != nil || p.Refusal != "":
			e.Bad(genai.InvalidRequest, at, "this part does not belong into a message of the %s", role)
		case p.Reasoning != nil || p.Text == "" && p.Opaque != nil:
			// Thoughts are the assistant's; elsewhere they are left out, as is what only their maker understands.
		default:
			texts += p.Text
			parts = append(parts, inputPart{Type: "input_text", Text: &p.Text})
		}
	}
	for _, p := range parts {
		if p.Type != "input_text" {
			return parts
		}
	}
	if len(parts) > 1 && role == genai.RoleUser {
		return parts
	}
	return texts
}

func (e *encoder) inputFile(f *genai.File, at string) inputPart {
	switch {
	case f.ID != "":
		return inputPart{Type: "input_file", FileID: f.ID}
	case f.Blob.URL() != "":
		return inputPart{Type: "input_file", FileURL: f.Blob.URL()}
	}
	name := f.Name
	if name == "" {
		name = "file" // the interface insists on one
	}
	data := base64.StdEncoding.EncodeToString(e.Bytes(f.Blob, at))
	return inputPart{Type: "input_file", FileName: name, FileData: "data:" + f.Blob.MediaType() + ";base64," + data}
}

// output appends an earlier answer, item by item in its order. Items that only their maker understands go back to it
// unchanged, and to nobody else.
func (e *encoder) output(to []any, m *genai.Message, at string) []any {
	before := len(to)
	var said []inputPart
	say := func(phase string) {
		if said != nil {
			to = append(to, responseMessage{"message", genai.RoleAssistant, said, phase})
			said = nil
		}
	}
	for i := range m.Parts {
		p, at := &m.Parts[i], e.At(at, "parts", i)
		mine := p.Opaque != nil && p.Opaque.Origin == e.origin
		switch {
		case p.Image != nil || p.Audio != nil || p.File != nil:
			e.Bad(genai.Unsupported, at, "an answer can be given back as text only in this interface")
		case p.ToolResult != nil:
			e.Bad(genai.InvalidRequest, at, "the result of a tool belongs into a message of the tool")
		case p.ToolCall != nil:
			say("")
			call := e.call(p.ToolCall, at+".tool_call")
			to = append(to, responseCall{"function_call", call.ID, call.Function.Name, call.Function.Arguments})
		case p.Text != "":
			said = append(said, inputPart{Type: "output_text", Text: &p.Text})
		case p.Refusal != "":
			said = append(said, inputPart{Type: "refusal", Refusal: p.Refusal})
		}
		if !mine {
			continue
		}
		if p.Opaque.Type == itemPhase {
			say(p.Opaque.Data)
		} else if raw, ok := returnable(p.Opaque); ok {
			say("")
			to = append(to, raw)
		}
	}
	say("")
	if len(to) == before {
		to = append(to, responseMessage{Type: "message", Role: genai.RoleAssistant, Content: ""}) // a turn that was silent was a turn
	}
	return to
}

// returnable returns an item as it came. Reasoning that the server kept to itself, and does not keep for us, is only a name
// that it will not know.
func returnable(o *genai.Opaque) (json.RawMessage, bool) {
	raw := json.RawMessage(o.Data)
	if o.Type != itemReasoning && o.Type != itemOther || !json.Valid(raw) {
		return nil, false
	}
	in := itemOf(raw)
	return raw, o.Type == itemOther || in.Encrypted != "" || len(in.Content) > 0
}
