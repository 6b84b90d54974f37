package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/exchange"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// A block is a piece of the answer's content that is still arriving.
type block struct {
	index     int // the provider's number
	kind      blockKind
	typ       string // of a block that we only keep
	signature string
	citations [][]byte

	call  int  // our number of the tool call
	begun bool // arguments were told
	input []byte

	raw     []byte          // a block that we only keep, as it began
	partial strings.Builder // the input of it, in pieces
	lossy   bool            // it came in pieces that we do not know how to put together
}

type blockKind int

const (
	textKind blockKind = iota
	thinkingKind
	toolKind
	keptKind
)

// begin opens a block. In a whole answer all of it is there; in a stream it is mostly empty.
func (a *answer) begin(index int, raw []byte) error {
	var d delta
	var typ, id, name string
	b := &block{index: index}
	s := jsonscan.New(raw)
	if s.Open('{') {
		for s.More('}') {
			switch string(s.Key()) {
			case "type":
				typ = s.Text()
			case "text":
				d.text = s.Text()
			case "thinking":
				d.thinking = s.Text()
			case "signature":
				d.signature = s.Text()
			case "id":
				id = s.Text()
			case "name":
				name = s.Text()
			case "input":
				b.input = s.Raw()
			case "citations":
				if s.Open('[') {
					for s.More(']') {
						b.citations = append(b.citations, clone(s.Raw()))
					}
				}
			default:
				s.Skip()
			}
		}
	}
	if s.End() != nil || typ == "" {
		return a.x.Fail(genai.Malformed, "a block of the answer has no type")
	}
	for len(a.open) > 0 && a.find(index) != nil {
		a.end(index) // a gateway that forgets to say so
	}
	a.open = append(a.open, b)
	switch typ {
	case "text":
		b.kind = textKind
	case "thinking":
		b.kind = thinkingKind
	case "tool_use":
		b.kind = toolKind
		if name == "" || id == "" {
			return a.x.Fail(genai.Malformed, "a tool call has no name or no id")
		}
		b.call = a.calls
		a.calls++
		b.input = clone(b.input)
		a.push(genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: b.call, ID: id, Name: name}})
		return nil
	default:
		b.kind, b.typ, b.raw = keptKind, typ, clone(raw)
		return nil
	}
	return a.grow(index, &d)
}

// clone copies what must outlive the event that it came with.
func clone(raw []byte) []byte { return append([]byte(nil), raw...) }

func (a *answer) find(index int) *block {
	for _, b := range a.open {
		if b.index == index {
			return b
		}
	}
	return nil
}

// grow adds a piece to a block.
func (a *answer) grow(index int, d *delta) error {
	b := a.find(index)
	switch {
	case b == nil && (d.json != "" || d.signature != "" || d.citation != nil):
		return a.x.Fail(genai.Malformed, "a block of the answer goes on that never began")
	case b == nil || b.kind == textKind || b.kind == thinkingKind:
		if d.citation != nil && b != nil {
			b.citations = append(b.citations, clone(d.citation))
		}
		if d.signature != "" && b != nil {
			b.signature = d.signature
		}
		a.push(genai.ChatEvent{Text: d.text, Reasoning: d.thinking})
	case b.kind == toolKind:
		if d.json != "" {
			b.begun = true
			a.push(genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: b.call, Arguments: d.json}})
		}
	default:
		b.lossy = b.lossy || d.other || d.text != "" || d.thinking != ""
		if b.partial.WriteString(d.json); b.partial.Len() > a.x.Max() {
			return genai.Errorf(genai.TooLarge, "a block of the answer has more than %d bytes", a.x.Max())
		}
	}
	return nil
}

// end closes a block and tells what belongs behind it.
func (a *answer) end(index int) {
	b := a.find(index)
	if b == nil {
		return
	}
	for i := range a.open {
		if a.open[i] == b {
			a.open = append(a.open[:i], a.open[i+1:]...)
			break
		}
	}
	switch {
	case b.kind == toolKind:
		if !b.begun { // whole, or without arguments
			if len(b.input) == 0 {
				b.input = []byte("{}")
			}
			a.push(genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: b.call, Arguments: string(b.input)}})
		}
	case b.kind == keptKind:
		if data, ok := b.kept(); ok {
			a.tell(b.typ, data)
		}
	case b.signature != "":
		a.tell(signature, b.signature)
	case b.citations != nil:
		data := []byte("[")
		for i, c := range b.citations {
			if i > 0 {
				data = append(data, ',')
			}
			data = append(data, c...)
		}
		a.tell(citations, string(append(data, ']')))
	}
}

func (a *answer) tell(typ, data string) {
	a.push(genai.ChatEvent{Opaque: &genai.Opaque{Origin: a.origin, Type: typ, Data: data}})
}

// kept returns a block that we only keep as it must go back, or false if that is not known.
func (b *block) kept() (string, bool) {
	if b.lossy {
		return "", false
	}
	if b.partial.Len() == 0 {
		return string(b.raw), true
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(b.raw, &fields) != nil || !json.Valid([]byte(b.partial.String())) {
		return "", false
	}
	fields["input"] = json.RawMessage(b.partial.String())
	raw, err := exchange.Marshal(fields)
	return strings.TrimSpace(string(raw)), err == nil
}
