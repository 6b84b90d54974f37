package desk

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

// transcript is all that a person sees of an answer.
type transcript struct {
	text, refusal, notice, model string
	citations                    []contract.Passage
}

func ask(t *testing.T, d *Desk, q *contract.Question) (transcript, error) {
	t.Helper()
	var seen transcript
	stream, err := d.Ask(t.Context(), q)
	if err != nil {
		return seen, err
	}
	for u, err := range stream.All() {
		if err != nil {
			return seen, err
		}
		seen.text += u.Text
		seen.refusal += u.Refusal
		seen.notice += u.Notice
		seen.model += u.Model
		seen.citations = append(seen.citations, u.Citations...)
	}
	return seen, nil
}

func newDesk(model genai.Chat) *Desk {
	return &Desk{
		Moderate: func(_ context.Context, req *genai.ModerationRequest) (*genai.Verdict, error) {
			if strings.Contains(req.Text, "idiot") {
				return &genai.Verdict{Flagged: true, Reason: "be kind"}, nil
			}
			if strings.Contains(req.Text, "secret") {
				return &genai.Verdict{Redacted: new(strings.ReplaceAll(req.Text, "secret", "[key]")), Reason: "took out keys"}, nil
			}
			return &genai.Verdict{}, nil
		},
		Search: func(context.Context, *contract.SearchRequest) (*contract.Passages, error) {
			return &contract.Passages{Passages: []contract.Passage{{Source: "a.md", Title: "A", Text: "passage"}}}, nil
		},
		Answer: model,
	}
}

func unavailable[Req, Resp any](context.Context, Req) (Resp, error) {
	var none Resp
	return none, genai.Errorf(genai.Unavailable, "not there")
}

func TestAnswer(t *testing.T) {
	model := genaitest.Script(genaitest.Pieces("Hel", "lo"))
	seen, err := ask(t, newDesk(model.Chat), &contract.Question{Text: "the secret?", History: []contract.Turn{{Question: "q", Answer: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	if seen.text != "Hello" || seen.notice != "took out keys" || len(seen.citations) != 1 {
		t.Errorf("%+v", seen)
	}
	messages := model.Calls()[0].Request.Messages
	if len(messages) != 4 || messages[3].Text() != "the [key]?" || messages[2].Role != genai.RoleAssistant {
		t.Errorf("the model was sent %+v", messages)
	}
	if got := contract.PassagesOf(messages[0].Text()); len(got) != 1 || got[0] != "passage" {
		t.Errorf("the passages were lost: %q", got)
	}
}

func TestAbuseNeverReachesTheModel(t *testing.T) {
	model := genaitest.Script()
	seen, err := ask(t, newDesk(model.Chat), &contract.Question{Text: "idiot"})
	if err != nil || seen.refusal != "be kind" || seen.text != "" {
		t.Errorf("%+v, %v", seen, err)
	}
	if len(model.Calls()) != 0 {
		t.Error("the model was asked")
	}
}

func TestWithoutTheCheckNothingReachesTheModel(t *testing.T) {
	model := genaitest.Script()
	d := newDesk(model.Chat)
	d.Moderate = unavailable[*genai.ModerationRequest, *genai.Verdict]
	seen, err := ask(t, d, &contract.Question{Text: "question"})
	if err != nil || !strings.Contains(seen.notice, "ethics check") || len(seen.citations) != 1 {
		t.Errorf("%+v, %v", seen, err)
	}
	if len(model.Calls()) != 0 {
		t.Error("the model was asked")
	}
}

func TestWithoutTheKnowledgeBaseOrTheModel(t *testing.T) {
	d := newDesk(genaitest.Script().Chat)
	d.Search = unavailable[*contract.SearchRequest, *contract.Passages]
	if seen, err := ask(t, d, &contract.Question{Text: "question"}); err != nil || !strings.Contains(seen.notice, "knowledge base") {
		t.Errorf("%+v, %v", seen, err)
	}
	d = newDesk(genaitest.Script(genaitest.Fail(genai.Overloaded)).Chat)
	if seen, err := ask(t, d, &contract.Question{Text: "question"}); err != nil || !strings.Contains(seen.notice, "overloaded") || len(seen.citations) != 1 {
		t.Errorf("%+v, %v", seen, err)
	}
}

// A cut answer must not look like a whole one.
func TestCutAnswerIsAnError(t *testing.T) {
	model := genaitest.Script(genaitest.Pieces("Hel", "lo").Then(genai.Errorf(genai.Truncated, "cut")))
	seen, err := ask(t, newDesk(model.Chat), &contract.Question{Text: "question"})
	if !errors.Is(err, genai.Truncated) || seen.text != "Hello" {
		t.Errorf("%+v, %v", seen, err)
	}
}

func TestBadQuestions(t *testing.T) {
	d := newDesk(genaitest.Script().Chat)
	for name, c := range map[string]struct {
		q     *contract.Question
		kind  genai.Kind
		field string
	}{
		"empty": {&contract.Question{Text: " \n"}, genai.InvalidRequest, "text"},
		"5 MB":  {&contract.Question{Text: strings.Repeat("x", 5<<20)}, genai.TooLarge, "text"},
		"history": {&contract.Question{Text: "q", History: []contract.Turn{{Answer: strings.Repeat("x", 5<<20)}}},
			genai.TooLarge, "history"},
	} {
		_, err := ask(t, d, c.q)
		e, ok := errors.AsType[*genai.Error](err)
		if !ok || e.Kind != c.kind || e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}
