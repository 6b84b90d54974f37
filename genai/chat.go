package genai

import (
	"encoding/json"
	"strings"
)

// Chat is a model that answers a conversation piece by piece.
type Chat = Handler[*ChatRequest, *Stream[ChatEvent]]

// Completer is a model that answers a conversation with the whole answer at once. [Whole] makes one out of a Chat; the
// client of a provider has its own, which asks the provider not to stream.
type Completer = Handler[*ChatRequest, *ChatResponse]

// A ChatRequest is a conversation to be continued, and how. A tunable that is nil is left to the provider.
type ChatRequest struct {
	Model       string      `json:"model,omitzero"` // empty: the model that the client was configured with
	Messages    []Message   `json:"messages,omitzero"`
	Tools       []Tool      `json:"tools,omitzero"`       // what the model may call
	ToolChoice  *ToolChoice `json:"tool_choice,omitzero"` // nil: the model decides
	Format      *Format     `json:"format,omitzero"`      // nil: plain text
	MaxTokens   *int        `json:"max_tokens,omitzero"`  // the longest answer, reasoning included
	Temperature *float64    `json:"temperature,omitzero"` // 0 is not unset: it means as little chance as possible
	TopP        *float64    `json:"top_p,omitzero"`
	TopK        *int        `json:"top_k,omitzero"`
	Stop        []string    `json:"stop,omitzero"` // texts that end the answer; most providers take up to 4
	Seed        *int64      `json:"seed,omitzero"` // best effort at most; nobody promises the same text twice

	FrequencyPenalty  *float64          `json:"frequency_penalty,omitzero"`
	PresencePenalty   *float64          `json:"presence_penalty,omitzero"`
	LogProbs          *int              `json:"log_probs,omitzero"`           // how many alternatives to report a token
	ParallelToolCalls *bool             `json:"parallel_tool_calls,omitzero"` // whether several tools may be called at once
	Reasoning         *ReasoningOptions `json:"reasoning,omitzero"`           // nil: the model's default
	EndUser           string            `json:"end_user,omitzero"`            // a stable, anonymous name of the person, for abuse checks
	CacheKey          string            `json:"cache_key,omitzero"`           // groups requests that share a prompt prefix
	ServiceTier       string            `json:"service_tier,omitzero"`        // the provider's name for its class of service
	Metadata          map[string]string `json:"metadata,omitzero"`            // kept by the provider beside the answer

	// Extra holds fields of a provider's own, by name, as JSON. They are put beside the fields above, over which they win.
	Extra map[string]json.RawMessage `json:"extra,omitzero"`
}

// ReasoningOptions say how long a model should think.
type ReasoningOptions struct {
	Effort    string `json:"effort,omitzero"`     // the provider's word for it, such as "low" or "high"
	MaxTokens *int   `json:"max_tokens,omitzero"` // for providers that take a number instead
}

// Text returns the text of the last message of the user: what is being asked.
func (r *ChatRequest) Text() string {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		if r.Messages[i].Role == RoleUser {
			return r.Messages[i].Text()
		}
	}
	return ""
}

// A Role says who speaks in a message.
type Role string

// The roles.
const (
	RoleSystem    Role = "system" // whoever built the application; some providers say "developer"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool" // the results of the tools that the assistant called
)

// A Message is one turn of a conversation.
type Message struct {
	Role  Role   `json:"role"`
	Name  string `json:"name,omitzero"` // tells speakers of one role apart
	Parts []Part `json:"parts,omitzero"`
}

// System returns a message of the application.
func System(text string) Message { return say(RoleSystem, text) }

// User returns a message of the user, as text. For pictures and files write a [Message] with its [Part] values.
func User(text string) Message { return say(RoleUser, text) }

// Assistant returns an earlier answer of the model, as text.
func Assistant(text string) Message { return say(RoleAssistant, text) }

func say(role Role, text string) Message {
	return Message{Role: role, Parts: []Part{{Text: text}}}
}

// Text returns the text of the message, without reasoning, media and tools.
func (m Message) Text() string {
	if len(m.Parts) == 1 {
		return m.Parts[0].Text
	}
	var b strings.Builder
	for _, p := range m.Parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

// ToolCalls returns the calls that the message asks for.
func (m Message) ToolCalls() []ToolCall {
	var calls []ToolCall
	for _, p := range m.Parts {
		if p.ToolCall != nil {
			calls = append(calls, *p.ToolCall)
		}
	}
	return calls
}

// A Part is a piece of a message. One field says what it is; Opaque may stand beside it.
type Part struct {
	Text       string      `json:"text,omitzero"`
	Refusal    string      `json:"refusal,omitzero"` // text in which the model declines, where a provider tells it apart
	Image      *Blob       `json:"image,omitzero"`
	Audio      *Blob       `json:"audio,omitzero"`
	File       *File       `json:"file,omitzero"`
	ToolCall   *ToolCall   `json:"tool_call,omitzero"`
	ToolResult *ToolResult `json:"tool_result,omitzero"`
	Reasoning  *Reasoning  `json:"reasoning,omitzero"`
	Opaque     *Opaque     `json:"opaque,omitzero"`
}

// A File is a document, by its contents or by the id under which the provider keeps it.
type File struct {
	Name string `json:"name,omitzero"`
	ID   string `json:"id,omitzero"` // the provider's id; Blob is then unused
	Blob Blob   `json:"blob,omitzero"`
}

// A ToolCall is the model's request to run a tool.
type ToolCall struct {
	ID        string `json:"id,omitzero"` // names the call in its ToolResult
	Name      string `json:"name"`
	Arguments string `json:"arguments,omitzero"` // JSON as the model wrote it: check it before use
	// Incomplete says that the answer was cut inside the arguments. Such a call must never be run.
	Incomplete bool `json:"incomplete,omitzero"`
}

// A ToolResult answers a ToolCall. It belongs into a message of RoleTool.
type ToolResult struct {
	CallID string `json:"call_id,omitzero"`
	Name   string `json:"name,omitzero"`
	Parts  []Part `json:"parts,omitzero"`
	Failed bool   `json:"failed,omitzero"` // the tool failed, and Parts say how
}

// Reasoning is what a model thought before it answered, as far as its provider shows it. Text may be empty where only
// Opaque data stands for it.
type Reasoning struct {
	Text string `json:"text,omitzero"`
}

// Opaque is data that only the provider that made it understands, such as the signature of a thought. It must go back
// to the same origin unchanged, and to no other, which would refuse the request.
type Opaque struct {
	Origin string `json:"origin"` // provider and, where it matters, endpoint and model
	Type   string `json:"type,omitzero"`
	Data   string `json:"data,omitzero"`
}

// A Tool is a function that a model may ask to have called.
type Tool struct {
	Name        string          `json:"name"` // letters, digits, '_' and '-', at most 64, for most providers
	Description string          `json:"description,omitzero"`
	Parameters  json.RawMessage `json:"parameters,omitzero"` // a JSON Schema of an object; nil: no parameters
	Strict      *bool           `json:"strict,omitzero"`     // whether the provider must enforce the schema
}

// A ToolChoice restricts how the model uses the tools.
type ToolChoice struct {
	Mode ToolMode `json:"mode"`
	Name string   `json:"name,omitzero"` // with ToolRequired: this tool and no other
}

// A ToolMode says whether tools are to be called.
type ToolMode string

// The modes of a ToolChoice.
const (
	ToolAuto     ToolMode = "auto"
	ToolNone     ToolMode = "none"
	ToolRequired ToolMode = "required"
)

// A Format asks for an answer in JSON.
type Format struct {
	Name        string          `json:"name,omitzero"` // of the schema; letters, digits, '_' and '-', at most 64
	Description string          `json:"description,omitzero"`
	Schema      json.RawMessage `json:"schema,omitzero"` // nil: any JSON object
	Strict      *bool           `json:"strict,omitzero"` // whether the provider must enforce the schema
}

// A ChatResponse is a whole answer.
type ChatResponse struct {
	ID      string  `json:"id,omitzero"`    // the provider's id of the answer
	Model   string  `json:"model,omitzero"` // the model that really answered
	Message Message `json:"message"`
	Finish  Finish  `json:"finish,omitzero"`
	Usage   *Usage  `json:"usage,omitzero"` // nil: the provider did not say, which is not zero
}

// Text returns the text of the answer.
func (r *ChatResponse) Text() string { return r.Message.Text() }

// Finish says why an answer ended.
type Finish struct {
	Reason FinishReason `json:"reason,omitzero"`
	Raw    string       `json:"raw,omitzero"` // the provider's own word
}

// A FinishReason is why an answer ended, in the words that all providers share.
type FinishReason string

// The reasons. An answer that was cut has none: it ends with an error.
const (
	FinishStop      FinishReason = "stop"           // the model was done, or met a stop text
	FinishLength    FinishReason = "length"         // the limit on tokens, or the window, was reached
	FinishToolCalls FinishReason = "tool_calls"     // the model waits for its tools
	FinishFiltered  FinishReason = "content_filter" // the provider withheld the rest
	FinishOther     FinishReason = "other"          // see Raw
)

// Usage counts the tokens of an answer, the same way for every provider: Input includes what was read from or written
// to a cache, Output includes reasoning.
type Usage struct {
	Input      int  `json:"input"`
	Output     int  `json:"output"`
	CacheRead  int  `json:"cache_read,omitzero"`  // part of Input
	CacheWrite int  `json:"cache_write,omitzero"` // part of Input
	Reasoning  int  `json:"reasoning,omitzero"`   // part of Output
	LowerBound bool `json:"lower_bound,omitzero"` // the answer was cut: at least this much was used
}
