package genai

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"strings"
)

// A ChatEvent is one step of an answer that is arriving. Usually one field is set; several may be, if they came together.
type ChatEvent struct {
	Text      string         `json:"text,omitzero"`
	Refusal   string         `json:"refusal,omitzero"`
	Reasoning string         `json:"reasoning,omitzero"`
	ToolCall  *ToolCallDelta `json:"tool_call,omitzero"`
	Opaque    *Opaque        `json:"opaque,omitzero"` // belongs to the reasoning or the tool call beside or before it
	Start     *ChatStart     `json:"start,omitzero"`
	Finish    *Finish        `json:"finish,omitzero"`
	Usage     *Usage         `json:"usage,omitzero"` // so far; the last one counts, never the sum
}

// ChatStart is what a provider says about an answer before it begins.
type ChatStart struct {
	ID    string `json:"id,omitzero"`
	Model string `json:"model,omitzero"` // the model that really answers
}

// A ToolCallDelta is a piece of a tool call. Pieces with the same Index belong to one call; ID and Name come with the
// first of them, and Arguments are put end to end.
type ToolCallDelta struct {
	Index     int    `json:"index,omitzero"`
	ID        string `json:"id,omitzero"`
	Name      string `json:"name,omitzero"`
	Arguments string `json:"arguments,omitzero"`

	// Handled says that whoever hands the piece on runs the tool, and shows it to people and programs that watch. Nobody
	// else must run it, and it is no part of the answer: [FoldChat] leaves it out.
	Handled bool `json:"handled,omitzero"`
}

// Preamble reports whether the event says nothing yet that a person or a tool could use, so that a [Stream] is not
// handed out, and an attempt not committed to, because of it.
func (e ChatEvent) Preamble() bool {
	return e.Text == "" && e.Refusal == "" && e.Reasoning == "" && e.ToolCall == nil
}

// Whole makes a Completer out of a Chat, by folding each answer. An answer that was cut is an error.
func Whole(chat Chat) Completer { return Collect(chat, FoldChat) }

// Streamed makes a Chat out of a Completer: the answer arrives in one go.
func Streamed(complete Completer) Chat {
	return func(ctx context.Context, req *ChatRequest) (*Stream[ChatEvent], error) {
		resp, err := complete(ctx, req)
		if err != nil {
			return nil, err
		}
		events := resp.Events()
		next := func() (ChatEvent, error) {
			if len(events) == 0 {
				return ChatEvent{}, io.EOF
			}
			e := events[0]
			events = events[1:]
			return e, nil
		}
		return NewStream(ctx, next, nil)
	}
}

// Events takes a whole answer apart into the events that fold to it.
func (r *ChatResponse) Events() []ChatEvent {
	events := []ChatEvent{{Start: &ChatStart{ID: r.ID, Model: r.Model}}}
	calls := 0
	for _, p := range r.Message.Parts {
		e := ChatEvent{Text: p.Text, Refusal: p.Refusal, Opaque: p.Opaque}
		if p.Reasoning != nil {
			e.Reasoning = p.Reasoning.Text
		}
		if c := p.ToolCall; c != nil {
			e.ToolCall = &ToolCallDelta{Index: calls, ID: c.ID, Name: c.Name, Arguments: c.Arguments}
			calls++
		}
		events = append(events, e)
	}
	finish := r.Finish
	return append(events, ChatEvent{Finish: &finish, Usage: r.Usage})
}

// FoldChat puts the events of one answer together. Neighbouring pieces of the same sort become one [Part], tool calls
// stand where they began.
//
// If the answer was cut, FoldChat returns its error together with what had arrived: tool calls in it are marked
// Incomplete and Usage is a lower bound. An answer that ended at the limit on tokens has no error; calls that the limit has cut
// are marked as well. (A Handler has no response beside its error: one made with [Whole] drops it.)
func FoldChat(events iter.Seq2[ChatEvent, error]) (*ChatResponse, error) {
	f := &folder{resp: &ChatResponse{Message: Message{Role: RoleAssistant}}}
	events(f.take) // the loop that this is would put five variables on the heap
	if f.err != nil {
		return f.cut(), f.err
	}
	return f.whole(), nil
}

// A folder is an answer being put together.
type folder struct {
	resp  *ChatResponse
	kind  partKind        // what the last part is
	text  strings.Builder // its text, while it grows
	calls map[int]*callFold
	err   error // that the answer was cut with
}

type callFold struct {
	part      int // index into the message's parts
	arguments strings.Builder
}

type partKind int

const (
	noPart partKind = iota
	textPart
	refusalPart
	reasoningPart
	otherPart
)

// take adds what comes next, and reports whether there may be more.
func (f *folder) take(e ChatEvent, err error) bool {
	if err != nil {
		f.err = err
		return false
	}
	f.add(e)
	return true
}

func (f *folder) add(e ChatEvent) {
	if e.Start != nil {
		f.resp.ID, f.resp.Model = e.Start.ID, e.Start.Model
	}
	f.grow(reasoningPart, e.Reasoning)
	f.grow(textPart, e.Text)
	f.grow(refusalPart, e.Refusal)
	shown := e.ToolCall != nil && e.ToolCall.Handled
	if e.ToolCall != nil && !shown {
		f.addCall(e.ToolCall)
	}
	if e.Opaque != nil && !shown {
		f.addOpaque(e)
	}
	if e.Usage != nil {
		f.resp.Usage = e.Usage
	}
	if e.Finish != nil {
		f.resp.Finish = *e.Finish
	}
}

// grow appends text to the last part if that is of the same kind, or else begins a new one.
func (f *folder) grow(kind partKind, text string) {
	if text == "" {
		return
	}
	if f.kind != kind {
		f.begin(kind, Part{})
	}
	f.text.WriteString(text)
}

func (f *folder) begin(kind partKind, p Part) {
	f.finishPart()
	f.kind = kind
	f.resp.Message.Parts = append(f.resp.Message.Parts, p)
}

func (f *folder) finishPart() {
	if f.text.Len() == 0 {
		return
	}
	last := &f.resp.Message.Parts[len(f.resp.Message.Parts)-1]
	switch f.kind {
	case textPart:
		last.Text = f.text.String()
	case refusalPart:
		last.Refusal = f.text.String()
	case reasoningPart:
		last.Reasoning = &Reasoning{Text: f.text.String()}
	}
	f.text.Reset()
}

func (f *folder) addCall(d *ToolCallDelta) {
	call := f.calls[d.Index]
	if call == nil {
		f.begin(otherPart, Part{ToolCall: &ToolCall{}})
		call = &callFold{part: len(f.resp.Message.Parts) - 1}
		if f.calls == nil {
			f.calls = map[int]*callFold{}
		}
		f.calls[d.Index] = call
	}
	c := f.resp.Message.Parts[call.part].ToolCall
	if d.ID != "" {
		c.ID = d.ID
	}
	if d.Name != "" {
		c.Name = d.Name
	}
	call.arguments.WriteString(d.Arguments)
}

// addOpaque puts provider data where it belongs: on the tool call it came with, on the part that is growing, or, where
// that already has its own, on a new part of reasoning.
func (f *folder) addOpaque(e ChatEvent) {
	parts := f.resp.Message.Parts
	if e.ToolCall != nil {
		parts[f.calls[e.ToolCall.Index].part].Opaque = e.Opaque
		return
	}
	if len(parts) == 0 || parts[len(parts)-1].Opaque != nil {
		f.begin(otherPart, Part{Reasoning: &Reasoning{}, Opaque: e.Opaque})
		return
	}
	parts[len(parts)-1].Opaque = e.Opaque
	f.finishPart()
	f.kind = otherPart // what follows is a part of its own
}

func (f *folder) whole() *ChatResponse {
	f.finishPart()
	for _, call := range f.calls {
		f.resp.Message.Parts[call.part].ToolCall.Arguments = call.arguments.String()
	}
	if f.resp.Finish.Reason == FinishLength {
		f.short()
	}
	return f.resp
}

// short marks the calls that the limit on tokens has cut: those whose arguments are no JSON, and the last thing of the answer if it is
// a call without arguments, of which nobody knows whether there would have been some.
func (f *folder) short() {
	parts := f.resp.Message.Parts
	for i := range parts {
		c := parts[i].ToolCall
		if c == nil {
			continue
		}
		bare := strings.Trim(c.Arguments, " \t\r\n{}") == ""
		if bare && i == len(parts)-1 || !bare && !json.Valid([]byte(c.Arguments)) {
			c.Incomplete = true
		}
	}
}

func (f *folder) cut() *ChatResponse {
	resp := f.whole()
	for _, call := range f.calls {
		resp.Message.Parts[call.part].ToolCall.Incomplete = true
	}
	if resp.Usage != nil {
		least := *resp.Usage
		least.LowerBound = true
		resp.Usage = &least
	}
	return resp
}
