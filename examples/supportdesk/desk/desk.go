// Package desk is the conversation: it takes a question, has it checked, looks up what the knowledge base says, and lets
// a model answer from that. It does not know where its parts run.
package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A Desk answers questions with the help of three services, which are needed.
type Desk struct {
	Moderate genai.Moderator
	Search   genai.Handler[*contract.SearchRequest, *contract.Passages]
	Answer   genai.Chat

	// Again repeats the answers that were lost on the way, of questions with a key; nil means that nobody does.
	Again genai.Policy
}

// Lost reports whether an answer was lost on the way: it is being made, or was made, and is there for whoever asks under the same key.
func Lost(err error) bool {
	return errors.Is(err, genai.Unavailable) && genai.AsError(err).Started != genai.StartedNo
}

// The limits of a question, in bytes. What is longer than a letter is not a question to a support desk.
const (
	maxQuestion = 8 << 10
	maxHistory  = 64 << 10
)

// Ask is the handler of contract.Ask. What it returns streams the answer; a refusal is an answer too.
//
// It fails as little as its parts allow. Without the ethics check nothing is passed to the model, and the passages stand
// alone; without the knowledge base or without a model it says what is missing.
func (d *Desk) Ask(ctx context.Context, q *contract.Question) (*genai.Stream[contract.Update], error) {
	if err := validate(q); err != nil {
		return nil, err
	}
	return genai.Open(ctx, func(ctx context.Context, yield func(contract.Update) bool) error {
		events := &eventLog{}
		c := conversation{Desk: d, yield: yield, events: events}
		return c.answer(genai.Listen(ctx, events.add), q)
	})
}

func validate(q *contract.Question) error {
	history := 0
	for _, t := range q.History {
		history += len(t.Question) + len(t.Answer)
	}
	switch {
	case strings.TrimSpace(q.Text) == "":
		return &genai.Error{Kind: genai.InvalidRequest, Op: contract.Ask.Name, Field: "text", Message: "the question is empty"}
	case len(q.Text) > maxQuestion:
		return &genai.Error{Kind: genai.TooLarge, Op: contract.Ask.Name, Field: "text",
			Message: fmt.Sprintf("the question has %d bytes; a question may have %d", len(q.Text), maxQuestion)}
	case history > maxHistory:
		return &genai.Error{Kind: genai.TooLarge, Op: contract.Ask.Name, Field: "history",
			Message: fmt.Sprintf("the conversation has %d bytes; it may have %d: begin a new one", history, maxHistory)}
	}
	return nil
}

// A conversation is one question being answered.
type conversation struct {
	*Desk
	yield  func(contract.Update) bool
	events *eventLog
}

// errLeft says that the person has left: yield returned false.
var errLeft = genai.Errorf(genai.Cancelled, "nobody listens to the answer any more")

func (c *conversation) say(updates ...contract.Update) error {
	for _, u := range append(c.events.take(), updates...) {
		if !c.yield(u) {
			return errLeft
		}
	}
	return nil
}

func (c *conversation) answer(ctx context.Context, q *contract.Question) error {
	text := q.Text
	verdict, err := c.Moderate(ctx, &genai.ModerationRequest{Text: text})
	switch {
	case err != nil:
		if ctx.Err() != nil {
			return genai.ContextError(ctx)
		}
		return c.withoutCheck(ctx, text)
	case verdict.Flagged:
		return c.say(contract.Update{Refusal: verdict.Reason})
	case verdict.Redacted != nil:
		text = *verdict.Redacted
		if err := c.say(contract.Update{Notice: verdict.Reason}); err != nil {
			return err
		}
	}

	found, err := c.Search(ctx, &contract.SearchRequest{Query: text})
	if err != nil {
		if ctx.Err() != nil {
			return genai.ContextError(ctx)
		}
		return c.say(contract.Update{Notice: "I cannot look things up: the knowledge base does not answer at the moment. " +
			"I do not answer from memory, so please try again in a little while."})
	}
	if err := c.say(contract.Update{Citations: found.Passages}); err != nil {
		return err
	}
	return c.stream(ctx, text, q.History, found.Passages)
}

// stream passes the model's answer on, piece by piece.
func (c *conversation) stream(ctx context.Context, text string, history []contract.Turn, passages []contract.Passage) error {
	req := &genai.ChatRequest{Messages: []genai.Message{genai.System(contract.Instructions(passages))}}
	for _, t := range history {
		req.Messages = append(req.Messages, genai.User(t.Question), genai.Assistant(t.Answer))
	}
	req.Messages = append(req.Messages, genai.User(text))

	ledger := &genai.Ledger{Context: ctx}
	stream, err := c.keyed(ctx)(ledger, req)
	if err != nil {
		if said := c.tried(ledger); said != nil {
			return said
		}
		return c.withoutModel(ctx, err)
	}
	defer stream.Close()
	for event, err := range stream.All() {
		if err != nil {
			return err // what is already on the screen is not a whole answer, and must not look like one
		}
		var updates []contract.Update
		if event.Start != nil && event.Start.Model != "" {
			updates = append(updates, contract.Update{Model: event.Start.Model})
		}
		if event.Text != "" {
			updates = append(updates, contract.Update{Text: event.Text})
		}
		if event.Refusal != "" {
			updates = append(updates, contract.Update{Text: event.Refusal})
		}
		if err := c.say(updates...); err != nil {
			return err
		}
	}
	return c.tried(ledger)
}

// keyed returns the handler for the answer to a question that may have a key: then the answer has one of its own.
func (c *conversation) keyed(ctx context.Context) genai.Chat {
	key := transport.Metadata(ctx, transport.Key)
	if key == "" || c.Again == nil {
		return c.Answer
	}
	own := sha256.Sum256([]byte(key)) // which has a good length
	return func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
		ctx = transport.WithMetadata(ctx, transport.Key, "answer-"+hex.EncodeToString(own[:16]))
		return genai.With(c.Answer, c.Again)(ctx, req)
	}
}

// tried says what was tried with the models, if that was more than one attempt.
func (c *conversation) tried(ledger *genai.Ledger) error {
	var attempts []contract.Attempt
	for _, a := range ledger.Attempts() {
		attempts = append(attempts, contract.Attempt{Model: a.Target, By: a.By, Kind: a.Kind, Delay: millis(a.Delay), Millis: millis(a.Elapsed)})
	}
	if attempts == nil {
		return c.say()
	}
	return c.say(contract.Update{Attempts: attempts})
}

func millis(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// withoutCheck answers when the ethics check does not: nothing unchecked reaches a model, but a search in our own manual
// harms nobody.
func (c *conversation) withoutCheck(ctx context.Context, text string) error {
	notice := "I cannot check questions at the moment, because the ethics check does not answer, so I pass none of them to a model. "
	found, err := c.Search(ctx, &contract.SearchRequest{Query: text})
	if err != nil {
		return c.say(contract.Update{Notice: notice + "The knowledge base does not answer either. Please try again in a little while."})
	}
	return c.say(
		contract.Update{Citations: found.Passages},
		contract.Update{Notice: notice + "Here is what the knowledge base has on it; I will answer in words again as soon as the check is back."},
	)
}

// withoutModel says that there is no answer, unless that is the person's own doing.
func (c *conversation) withoutModel(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return genai.ContextError(ctx)
	case errors.Is(err, genai.ContentFiltered):
		return c.say(contract.Update{Refusal: "The model's provider declined to answer this."})
	}
	return c.say(contract.Update{Notice: fmt.Sprintf("I found the passages below, but no model answers at the moment (%s). "+
		"Please read them, or try again in a little while.", genai.KindOf(err))})
}

// An eventLog collects what happens in the calls of one conversation. Policies tell it from their own goroutines.
type eventLog struct {
	mu      sync.Mutex
	updates []contract.Update
}

func (l *eventLog) add(e genai.Event) {
	service, transport := e.Target, e.To
	if e.Name != "call" {
		transport = ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.updates = append(l.updates, contract.Update{Event: &contract.Event{
		Name: e.Name, Service: service, Transport: transport, Kind: e.Kind,
		Millis: millis(e.Elapsed),
	}})
}

func (l *eventLog) take() []contract.Update {
	l.mu.Lock()
	defer l.mu.Unlock()
	updates := l.updates
	l.updates = nil
	return updates
}
