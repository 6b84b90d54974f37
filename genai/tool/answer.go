package tool

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
)

// As returns a handler whose answers are a T. It is an [Answer] without more than a model: what does not fit is an error.
// For a model that streams write As[T](genai.Whole(chat)). It panics if T has no schema.
func As[T any](model genai.Completer) genai.Handler[*genai.ChatRequest, T] {
	a := &Answer[T]{Model: model}
	a.shape()
	return a.Ask
}

// An Answer asks a model for answers that are a T. Its method Ask is a [genai.Handler]. It is safe for concurrent use, and
// must not be copied.
type Answer[T any] struct {
	Model genai.Completer // required

	Name        string // of the schema, for the provider: letters, digits, '_' and '-'; empty: made of the name of T
	Description string // tells the model what the value is

	// Repairs is how often the model is shown what is wrong with its answer and asked again, each time for the price of
	// another call; 0 means never.
	Repairs int

	once sync.Once
	made *shape
}

// Ask asks for an answer. The Format of the request is replaced; the rest goes to the model as it is.
//
// What the model writes is checked against the schema and the rest of T (see the package comment), and what does not fit
// in the end is a [genai.Malformed] error with the Reason "unfit", whose Field says where. An answer that was cut by its
// limit on tokens is [genai.Truncated], however well it may look; one that the model or its provider declined to give is
// [genai.ContentFiltered]; and one that asks for tools, which a [Loop] would run, is [genai.Unsupported]. Errors do not
// quote the answer.
func (a *Answer[T]) Ask(ctx context.Context, req *genai.ChatRequest) (T, error) {
	var zero T
	if req == nil {
		return zero, &genai.Error{Kind: genai.InvalidRequest, Message: "the request is nil"}
	}
	if a.Model == nil {
		return zero, &genai.Error{Kind: genai.Internal, Field: "Model", Message: "an Answer needs a model"}
	}
	sh := a.shape()
	asked := *req
	asked.Format = &genai.Format{Name: a.name(), Description: a.Description, Schema: sh.wire}
	if sh.strict {
		asked.Format.Strict = new(true)
	}
	for try := 0; ; try++ {
		resp, err := a.Model(ctx, &asked)
		if err != nil {
			return zero, err
		}
		text, err := textOf(resp)
		if err != nil {
			return zero, err
		}
		var v T
		err = sh.decode(jsonIn(text), &v)
		if err == nil {
			return v, nil
		}
		wrong, ok := errors.AsType[*misfit](err)
		if !ok {
			return zero, genai.AsError(err)
		}
		if try >= a.Repairs {
			return zero, wrong.unfit("the type that was asked for")
		}
		asked.Messages = append(asked.Messages[:len(asked.Messages):len(asked.Messages)], resp.Message, genai.User(
			fmt.Sprintf("This does not fit the schema: %s. Answer again, with nothing but JSON that fits.", clip(wrong.Error()))))
	}
}

// textOf returns the text of an answer that can be read as a value.
func textOf(resp *genai.ChatResponse) (string, error) {
	fail := func(kind genai.Kind, message string) (string, error) {
		return "", &genai.Error{Kind: kind, Message: message, Started: genai.StartedYes}
	}
	for _, p := range resp.Message.Parts {
		if p.Refusal != "" {
			return fail(genai.ContentFiltered, "the model declined to answer")
		}
	}
	switch resp.Finish.Reason {
	case genai.FinishLength:
		return fail(genai.Truncated, "the answer reached its limit on tokens before its end")
	case genai.FinishFiltered:
		return fail(genai.ContentFiltered, "the provider withheld the rest of the answer")
	}
	if len(resp.Message.ToolCalls()) > 0 {
		return fail(genai.Unsupported, "the model asks for tools instead of answering: a Loop runs them")
	}
	if strings.TrimSpace(resp.Text()) == "" {
		return fail(genai.Empty, "there is no text in the answer")
	}
	return resp.Text(), nil
}

// shape returns the shape of T.
func (a *Answer[T]) shape() *shape {
	a.once.Do(func() {
		sh, err := shapeOf(reflect.TypeFor[T](), true)
		if err != nil {
			panic(fmt.Sprintf("tool: %v has no schema: %v", reflect.TypeFor[T](), err))
		}
		a.made = sh
	})
	return a.made
}

func (a *Answer[T]) name() string {
	if a.Name != "" {
		return a.Name
	}
	return nameOf(reflect.TypeFor[T]())
}

// nameOf makes a name that providers take out of the name of a type.
func nameOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, t.Name())
	if name == "" {
		return "answer"
	}
	return name[:min(len(name), 64)]
}

// clip shortens what a model is told about its mistakes.
func clip(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
