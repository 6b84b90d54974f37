package genaitest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Model is a chat model that does what its script says. Its methods [Model.Chat] and [Model.Complete] are the model;
// both take their steps from the same script. It is safe for concurrent use: calls take steps in the order in which
// they arrive.
type Model struct {
	Name string // the model that answers say they come from, and the Target of errors; "" means "scripted"

	// Auto lets the model answer by itself the calls for which the script has no step. It calls every tool once for each
	// message of the user, with arguments that the tool's schema allows, and then says what the tools said, or what it was
	// asked; where a format is asked for, it makes a value that the schema allows. The same request has the same answer.
	Auto bool

	mu    sync.Mutex
	steps []Step
	total int // calls that steps was given for, without the endless one
	calls []*Call
}

// A Call is what a [Model] remembers of one call.
type Call struct {
	Request  *genai.ChatRequest // a copy that nobody else has
	Streamed bool               // it came to Chat, not to Complete
	Attempt  int                // which attempt it was, by [genai.AttemptOf]
	Deadline time.Time          // until when the caller wanted to wait; zero if for ever
	Began    time.Time
	Pieces   int  // how many pieces were asked for and made, preamble not counted
	Over     bool // the call failed or its response is over; the fields below say how
	Err      error
	// Abandoned says that the caller did not wait for the end: its context ended, or the stream was closed early. Err
	// is then Cancelled or DeadlineExceeded.
	Abandoned bool
}

// Script returns a model that takes one step for each call: the first that is left and whose [Step.When] allows the
// request. A call that finds none fails with [genai.Internal].
func Script(steps ...Step) *Model {
	m := &Model{steps: append([]Step(nil), steps...)}
	for i, s := range steps {
		if s.times == always {
			if s.match != nil {
				continue
			}
			m.steps = m.steps[:i+1]
			break
		}
		m.total += max(s.times, 1)
	}
	return m
}

// Chat answers with a stream. It is a [genai.Chat].
func (m *Model) Chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	return m.run(ctx, req, true)
}

// Complete answers with the whole answer, after all the delays of the step. It is a [genai.Completer].
func (m *Model) Complete(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
	return genai.Whole(func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		return m.run(ctx, req, false)
	})(ctx, req)
}

// Calls returns what is known by now about each call, in the order in which they came.
func (m *Model) Calls() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := make([]Call, len(m.calls))
	for i, c := range m.calls {
		calls[i] = *c
		calls[i].Request = clone(c.Request)
	}
	return calls
}

// Verify fails the test if part of the script was not reached, if more calls came than it has steps, or if a response
// was neither read to its end nor closed.
func (m *Model) Verify(t testing.TB) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	left := 0
	for _, s := range m.steps {
		if s.times != always {
			left += max(s.times, 1)
		}
	}
	if left > 0 {
		t.Errorf("genaitest: %s: %d of the %d calls in the script did not come", m.name(), left, m.total)
	}
	for i, c := range m.calls {
		if !c.Over {
			t.Errorf("genaitest: %s: the response to call %d was neither read to its end nor closed", m.name(), i+1)
		}
		if errors.Is(c.Err, errExhausted) {
			t.Errorf("genaitest: %s: %s", m.name(), genai.AsError(c.Err).Message)
		}
	}
}

// errExhausted marks the errors of calls for which the script has no step.
var errExhausted = &genai.Error{Kind: genai.Internal, Reason: "script_exhausted"}

func (m *Model) name() string {
	if m.Name != "" {
		return m.Name
	}
	return "scripted"
}

// begin records a call and takes its step.
func (m *Model) begin(ctx context.Context, req *genai.ChatRequest, streamed bool) (*Call, int, Step) {
	c := &Call{Request: clone(req), Streamed: streamed, Attempt: genai.AttemptOf(ctx), Began: time.Now()}
	c.Deadline, _ = ctx.Deadline()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, c)
	n := len(m.calls)
	if err := genai.ContextError(ctx); err != nil {
		return c, n, Fail(err) // nobody waits for an answer: the step is left to the next call
	}
	for i, s := range m.steps {
		if s.match != nil && !s.match(c.Request) {
			continue
		}
		switch {
		case s.times == always:
		case s.times > 1:
			m.steps[i].times--
		default:
			m.steps = slices.Delete(m.steps, i, i+1)
		}
		return c, n, s
	}
	if m.Auto {
		return c, n, auto(c.Request)
	}
	message := fmt.Sprintf("call %d came after the end of the script, which is for %d", n, m.total)
	if len(m.steps) > 0 {
		message = fmt.Sprintf("call %d fits none of the %d steps that are left", n, len(m.steps))
	}
	return c, n, Fail(&genai.Error{Kind: genai.Internal, Target: m.name(), Reason: errExhausted.Reason, Message: message})
}

func (m *Model) run(ctx context.Context, req *genai.ChatRequest, streamed bool) (*genai.Stream[genai.ChatEvent], error) {
	if req == nil {
		return nil, &genai.Error{Kind: genai.InvalidRequest, Target: m.name(), Message: "the request is nil"}
	}
	call, n, step := m.begin(ctx, req, streamed)
	for step.answer != nil {
		step = step.answer(ctx, req)
	}
	model := req.Model
	if model == "" {
		model = m.name()
	}
	inner, cancel := context.WithCancel(ctx)
	p := &player{
		ctx: inner, step: step, due: time.Now(), failure: m.failure(step),
		events: step.script(fmt.Sprintf("%s-%d", m.name(), n), model),
	}
	played := false // the script was done before the caller was
	stream, err := genai.NewStream(ctx, func() (genai.ChatEvent, error) {
		e, err := p.next()
		m.mu.Lock()
		defer m.mu.Unlock()
		switch {
		case err == nil && !e.Preamble():
			call.Pieces++
		case err != nil:
			played = p.played
		}
		return e, err
	}, cancel)
	end := func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		call.Over, call.Err, call.Abandoned = true, err, !played
	}
	if err != nil {
		end(err)
		return nil, err
	}
	genai.Finally(stream, nil, end)
	return stream, nil
}

// failure returns the error that the script asks for as an *Error, or nil if it asks for none.
func (m *Model) failure(s Step) error {
	switch kind, isKind := s.err.(genai.Kind); {
	case !s.failed:
		return nil
	case s.err == nil:
		return &genai.Error{Kind: genai.Internal, Target: m.name(), Message: "the script fails with a nil error"}
	case isKind:
		return &genai.Error{Kind: kind, Target: m.name(), Message: "as the script says"}
	}
	if _, ok := errors.AsType[*genai.Error](s.err); ok {
		return s.err
	}
	return genai.AsError(s.err)
}

// A player plays one step.
type player struct {
	ctx     context.Context // ends with the stream
	step    Step
	events  []genai.ChatEvent // what is still to come
	due     time.Time         // when the last piece was ready, read or not
	begun   bool              // a piece was made
	played  bool              // the end was reached
	failure error             // what ends the step; nil if it is complete
}

func (p *player) next() (genai.ChatEvent, error) {
	switch {
	case len(p.events) > 0 && p.events[0].Preamble():
		e := p.events[0]
		p.events = p.events[1:]
		return e, nil
	case len(p.events) == 0 && p.step.hang:
		<-p.ctx.Done()
		return genai.ChatEvent{}, genai.ContextError(p.ctx)
	case len(p.events) == 0 && p.failure == nil:
		p.played = true
		return genai.ChatEvent{}, io.EOF
	}
	if err := p.wait(); err != nil {
		return genai.ChatEvent{}, err
	}
	if len(p.events) == 0 {
		p.played = true
		return genai.ChatEvent{}, p.failure
	}
	e := p.events[0]
	p.events = p.events[1:]
	return e, nil
}

// wait waits until the next piece, or the failure, is due.
func (p *player) wait() error {
	delay := p.step.gap
	if !p.begun {
		delay, p.begun = p.step.first, true
	}
	p.due = p.due.Add(delay)
	left := time.Until(p.due)
	if left <= 0 {
		return genai.ContextError(p.ctx)
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.ctx.Done():
		return genai.ContextError(p.ctx)
	}
}
