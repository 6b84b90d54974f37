package openai

import (
	"encoding/json"
	"strconv"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// An answer decodes the documents of one answer: the chunks of a stream, or the one document of a whole answer, which
// differs only in calling the delta a message. It turns them into events, which wait in the reply.
//
// Only the first choice counts. Documents of other shapes than expected are tolerated as long as they are JSON objects,
// since every server adds fields of its own; what is not there is simply not said.
type answer struct {
	x      *exchange.Exchange
	out    *exchange.Reply // where the events go
	origin string          // where opaque data may go back to

	id       string
	model    string
	started  bool // the start was told
	content  bool // something that a person or a tool can use was told
	finished bool // the provider said why the answer ended
	thoughts thoughts
	calls    calls
	doc      document
}

// A document is what one chunk said.
type document struct {
	id, model string
	usage     []byte
	choice    choice
	chosen    bool // choice was decoded
	choices   bool // there was a list of them, be it empty

	failure   []byte // the provider's error, raw
	isError   bool   // the document says that it is one
	errorText bool   // it has the text of an error outside of an envelope
	errorCode bool   // and its code
}

// A choice is one choice of a document.
type choice struct {
	index     int
	text      string
	refusal   string
	reasoning string
	field     string // the name under which reasoning came
	details   []byte // reasoning_details, raw
	calls     []callPiece
	finish    string
	own       bool // what belongs into such a document was there: a delta, or a message
	other     bool // the other one was
}

// A callPiece is a piece of a tool call as it was sent.
type callPiece struct {
	index     int
	indexed   bool
	id, name  string
	arguments string
}

// add decodes one document and queues its events. failure is the error of the provider, raw, if the document is or has
// one. A whole document is also an error if it has nothing but the text of one; in a stream that may be some notice.
func (a *answer) add(text []byte, whole bool) (failure []byte, err error) {
	if err := a.decode(text, whole); err != nil {
		return nil, err
	}
	d := &a.doc
	switch {
	case d.failure != nil:
		return d.failure, nil
	case d.isError, d.errorText && !d.choices && (d.errorCode || whole):
		return text, nil
	}
	a.tell()
	if kind, ok := broken(d.choice.finish); ok {
		return nil, &genai.Error{Kind: kind, Code: d.choice.finish, Message: "the provider broke the answer off"}
	}
	return nil, nil
}

// tell queues the events of the document that was decoded.
func (a *answer) tell() {
	d, c := &a.doc, &a.doc.choice
	var e genai.ChatEvent
	e.Start = a.start()
	if c.reasoning != "" || c.details != nil {
		a.thoughts.add(c)
	}
	e.Reasoning, e.Text, e.Refusal = c.reasoning, c.text, c.refusal
	if c.text != "" || c.refusal != "" || len(c.calls) > 0 || c.finish != "" {
		// Thinking is over, unless it goes on in this very document, and what belongs to it must stand behind it.
		if c.reasoning != "" {
			a.push(genai.ChatEvent{Start: e.Start, Reasoning: e.Reasoning})
			e.Start, e.Reasoning = nil, ""
		}
		if opaque := a.thoughts.end(a.origin); opaque != nil {
			a.push(genai.ChatEvent{Start: e.Start, Opaque: opaque})
			e.Start = nil
		}
	}
	for i := range c.calls {
		if e.ToolCall != nil {
			a.push(e)
			e = genai.ChatEvent{}
		}
		e.ToolCall = a.calls.add(&c.calls[i], i)
	}
	if c.finish != "" {
		e = a.finish(e, c.finish)
	}
	if d.usage != nil {
		if u := usageOf(d.usage); u != nil {
			e.Usage = u
		}
	}
	a.push(e)
}

// start returns who answers, once: as soon as all of it is known, and no later than the answer begins. Some servers send a
// document with the verdict on the prompt first, which knows the model and not the id.
func (a *answer) start() *genai.ChatStart {
	if a.started {
		return nil
	}
	d, c := &a.doc, &a.doc.choice
	if d.id != "" {
		a.id = d.id
	}
	if d.model != "" {
		a.model = d.model
	}
	begins := c.text != "" || c.reasoning != "" || c.refusal != "" || len(c.calls) > 0 || c.finish != ""
	if a.id == "" && a.model == "" || (a.id == "" || a.model == "") && !begins {
		return nil
	}
	a.started = true
	return &genai.ChatStart{ID: a.id, Model: a.model}
}

// finish adds the reason to e, behind what tool calls still lack.
func (a *answer) finish(e genai.ChatEvent, raw string) genai.ChatEvent {
	if rest := a.calls.withoutArguments(); len(rest) > 0 {
		a.push(e)
		e = genai.ChatEvent{}
		for _, call := range rest {
			a.push(genai.ChatEvent{ToolCall: call})
		}
	}
	e.Finish = &genai.Finish{Reason: reasonOf(raw, a.calls.any()), Raw: raw}
	a.finished = true
	return e
}

func (a *answer) push(e genai.ChatEvent) {
	a.content = a.content || !e.Preamble()
	a.out.Push(e)
}

// close is called when the provider said that the answer is complete. An answer may lack a reason, but not be nothing.
func (a *answer) close() error {
	if a.finished {
		return nil
	}
	if !a.content {
		return genai.Errorf(genai.Empty, "the answer has no text, no tool call and no reason")
	}
	if opaque := a.thoughts.end(a.origin); opaque != nil {
		a.push(genai.ChatEvent{Opaque: opaque})
	}
	a.push(a.finish(genai.ChatEvent{}, ""))
	return nil
}

// reasonOf translates the provider's word. Some servers say "stop", or nothing, although the model waits for its tools.
func reasonOf(raw string, called bool) genai.FinishReason {
	switch raw {
	case "", "stop", "eos", "end_turn":
		if called {
			return genai.FinishToolCalls
		}
		if raw != "" {
			return genai.FinishStop
		}
	case "length", "max_tokens", "model_length":
		return genai.FinishLength
	case "tool_calls", "function_call":
		return genai.FinishToolCalls
	case "content_filter", "guardrail_intervened": // the latter of gateways to Bedrock
		return genai.FinishFiltered
	}
	return genai.FinishOther
}

// broken returns the Kind of a reason that says that the provider failed and not that the model was done.
func broken(raw string) (genai.Kind, bool) {
	switch raw {
	case "error":
		return genai.ServerError, true
	case "insufficient_system_resource":
		return genai.Overloaded, true
	}
	return "", false
}

// decode reads a document into a.doc.
func (a *answer) decode(text []byte, whole bool) error {
	own := "delta"
	if whole {
		own = "message"
	}
	calls := a.doc.choice.calls[:0]
	a.doc = document{}
	d := &a.doc
	d.choice.calls = calls
	s := jsonscan.New(text)
	if s.Next() != '{' {
		s.Fail()
		return s.End()
	}
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "id":
			if a.started {
				s.Skip()
			} else {
				d.id = s.Text()
			}
		case "model":
			if a.started {
				s.Skip()
			} else {
				d.model = s.Text()
			}
		case "choices":
			d.choices = s.Next() == '['
			d.choose(&s, own)
		case "usage":
			if raw := s.Raw(); raw != nil {
				d.usage = raw
			}
		case "x_groq":
			d.groq(&s)
		case "error":
			d.failure = failureIn(s.Raw())
		case "object":
			d.isError = string(s.Raw()) == `"error"`
		case "message", "detail":
			d.errorText = worded(s.Raw()) || d.errorText
		case "code":
			d.errorCode = s.Raw() != nil
		default:
			s.Skip()
		}
	}
	return s.End()
}

// failureIn returns raw if it says that something failed: some servers send an empty error with every document.
func failureIn(raw []byte) []byte {
	if len(raw) > 2 && (raw[0] == '{' || raw[0] == '"' || raw[0] == '[') {
		return raw
	}
	return nil
}

// worded reports whether raw may be what a failure says of itself outside of an envelope: a text, or a list.
func worded(raw []byte) bool { return len(raw) > 2 && (raw[0] == '"' || raw[0] == '[') }

// groq looks for usage where one provider puts it.
func (d *document) groq(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		if string(s.Key()) != "usage" {
			s.Skip()
		} else if raw := s.Raw(); raw != nil && d.usage == nil {
			d.usage = raw
		}
	}
}

// choose decodes the first of the choices.
func (d *document) choose(s *jsonscan.Scanner, own string) {
	if !s.Open('[') {
		return
	}
	for s.More(']') {
		if d.chosen {
			s.Skip()
			continue
		}
		c := choice{calls: d.choice.calls[:0]}
		c.decode(s, own)
		d.choice.calls = c.calls
		if c.index == 0 {
			d.choice, d.chosen = c, true
		}
	}
	if !d.chosen {
		d.choice.calls = d.choice.calls[:0]
	}
}

// decode reads a choice. One that has both a delta and a message says the same twice, or all so far beside what is new;
// own is the one that counts.
func (c *choice) decode(s *jsonscan.Scanner, own string) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		switch string(s.Key()) {
		case "index":
			c.index, _ = s.Integer()
		case own:
			if c.other {
				*c = choice{index: c.index, finish: c.finish, calls: c.calls[:0]}
			}
			c.own = true
			c.message(s)
		case "delta", "message":
			if c.own {
				s.Skip()
				continue
			}
			c.other = true
			c.message(s)
		case "finish_reason":
			c.finish = s.Text()
		default:
			s.Skip()
		}
	}
}

// message reads a delta or a message. Reasoning has three names; servers that use two of them say the same twice.
func (c *choice) message(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		switch string(s.Key()) {
		case "content":
			if s.Next() == '[' {
				c.parts(s)
			} else {
				c.text = s.Text()
			}
		case "refusal":
			c.refusal = s.Text()
		case "reasoning_content":
			c.think("reasoning_content", s.Text())
		case "reasoning":
			c.think("reasoning", s.Text())
		case "reasoning_details":
			if raw := s.Raw(); len(raw) > 2 && raw[0] == '[' {
				c.details = raw
			}
		case "tool_calls":
			if s.Open('[') {
				for s.More(']') {
					c.calls = append(c.calls, callPiece{})
					c.calls[len(c.calls)-1].decode(s)
				}
			}
		default:
			s.Skip()
		}
	}
}

func (c *choice) think(field, text string) {
	if text != "" && c.reasoning == "" {
		c.reasoning, c.field = text, field
	}
}

// parts reads content that comes as an array, which may have thoughts in it.
func (c *choice) parts(s *jsonscan.Scanner) {
	if !s.Open('[') {
		return
	}
	for s.More(']') {
		if s.Next() == '"' {
			c.text += s.Text()
			continue
		}
		var p struct {
			Text     string
			Refusal  string
			Thinking json.RawMessage
		}
		if raw := s.Raw(); raw == nil || json.Unmarshal(raw, &p) != nil {
			continue
		}
		c.text += p.Text
		c.refusal += p.Refusal
		if p.Thinking != nil {
			var thought choice
			thought.field = "content"
			t := jsonscan.New(p.Thinking)
			if t.Next() == '[' {
				thought.parts(&t)
			} else {
				thought.text = t.Text()
			}
			c.reasoning += thought.text
			c.field = "content"
		}
	}
}

func (p *callPiece) decode(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		switch string(s.Key()) {
		case "index":
			p.index, p.indexed = s.Integer()
		case "id":
			p.id = s.Text()
		case "function":
			if !s.Open('{') {
				continue
			}
			for s.More('}') {
				switch string(s.Key()) {
				case "name":
					p.name = s.Text()
				case "arguments":
					if s.Next() == '{' {
						p.arguments = string(s.Raw())
					} else {
						p.arguments = s.Text()
					}
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
}

// synthetic names a call that its provider left without an id, so that its result can be told from others.
func synthetic(index int) string { return "call_" + strconv.Itoa(index) }
