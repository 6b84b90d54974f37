package wiretest

import (
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// openAI is chat completions and embeddings as OpenAI has them.
var openAI = dialect{
	name: "OpenAI",
	route: func(r *http.Request) (operation, string, bool) {
		switch {
		case r.Method != http.MethodPost:
			return 0, "", false
		case strings.HasSuffix(r.URL.Path, "/chat/completions"):
			return opChat, "", true
		case strings.HasSuffix(r.URL.Path, "/embeddings"):
			return opEmbed, "", true
		}
		return 0, "", false
	},
	key: func(h http.Header) string {
		if key := h.Get("Api-Key"); key != "" { // Azure
			return key
		}
		return strings.TrimPrefix(h.Get("Authorization"), "Bearer ")
	},
	chat:    decodeOpenAI,
	stream:  "text/event-stream",
	encoder: func(c *call) encoder { return &openAIEncoder{call: c} },
	embed:   decodeOpenAIEmbed,
	vectors: openAIVectors,
	garbage: "data: <html><body>Bad gateway</body></html>\n\n",
	header: func(e *genai.Error, h http.Header) {
		if e.RequestID != "" {
			h.Set("X-Request-Id", e.RequestID)
		}
	},
	problem: func(e *genai.Error, p problem, inStream bool) any {
		doc := object{"error": object{
			"message": p.message(e), "type": p.kind, "param": orNull(e.Field), "code": orNull(p.code),
		}}
		if inStream {
			return data(doc)
		}
		return doc
	},
	kinds: map[genai.Kind]problem{
		"":                     {status: 500, kind: "server_error"},
		genai.InvalidRequest:   {status: 400, kind: "invalid_request_error"},
		genai.Unsupported:      {status: 400, kind: "invalid_request_error", code: "unsupported_parameter"},
		genai.ContextLength:    {status: 400, kind: "invalid_request_error", code: "context_length_exceeded"},
		genai.TooLarge:         {status: 413, kind: "invalid_request_error", code: "request_too_large"},
		genai.ContentFiltered:  {status: 400, kind: "invalid_request_error", code: "content_policy_violation"},
		genai.Unauthenticated:  {status: 401, kind: "invalid_request_error", code: "invalid_api_key"},
		genai.PermissionDenied: {status: 403, kind: "permission_error", code: "permission_error"},
		genai.NotFound:         {status: 404, kind: "invalid_request_error", code: "model_not_found"},
		genai.Unimplemented:    {status: 501, kind: "server_error"},
		genai.Conflict:         {status: 409, kind: "conflict_error"},
		genai.RateLimited:      {status: 429, kind: "requests", code: "rate_limit_exceeded"},
		genai.QuotaExhausted:   {status: 429, kind: "insufficient_quota", code: "insufficient_quota"},
		genai.Overloaded:       {status: 503, kind: "overloaded_error", code: "service_unavailable"},
		genai.ServerError:      {status: 500, kind: "server_error"},
		genai.Timeout:          {status: 504, kind: "timeout"},
	},
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// An openAIEncoder makes chunks.
type openAIEncoder struct {
	call  *call
	start genai.ChatStart
	told  bool // the role was told
}

type chunk struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []chunkChoice `json:"choices"`
	Usage   *openAIUsage  `json:"usage,omitzero"`
}

type chunkChoice struct {
	Index   int            `json:"index"`
	Delta   *openAIMessage `json:"delta,omitzero"`
	Message *openAIMessage `json:"message,omitzero"`
	Finish  any            `json:"finish_reason"`
}

type openAIMessage struct {
	Role             string           `json:"role,omitzero"`
	Content          *string          `json:"content,omitzero"`
	Refusal          string           `json:"refusal,omitzero"`
	ReasoningContent string           `json:"reasoning_content,omitzero"`
	ToolCalls        []openAIToolCall `json:"tool_calls,omitzero"`
}

type openAIToolCall struct {
	Index    *int           `json:"index,omitzero"`
	ID       string         `json:"id,omitzero"`
	Type     string         `json:"type,omitzero"`
	Function openAIFunction `json:"function"`
}

type openAIFunction struct {
	Name      string `json:"name,omitzero"`
	Arguments string `json:"arguments"`
}

type openAIUsage struct {
	Prompt        int `json:"prompt_tokens"`
	Completion    int `json:"completion_tokens"`
	Total         int `json:"total_tokens"`
	PromptDetails struct {
		Cached     int `json:"cached_tokens"`
		CacheWrite int `json:"cache_write_tokens,omitzero"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func usageOfOpenAI(u *genai.Usage) *openAIUsage {
	out := &openAIUsage{Prompt: u.Input, Completion: u.Output, Total: u.Input + u.Output}
	out.PromptDetails.Cached, out.PromptDetails.CacheWrite = u.CacheRead, u.CacheWrite
	out.CompletionDetails.Reasoning = u.Reasoning
	return out
}

func (o *openAIEncoder) chunk(object string) chunk {
	c := chunk{ID: o.start.ID, Object: object, Created: o.call.began.Unix(), Model: o.start.Model, Choices: []chunkChoice{}}
	if c.ID == "" {
		c.ID = "chatcmpl-1"
	}
	if c.Model == "" {
		c.Model = o.call.req.Model
	}
	return c
}

func (o *openAIEncoder) event(e genai.ChatEvent) (frames []byte, piece bool) {
	if e.Start != nil {
		o.start = *e.Start
	}
	delta := &openAIMessage{Refusal: e.Refusal, ReasoningContent: e.Reasoning}
	if !o.told {
		o.told = true
		delta.Role = string(genai.RoleAssistant)
		delta.Content = new("")
	}
	if e.Text != "" {
		delta.Content = &e.Text
	}
	if d := e.ToolCall; d != nil {
		c := openAIToolCall{Index: &d.Index, ID: d.ID, Function: openAIFunction{d.Name, d.Arguments}}
		if d.ID != "" {
			c.Type = "function"
		}
		delta.ToolCalls = []openAIToolCall{c}
	}
	if delta.Role != "" || !e.Preamble() || e.Finish != nil {
		c := o.chunk("chat.completion.chunk")
		choice := chunkChoice{Delta: delta}
		if e.Finish != nil {
			choice.Finish = finishOf(*e.Finish)
		}
		c.Choices = append(c.Choices, choice)
		frames = append(frames, data(c)...)
	}
	if e.Usage != nil && o.call.usage {
		c := o.chunk("chat.completion.chunk")
		c.Usage = usageOfOpenAI(e.Usage)
		frames = append(frames, data(c)...)
	}
	return frames, !e.Preamble()
}

func finishOf(f genai.Finish) string {
	if f.Reason == genai.FinishOther && f.Raw != "" {
		return f.Raw
	}
	return string(f.Reason)
}

func (o *openAIEncoder) end() []byte { return []byte("data: [DONE]\n\n") }

func (o *openAIEncoder) whole(resp *genai.ChatResponse) any {
	o.start = genai.ChatStart{ID: resp.ID, Model: resp.Model}
	m := &openAIMessage{Role: string(genai.RoleAssistant)}
	if text := resp.Text(); text != "" {
		m.Content = &text
	}
	for _, p := range resp.Message.Parts {
		m.Refusal += p.Refusal
		if p.Reasoning != nil {
			m.ReasoningContent += p.Reasoning.Text
		}
		if c := p.ToolCall; c != nil {
			m.ToolCalls = append(m.ToolCalls, openAIToolCall{ID: c.ID, Type: "function", Function: openAIFunction{c.Name, c.Arguments}})
		}
	}
	c := o.chunk("chat.completion")
	c.Choices = append(c.Choices, chunkChoice{Message: m, Finish: finishOf(resp.Finish)})
	if resp.Usage != nil {
		c.Usage = usageOfOpenAI(resp.Usage)
	}
	return c
}
