package transporttest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func failures() []promise {
	return []promise{
		{"E1", "an error arrives with all that it says", []variant{
			{"every kind", everyKind},
			{"value", func(e *env) { e.arrives(failure(), failValue) }},
			{"before the first piece", func(e *env) { e.arrives(failure(), failBeforeFirst) }},
			{"in a stream", func(e *env) { e.arrives(failure(), failMidway) }},
		}},
		{"E2", "errors of package context are themselves", []variant{
			{"cancelled", func(e *env) { e.contextError(context.Canceled, genai.Cancelled) }},
			{"deadline", func(e *env) { e.contextError(context.DeadlineExceeded, genai.DeadlineExceeded) }},
		}},
		{"E3", "an error with a reason is its sentinel", []variant{{"reason", sentinel}}},
		{"E4", "of another error the text arrives", []variant{
			{"value", func(e *env) { e.plainError(failValue) }},
			{"before the first piece", func(e *env) { e.plainError(failBeforeFirst) }},
			{"in a stream", func(e *env) { e.plainError(failMidway) }},
		}},
		{"E5", "there is no response beside an error", []variant{{"value", noResponseBesideError}}},
		{"E6", "an operation that nobody serves is unimplemented", []variant{{"value", unimplemented}}},
		{"E7", "errors of handlers and of the transport are told apart", []variant{{"alike in all else", notTheTransports}}},
		{"E9", "an error inside others keeps its kind, the first of several", wrappings()},
	}
}

// failure has everything set.
func failure() *genai.Error {
	return &genai.Error{
		Kind: genai.RateLimited, Op: "further.in", Target: "somebody", Reason: "busy", Message: "too much at once: \"é\"\n", Field: "messages[0].text",
		Status: 429, Code: "rate_limit_exceeded", RequestID: "req-1", RetryAfter: 1500 * time.Millisecond, Started: genai.StartedNo,
		Attempts: []genai.Attempt{
			{Target: "a", Kind: genai.Timeout, Elapsed: time.Second},
			{Target: "b", By: "retry", Kind: genai.RateLimited, Delay: time.Millisecond, RetryAfter: time.Minute, Elapsed: 3},
		},
	}
}

// A way is how a handler fails. It returns what the caller gets.
type way func(e *env, err error) error

func failValue(e *env, err error) error {
	call := place(e, ask, func(context.Context, *note) (*note, error) { return nil, err })
	_, got := call(e.Context(), &note{})
	return got
}

func failBeforeFirst(e *env, err error) error {
	call := place(e, tell, func(context.Context, *note) (notes, error) { return nil, err })
	_, got := call(e.Context(), &note{})
	return got
}

func failMidway(e *env, err error) error {
	call := place(e, tell, func(ctx context.Context, _ *note) (notes, error) {
		return genai.Open(ctx, func(_ context.Context, yield func(note) bool) error {
			yield(note{"1"})
			return err
		})
	})
	s := must[notes](e)(call(e.Context(), &note{}))
	defer s.Close()
	must[note](e)(s.Next())
	_, got := s.Next()
	if _, again := s.Next(); again != got {
		e.Errorf("the stream ended with %v, and then with %v", got, again)
	}
	return got
}

// arrives checks that an error is the same on the other side, but for its cause and where it was made.
func (e *env) arrives(sent *genai.Error, fail way) {
	e.Helper()
	sent.Err = errors.New("the cause")
	err := fail(e, sent)
	got, ok := err.(*genai.Error)
	if !ok {
		e.Fatalf("the error is a %T: %v", err, err)
	}
	want := *sent
	want.Err, want.Remote = nil, true
	if !reflect.DeepEqual(*got, want) {
		e.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

func everyKind(e *env) {
	var fails *genai.Error
	call := place(e, ask, func(context.Context, *note) (*note, error) { return nil, fails })
	for kind := range genai.Kinds {
		fails = &genai.Error{Kind: kind, Message: "no"}
		_, err := call(e.Context(), &note{})
		e.failed(err, kind)
		if !errors.Is(err, kind) {
			e.Errorf("%v is not %s", err, kind)
		}
	}
}

func (e *env) contextError(sent error, kind genai.Kind) {
	for _, fail := range []way{failValue, failBeforeFirst, failMidway} {
		err := fail(e, fmt.Errorf("further in: %w", sent))
		e.failed(err, kind)
		if !errors.Is(err, sent) {
			e.Errorf("%v is not %v", err, sent)
		}
	}
}

func sentinel(e *env) {
	noOrder := &genai.Error{Kind: genai.NotFound, Reason: "no_such_order"}
	for _, fail := range []way{failValue, failBeforeFirst, failMidway} {
		err := fail(e, fmt.Errorf("order 7: %w", noOrder))
		if !errors.Is(err, noOrder) || errors.Is(err, &genai.Error{Kind: genai.NotFound, Reason: "another"}) {
			e.Errorf("%v is not the sentinel, or another one too", err)
		}
		if !strings.Contains(err.Error(), "order 7") {
			e.Errorf("%v has lost its words", err)
		}
	}
}

type ownError struct{}

func (ownError) Error() string { return "something of our own" }

func (e *env) plainError(fail way) {
	cause := ownError{}
	err := fail(e, fmt.Errorf("it is %w", cause))
	e.failed(err, genai.Unknown)
	if !strings.Contains(err.Error(), "it is something of our own") {
		e.Errorf("the text is %q", err)
	}
	if errors.Is(err, cause) {
		e.Error("the cause has come along, which no wire could bring")
	}
	if !genai.AsError(err).Remote {
		e.Error("the error does not say that it was made on the other side")
	}
}

func noResponseBesideError(e *env) {
	call := place(e, ask, func(context.Context, *note) (*note, error) {
		return &note{"a part"}, genai.Errorf(genai.Overloaded, "not all of it")
	})
	got, err := call(e.Context(), &note{})
	e.failed(err, genai.Overloaded)
	if got != nil {
		e.Errorf("there is a response beside the error: %+v", got)
	}
}

func unimplemented(e *env) {
	link := e.link(func(s transport.Server) {
		ask.Serve(s, func(_ context.Context, req *note) (*note, error) { return req, nil })
	})
	other := transport.Op[*note, *note]{Name: "suite.other"}
	_, err := other.Dial(link.Client)(e.Context(), &note{})
	e.refused(err, genai.Unimplemented, "")
	if !strings.Contains(err.Error(), "suite.other") {
		e.Errorf("the error does not name the operation: %v", err)
	}
	must[*note](e)(ask.Dial(link.Client)(e.Context(), &note{}))
}
