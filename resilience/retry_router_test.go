package resilience_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
	"github.com/dovetail-go/dovetail/resilience"
)

// inOrder takes the first of those who are left.
type inOrder struct{}

func (inOrder) Pick(_ context.Context, _ any, among []*route.Candidate) *route.Candidate {
	return among[0]
}

// routed returns a router over targets that fail as told, nil being an answer, and the order in which they were asked.
func routed(fail ...error) (*route.Router[any, string], *[]string) {
	asked := &[]string{}
	var targets []route.Target[any, string]
	for i, err := range fail {
		name := string(rune('a' + i))
		targets = append(targets, route.To(name, func(context.Context, any) (string, error) {
			*asked = append(*asked, name)
			return name, err
		}))
	}
	return route.Among(inOrder{}, targets...), asked
}

func TestRetryOverRouter(t *testing.T) {
	hint := &genai.Error{Kind: genai.RateLimited, RetryAfter: time.Hour}
	for name, c := range map[string]struct {
		targets []error
		asked   string // who, in this order
		want    error
		atMost  time.Duration
	}{
		"each attempt asks somebody else":     {targets: []error{fail(genai.ServerError), fail(genai.ServerError), nil}, asked: "abc", atMost: 1200 * time.Millisecond},
		"what another may mend comes at once": {targets: []error{fail(genai.Timeout), fail(genai.Unauthenticated), nil}, asked: "abc"},
		"a hint is for who gave it":           {targets: []error{hint, nil}, asked: "ab", atMost: 400 * time.Millisecond},
		"with nobody else a hint counts":      {targets: []error{hint}, asked: "a", want: genai.RateLimited},
		"nobody else to mend it":              {targets: []error{fail(genai.Timeout)}, asked: "a", want: genai.Timeout},
		"the last one fails for good":         {targets: []error{fail(genai.Timeout), fail(genai.NotFound)}, asked: "ab", want: genai.NotFound},
		"a wrong request is wrong everywhere": {targets: []error{fail(genai.InvalidRequest), nil}, asked: "a", want: genai.InvalidRequest},
		"a refused text does not go shopping": {targets: []error{fail(genai.ContentFiltered), nil}, asked: "a", want: genai.ContentFiltered},
		"when all were asked, from the start": {targets: []error{fail(genai.ServerError), fail(genai.ServerError)}, asked: "aba", want: genai.ServerError, atMost: 1200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				router, asked := routed(c.targets...)
				began := time.Now()
				_, err := genai.With(router.Handle, &resilience.Retry{})(t.Context(), nil)
				if got := strings.Join(*asked, ""); got != c.asked {
					t.Errorf("%v were asked, want %s", got, c.asked)
				}
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if took := time.Since(began); took > c.atMost {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// The outermost Retry sets how many attempts there are, however many policies could make some, and whoever lays the trail
// learns what was tried although the request succeeded.
func TestRetrySharesItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		model := func(context.Context, any) (string, error) {
			calls++
			return "", fail(genai.ServerError)
		}
		two := route.Fallback(genai.With(model, &resilience.Retry{Attempts: 5}), genai.With(model, &resilience.Retry{Attempts: 5}))
		_, err := genai.With(two, &resilience.Retry{Attempts: 3})(t.Context(), nil)
		if e := genai.AsError(err); calls != 3 || len(e.Attempts) != 3 || e.Kind != genai.ServerError {
			t.Errorf("%d calls, %+v", calls, err)
		}
	})
}

func TestLedgerTellsOfSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router, _ := routed(fail(genai.ServerError), fail(genai.Timeout), nil)
		ledger := &genai.Ledger{Context: t.Context()}
		got, err := genai.With(router.Handle, &resilience.Retry{})(ledger, nil)
		tried := ledger.Attempts()
		if err != nil || got != "c" || len(tried) != 3 || tried[2].Target != "c" || tried[2].By != "retry" || tried[2].Kind != "" || tried[0].Target != "a" || tried[0].Kind != genai.ServerError ||
			tried[1].Target != "b" || tried[1].By != "retry" || tried[1].Kind != genai.Timeout || tried[1].Delay == 0 {
			t.Errorf("got %v, %v after %+v", got, err, tried)
		}
	})
}

// TestLedger: whoever makes more than one attempt tells what became of each, once.
func TestLedger(t *testing.T) {
	late := func(ctx context.Context, _ any) (string, error) {
		if genai.AttemptOf(ctx) == 1 {
			<-ctx.Done()
			return "", ctx.Err()
		}
		return "second", nil
	}
	fails := func(kind genai.Kind) genai.Handler[any, string] {
		return func(context.Context, any) (string, error) { return "", &genai.Error{Kind: kind, Target: string(kind)} }
	}
	works := func(context.Context, any) (string, error) { return "fine", nil }
	tests := map[string]struct {
		handler genai.Handler[any, string]
		want    string
	}{
		"nothing to tell":   {genai.With(works, &resilience.Retry{}, &resilience.Hedge{Delay: time.Second}), ""},
		"nobody repeats":    {fails(genai.ServerError), ""},
		"not repeated":      {genai.With(fails(genai.InvalidRequest), &resilience.Retry{}), "/invalid_request"},
		"all fail":          {genai.With(fails(genai.ServerError), &resilience.Retry{}), "/server_error retry/server_error retry/server_error"},
		"the hedge wins":    {genai.With(late, &resilience.Hedge{Delay: time.Second}), "/cancelled hedge/"},
		"hedge in retry":    {genai.With(late, &resilience.Retry{}, &resilience.Hedge{Delay: time.Second}), "/cancelled hedge/"},
		"fallback":          {route.Fallback(fails(genai.ServerError), works), "/server_error fallback/"},
		"fallbacks fail":    {route.Fallback(fails(genai.ServerError), fails(genai.Timeout)), "/server_error fallback/timeout"},
		"fallback in retry": {genai.With(route.Fallback(fails(genai.ServerError), works), &resilience.Retry{}), "/server_error fallback/"},
		"retry in fallback": {route.Fallback(genai.With(fails(genai.ServerError), &resilience.Retry{Attempts: 2}), works), "/server_error retry/server_error fallback/"},
		"cascade": {route.Cascade(func(_ context.Context, _ any, answer string) bool { return answer != "fine" }, works, fails(genai.Timeout)),
			"cascade/timeout"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ledger := &genai.Ledger{Context: t.Context()}
				_, _ = test.handler(ledger, "a prompt")
				var got []string
				for _, a := range ledger.Attempts() {
					got = append(got, a.By+"/"+string(a.Kind))
				}
				if strings.Join(got, " ") != test.want {
					t.Errorf("the ledger says %q, want %q", got, test.want)
				}
			})
		})
	}
}
