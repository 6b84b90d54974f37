package gemini

import (
	"io"
	"strconv"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// An answer decodes the documents of one answer: the events of a stream, or the one document of a whole answer, which does
// not differ. Only the first candidate counts. What is unknown is passed over, since the provider adds to documents as it
// likes.
//
// Some streams have several documents with a reason to finish, and text between them: the last one counts, so none is told
// before the end of the stream.
type answer struct {
	x      *exchange.Exchange
	out    *exchange.Reply // where the events go
	origin string          // where opaque data may go back to

	started bool
	id      string
	calls   int
	content bool   // something that a person or a tool can use was told
	reason  string // the last one
	usage   genai.Usage
	counted bool // usage was told
	doc     document
}

// A document is what one document said.
type document struct {
	id, model string
	candidate bool // the first one was there
	parts     []said
	reason    string
	blocked   string // why the prompt was refused
	failed    bool   // there is an error in it

	hasUsage      bool
	input, tools  int // what was asked, and what the provider's own tools were given
	output, spent int // what was said, and what was thought
	cached        int
}

// A said is a part of a candidate.
type said struct {
	text      string
	thought   bool
	signature string
	call      bool
	id, name  string
	arguments []byte // raw
	raw       []byte
	other     bool // there is something in it that is neither text nor a call
}

// take decodes one event of a stream and returns what ended the answer, if that did.
func (a *answer) take(kind, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if exchange.IsDone(data) { // some gateways end every stream with it
		if a.finished() {
			a.end()
			return io.EOF
		}
		return nil
	}
	if err := a.doc.decode(data, !a.started); err != nil {
		return err
	}
	if a.doc.failed || string(kind) == "error" {
		return a.x.Problem(data)
	}
	return a.tell()
}

// whole decodes a document that is the whole answer, or an array of the documents of a stream, which is how the server
// sends them to those who do not ask for events.
func (a *answer) whole(data []byte) error {
	s := jsonscan.New(data)
	if s.Next() != '[' {
		if err := a.take(nil, data); err != nil {
			return err
		}
		return a.close()
	}
	s.Open('[')
	for s.More(']') {
		if raw := s.Raw(); raw != nil {
			if err := a.take(nil, raw); err != nil {
				return err
			}
		}
	}
	if err := s.End(); err != nil {
		return err
	}
	return a.close()
}

// finished reports whether the provider said why the answer ended. It may go on all the same, and end for another reason.
func (a *answer) finished() bool { return a.reason != "" }

// end tells the end of an answer that is finished.
func (a *answer) end() {
	a.push(genai.ChatEvent{Finish: &genai.Finish{Reason: reasonOf(a.reason, a.calls > 0), Raw: a.reason}})
}

// close is called when a whole answer was read. It may lack a reason, but not be nothing.
func (a *answer) close() error {
	switch {
	case a.finished():
		a.end()
	case !a.content:
		return a.x.Fail(genai.Empty, "the answer has no text, no tool call and no reason")
	case a.calls > 0:
		a.push(genai.ChatEvent{Finish: &genai.Finish{Reason: genai.FinishToolCalls}})
	default:
		a.push(genai.ChatEvent{Finish: &genai.Finish{Reason: genai.FinishOther}})
	}
	return io.EOF
}

func (a *answer) push(e genai.ChatEvent) {
	a.content = a.content || !e.Preamble()
	a.out.Push(e)
}

// tell queues the events of the document that was decoded.
func (a *answer) tell() error {
	d := &a.doc
	if d.blocked != "" {
		e := a.x.Fail(genai.ContentFiltered, "the provider refuses the prompt")
		e.Code = exchange.Clip(d.blocked, 100)
		return e
	}
	var around genai.ChatEvent // what goes with the first part and with the last
	if !a.started && (d.id != "" || d.model != "") {
		a.started, a.id = true, d.id
		around.Start = &genai.ChatStart{ID: d.id, Model: d.model}
	}
	if d.hasUsage { // comes with every document, and is often the same
		usage := genai.Usage{Input: d.input + d.tools, Output: d.output + d.spent, CacheRead: d.cached, Reasoning: d.spent}
		if usage != a.usage || !a.counted {
			a.usage, a.counted = usage, true
			around.Usage = new(usage)
		}
	}
	for i := range d.parts {
		e, err := a.part(&d.parts[i])
		if err != nil {
			return err
		}
		e.Start, around.Start = around.Start, nil
		if i == len(d.parts)-1 {
			e.Usage, around.Usage = around.Usage, nil
		}
		a.push(e)
	}
	a.push(around)
	if d.reason == "" {
		return nil
	}
	a.reason = d.reason
	if kind, ok := broken(d.reason); ok {
		e := a.x.Fail(kind, "the model did not answer as it must")
		e.Code = d.reason
		return e
	}
	return nil
}

// part translates a part.
func (a *answer) part(p *said) (e genai.ChatEvent, err error) {
	if p.signature != "" {
		e.Opaque = &genai.Opaque{Origin: a.origin, Type: signature, Data: p.signature}
	}
	switch {
	case p.call:
		if p.name == "" {
			return e, a.x.Fail(genai.Malformed, "a tool call has no name")
		}
		if p.id == "" {
			p.id = ours + a.id + "_" + strconv.Itoa(a.calls)
		}
		if len(p.arguments) == 0 {
			p.arguments = []byte("{}")
		}
		e.ToolCall = &genai.ToolCallDelta{Index: a.calls, ID: p.id, Name: p.name, Arguments: string(p.arguments)}
		a.calls++
	case p.other, p.text == "" && p.signature != "":
		e.Opaque = &genai.Opaque{Origin: a.origin, Type: keptPart, Data: string(p.raw)}
	case p.thought:
		e.Reasoning = p.text
	default:
		e.Text = p.text
	}
	return e, nil
}

// reasonOf translates the provider's word. It says STOP, too, when the model waits for its tools.
func reasonOf(raw string, called bool) genai.FinishReason {
	switch raw {
	case "STOP":
		if called {
			return genai.FinishToolCalls
		}
		return genai.FinishStop
	case "MAX_TOKENS":
		return genai.FinishLength
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return genai.FinishFiltered
	}
	return genai.FinishOther
}

// broken returns the Kind of a reason that says that there is no answer to use.
func broken(raw string) (genai.Kind, bool) {
	switch raw {
	case "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL":
		return genai.Malformed, true
	case "MISSING_THOUGHT_SIGNATURE":
		return genai.InvalidRequest, true
	}
	return "", false
}
