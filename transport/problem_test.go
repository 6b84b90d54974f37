package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// sent returns err as the other side has it, by way of JSON.
func sent(t *testing.T, err error) (*transport.Problem, *genai.Error) {
	t.Helper()
	text, failed := json.Marshal(transport.ProblemOf(err))
	if failed != nil {
		t.Fatal(failed)
	}
	p := &transport.Problem{}
	if failed := json.Unmarshal(text, p); failed != nil {
		t.Fatal(failed)
	}
	return p, p.Err()
}

func TestProblemOfEveryKind(t *testing.T) {
	for kind := range genai.Kinds {
		own := &genai.Error{
			Kind: kind, Op: "desk.ask", Target: "desk", Reason: "busy", Message: "too \"much\"\nat <once> é", Field: "messages[0]", Status: 429, Code: "c",
			RequestID: "r", RetryAfter: 1500 * time.Millisecond, Started: genai.StartedYes,
			Attempts: []genai.Attempt{{Target: "a", By: "retry", Kind: genai.Timeout, Delay: 1, RetryAfter: 2, Elapsed: 3}, {Target: "b"}},
		}
		p, got := sent(t, own)
		want := *own
		want.Remote = true
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("got  %+v\nwant %+v", *got, want)
		}
		if p.Retryable != kind.Retryable() || p.Status != transport.StatusOf(kind) || p.Title == "" {
			t.Errorf("%s: the problem is %+v", kind, p)
		}
		if !errors.Is(got, kind) || !errors.Is(got, &genai.Error{Kind: kind, Reason: "busy"}) {
			t.Errorf("%v is not what it was", got)
		}
		if crossed := transport.Crossed(own); !reflect.DeepEqual(crossed, got) {
			t.Errorf("crossed without JSON: %+v\nby way of JSON:       %+v", crossed, got)
		}
		if again := transport.Crossed(got); again != got {
			t.Errorf("what has crossed once is another value when it crosses again: %+v", again)
		}
	}
	for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
		if _, got := sent(t, fmt.Errorf("further in: %w", err)); !errors.Is(got, err) || got.Message != "further in: "+err.Error() {
			t.Errorf("%v arrives as %+v", err, got)
		}
	}
}

// TestProblemDetail: of every error the text arrives, and of the cause nothing else.
func TestProblemDetail(t *testing.T) {
	cause := errors.New("the cause")
	noOrder := &genai.Error{Kind: genai.NotFound, Reason: "no_such_order"}
	for _, c := range []struct {
		err  error
		want string
		kind genai.Kind
	}{
		{errors.New("odd"), "odd", genai.Unknown},
		{&genai.Error{Kind: genai.Internal, Err: cause}, "the cause", genai.Internal},
		{&genai.Error{Kind: genai.Internal, Message: "said", Err: cause}, "said", genai.Internal},
		{&genai.Error{Kind: genai.Empty}, "", genai.Empty},
		{fmt.Errorf("order 7: %w", noOrder), "order 7: not_found", genai.NotFound},
		{errors.Join(cause, noOrder), "the cause\nnot_found", genai.NotFound},
		{genai.Overloaded, "overloaded", genai.Overloaded},
	} {
		_, got := sent(t, c.err)
		if got.Message != c.want || got.Kind != c.kind || got.Err != nil || !got.Remote {
			t.Errorf("%v arrives as %+v, want %q", c.err, got, c.want)
		}
		if errors.Is(got, cause) {
			t.Errorf("%v brings its cause along", got)
		}
		if crossed := transport.Crossed(c.err); !reflect.DeepEqual(crossed, got) {
			t.Errorf("crossed without JSON: %+v\nby way of JSON:       %+v", crossed, got)
		}
	}
}

// TestCrossedKeepsCauses: an error from elsewhere whose cause was put in here leaves the cause behind when it goes on.
func TestCrossedKeepsCauses(t *testing.T) {
	from := &genai.Error{Kind: genai.Overloaded, Remote: true, Err: errors.New("a cause of ours")}
	if got := transport.Crossed(from); got == from || got.Err != nil || got.Message != "a cause of ours" {
		t.Errorf("got %+v", got)
	}
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{
		0: 0, 1: time.Millisecond, time.Millisecond: time.Millisecond, time.Millisecond + 1: 2 * time.Millisecond,
		30 * time.Second: 30 * time.Second, 24 * time.Hour: 24 * time.Hour, -time.Second: 0, 1<<63 - 1: 0,
	} {
		_, got := sent(t, &genai.Error{Kind: genai.RateLimited, RetryAfter: wait})
		if wait == 1<<63-1 {
			if got.RetryAfter < 100*365*24*time.Hour {
				t.Errorf("a wait without an end arrives as %v", got.RetryAfter)
			}
			continue
		}
		if got.RetryAfter != want {
			t.Errorf("a wait of %v arrives as %v, want %v: nobody may come too early", wait, got.RetryAfter, want)
		}
	}
	for text, want := range map[string]time.Duration{`{"kind":"rate_limited","retry_after_ms":-5}`: 0, `{"retry_after_ms":9223372036854775807}`: 1<<63 - 1} {
		p := &transport.Problem{}
		if err := json.Unmarshal([]byte(text), p); err != nil {
			t.Fatal(err)
		}
		if got := p.Err().RetryAfter; got < want.Truncate(time.Millisecond) || got < 0 {
			t.Errorf("%s is a wait of %v", text, got)
		}
	}
}

// TestProblemOfOthers: problems of newer peers, of other programs, and of none.
func TestProblemOfOthers(t *testing.T) {
	for text, want := range map[string]genai.Error{
		`{}`:                            {Kind: genai.Unknown},
		`{"status":503}`:                {Kind: genai.Unavailable},
		`{"status":429,"detail":"no"}`:  {Kind: genai.RateLimited, Message: "no"},
		`{"kind":"from_next_year"}`:     {Kind: genai.Unknown},
		`{"kind":"x","status":503}`:     {Kind: genai.Unknown},
		`{"kind":"not_found"}`:          {Kind: genai.NotFound},
		`{"started":"perhaps"}`:         {Kind: genai.Unknown, Started: genai.StartedUnknown},
		`{"started":"no"}`:              {Kind: genai.Unknown, Started: genai.StartedNo},
		`{"title":"Teapot","new":true}`: {Kind: genai.Unknown},
	} {
		p := &transport.Problem{}
		if err := json.Unmarshal([]byte(text), p); err != nil {
			t.Fatal(err)
		}
		got := p.Err()
		want.Remote = true
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", text, *got, want)
		}
	}
}

func TestStatuses(t *testing.T) {
	for kind := range genai.Kinds {
		status := transport.StatusOf(kind)
		if status < 400 || status > 599 {
			t.Errorf("%s has the status %d", kind, status)
		}
		if kind != genai.Internal && kind != genai.Unknown && status == http.StatusInternalServerError {
			t.Errorf("%s has no status of its own", kind)
		}
		// A proxy between may drop the body. What is then guessed must not make anybody repeat what must not be repeated
		// nor blame a server for what the caller did.
		guess := transport.KindOf(status)
		if !guess.Known() {
			t.Errorf("the status %d of %s is taken for %q", status, kind, guess)
		}
		if status < 500 && status != 499 && guess.Faulty() && !kind.Faulty() {
			t.Errorf("%s, the caller's fault, arrives without its body as %s, which is the server's", kind, guess)
		}
	}
	if transport.StatusOf("from_next_year") != 500 || transport.KindOf(200) != genai.Unknown || transport.KindOf(418) != genai.Unknown {
		t.Error("what is not known is taken for something")
	}
	for status, want := range map[int]genai.Kind{
		400: genai.InvalidRequest, 401: genai.Unauthenticated, 403: genai.PermissionDenied, 404: genai.Unimplemented, 405: genai.Unimplemented,
		408: genai.Timeout, 409: genai.Conflict, 412: genai.Precondition, 413: genai.TooLarge, 422: genai.InvalidRequest, 429: genai.RateLimited, 500: genai.Unknown, 501: genai.Unimplemented, 502: genai.Unavailable,
		503: genai.Unavailable, 504: genai.Timeout,
	} {
		if got := transport.KindOf(status); got != want {
			t.Errorf("the status %d is taken for %s, want %s", status, got, want)
		}
	}
}
