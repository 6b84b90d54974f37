package wiretest

import (
	"encoding/json"

	"github.com/dovetail-go/dovetail/genai"
)

// wholeCalls collects the pieces of tool calls for dialects that send each call in one go.
type wholeCalls struct {
	open   *genai.ToolCall // the call whose arguments are arriving
	index  int
	opaque *genai.Opaque
}

// add takes what e says of a tool call, and returns the call before it if that is thereby complete.
func (w *wholeCalls) add(e genai.ChatEvent) *genai.Part {
	d := e.ToolCall
	var done *genai.Part
	if w.open == nil || w.index != d.Index {
		done = w.end()
		w.open, w.index = &genai.ToolCall{}, d.Index
	}
	if d.ID != "" {
		w.open.ID = d.ID
	}
	if d.Name != "" {
		w.open.Name = d.Name
	}
	w.open.Arguments += d.Arguments
	if e.Opaque != nil {
		w.opaque = e.Opaque
	}
	return done
}

// end returns the call that is open, or nil.
func (w *wholeCalls) end() *genai.Part {
	if w.open == nil {
		return nil
	}
	p := &genai.Part{ToolCall: w.open, Opaque: w.opaque}
	w.open, w.opaque = nil, nil
	return p
}

// objectOf returns arguments as the object that they are, or an empty one.
func objectOf(arguments string) json.RawMessage {
	if !json.Valid([]byte(arguments)) {
		return json.RawMessage("{}")
	}
	return json.RawMessage(arguments)
}
