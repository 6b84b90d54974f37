// Package contract is what the services of the desk agree on: the names and types of their operations. It is all that
// one of them knows of another.
package contract

import (
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// The operations. What is safe may be repeated freely. An answer costs money, so it is repeated under the key of its question only: then
// it is the same answer, paid for once. Who has lost the connection comes back for it within Keep.
var (
	// Ask answers a question: the desk's own operation, which the page and the command line call.
	Ask = transport.Op[*Question, *genai.Stream[Update]]{Name: "desk.ask", Idempotency: transport.Keyed, Keep: time.Minute}
	// Moderate says whether a text may go on, and in what form.
	Moderate = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "moderation.check", Idempotency: transport.Safe}
	// Search finds passages of the knowledge base.
	Search = transport.Op[*SearchRequest, *Passages]{Name: "retrieval.search", Idempotency: transport.Safe}
	// Answer continues a conversation with a model.
	Answer = transport.Op[*genai.ChatRequest, *genai.Stream[genai.ChatEvent]]{Name: "answers.chat", Idempotency: transport.Keyed, Keep: time.Minute}
	// Health tells how the models behind Answer are.
	Health = transport.Op[*HealthRequest, *ModelHealth]{Name: "answers.health", Idempotency: transport.Safe}
)

// Services are the names that a placement may use.
var Services = []string{"desk", "moderation", "retrieval", "answers"}

// Person is who calls the desk, and nothing else.
const Person = "person"

// A Question is what a person asks, and what was said before.
type Question struct {
	Text    string `json:"text"`
	History []Turn `json:"history,omitzero"` // oldest first; the desk itself remembers nothing
}

// A Turn is an earlier question with its answer.
type Turn struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// An Update is one step of the desk's answer. One field is set.
type Update struct {
	Text      string    `json:"text,omitzero"`      // the next piece of the answer
	Refusal   string    `json:"refusal,omitzero"`   // why there is no answer, for the person
	Notice    string    `json:"notice,omitzero"`    // something the person should know, such as what was redacted
	Citations []Passage `json:"citations,omitzero"` // the passages that the answer rests on, [1] first
	Model     string    `json:"model,omitzero"`     // who answers
	Event     *Event    `json:"event,omitzero"`     // what happened behind the scenes
	Attempts  []Attempt `json:"attempts,omitzero"`  // what was tried with the models, if the first attempt was not enough
}

// Preamble keeps an answer back until there is something to read.
func (u Update) Preamble() bool { return u.Text == "" && u.Refusal == "" && u.Notice == "" }

// An Event is a call to another service, or something a policy did on the way.
type Event struct {
	Name      string     `json:"name"` // "call", "retry", "fallback", "breaker"
	Service   string     `json:"service,omitzero"`
	Transport string     `json:"transport,omitzero"`
	Millis    float64    `json:"millis,omitzero"`
	Kind      genai.Kind `json:"kind,omitzero"` // how it failed; empty if it did not
}

// An Attempt is one try at an answer.
type Attempt struct {
	Model  string     `json:"model,omitzero"`
	By     string     `json:"by,omitzero"`     // who decided to try: "retry", "fallback"
	Kind   genai.Kind `json:"kind,omitzero"`   // how it failed; empty if it did not
	Delay  float64    `json:"delay,omitzero"`  // the milliseconds that were waited before
	Millis float64    `json:"millis,omitzero"` // and that it took
}

// A SearchRequest asks for passages about something.
type SearchRequest struct {
	Query string `json:"query"`
	Top   *int   `json:"top,omitzero"` // how many, 1 to 50; nil: 4
}

// Passages are the result of a search, the best first.
type Passages struct {
	Passages []Passage `json:"passages"`
}

// A Passage is a section of the knowledge base.
type Passage struct {
	Source string  `json:"source"` // file and section, such as "streams.md#the-commit-point"
	Title  string  `json:"title"`
	Text   string  `json:"text"` // Markdown
	Score  float64 `json:"score,omitzero"`
}

// A HealthRequest asks nothing in particular.
type HealthRequest struct{}

// ModelHealth tells how the models behind the answers are.
type ModelHealth struct {
	Models []ModelState `json:"models"`
}

// A ModelState is the state of one model.
type ModelState struct {
	Name        string     `json:"name"`
	Breaker     string     `json:"breaker"` // "closed", "open", "half-open"; empty: it has none
	Calls       int        `json:"calls"`
	Failures    int        `json:"failures"`
	LastFailure genai.Kind `json:"last_failure,omitzero"`
	InFlight    int        `json:"in_flight"`

	// Milliseconds until the first token: the median of the last answers, and the last one. 0: there was none.
	FirstToken     float64 `json:"first_token,omitzero"`
	LastFirstToken float64 `json:"last_first_token,omitzero"`
}
