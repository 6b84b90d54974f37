package tool

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A Loop lets a model call tools until it has an answer: it asks the model, runs the tools that the model calls, tells it
// the results, and asks again. It is safe for concurrent use; its fields must not be changed while it is used.
//
// Its method [Loop.Chat] is a model itself. Policies for single calls of the model, retries above all, belong around
// Model, where they do not repeat what tools did. Around the Loop they cannot either, as long as it streams: the stream is
// handed out before the first tool runs.
//
// Arguments that were cut are never used: where the answer that asks for tools was cut, or reached its limit on tokens,
// the loop ends with [genai.Truncated] and no tool of that answer is run.
//
// What is wrong with a call (no such tool, arguments that do not fit, an error of the tool, a [Tool.Timeout]) is told to
// the model, which may do better; of a [*genai.Error] it is told the Kind and the Message. The loop ends when the context
// does, with an error marked by [Stop], and with [genai.Internal] if a tool panics. Every call of a tool is also told to
// those who [genai.Listen], as an event with the name "tool".
type Loop struct {
	Model genai.Chat // required; for a model that does not stream use [genai.Streamed]
	Tools []Tool     // with different names

	Steps    int // how many answers the model may give, the last one included; 0 means 10
	Parallel int // how many tools of one answer run at once; 0 means 8, 1 means one after the other, as they were called

	// Tokens is a limit on what is used, input and output of all answers together: when it was more, no tool is run and no
	// further answer asked for. Answers whose provider does not say are counted by an estimate, as in
	// [genai.ChatRequest.Tokens]. 0 means no limit.
	Tokens int

	// Allow is asked about every answer that calls tools, before any of them runs; an error ends the loop. It is the place
	// for a limit on cost, of which package price has an example, and for checks of arguments. nil allows everything.
	Allow func(ctx context.Context, answer *genai.ChatResponse) error

	// Note is told of every message that the loop adds to the conversation, when it does: for a record that survives
	// failures. It must not change the message. nil: nobody is told.
	Note func(ctx context.Context, m genai.Message)
}

// A Transcript is a conversation that a [Loop] led to its end.
type Transcript struct {
	Response *genai.ChatResponse // the last answer
	Messages []genai.Message     // what was added to the conversation, the last answer included
	Usage    *genai.Usage        // of all answers together; nil: nobody said, LowerBound: not everybody
	Steps    int                 // how many answers the model gave
}

const (
	defaultSteps    = 10
	defaultParallel = 8
)

// Chat answers like the model, with the work of the tools in between. It is a [genai.Chat].
//
// Text and thoughts of all answers are handed on as they arrive, with an empty line between the texts of two answers. Calls
// of tools are shown, whole and marked as Handled, before they run, so they are the first real piece if nothing was
// said before. Usage is the sum so far. Data that only the provider understands is not handed on: it belongs to messages
// that only [Loop.Run] returns.
//
// The request may choose among the tools of the loop by naming them in Tools; without Tools all can be called. It
// cannot bring others.
func (l *Loop) Chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	return genai.Open(ctx, func(ctx context.Context, yield func(genai.ChatEvent) bool) error {
		_, err := l.play(ctx, req, yield)
		return err
	})
}

// Run answers with everything that was said and done. It is a [genai.Handler].
func (l *Loop) Run(ctx context.Context, req *genai.ChatRequest) (*Transcript, error) {
	t, err := l.play(ctx, req, func(genai.ChatEvent) bool { return true })
	if err != nil {
		return nil, err
	}
	return t, nil
}

// play leads the conversation.
func (l *Loop) play(ctx context.Context, req *genai.ChatRequest, yield func(genai.ChatEvent) bool) (*Transcript, error) {
	asked, tools, err := l.prepare(req)
	if err != nil {
		return nil, err
	}
	t := &Transcript{}
	guessed := 0 // tokens of answers that came without a count
	out := &speaker{yield: yield}
	for {
		resp, err := l.ask(ctx, asked, out)
		if err != nil {
			return nil, begun(err, t.Steps > 0)
		}
		number(resp, t.Steps)
		t.add(resp)
		if resp.Usage == nil && l.Tokens > 0 {
			guessed += asked.Tokens() + (&genai.ChatRequest{Messages: []genai.Message{resp.Message}}).Tokens()
		}
		calls := resp.Message.ToolCalls()
		if len(calls) == 0 {
			l.note(ctx, resp.Message)
			out.say(genai.ChatEvent{Finish: &resp.Finish, Usage: t.Usage})
			return t, nil
		}
		if err := l.may(ctx, t, guessed); err != nil {
			return nil, begun(err, true)
		}
		l.note(ctx, resp.Message)
		if !out.show(calls, t.Usage) {
			return nil, genai.ContextError(ctx)
		}
		results, err := l.run(ctx, tools, calls)
		if err != nil {
			return nil, begun(err, true)
		}
		t.Messages = append(t.Messages, results)
		l.note(ctx, results)
		asked.Messages = append(asked.Messages, resp.Message, results)
		if asked.ToolChoice != nil && asked.ToolChoice.Mode == genai.ToolRequired {
			asked.ToolChoice = nil // it has called one; required for ever it could never answer
		}
	}
}

// prepare returns the request as the model is to be asked, and the tools that it may call.
func (l *Loop) prepare(req *genai.ChatRequest) (*genai.ChatRequest, map[string]*Tool, error) {
	if req == nil {
		return nil, nil, &genai.Error{Kind: genai.InvalidRequest, Message: "the request is nil", Started: genai.StartedNo}
	}
	if l.Model == nil {
		return nil, nil, &genai.Error{Kind: genai.Internal, Field: "Model", Message: "a Loop needs a model", Started: genai.StartedNo}
	}
	all := map[string]*Tool{}
	for i := range l.Tools {
		tool := &l.Tools[i]
		if all[tool.Name] != nil || tool.Run == nil || !validName(tool.Name) {
			return nil, nil, &genai.Error{Kind: genai.Internal, Field: "Tools", Started: genai.StartedNo,
				Message: fmt.Sprintf("tool %d has no name, the name of another, or nothing to run", i)}
		}
		all[tool.Name] = tool
	}
	asked := *req
	asked.Messages = slices.Clone(req.Messages)
	asked.Tools = nil
	chosen := all
	if req.Tools != nil {
		chosen = map[string]*Tool{}
	}
	for i, t := range req.Tools {
		if all[t.Name] == nil {
			return nil, nil, &genai.Error{Kind: genai.Unsupported, Field: fmt.Sprintf("tools[%d]", i), Message: "a loop runs its own tools, and has none of this name", Started: genai.StartedNo}
		}
		chosen[t.Name] = all[t.Name]
	}
	for i := range l.Tools {
		if tool := &l.Tools[i]; chosen[tool.Name] != nil {
			asked.Tools = append(asked.Tools, genai.Tool{Name: tool.Name, Description: tool.Description, Parameters: tool.Parameters})
		}
	}
	return &asked, chosen, nil
}

// ask asks the model once, and hands on what may be heard of its answer.
func (l *Loop) ask(ctx context.Context, req *genai.ChatRequest, out *speaker) (*genai.ChatResponse, error) {
	s, err := l.Model(ctx, req)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	resp, err := genai.FoldChat(func(yield func(genai.ChatEvent, error) bool) {
		for {
			e, err := s.Next()
			if err == io.EOF || !yield(e, err) || err != nil {
				return
			}
			out.hear(e) // whoever leaves ends the context as well, and with it the stream
		}
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// may decides whether the tools of the last answer may run and the model be asked once more.
func (l *Loop) may(ctx context.Context, t *Transcript, guessed int) error {
	resp := t.Response
	used := guessed
	if t.Usage != nil {
		used += t.Usage.Input + t.Usage.Output
	}
	steps := l.Steps
	if steps <= 0 {
		steps = defaultSteps
	}
	fail := func(kind genai.Kind, reason, format string, args ...any) error {
		return &genai.Error{Kind: kind, Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case resp.Finish.Reason == genai.FinishLength || slices.ContainsFunc(resp.Message.ToolCalls(), func(c genai.ToolCall) bool { return c.Incomplete }):
		return fail(genai.Truncated, "", "the answer reached its limit on tokens while it called tools, which were not run")
	case resp.Finish.Reason == genai.FinishFiltered:
		return fail(genai.ContentFiltered, "", "the provider withheld a part of the answer, and the tools that it called were not run")
	case t.Steps >= steps:
		return fail(genai.BudgetExhausted, "steps", "the model still calls tools in answer %d, which had to be the last", t.Steps)
	case l.Tokens > 0 && used > l.Tokens:
		return fail(genai.BudgetExhausted, "tokens", "%d tokens were used, of %d", used, l.Tokens)
	case l.Allow != nil:
		return l.Allow(ctx, resp)
	}
	return nil
}

func (l *Loop) note(ctx context.Context, m genai.Message) {
	if l.Note != nil {
		l.Note(ctx, m)
	}
}

// begun says of an error that work was done before it, if it was.
func begun(err error, started bool) error {
	e := genai.AsError(err)
	if !started || e.Started == genai.StartedYes {
		return err
	}
	marked := *e
	marked.Started = genai.StartedYes
	return &marked
}

// number names the calls that their provider did not name.
func number(resp *genai.ChatResponse, step int) {
	n := 0
	for _, p := range resp.Message.Parts {
		if p.ToolCall == nil {
			continue
		}
		n++
		if p.ToolCall.ID == "" {
			p.ToolCall.ID = fmt.Sprintf("call_%d_%d", step+1, n)
		}
	}
}

// add takes an answer in.
func (t *Transcript) add(resp *genai.ChatResponse) {
	t.Steps++
	t.Response = resp
	t.Messages = append(t.Messages, resp.Message)
	sum := genai.Usage{LowerBound: t.Steps > 1 && t.Usage == nil}
	if t.Usage != nil {
		sum = *t.Usage
	}
	u := resp.Usage
	switch {
	case u == nil && t.Usage == nil:
		return
	case u == nil:
		sum.LowerBound = true
	default:
		sum.Input += u.Input
		sum.Output += u.Output
		sum.CacheRead += u.CacheRead
		sum.CacheWrite += u.CacheWrite
		sum.Reasoning += u.Reasoning
		sum.LowerBound = sum.LowerBound || u.LowerBound
	}
	t.Usage = &sum
}

// A speaker hands events on.
type speaker struct {
	yield   func(genai.ChatEvent) bool
	gone    bool // nobody listens any more
	started bool
	shown   int    // how many calls were shown
	last    string // the last text
	between bool   // another answer began
}

func (s *speaker) say(e genai.ChatEvent) {
	if !s.gone && !s.yield(e) {
		s.gone = true
	}
}

// hear hands on what may be heard of an answer while it arrives.
func (s *speaker) hear(e genai.ChatEvent) {
	heard := genai.ChatEvent{Text: e.Text, Refusal: e.Refusal, Reasoning: e.Reasoning}
	if !s.started && e.Start != nil {
		heard.Start, s.started = e.Start, true
	}
	if heard.Text != "" {
		if s.between && s.last != "" && !strings.HasSuffix(s.last, "\n") {
			heard.Text = "\n\n" + heard.Text
		}
		s.last, s.between = heard.Text, false
	}
	if heard.Start != nil || !heard.Preamble() {
		s.say(heard)
	}
}

// show shows the calls that will be run. It reports whether somebody listens.
func (s *speaker) show(calls []genai.ToolCall, usage *genai.Usage) bool {
	for _, c := range calls {
		s.say(genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: s.shown, ID: c.ID, Name: c.Name, Arguments: c.Arguments, Handled: true}})
		s.shown++
	}
	s.between = true
	if usage != nil {
		s.say(genai.ChatEvent{Usage: usage})
	}
	return !s.gone
}
