// Command ask asks a model of any provider one question and prints the answer while it arrives. It is the smallest starter to
// copy: README.md shows how it is used.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/price"
)

// What the program ends with, beside 0.
const (
	failed      = 1 // there is no answer, or not a whole one
	misused     = 2
	interrupted = 130 // as shells say it
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := terminal{
		in: os.Stdin, out: os.Stdout, errs: os.Stderr, getenv: os.Getenv, piped: !interactive(os.Stdin),
		shown: interactive(os.Stdout), spins: interactive(os.Stderr) && os.Getenv("TERM") != "dumb",
	}
	code := t.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// interactive reports whether a person sits at the other end.
func interactive(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A terminal is where the program runs.
type terminal struct {
	in        io.Reader
	out, errs io.Writer
	getenv    func(string) string
	piped     bool // in is a part of the question
	shown     bool // out is looked at by a person
	spins     bool // so is errs, where what was written can be taken back
}

func (t terminal) run(ctx context.Context, args []string) int {
	q, err := t.read(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return t.complain(err, misused)
	}
	chat, err := open(q.model, t.getenv)
	if err != nil {
		return t.complain(err, misused)
	}
	answer, err := t.print(ctx, guard(chat), q)
	if answer != nil {
		t.report(q.model, answer)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, genai.Cancelled):
		fmt.Fprintln(t.errs, "ask: stopped")
		return interrupted
	}
	return t.complain(err, failed)
}

// complain says what is wrong, and what to do about it where that is known.
func (t terminal) complain(err error, code int) int {
	text := err.Error()
	if e, ok := errors.AsType[*genai.Error](err); ok {
		switch {
		case e.Kind == genai.Truncated || e.Started == genai.StartedYes && e.Kind == genai.Unavailable:
			text = "the answer was cut: " + text
		case e.Kind == genai.Unauthenticated:
			text += "; is the key right, and of this provider?"
		case e.Kind == genai.Unavailable && e.Started == genai.StartedNo:
			text += "; is the server running, and reached under this address?"
		}
	}
	fmt.Fprintln(t.errs, "ask:", text)
	return code
}

// print writes the answer while it arrives. What has come when it fails is kept, and returned with the error.
func (t terminal) print(ctx context.Context, chat genai.Chat, q *question) (*genai.ChatResponse, error) {
	spinner := spin(t.errs, t.spins)
	defer spinner.stop()
	stream, err := chat(ctx, q.request)
	if err != nil {
		return nil, err
	}
	last := byte('\n')
	answer, err := genai.FoldChat(func(yield func(genai.ChatEvent, error) bool) {
		for event, err := range stream.All() {
			if text := event.Text + event.Refusal; text != "" {
				spinner.stop()
				if t.shown {
					text = harmless(text)
				}
				_, _ = io.WriteString(t.out, text) // whoever closes the pipe has read enough, and the signal for that ends us
				if text != "" {
					last = text[len(text)-1]
				}
			}
			if !yield(event, err) {
				return
			}
		}
	})
	spinner.stop()
	if last != '\n' {
		fmt.Fprintln(t.out)
	}
	if err != nil {
		return answer, err
	}
	switch answer.Finish.Reason {
	case genai.FinishLength:
		return answer, &genai.Error{Kind: genai.Truncated, Message: "it is as long as it may be; -max-tokens allows more"}
	case genai.FinishFiltered:
		return answer, &genai.Error{Kind: genai.ContentFiltered, Message: "the provider held the rest back"}
	}
	return answer, q.check(answer)
}

// harmless leaves out what a terminal obeys instead of showing it. A model says what others may have put into its prompt.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// report says what the answer has used and cost.
func (t terminal) report(name string, answer *genai.ChatResponse) {
	name, u := strings.TrimSuffix(name, ":"), answer.Usage
	if u == nil {
		fmt.Fprintf(t.errs, "[%s: what it has used is unknown]\n", name)
		return
	}
	atLeast := ""
	if u.LowerBound {
		atLeast = "at least "
	}
	cost := "the cost is unknown"
	model := answer.Model
	if model == "" {
		_, model = split(name)
	}
	if amount, known := price.List().Cost(model, u); known {
		cost = fmt.Sprintf("%s%v", atLeast, amount)
	}
	fmt.Fprintf(t.errs, "[%s: %s%d tokens in, %d out; %s]\n", name, atLeast, u.Input, u.Output, cost)
}
