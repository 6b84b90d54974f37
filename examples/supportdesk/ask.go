package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

type asker = genai.Handler[*contract.Question, *genai.Stream[contract.Update]]

// askOne prints the answer to one question as it arrives, and the passages it rests on. The question has a key, so that whoever repeats
// it on the way does not pay twice.
func askOne(ctx context.Context, ask asker, question string, out io.Writer) error {
	ctx = transport.WithMetadata(ctx, transport.Key, rand.Text())
	answer, err := ask(ctx, &contract.Question{Text: question})
	if err != nil {
		return err
	}
	defer answer.Close()
	var citations []contract.Passage
	for u, err := range answer.All() {
		if err != nil {
			fmt.Fprintln(out)
			return err
		}
		switch {
		case u.Text != "":
			fmt.Fprint(out, u.Text)
		case u.Refusal != "":
			fmt.Fprintf(out, "I will not pass this on. %s", u.Refusal)
		case u.Notice != "":
			fmt.Fprintf(out, "(%s)\n\n", u.Notice)
		case u.Citations != nil:
			citations = u.Citations
		}
	}
	fmt.Fprintln(out)
	for i, p := range citations {
		fmt.Fprintf(out, "  [%d] %s (%s)\n", i+1, p.Title, p.Source)
	}
	return nil
}

// maxLine is the longest line that is read as a question; what the desk takes is shorter, and the desk says so itself.
const maxLine = 16 << 20

// askAll asks one question a line. A question that fails is told and does not stop the others.
func askAll(ctx context.Context, ask asker, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	asked, failed := 0, 0
	for lines.Scan() && ctx.Err() == nil {
		question := strings.TrimSpace(lines.Text())
		if question == "" {
			continue
		}
		asked++
		fmt.Fprintf(out, "> %s\n", shorten(question, 200))
		if err := askOne(ctx, ask, question, out); err != nil {
			fmt.Fprintf(out, "  no answer: %v\n", err)
			failed++
		}
		fmt.Fprintln(out)
	}
	err := errors.Join(lines.Err(), ctx.Err())
	if failed > 0 {
		err = errors.Join(fmt.Errorf("%d of %d questions have no answer", failed, asked), err)
	}
	return err
}

func shorten(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n]) + "…"
}
