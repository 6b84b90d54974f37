package transport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// Everything an error says but its cause arrives, whatever its kind.
func TestProblemRoundTrip(t *testing.T) {
	for kind := range genai.Kinds {
		sent := &genai.Error{
			Kind: kind, Op: "models.answer", Target: "models", Reason: "queue", Message: "too much", Field: "messages[0]",
			Status: 529, Code: "overloaded_error", RequestID: "req_1", RetryAfter: 1500 * time.Millisecond, Started: genai.StartedYes,
			Attempts: []genai.Attempt{{Target: "a", Kind: genai.Timeout, Delay: time.Second}, {Target: "b", By: "retry", Kind: kind}},
		}
		text, err := json.Marshal(transport.ProblemOf(sent))
		if err != nil {
			t.Fatal(err)
		}
		var p transport.Problem
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		want := *sent
		want.Remote = true
		if got := p.Err(); !reflect.DeepEqual(got, &want) {
			t.Errorf("%s arrived as %+v", kind, got)
		}
		if !errors.Is(p.Err(), kind) {
			t.Errorf("%s is no longer what it was", kind)
		}
		if p.Retryable != kind.Retryable() || p.Status < 400 || p.Status > 599 || p.Title == "" {
			t.Errorf("%s is told as %s", kind, text)
		}
		if again := transport.Crossed(p.Err()); !reflect.DeepEqual(again, &want) {
			t.Errorf("%s changes at a second wire: %+v", kind, again)
		}
	}
}

func TestProblemOf(t *testing.T) {
	cause := errors.New("dial tcp: refused")
	for name, c := range map[string]struct {
		err    error
		kind   genai.Kind
		detail string
	}{
		"not one of ours":      {errors.New("odd"), genai.Unknown, "odd"},
		"a kind":               {genai.RateLimited, genai.RateLimited, "rate_limited"},
		"with a cause":         {&genai.Error{Kind: genai.Unavailable, Err: cause}, genai.Unavailable, cause.Error()},
		"wrapped in words":     {fmt.Errorf("while asking: %w", genai.Errorf(genai.Timeout, "slow")), genai.Timeout, "while asking: timeout: slow"},
		"a hint is rounded up": {&genai.Error{Kind: genai.RateLimited, Message: "wait", RetryAfter: 1}, genai.RateLimited, "wait"},
	} {
		p := transport.ProblemOf(c.err)
		if p.Kind != c.kind || p.Detail != c.detail {
			t.Errorf("%s: %+v", name, p)
		}
		if genai.AsError(c.err).RetryAfter > 0 && p.RetryAfter != 1 {
			t.Errorf("%s: the hint is %d ms", name, p.RetryAfter)
		}
	}
}

// What others send is not believed.
func TestProblemErr(t *testing.T) {
	for name, c := range map[string]struct {
		problem transport.Problem
		kind    genai.Kind
		started genai.Started
		wait    time.Duration
	}{
		"a kind from the future": {transport.Problem{Kind: "quantum_noise", Started: genai.StartedNo}, genai.Unknown, genai.StartedNo, 0},
		"a proxy":                {transport.Problem{Status: 502}, genai.Unavailable, genai.StartedUnknown, 0},
		"nothing at all":         {transport.Problem{}, genai.Unknown, genai.StartedUnknown, 0},
		"a wait in the past":     {transport.Problem{Kind: genai.RateLimited, RetryAfter: -5}, genai.RateLimited, genai.StartedUnknown, 0},
		"odd words":              {transport.Problem{Kind: genai.RateLimited, Started: "perhaps"}, genai.RateLimited, genai.StartedUnknown, 0},
	} {
		e := c.problem.Err()
		if e.Kind != c.kind || e.Started != c.started || e.RetryAfter != c.wait || !e.Remote {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// A status that we send is understood when it comes without a body.
func TestStatuses(t *testing.T) {
	for kind := range genai.Kinds {
		if status := transport.StatusOf(kind); status < 400 || status > 599 {
			t.Errorf("%s is %d", kind, status)
		}
	}
	for status, want := range map[int]genai.Kind{
		400: genai.InvalidRequest, 401: genai.Unauthenticated, 403: genai.PermissionDenied, 404: genai.Unimplemented, 405: genai.Unimplemented,
		408: genai.Timeout, 413: genai.TooLarge, 418: genai.Unknown, 429: genai.RateLimited, 500: genai.Unknown, 501: genai.Unimplemented,
		502: genai.Unavailable, 503: genai.Unavailable, 504: genai.Timeout,
	} {
		if got := transport.KindOf(status); got != want {
			t.Errorf("%d is %s, want %s", status, got, want)
		}
	}
}

func FuzzProblem(f *testing.F) {
	f.Add([]byte(`{"kind":"rate_limited","retry_after_ms":1500,"attempts":[{"target":"a","kind":"timeout"}]}`))
	f.Add([]byte(`{"status":9999999999,"retry_after_ms":9223372036854775807}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p transport.Problem
		if json.Unmarshal(text, &p) != nil {
			return
		}
		e := p.Err()
		if !e.Kind.Known() || e.RetryAfter < 0 || !e.Remote {
			t.Errorf("%s became %+v", text, e)
		}
		if again := transport.Crossed(e); again != e {
			t.Errorf("it changes at a second wire: %+v", again)
		}
		_ = e.Error()
	})
}
