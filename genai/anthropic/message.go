package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A turn is a message as it is sent: everything that one side said before the other did.
type turn struct {
	Role    string `json:"role"`
	Content []any  `json:"content"` // the blocks below, or json.RawMessage for those that we only keep
	results int    // how many results of tools stand at the front
}

type textBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	Citations json.RawMessage `json:"citations,omitzero"`
}

type mediaBlock struct {
	Type   string `json:"type"`
	Title  string `json:"title,omitzero"`
	Source source `json:"source"`
}

type source struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitzero"`
	Data      any    `json:"data,omitzero"` // []byte, which JSON has in base64, or a string
	URL       string `json:"url,omitzero"`
	FileID    string `json:"file_id,omitzero"`
}

type thinkingBlock struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

type toolUseBlock struct {
	Type  string          `json:"type"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

type toolResultBlock struct {
	Type    string `json:"type"`
	ID      string `json:"tool_use_id"`
	Content []any  `json:"content,omitempty"`
	Failed  bool   `json:"is_error,omitzero"`
}

// messages translates a conversation.
func (e *encoder) messages(p *prompt, in []genai.Message) {
	for i := range in {
		m, at := &in[i], e.At("", "messages", i)
		if m.Name != "" {
			e.Bad(genai.Unsupported, at+".name", "Anthropic knows no names of speakers")
		}
		switch m.Role {
		case genai.RoleSystem:
			if blocks := e.content(m, at); len(p.Messages) == 0 {
				p.System = append(p.System, blocks...)
			} else {
				p.say("system", 0, blocks)
			}
		case genai.RoleUser:
			p.say("user", 0, e.content(m, at))
		case genai.RoleAssistant:
			p.say("assistant", 0, e.assistant(m, at))
		case genai.RoleTool:
			results := e.results(m, at)
			p.say("user", len(results), results)
		default:
			e.Bad(genai.InvalidRequest, at+".role", "there is no such role")
		}
	}
	if len(p.Messages) == 0 {
		e.Bad(genai.InvalidRequest, "messages", "there is nothing to answer")
	}
}

// say adds blocks to the last turn if it is of the same side, or else begins a new one. Results of tools go to the front.
func (p *prompt) say(role string, results int, blocks []any) {
	if len(blocks) == 0 {
		return
	}
	n := len(p.Messages)
	if n == 0 || p.Messages[n-1].Role != role {
		p.Messages = append(p.Messages, turn{role, blocks, results})
		return
	}
	t := &p.Messages[n-1]
	if results > 0 {
		rest := t.Content[t.results:]
		t.Content = append(append(t.Content[:t.results:t.results], blocks...), rest...)
		t.results += results
		return
	}
	t.Content = append(t.Content, blocks...)
}

// content translates the parts of a system or user message. Empty texts are left out: the interface refuses them.
func (e *encoder) content(m *genai.Message, at string) []any {
	var blocks []any
	for i := range m.Parts {
		p, at := &m.Parts[i], e.At(at, "parts", i)
		switch {
		case m.Role == genai.RoleSystem && (p.Image != nil || p.Audio != nil || p.File != nil):
			e.Bad(genai.Unsupported, at, "a system message has text only at Anthropic")
		case p.ToolCall != nil || p.ToolResult != nil || p.Refusal != "":
			e.Bad(genai.InvalidRequest, at, "this part does not belong into a message of the %s", m.Role)
		case p.Reasoning != nil:
			// Thoughts are the assistant's; elsewhere they are left out.
		default:
			blocks = e.media(blocks, p, at)
		}
	}
	return blocks
}

// media translates a part that is text, a picture or a document.
func (e *encoder) media(blocks []any, p *genai.Part, at string) []any {
	switch {
	case p.Image != nil:
		return append(blocks, mediaBlock{Type: "image", Source: e.source(*p.Image, at+".image")})
	case p.Audio != nil:
		e.Bad(genai.Unsupported, at+".audio", "Anthropic takes no recordings")
	case p.File != nil:
		return append(blocks, e.document(p.File, at+".file"))
	case p.Text != "":
		return append(blocks, textBlock{Type: "text", Text: p.Text})
	}
	return blocks
}

func (e *encoder) source(b genai.Blob, at string) source {
	if b.URL() != "" {
		return source{Type: "url", URL: b.URL()}
	}
	return source{Type: "base64", MediaType: b.MediaType(), Data: e.Bytes(b, at)}
}

func (e *encoder) document(f *genai.File, at string) mediaBlock {
	b := mediaBlock{Type: "document", Title: f.Name}
	mediaType, _, _ := strings.Cut(f.Blob.MediaType(), ";")
	switch {
	case f.ID != "":
		b.Source = source{Type: "file", FileID: f.ID}
	case f.Blob.URL() != "" || mediaType == "application/pdf":
		b.Source = e.source(f.Blob, at)
	case strings.HasPrefix(mediaType, "text/"):
		b.Source = source{Type: "text", MediaType: "text/plain", Data: string(e.Bytes(f.Blob, at))}
	default:
		e.Bytes(f.Blob, at)
		e.Bad(genai.Unsupported, at, "Anthropic takes application/pdf and text as documents")
	}
	return b
}

// The types of opaque data that belongs to something visible. Everything else is a block that we only keep, under its
// own type.
const (
	signature = "signature" // of the thought beside it
	citations = "citations" // of the text beside it
)

// assistant translates an earlier answer. What only a provider understands goes back to where it came from, and so do
// thoughts, which the interface takes with their signature only.
func (e *encoder) assistant(m *genai.Message, at string) []any {
	var blocks []any
	for i := range m.Parts {
		p, at := &m.Parts[i], e.At(at, "parts", i)
		o := p.Opaque
		if o != nil && o.Origin != e.origin {
			o = nil
		}
		switch {
		case p.Image != nil || p.Audio != nil || p.File != nil:
			e.Bad(genai.Unsupported, at, "an answer can be given back as text only at Anthropic")
		case p.ToolResult != nil:
			e.Bad(genai.InvalidRequest, at, "the result of a tool belongs into a message of the tool")
		case p.Reasoning != nil && o != nil && o.Type == signature:
			blocks = append(blocks, thinkingBlock{"thinking", p.Reasoning.Text, o.Data})
			o = nil
		case p.ToolCall != nil:
			blocks = append(blocks, e.call(p.ToolCall, at+".tool_call"))
		case p.Text != "" && o != nil && o.Type == citations && json.Valid([]byte(o.Data)):
			blocks = append(blocks, textBlock{"text", p.Text, json.RawMessage(o.Data)})
			o = nil
		case p.Text+p.Refusal != "":
			blocks = append(blocks, textBlock{Type: "text", Text: p.Text + p.Refusal})
		}
		blocks = e.opaque(blocks, o, at+".opaque")
	}
	return blocks
}

// opaque gives back what stands behind a part: a thought of which nothing was shown, or a block that we only keep.
func (e *encoder) opaque(blocks []any, o *genai.Opaque, at string) []any {
	switch {
	case o == nil || o.Type == citations || o.Data == "":
		return blocks
	case o.Type == signature:
		return append(blocks, thinkingBlock{"thinking", "", o.Data})
	}
	return append(blocks, e.Object(o.Data, at))
}

func (e *encoder) call(c *genai.ToolCall, at string) toolUseBlock {
	if c.ID == "" {
		e.Bad(genai.InvalidRequest, at+".id", "a call needs an id")
	}
	return toolUseBlock{"tool_use", plain(c.ID), c.Name, e.Call(c, at)}
}

// results translates a message of the tool.
func (e *encoder) results(m *genai.Message, at string) []any {
	blocks := make([]any, 0, len(m.Parts))
	for i := range m.Parts {
		r, at := m.Parts[i].ToolResult, e.At(at, "parts", i)
		if r == nil {
			e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools only")
			continue
		}
		if r.CallID == "" {
			e.Bad(genai.InvalidRequest, at+".tool_result.call_id", "a result needs the id of its call")
		}
		b := toolResultBlock{Type: "tool_result", ID: plain(r.CallID), Failed: r.Failed}
		for j := range r.Parts {
			b.Content = e.media(b.Content, &r.Parts[j], e.At(at+".tool_result", "parts", j))
		}
		blocks = append(blocks, b)
	}
	if len(m.Parts) == 0 {
		e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools")
	}
	return blocks
}

// plain replaces the characters that the interface refuses in the id of a call, for calls that another provider made.
// Call and result stay together, since both are treated alike.
func plain(id string) string {
	return strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' {
			return c
		}
		return '_'
	}, id)
}
