package genaitest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Step is what a [Model] does when it is called. It is a value: its methods return a changed copy, so that a Step
// reads from left to right as what happens. The zero Step is an answer without any content.
type Step struct {
	events []genai.ChatEvent
	answer func(context.Context, *genai.ChatRequest) Step
	match  func(*genai.ChatRequest) bool // nil: any request will do
	err    error                         // ends the answer after the events
	failed bool                          // err ends the answer, even if it is nil
	hang   bool
	first  time.Duration
	gap    time.Duration
	finish *genai.Finish
	usage  *genai.Usage
	times  int // 0 means 1, always means without end
}

const always = -1

// Reply answers with text in one piece.
func Reply(text string) Step { return Pieces(text) }

// Pieces answers with texts that arrive one by one.
func Pieces(texts ...string) Step {
	var s Step
	for _, text := range texts {
		s.events = append(s.events, genai.ChatEvent{Text: text})
	}
	return s
}

// Events answers with events as they are, for what the other steps cannot say: reasoning, refusals, a tool call that
// is cut in the middle. Start and Finish are added unless events has them.
func Events(events ...genai.ChatEvent) Step {
	return Step{events: slices.Clone(events)}
}

// ToolCalls answers by asking for tools. As from a real provider, the name of a tool arrives before its arguments. A
// call without an ID is given "call_1", "call_2" and so on.
func ToolCalls(calls ...genai.ToolCall) Step {
	var s Step
	for i, c := range calls {
		if c.ID == "" {
			c.ID = "call_" + strconv.Itoa(i+1)
		}
		s.events = append(s.events,
			genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: i, ID: c.ID, Name: c.Name}},
			genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: i, Arguments: c.Arguments}})
	}
	return s
}

// Fail fails before the first piece. err is usually a [genai.Kind] or a [*genai.Error]; the caller gets an Error of the
// same Kind.
func Fail(err error) Step { return Step{}.Then(err) }

// Hang says nothing until the context of the call ends, or the stream is closed.
func Hang() Step { return Step{}.ThenHang() }

// Do is a model that is a function: it decides when it is called, and what answer returns is done. It may block, must be safe for concurrent use if the
// model is called so, and must not change the request.
func Do(answer func(ctx context.Context, req *genai.ChatRequest) Step) Step {
	return Step{answer: answer}
}

// Then cuts the answer with err where it would have ended. [genai.Truncated] is what a connection that is lost without
// a word leaves behind.
func (s Step) Then(err error) Step {
	s.err, s.failed, s.hang = err, true, false
	return s
}

// ThenHang makes the answer stop without an end: nothing more comes until its context ends or it is closed.
func (s Step) ThenHang() Step {
	s.err, s.failed, s.hang = nil, false, true
	return s
}

// After waits before the first piece, or before the failure if there is no piece.
func (s Step) After(d time.Duration) Step {
	s.first = d
	return s
}

// Every waits between one piece and the next, and before a failure that follows a piece. Time runs from the call on: a
// model does not wait for its reader.
func (s Step) Every(d time.Duration) Step {
	s.gap = d
	return s
}

// Usage reports tokens with the end of the answer. Without it the answer has no usage.
func (s Step) Usage(input, output int) Step {
	s.usage = &genai.Usage{Input: input, Output: output}
	return s
}

// Finish sets why the answer ends. Without it that is [genai.FinishToolCalls] if tools are called, and otherwise
// [genai.FinishStop].
func (s Step) Finish(reason genai.FinishReason) Step {
	s.finish = &genai.Finish{Reason: reason, Raw: string(reason)}
	return s
}

// Times repeats the step for n calls. It panics if n is less than 1.
func (s Step) Times(n int) Step {
	if n < 1 {
		panic("genaitest: a step cannot be repeated " + strconv.Itoa(n) + " times")
	}
	s.times = n
	return s
}

// Always repeats the step for every further call. Steps behind it are never reached, and [Model.Verify] does not ask
// for a call.
func (s Step) Always() Step {
	s.times = always
	return s
}

// When keeps the step for a request that match allows; calls with other requests pass it over. A script thereby stays in
// order where order matters, and answers by what is asked where it does not. match must neither change the request nor
// call the model.
func (s Step) When(match func(req *genai.ChatRequest) bool) Step {
	s.match = match
	return s
}

// Asked keeps the step for a request whose last message of the user has text in it. It is a [Step.When].
func (s Step) Asked(text string) Step {
	return s.When(func(req *genai.ChatRequest) bool { return strings.Contains(req.Text(), text) })
}

// script returns the events of the answer, with what surrounds the pieces.
func (s Step) script(id, model string) []genai.ChatEvent {
	var events []genai.ChatEvent
	if !slices.ContainsFunc(s.events, func(e genai.ChatEvent) bool { return e.Start != nil }) {
		events = append(events, genai.ChatEvent{Start: &genai.ChatStart{ID: id, Model: model}})
	}
	reason, finished := genai.FinishStop, false
	for _, e := range s.events {
		if e.ToolCall != nil {
			reason = genai.FinishToolCalls
		}
		finished = finished || e.Finish != nil
		events = append(events, clone(e))
	}
	last := genai.ChatEvent{Usage: clone(s.usage)}
	if !s.failed && !s.hang {
		switch {
		case s.finish != nil:
			last.Finish = clone(s.finish)
		case !finished:
			last.Finish = &genai.Finish{Reason: reason, Raw: string(reason)}
		}
	}
	if last.Usage != nil || last.Finish != nil {
		events = append(events, last)
	}
	return events
}
