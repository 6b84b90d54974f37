package gemini

import (
	"encoding/json"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A content is a message as it is sent.
type content struct {
	Role  string `json:"role,omitzero"`
	Parts []any  `json:"parts"` // part, or json.RawMessage for those that we only keep
}

type part struct {
	Text      *string           `json:"text,omitzero"`
	Thought   bool              `json:"thought,omitzero"`
	Data      *inlineData       `json:"inlineData,omitzero"`
	File      *fileData         `json:"fileData,omitzero"`
	Call      *functionCall     `json:"functionCall,omitzero"`
	Result    *functionResponse `json:"functionResponse,omitzero"`
	Signature string            `json:"thoughtSignature,omitzero"`
}

type inlineData struct {
	MediaType string `json:"mimeType"`
	Data      []byte `json:"data"`
}

type fileData struct {
	MediaType string `json:"mimeType,omitzero"`
	URI       string `json:"fileUri"`
}

type functionCall struct {
	ID        string          `json:"id,omitzero"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"args"`
}

type functionResponse struct {
	ID       string          `json:"id,omitzero"`
	Name     string          `json:"name"`
	Response json.RawMessage `json:"response"`
	Parts    []part          `json:"parts,omitempty"`
}

// The types of our opaque data: the signature of what stands beside it, or a part that we only keep.
const (
	signature = "thought_signature"
	keptPart  = "part"
)

// noSignature is what the provider's documentation of thought signatures gives for calls of another model.
const noSignature = "skip_thought_signature_validator"

// said translates the parts of a system or user message. Empty texts are left out.
func (e *encoder) said(m *genai.Message, at string) []any {
	var parts []any
	for i := range m.Parts {
		p, at := &m.Parts[i], e.At(at, "parts", i)
		switch {
		case m.Role == genai.RoleSystem && (p.Image != nil || p.Audio != nil || p.File != nil):
			e.Bad(genai.Unsupported, at, "a system message has text only at Gemini")
		case p.ToolCall != nil || p.ToolResult != nil || p.Refusal != "":
			e.Bad(genai.InvalidRequest, at, "this part does not belong into a message of the %s", m.Role)
		case p.Reasoning != nil:
			// Thoughts are the assistant's; elsewhere they are left out.
		default:
			if is, ok := e.shown(p, at); ok {
				parts = append(parts, is)
			}
		}
	}
	return parts
}

// shown translates a part that is text or media; false for one that is neither.
func (e *encoder) shown(p *genai.Part, at string) (is part, ok bool) {
	switch {
	case p.Image != nil:
		e.media(&is, *p.Image, at+".image")
	case p.Audio != nil:
		e.media(&is, *p.Audio, at+".audio")
	case p.File != nil && p.File.ID != "":
		is.File = &fileData{p.File.Blob.MediaType(), p.File.ID}
	case p.File != nil:
		e.media(&is, p.File.Blob, at+".file")
	case p.Text+p.Refusal != "":
		text := p.Text + p.Refusal
		is.Text = &text
	default:
		return is, false
	}
	return is, true
}

func (e *encoder) media(is *part, b genai.Blob, at string) {
	if b.URL() != "" {
		is.File = &fileData{b.MediaType(), b.URL()}
		return
	}
	is.Data = &inlineData{b.MediaType(), e.Bytes(b, at)}
}

// answer translates an earlier answer. What only a provider understands goes back to where it came from, and so do
// thoughts, which mean something to the model with their signature only.
func (e *encoder) answer(m *genai.Message, at string) []any {
	var parts []any
	called := false
	for i := range m.Parts {
		p, at := &m.Parts[i], e.At(at, "parts", i)
		o := p.Opaque
		if o != nil && o.Origin != e.origin {
			o = nil
		}
		signed := ""
		if o != nil && o.Type == signature {
			signed = o.Data
		}
		switch {
		case p.ToolResult != nil:
			e.Bad(genai.InvalidRequest, at, "the result of a tool belongs into a message of the tool")
		case p.ToolCall != nil:
			if signed == "" && !called && e.demanding {
				signed = noSignature
			}
			called = true
			parts = append(parts, part{Call: e.call(p.ToolCall, at+".tool_call"), Signature: signed})
		case p.Reasoning != nil:
			if signed != "" {
				parts = append(parts, part{Text: &p.Reasoning.Text, Thought: true, Signature: signed})
			}
		default:
			if is, ok := e.shown(p, at); ok {
				is.Signature = signed
				parts = append(parts, is)
			}
		}
		if o != nil && o.Type == keptPart {
			parts = append(parts, e.Object(o.Data, at+".opaque"))
		}
	}
	return parts
}

func (e *encoder) call(c *genai.ToolCall, at string) *functionCall {
	e.names[c.ID] = c.Name
	return &functionCall{known(c.ID), c.Name, e.Call(c, at)}
}

// results translates a message of the tool.
func (e *encoder) results(m *genai.Message, at string) []any {
	var parts []any
	for i := range m.Parts {
		r, at := m.Parts[i].ToolResult, e.At(at, "parts", i)
		if r == nil {
			e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools only")
			continue
		}
		is := &functionResponse{ID: known(r.CallID), Name: r.Name}
		if is.Name == "" {
			is.Name = e.names[r.CallID]
		}
		if is.Name == "" {
			e.Bad(genai.InvalidRequest, at+".tool_result.name", "a result needs the name of its tool, or the id of a call in the conversation")
		}
		var text strings.Builder
		for j := range r.Parts {
			p, at := &r.Parts[j], e.At(at+".tool_result", "parts", j)
			if p.Image == nil && p.Audio == nil && p.File == nil {
				text.WriteString(p.Text)
			} else if more, ok := e.shown(p, at); ok {
				is.Parts = append(is.Parts, more)
			}
		}
		is.Response = response(text.String(), r.Failed)
		parts = append(parts, part{Result: is})
	}
	if len(m.Parts) == 0 {
		e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools")
	}
	return parts
}

// response puts a result into the object that the interface wants: a result that is one already is taken as it is, others
// go under the names that the interface gives them.
func response(text string, failed bool) json.RawMessage {
	var object map[string]json.RawMessage
	if !failed && json.Unmarshal([]byte(text), &object) == nil && object != nil {
		return json.RawMessage(text)
	}
	name := "output"
	if failed {
		name = "error"
	}
	raw, _ := json.Marshal(map[string]string{name: text}) // strings can always be written
	return raw
}

// ours is how the ids begin that we give to calls for which the server has none. It does not get them back.
const ours = "gemini_call_"

func known(id string) string {
	if strings.HasPrefix(id, ours) {
		return ""
	}
	return id
}
