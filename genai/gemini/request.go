package gemini

import (
	"encoding/json"
	"math"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
)

// chatBody is the request as it is sent. What is absent is left to the server.
type chatBody struct {
	System   *content       `json:"systemInstruction,omitzero"`
	Contents []content      `json:"contents"`
	Tools    []tools        `json:"tools,omitempty"`
	Config   *toolConfig    `json:"toolConfig,omitzero"`
	Options  map[string]any `json:"generationConfig,omitempty"`
}

type tools struct {
	Functions []function `json:"functionDeclarations"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitzero"`
	Parameters  json.RawMessage `json:"parametersJsonSchema,omitempty"`
}

type toolConfig struct {
	Calling calling `json:"functionCallingConfig"`
}

type calling struct {
	Mode    string   `json:"mode"`
	Allowed []string `json:"allowedFunctionNames,omitempty"`
}

type thinking struct {
	Include bool   `json:"includeThoughts,omitzero"`
	Budget  *int   `json:"thinkingBudget,omitzero"`
	Level   string `json:"thinkingLevel,omitzero"`
}

// An encoder turns a request into its body, or finds out what in it this interface has no words for.
type encoder struct {
	exchange.Check
	origin    string            // whose opaque data may be sent
	demanding bool              // the model insists on signatures
	names     map[string]string // of the tools that were called, by the id of the call
}

// encodeChat returns the model that a chat request is for, and its body.
func (c *Client) encodeChat(x *exchange.Exchange, req *genai.ChatRequest, paths bool) (string, []byte, error) {
	e := &encoder{Check: exchange.Check{X: x, Provider: "Gemini", Paths: paths}, origin: x.Base.Host, names: map[string]string{}}
	if !e.Messages(req) {
		return "", nil, e.Err
	}
	model := e.Model(req.Model, c.Model)
	e.demanding = demanding(model)
	b := chatBody{Options: e.options(req)}
	extra := e.Merge(b.Options, req.Extra, "generationConfig")
	e.tools(&b, req)
	e.messages(&b, req.Messages)
	e.Unread("log_probs", req.LogProbs != nil)
	e.Lacks("end_user", req.EndUser != "")
	e.Lacks("cache_key", req.CacheKey != "")
	e.Lacks("service_tier", req.ServiceTier != "")
	e.Lacks("metadata", len(req.Metadata) > 0)
	if e.Err != nil && !paths {
		return c.encodeChat(x, req, true)
	}
	if e.Err != nil {
		return "", nil, e.Err
	}
	body, err := x.Body(b, extra)
	return model, body, err
}

// options translates the tunables.
func (e *encoder) options(req *genai.ChatRequest) map[string]any {
	o := map[string]any{}
	exchange.Set(o, "maxOutputTokens", req.MaxTokens)
	exchange.Set(o, "temperature", req.Temperature)
	exchange.Set(o, "topP", req.TopP)
	exchange.Set(o, "topK", req.TopK)
	exchange.Set(o, "seed", req.Seed)
	exchange.Set(o, "frequencyPenalty", req.FrequencyPenalty)
	exchange.Set(o, "presencePenalty", req.PresencePenalty)
	if len(req.Stop) > 0 {
		o["stopSequences"] = req.Stop
	}
	e.Number("temperature", req.Temperature)
	e.Number("top_p", req.TopP)
	e.Number("frequency_penalty", req.FrequencyPenalty)
	e.Number("presence_penalty", req.PresencePenalty)
	if req.Seed != nil && (*req.Seed > math.MaxInt32 || *req.Seed < math.MinInt32) {
		e.Bad(genai.InvalidRequest, "seed", "Gemini takes seeds of 32 bits")
	}
	if t := e.thinking(req.Reasoning); t != nil {
		o["thinkingConfig"] = t
	}
	if f := req.Format; f != nil {
		o["responseMimeType"] = "application/json"
		if f.Schema != nil {
			o["responseJsonSchema"] = e.Schema(f)
		}
	}
	return o
}

// thinking translates how long to think: by a budget, or by a word of the provider's. Who asks for thoughts is shown them.
func (e *encoder) thinking(r *genai.ReasoningOptions) *thinking {
	off := 0
	switch {
	case r == nil || *r == (genai.ReasoningOptions{}):
		return nil
	case r.Effort == "none" || r.Effort == "" && *r.MaxTokens == 0:
		return &thinking{Budget: &off}
	}
	return &thinking{Include: true, Budget: r.MaxTokens, Level: r.Effort}
}

func (e *encoder) tools(b *chatBody, req *genai.ChatRequest) {
	e.Lacks("parallel_tool_calls", req.ParallelToolCalls != nil && !*req.ParallelToolCalls)
	e.Tools(req.Tools)
	strict := false
	var functions []function
	for _, t := range req.Tools {
		functions = append(functions, function{t.Name, t.Description, t.Parameters})
		strict = strict || t.Strict != nil && *t.Strict
	}
	if functions != nil {
		b.Tools = []tools{{functions}}
	}
	choice := req.ToolChoice
	e.Choice(choice)
	switch {
	case choice == nil || choice.Mode == genai.ToolAuto:
		if strict { // the mode in which calls keep to their schemas
			b.Config = &toolConfig{calling{Mode: "VALIDATED"}}
		} else if choice != nil {
			b.Config = &toolConfig{calling{Mode: "AUTO"}}
		}
	case choice.Mode == genai.ToolNone:
		b.Config = &toolConfig{calling{Mode: "NONE"}}
	case choice.Name != "":
		b.Config = &toolConfig{calling{Mode: "ANY", Allowed: []string{choice.Name}}}
	default:
		b.Config = &toolConfig{calling{Mode: "ANY"}}
	}
}

// messages translates a conversation. The results of all tools that were called together are one message.
func (e *encoder) messages(b *chatBody, in []genai.Message) {
	for i := range in {
		m, at := &in[i], e.At("", "messages", i)
		if m.Name != "" {
			e.Bad(genai.Unsupported, at+".name", "Gemini knows no names of speakers")
		}
		c := content{Role: "user"}
		switch m.Role {
		case genai.RoleSystem:
			if len(b.Contents) > 0 {
				e.Bad(genai.Unsupported, at+".role", "Gemini takes messages of the system at the start only")
			}
			if b.System == nil {
				b.System = &content{}
			}
			b.System.Parts = append(b.System.Parts, e.said(m, at)...)
			continue
		case genai.RoleUser:
			c.Parts = e.said(m, at)
		case genai.RoleAssistant:
			c.Role, c.Parts = "model", e.answer(m, at)
		case genai.RoleTool:
			c.Parts = e.results(m, at)
			if n := len(b.Contents); i > 0 && in[i-1].Role == genai.RoleTool && n > 0 {
				b.Contents[n-1].Parts = append(b.Contents[n-1].Parts, c.Parts...)
				continue
			}
		default:
			e.Bad(genai.InvalidRequest, at+".role", "there is no such role")
		}
		if len(c.Parts) > 0 {
			b.Contents = append(b.Contents, c)
		}
	}
	if len(b.Contents) == 0 {
		e.Bad(genai.InvalidRequest, "messages", "there is nothing to answer")
	}
}
