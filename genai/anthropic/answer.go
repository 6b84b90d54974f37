package anthropic

import (
	"encoding/json"
	"io"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// An answer decodes the events of one answer, or the document that is a whole one: its blocks are what the events at the
// beginning of a block have in them. What is unknown is passed over, since the provider adds to events as it likes.
type answer struct {
	x      *exchange.Exchange
	out    *exchange.Reply // where the events go
	origin string          // where opaque data may go back to

	open     []*block // the blocks that are not over
	calls    int
	content  bool // something that a person or a tool can use was told
	finished bool // the provider said why the answer ended
	tokens   tokens
	event    event
}

// An event is what one event said. Fields that it did not have are zero.
type event struct {
	typ   []byte // raw
	index int
	delta delta

	block, message, usage []byte // raw
	failed                bool   // there is an error in it
}

type delta struct {
	text, json, thinking string
	signature            string
	citation             []byte // raw
	reason               string
	details              []byte // of the reason; raw
	other                bool   // there is something in it that we do not know
}

// take decodes one event of a stream and returns what ended the answer, if that did.
func (a *answer) take(kind, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if exchange.IsDone(data) { // some gateways end every stream with it
		if a.finished {
			return io.EOF
		}
		return nil
	}
	if err := a.event.decode(data); err != nil {
		return err
	}
	e := &a.event
	if len(e.typ) > 2 {
		kind = e.typ[1 : len(e.typ)-1]
	}
	switch string(kind) {
	case "error":
		return a.x.Problem(data)
	case "message_start":
		a.start(e.message)
	case "content_block_start":
		return a.begin(e.index, e.block)
	case "content_block_delta":
		return a.grow(e.index, &e.delta)
	case "content_block_stop":
		a.end(e.index)
	case "message_delta":
		a.finish(&e.delta, e.usage)
	case "message_stop":
		return a.close()
	default: // a ping, or something newer than this client
		if e.failed {
			return a.x.Problem(data)
		}
	}
	return nil
}

// whole decodes a document that is the whole answer.
func (a *answer) whole(data []byte) error {
	var m message
	if s := jsonscan.New(data); s.Next() == '[' {
		return a.x.Problem(data) // nobody answers with an array, but some send errors in one
	}
	if err := m.decode(data); err != nil {
		return err
	}
	if m.failed {
		return a.x.Problem(data)
	}
	if m.blocks == nil && m.reason == "" {
		return a.x.Fail(genai.Malformed, "the answer is not a message")
	}
	a.start(data)
	for i, raw := range m.blocks {
		if err := a.begin(i, raw); err != nil {
			return err
		}
		a.end(i)
	}
	a.finish(&m.delta, nil)
	return a.close()
}

func (a *answer) push(e genai.ChatEvent) {
	a.content = a.content || !e.Preamble()
	a.out.Push(e)
}

// start tells who answers. raw is a message, of which the blocks are not looked at.
func (a *answer) start(raw []byte) {
	var m message
	if raw == nil || m.decode(raw) != nil || m.id == "" && m.model == "" {
		return
	}
	e := genai.ChatEvent{Start: &genai.ChatStart{ID: m.id, Model: m.model}}
	if a.tokens.add(m.usage) {
		e.Usage = a.tokens.usage()
	}
	a.push(e)
}

// finish tells why the answer ended, and what it took.
func (a *answer) finish(d *delta, usage []byte) {
	var e genai.ChatEvent
	if a.tokens.add(usage) {
		e.Usage = a.tokens.usage()
	}
	if d.reason != "" {
		for len(a.open) > 0 {
			a.end(a.open[0].index)
		}
		var details struct{ Explanation string }
		if json.Unmarshal(d.details, &details) == nil && d.reason == "refusal" {
			e.Refusal = details.Explanation
		}
		e.Finish = &genai.Finish{Reason: reasonOf(d.reason), Raw: d.reason}
		a.finished = true
	}
	a.push(e)
}

// close is called when the provider said that the answer is complete. An answer may lack a reason, but not be nothing.
func (a *answer) close() error {
	if a.finished {
		return io.EOF
	}
	if !a.content {
		return a.x.Fail(genai.Empty, "the answer has no text, no tool call and no reason")
	}
	for len(a.open) > 0 {
		a.end(a.open[0].index)
	}
	a.finished = true
	finish := &genai.Finish{Reason: genai.FinishOther}
	if a.calls > 0 {
		finish.Reason = genai.FinishToolCalls
	}
	a.push(genai.ChatEvent{Finish: finish})
	return io.EOF
}

// reasonOf translates the provider's word.
func reasonOf(raw string) genai.FinishReason {
	switch raw {
	case "end_turn", "stop_sequence":
		return genai.FinishStop
	case "max_tokens", "model_context_window_exceeded":
		return genai.FinishLength
	case "tool_use":
		return genai.FinishToolCalls
	case "refusal":
		return genai.FinishFiltered
	}
	return genai.FinishOther // pause_turn: send the answer back, and it goes on
}

// decode reads the members of an event, whatever its type is: it may stand behind them.
func (e *event) decode(text []byte) error {
	*e = event{}
	s := jsonscan.New(text)
	if s.Next() != '{' {
		s.Fail()
		return s.End()
	}
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "type":
			e.typ = s.Raw()
		case "index":
			e.index, _ = s.Integer()
		case "delta":
			e.delta.decode(&s)
		case "content_block":
			e.block = s.Raw()
		case "message":
			e.message = s.Raw()
		case "usage":
			e.usage = s.Raw()
		case "error":
			e.failed = s.Raw() != nil
		default:
			s.Skip()
		}
	}
	return s.End()
}

func (d *delta) decode(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		switch string(s.Key()) {
		case "text":
			d.text = s.Text()
		case "partial_json":
			d.json = s.Text()
		case "thinking":
			d.thinking = s.Text()
		case "signature":
			d.signature = s.Text()
		case "citation":
			d.citation = s.Raw()
		case "stop_reason":
			d.reason = s.Text()
		case "stop_details":
			d.details = s.Raw()
		case "type":
			s.Skip()
		default:
			d.other = s.Raw() != nil || d.other
		}
	}
}

// A message is a whole message, or what one begins with.
type message struct {
	id, model string
	blocks    [][]byte // raw
	usage     []byte   // raw
	failed    bool
	delta
}

func (m *message) decode(text []byte) error {
	s := jsonscan.New(text)
	if s.Next() != '{' {
		s.Fail()
		return s.End()
	}
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "id":
			m.id = s.Text()
		case "model":
			m.model = s.Text()
		case "content":
			if s.Open('[') {
				m.blocks = [][]byte{}
				for s.More(']') {
					m.blocks = append(m.blocks, s.Raw())
				}
			}
		case "usage":
			m.usage = s.Raw()
		case "stop_reason":
			m.reason = s.Text()
		case "stop_details":
			m.details = s.Raw()
		case "type":
			m.failed = string(s.Raw()) == `"error"` || m.failed
		case "error":
			m.failed = s.Raw() != nil || m.failed
		default:
			s.Skip()
		}
	}
	return s.End()
}
