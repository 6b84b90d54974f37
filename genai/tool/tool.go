package tool

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Tool is a function that a model may ask to have called. [New] makes one out of a Go function; whoever has a schema and
// takes JSON writes one out.
type Tool struct {
	Name        string          // letters, digits, '_' and '-', at most 64
	Description string          // tells the model what the tool does, and when it is of use
	Parameters  json.RawMessage // a JSON Schema of an object; nil: there are no parameters

	// Run is given the arguments, JSON as the model wrote it, and answers with what the model is told. It is called by
	// several goroutines at once, returns soon after ctx ends, and checks what it is given: New does.
	Run func(ctx context.Context, arguments json.RawMessage) ([]genai.Part, error)

	// Timeout bounds one call; the model is told that it took too long. 0: the context of the conversation bounds it alone.
	Timeout time.Duration
}

// New returns a Tool that calls h with arguments that fit In: a struct, or a pointer to one, or a map with string keys. The
// model is told Out: a text as it is, parts as they are, anything else as JSON. What the model writes is checked against
// the schema of In and its method Validate, if it has one, before h is called; what does not fit is told to the model.
//
// New panics if the name is not one, or if In has no schema.
func New[In, Out any](name, description string, h genai.Handler[In, Out]) Tool {
	if !validName(name) {
		panic(fmt.Sprintf("tool: %q is no name: letters, digits, '_' and '-', at most 64", name))
	}
	sh, err := shapeOf(reflect.TypeFor[In](), false)
	if err == nil && sh.boxed {
		err = fmt.Errorf("arguments are an object")
	}
	if err != nil {
		panic(fmt.Sprintf("tool: %s: %v cannot be the arguments of a tool: %v", name, reflect.TypeFor[In](), err))
	}
	return Tool{Name: name, Description: description, Parameters: sh.wire, Run: func(ctx context.Context, arguments json.RawMessage) ([]genai.Part, error) {
		var in In
		if err := sh.decode(arguments, &in); err != nil {
			return nil, err
		}
		out, err := h(ctx, in)
		if err != nil {
			return nil, err
		}
		return partsOf(out)
	}}
}

func validName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
		default:
			return false
		}
	}
	return true
}

// partsOf returns what a model is told of a result.
func partsOf(out any) ([]genai.Part, error) {
	switch v := out.(type) {
	case string:
		return []genai.Part{{Text: v}}, nil
	case genai.Part:
		return []genai.Part{v}, nil
	case []genai.Part:
		return v, nil
	}
	if genai.Arriving(out) {
		genai.Discard(out)
		return nil, Stop(genai.Errorf(genai.Unsupported, "the result of a tool cannot be a stream: fold it first"))
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, Stop(genai.Errorf(genai.Internal, "the result of a tool has no form in JSON: %w", err))
	}
	return []genai.Part{{Text: string(text)}}, nil
}

// Stop marks an error of a tool that the model is not to be told: the [Loop] ends with it. It returns nil for nil.
func Stop(err error) error {
	if err == nil {
		return nil
	}
	return &stop{err}
}

type stop struct{ err error }

func (s *stop) Error() string { return s.err.Error() }
func (s *stop) Unwrap() error { return s.err }
