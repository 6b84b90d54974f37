package openai

import (
	"encoding/json"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// The types of our opaque data from this interface: an item of reasoning, another item that goes back as it came, and the
// phase of a text.
const (
	itemReasoning = "response.reasoning"
	itemOther     = "response.item"
	itemPhase     = "response.phase"
)

// An answerItem is one element of an answer.
type answerItem struct {
	Type      string
	CallID    string `json:"call_id"`
	Name      string
	Arguments json.RawMessage
	Phase     string
	Summary   []itemPart
	Content   []itemPart
	Encrypted string `json:"encrypted_content"`
}

type itemPart struct {
	Type, Text, Refusal string
}

// itemOf decodes an item. A member of another type than documented is as if it were not there.
func itemOf(raw []byte) (it answerItem) {
	_ = json.Unmarshal(raw, &it) // it goes on behind such a member
	return it
}

// argumentsOf returns the arguments of a call, which are text with JSON in it, or that JSON itself.
func argumentsOf(raw []byte) string {
	if len(raw) > 0 && raw[0] == '{' {
		return string(raw)
	}
	s := jsonscan.New(raw)
	return s.Text()
}

// item finds what was told of an item, the latest at its place. Some servers forget to announce one.
func (r *response) item(index int) *outputItem {
	for i := len(r.items) - 1; i >= 0; i-- {
		if r.items[i].index == index {
			return &r.items[i]
		}
	}
	r.items = append(r.items, outputItem{index: index})
	return &r.items[len(r.items)-1]
}

// begin tells that an item begins, if that says something already: what a tool is called, before its arguments.
func (r *response) begin(it *outputItem, raw []byte) {
	if in := itemOf(raw); in.Type == "function_call" {
		r.call(it, in)
	}
}

// call begins a tool call.
func (r *response) call(it *outputItem, in answerItem) {
	if it.call > 0 {
		return
	}
	r.calls++
	it.call = r.calls
	id := in.CallID
	if id == "" {
		id = synthetic(it.call - 1)
	}
	r.out.Push(genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: it.call - 1, ID: id, Name: in.Name}})
}

// argue adds arguments to a tool call. Those of a call that nobody announced are left out, and come with its end.
func (r *response) argue(it *outputItem, arguments string) {
	if it.call == 0 || arguments == "" {
		return
	}
	it.arguments = true
	r.out.Push(genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: it.call - 1, Arguments: arguments}})
}

// think tells a piece of reasoning. Parts of it stand apart.
func (r *response) think(it *outputItem, e *responseEvent) {
	text := e.delta
	if it.told && it.thought != e.part+1 && text != "" {
		text = "\n\n" + text
	}
	if text != "" {
		it.told, it.thought = true, e.part+1
	}
	r.out.Push(genai.ChatEvent{Reasoning: text})
}

// finish tells what is left of an item that is complete.
func (r *response) finish(it *outputItem, raw []byte) {
	if raw == nil || it.done {
		return
	}
	in := itemOf(raw)
	it.done = true
	switch in.Type {
	case "message":
		for _, p := range in.Content {
			if !it.told {
				r.out.Push(genai.ChatEvent{Text: p.Text, Refusal: p.Refusal})
			}
		}
		if in.Phase != "" {
			r.out.Push(genai.ChatEvent{Opaque: &genai.Opaque{Origin: r.origin, Type: itemPhase, Data: in.Phase}})
		}
	case "function_call":
		r.call(it, in)
		if !it.arguments {
			r.argue(it, argumentsOf(in.Arguments))
		}
	case "reasoning":
		if !it.told {
			r.out.Push(genai.ChatEvent{Reasoning: in.thoughts()})
		}
		r.out.Push(genai.ChatEvent{Opaque: &genai.Opaque{Origin: r.origin, Type: itemReasoning, Data: string(raw)}})
	default: // of tools that run at the provider
		r.out.Push(genai.ChatEvent{Opaque: &genai.Opaque{Origin: r.origin, Type: itemOther, Data: string(raw)}})
	}
}

// thoughts returns the text of an item of reasoning, as far as the provider shows it.
func (in answerItem) thoughts() string {
	var texts []string
	for _, list := range [][]itemPart{in.Summary, in.Content} {
		for _, p := range list {
			if p.Text != "" {
				texts = append(texts, p.Text)
			}
		}
	}
	return strings.Join(texts, "\n\n")
}

// A responseEvent is what one event says.
type responseEvent struct {
	kind      []byte
	delta     string
	arguments string
	index     int    // of the item
	part      int    // of the reasoning; summaries and the reasoning itself count apart
	item      []byte // raw
	response  []byte // raw
	failure   []byte // raw
}

func (e *responseEvent) decode(text []byte) error {
	s := jsonscan.New(text)
	if s.Next() != '{' {
		s.Fail()
		return s.End()
	}
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "type":
			if raw := s.Raw(); len(raw) > 2 && raw[0] == '"' {
				e.kind = raw[1 : len(raw)-1] // as it stands: no type has an escape in it
			}
		case "delta":
			if s.Next() == '{' {
				e.delta = string(s.Raw())
			} else {
				e.delta = s.Text()
			}
		case "arguments":
			e.arguments = argumentsOf(s.Raw())
		case "output_index":
			e.index, _ = s.Integer()
		case "summary_index":
			e.part, _ = s.Integer()
		case "content_index":
			n, _ := s.Integer()
			e.part = 1<<16 + n
		case "item":
			e.item = s.Raw()
		case "response":
			e.response = s.Raw()
		case "error":
			e.failure = failureIn(s.Raw())
		default:
			s.Skip()
		}
	}
	return s.End()
}

// A responseHead is what an answer says besides its items.
type responseHead struct {
	id, model string
	status    string
	reason    string // why it is incomplete
	thoughts  string // what one server has beside the items
	failure   []byte // raw
	usage     []byte // raw
	output    []byte // the items, raw
	listed    bool   // there is a list of items, be it empty
	text      bool   // it has the text of an error
}

func (h *responseHead) decode(text []byte) error {
	s := jsonscan.New(text)
	if s.Next() != '{' {
		s.Fail()
		return s.End()
	}
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "id":
			h.id = s.Text()
		case "model":
			h.model = s.Text()
		case "status":
			h.status = s.Text()
		case "output":
			h.listed = s.Next() == '['
			h.output = s.Raw()
		case "usage":
			h.usage = s.Raw()
		case "error":
			h.failure = failureIn(s.Raw())
		case "reasoning":
			h.thoughts = s.Text() // with others it is an object: how it was asked for
		case "incomplete_details":
			if s.Open('{') {
				for s.More('}') {
					if string(s.Key()) == "reason" {
						h.reason = s.Text()
					} else {
						s.Skip()
					}
				}
			}
		case "message", "detail":
			h.text = worded(s.Raw()) || h.text
		default:
			s.Skip()
		}
	}
	return s.End()
}
