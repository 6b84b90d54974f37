package openai

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// A message is one turn as it is sent.
type message struct {
	Role             genai.Role      `json:"role"`
	Name             string          `json:"name,omitzero"`
	Content          any             `json:"content"` // a string, []part or null
	Refusal          string          `json:"refusal,omitzero"`
	ToolCalls        []toolCall      `json:"tool_calls,omitzero"`
	ToolCallID       string          `json:"tool_call_id,omitzero"`
	ReasoningContent string          `json:"reasoning_content,omitzero"`
	Reasoning        string          `json:"reasoning,omitzero"`
	ReasoningDetails json.RawMessage `json:"reasoning_details,omitzero"`
}

type part struct {
	Type  string      `json:"type"`
	Text  string      `json:"text,omitzero"`
	Image *imageURL   `json:"image_url,omitzero"`
	Audio *inputAudio `json:"input_audio,omitzero"`
	File  *file       `json:"file,omitzero"`
}

type imageURL struct {
	URL string `json:"url"`
}

type inputAudio struct {
	Data   string `json:"data"`
	Format string `json:"format"`
}

type file struct {
	ID   string `json:"file_id,omitzero"`
	Name string `json:"filename,omitzero"`
	Data string `json:"file_data,omitzero"`
}

type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// messages translates a conversation. The results of several tools are one message with us and several on the wire.
func (e *encoder) messages(in []genai.Message) []message {
	out := make([]message, 0, len(in))
	for i := range in {
		m, at := &in[i], e.At("", "messages", i)
		switch m.Role {
		case genai.RoleSystem, genai.RoleUser:
			out = append(out, message{Role: m.Role, Name: m.Name, Content: e.content(m, at)})
		case genai.RoleAssistant:
			out = append(out, e.assistant(m, at))
		case genai.RoleTool:
			out = e.results(out, m, at)
		default:
			e.Bad(genai.InvalidRequest, at+".role", "there is no such role")
		}
	}
	return out
}

// content translates the parts of a system or user message. A single text goes as a string, which every server takes.
func (e *encoder) content(m *genai.Message, at string) any {
	if len(m.Parts) == 0 {
		return ""
	}
	parts := make([]part, 0, len(m.Parts))
	for i := range m.Parts {
		p, at := &m.Parts[i], e.At(at, "parts", i)
		switch {
		case m.Role == genai.RoleSystem && (p.Image != nil || p.Audio != nil || p.File != nil):
			e.Bad(genai.Unsupported, at, "a system message has text only in this interface")
		case p.Image != nil:
			parts = append(parts, part{Type: "image_url", Image: &imageURL{e.url(*p.Image, at+".image")}})
		case p.Audio != nil:
			parts = append(parts, part{Type: "input_audio", Audio: e.audio(*p.Audio, at+".audio")})
		case p.File != nil:
			parts = append(parts, part{Type: "file", File: e.file(p.File, at+".file")})
		case p.ToolCall != nil || p.ToolResult != nil || p.Refusal != "":
			e.Bad(genai.InvalidRequest, at, "this part does not belong into a message of the %s", m.Role)
		case p.Reasoning != nil || p.Text == "" && p.Opaque != nil:
			// Thoughts are the assistant's; elsewhere they are left out, as is what only their maker understands.
		default:
			parts = append(parts, part{Type: "text", Text: p.Text})
		}
	}
	switch {
	case len(parts) == 0:
		return ""
	case len(parts) == 1 && parts[0].Type == "text":
		return parts[0].Text
	case m.Role == genai.RoleSystem:
		return m.Text()
	}
	return parts
}

// assistant translates an earlier answer. Its reasoning goes back only to where it came from, and in the way it came.
func (e *encoder) assistant(m *genai.Message, at string) message {
	out := message{Role: m.Role, Name: m.Name}
	var text, thoughts, refusal strings.Builder
	var details []json.RawMessage
	field := ""
	for i := range m.Parts {
		p, at := &m.Parts[i], e.At(at, "parts", i)
		switch {
		case p.Image != nil || p.Audio != nil || p.File != nil:
			e.Bad(genai.Unsupported, at, "an answer can be given back as text only in this interface")
		case p.ToolResult != nil:
			e.Bad(genai.InvalidRequest, at, "the result of a tool belongs into a message of the tool")
		case p.ToolCall != nil:
			out.ToolCalls = append(out.ToolCalls, e.call(p.ToolCall, at+".tool_call"))
		}
		text.WriteString(p.Text)
		refusal.WriteString(p.Refusal)
		if p.Opaque == nil || p.Opaque.Origin != e.origin {
			continue
		}
		switch p.Opaque.Type {
		case reasoningDetails:
			var more []json.RawMessage
			if json.Unmarshal([]byte(p.Opaque.Data), &more) == nil {
				details = append(details, more...)
			}
		case plainContent, plainReasoning:
			if p.Reasoning != nil {
				field = p.Opaque.Type
				thoughts.WriteString(p.Reasoning.Text)
			}
		}
	}
	out.Refusal = refusal.String()
	if text.Len() > 0 || len(out.ToolCalls) == 0 && out.Refusal == "" {
		out.Content = text.String()
	}
	if len(details) > 0 {
		out.ReasoningDetails, _ = exchange.Marshal(details) // they were decoded a moment ago
	}
	if len(out.ToolCalls) > 0 { // between tools some servers insist on it, elsewhere some refuse it
		switch field {
		case plainContent:
			out.ReasoningContent = thoughts.String()
		case plainReasoning:
			out.Reasoning = thoughts.String()
		}
	}
	return out
}

func (e *encoder) call(c *genai.ToolCall, at string) toolCall {
	if c.Incomplete {
		e.Bad(genai.InvalidRequest, at, "the call was cut inside of its arguments")
	}
	if c.Name == "" {
		e.Bad(genai.InvalidRequest, at+".name", "a call needs the name of its tool")
	}
	arguments := c.Arguments
	if arguments == "" {
		arguments = "{}"
	}
	return toolCall{ID: c.ID, Type: "function", Function: functionCall{c.Name, arguments}}
}

// results translates a message of the tool, one message on the wire for each result.
func (e *encoder) results(out []message, m *genai.Message, at string) []message {
	for i := range m.Parts {
		r, at := m.Parts[i].ToolResult, e.At(at, "parts", i)
		if r == nil {
			e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools only")
			continue
		}
		var text strings.Builder
		for j, p := range r.Parts {
			if p.Image != nil || p.Audio != nil || p.File != nil {
				e.Bad(genai.Unsupported, e.At(at+".tool_result", "parts", j), "the result of a tool is text only in this interface")
			}
			text.WriteString(p.Text)
		}
		out = append(out, message{Role: m.Role, ToolCallID: r.CallID, Content: text.String()})
	}
	if len(m.Parts) == 0 {
		e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools")
	}
	return out
}

// url returns where a server finds a picture: its URL, or one that has the bytes in it.
func (e *encoder) url(b genai.Blob, at string) string {
	if b.URL() != "" {
		return b.URL()
	}
	return "data:" + b.MediaType() + ";base64," + base64.StdEncoding.EncodeToString(e.Bytes(b, at))
}

func (e *encoder) audio(b genai.Blob, at string) *inputAudio {
	if b.URL() != "" {
		e.Bad(genai.Unsupported, at, "a recording must be given as bytes in this interface")
		return nil
	}
	data := e.Bytes(b, at)
	mediaType, _, _ := strings.Cut(b.MediaType(), ";")
	_, format, _ := strings.Cut(strings.TrimSpace(mediaType), "/")
	switch format = strings.TrimPrefix(format, "x-"); format {
	case "mpeg":
		format = "mp3"
	case "wave", "vnd.wave":
		format = "wav"
	}
	if e.d.strict && format != "mp3" && format != "wav" {
		e.Bad(genai.Unsupported, at, "%s takes audio/mpeg and audio/wav", e.Provider)
	}
	return &inputAudio{Data: base64.StdEncoding.EncodeToString(data), Format: format}
}

func (e *encoder) file(f *genai.File, at string) *file {
	switch {
	case f.ID != "":
		return &file{ID: f.ID}
	case f.Blob.URL() != "" && e.d.strict:
		e.Bad(genai.Unsupported, at, "%s takes the bytes or the id of a file here, and no URL", e.Provider)
		return nil
	}
	return &file{Name: f.Name, Data: e.url(f.Blob, at)}
}
