package ollama

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// chatBody is the request as it is sent. What is absent is left to the server.
type chatBody struct {
	Model     string          `json:"model"`
	Messages  []message       `json:"messages"`
	Tools     []tool          `json:"tools,omitempty"`
	Format    json.RawMessage `json:"format,omitempty"`
	Options   map[string]any  `json:"options,omitempty"`
	Stream    bool            `json:"stream"` // always there: without it the server streams
	Think     any             `json:"think,omitzero"`
	KeepAlive string          `json:"keep_alive,omitzero"`
}

type message struct {
	Role       genai.Role `json:"role"`
	Content    string     `json:"content"`
	Thinking   string     `json:"thinking,omitzero"`
	Images     [][]byte   `json:"images,omitempty"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolName   string     `json:"tool_name,omitzero"`
	ToolCallID string     `json:"tool_call_id,omitzero"`
}

type toolCall struct {
	ID       string       `json:"id,omitzero"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitzero"`
	Parameters  json.RawMessage `json:"parameters"`
}

// An encoder turns a request into its body, or finds out what in it this interface has no words for.
type encoder struct {
	exchange.Check
	origin string            // whose thoughts may be sent
	names  map[string]string // of the tools that were called, by the id of the call
}

// encodeChat returns the body of a chat request.
func (c *Client) encodeChat(x *exchange.Exchange, req *genai.ChatRequest, stream, paths bool) ([]byte, error) {
	e := &encoder{exchange.Check{X: x, Provider: "Ollama", Paths: paths}, x.Base.Host, map[string]string{}}
	if !e.Messages(req) {
		return nil, e.Err
	}
	b := chatBody{Model: e.Model(req.Model, c.Model), Stream: stream, KeepAlive: c.keepAlive()}
	b.Options = e.options(c.Options, req)
	extra := e.Merge(b.Options, req.Extra, "options")
	for i := range req.Messages {
		b.Messages = e.message(b.Messages, &req.Messages[i], e.At("", "messages", i))
	}
	e.tools(&b, req)
	e.reasoning(&b, req.Reasoning)
	if f := req.Format; f != nil && f.Schema == nil {
		b.Format = json.RawMessage(`"json"`)
	} else if f != nil {
		b.Format = e.Schema(f)
	}
	e.Unread("log_probs", req.LogProbs != nil)
	e.Lacks("end_user", req.EndUser != "")
	e.Lacks("cache_key", req.CacheKey != "")
	e.Lacks("service_tier", req.ServiceTier != "")
	e.Lacks("metadata", len(req.Metadata) > 0)
	if e.Err != nil && !paths {
		return c.encodeChat(x, req, stream, true)
	}
	if e.Err != nil {
		return nil, e.Err
	}
	return x.Body(b, extra)
}

// options puts the tunables of a request over those of the client.
func (e *encoder) options(configured map[string]any, req *genai.ChatRequest) map[string]any {
	o := maps.Clone(configured)
	if o == nil {
		o = map[string]any{}
	}
	exchange.Set(o, "num_predict", req.MaxTokens)
	exchange.Set(o, "temperature", req.Temperature)
	exchange.Set(o, "top_p", req.TopP)
	exchange.Set(o, "top_k", req.TopK)
	exchange.Set(o, "seed", req.Seed)
	exchange.Set(o, "frequency_penalty", req.FrequencyPenalty)
	exchange.Set(o, "presence_penalty", req.PresencePenalty)
	if len(req.Stop) > 0 {
		o["stop"] = req.Stop
	}
	e.Number("temperature", req.Temperature)
	e.Number("top_p", req.TopP)
	e.Number("frequency_penalty", req.FrequencyPenalty)
	e.Number("presence_penalty", req.PresencePenalty)
	return o
}

func (e *encoder) tools(b *chatBody, req *genai.ChatRequest) {
	e.Lacks("parallel_tool_calls", req.ParallelToolCalls != nil && !*req.ParallelToolCalls)
	e.Choice(req.ToolChoice)
	if c := req.ToolChoice; c != nil && c.Mode == genai.ToolRequired {
		e.Bad(genai.Unsupported, "tool_choice", "Ollama leaves it to the model whether it calls a tool")
	} else if c != nil && c.Mode == genai.ToolNone {
		return // a model that is shown no tools calls none
	}
	schemas := e.Tools(req.Tools)
	for i, t := range req.Tools {
		if t.Strict != nil && *t.Strict {
			e.Bad(genai.Unsupported, e.At("", "tools", i)+".strict", "Ollama does not enforce the schemas of tools")
		}
		b.Tools = append(b.Tools, tool{"function", function{t.Name, t.Description, schemas[i]}})
	}
}

// reasoning translates how long to think: not at all, or as much as a word says.
func (e *encoder) reasoning(b *chatBody, r *genai.ReasoningOptions) {
	switch {
	case r == nil:
	case r.MaxTokens != nil && *r.MaxTokens != 0:
		e.Bad(genai.Unsupported, "reasoning.max_tokens", "Ollama takes an effort, and no number of tokens")
	case r.Effort == "none" || r.Effort == "" && r.MaxTokens != nil:
		b.Think = false
	case r.Effort != "":
		b.Think = r.Effort
	}
}

// message translates a message. The results of several tools are one message with us and several on the wire.
func (e *encoder) message(out []message, m *genai.Message, at string) []message {
	if m.Name != "" {
		e.Bad(genai.Unsupported, at+".name", "Ollama knows no names of speakers")
	}
	switch m.Role {
	case genai.RoleSystem, genai.RoleUser, genai.RoleAssistant:
	case genai.RoleTool:
		return e.results(out, m, at)
	default:
		e.Bad(genai.InvalidRequest, at+".role", "there is no such role")
		return out
	}
	var text, thoughts strings.Builder
	is := message{Role: m.Role}
	for i := range m.Parts {
		p, at := &m.Parts[i], e.At(at, "parts", i)
		switch {
		case p.Audio != nil || p.File != nil:
			e.Bad(genai.Unsupported, at, "Ollama takes text and pictures only")
		case p.Image != nil:
			is.Images = append(is.Images, e.picture(p.Image, m.Role, at+".image"))
		case p.ToolResult != nil || p.ToolCall != nil && m.Role != genai.RoleAssistant:
			e.Bad(genai.InvalidRequest, at, "this part does not belong into a message of the %s", m.Role)
		case p.ToolCall != nil:
			is.ToolCalls = append(is.ToolCalls, e.call(p.ToolCall, at+".tool_call"))
		case p.Reasoning != nil && p.Opaque != nil && p.Opaque.Origin == e.origin && p.Opaque.Type == thinking:
			thoughts.WriteString(p.Reasoning.Text)
		}
		text.WriteString(p.Text)
		text.WriteString(p.Refusal)
	}
	is.Content = text.String()
	if len(is.ToolCalls) > 0 {
		is.Thinking = thoughts.String()
	}
	return append(out, is)
}

func (e *encoder) picture(b *genai.Blob, role genai.Role, at string) []byte {
	switch {
	case role != genai.RoleUser:
		e.Bad(genai.Unsupported, at, "Ollama takes pictures from the user only")
	case b.URL() != "":
		e.Bad(genai.Unsupported, at, "Ollama fetches nothing: give the bytes of a picture")
	default:
		return e.Bytes(*b, at)
	}
	return nil
}

func (e *encoder) call(c *genai.ToolCall, at string) toolCall {
	e.names[c.ID] = c.Name
	return toolCall{c.ID, functionCall{c.Name, e.Call(c, at)}}
}

// results translates a message of the tool. The server knows a result by the name of its tool.
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
				e.Bad(genai.Unsupported, e.At(at+".tool_result", "parts", j), "the result of a tool is text only at Ollama")
			}
			text.WriteString(p.Text)
		}
		name := r.Name
		if name == "" {
			name = e.names[r.CallID]
		}
		out = append(out, message{Role: m.Role, Content: text.String(), ToolName: name, ToolCallID: r.CallID})
	}
	if len(m.Parts) == 0 {
		e.Bad(genai.InvalidRequest, at, "a message of the tool has results of tools")
	}
	return out
}
