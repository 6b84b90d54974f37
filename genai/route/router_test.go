package route_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/route"
)

// says returns a handler that answers with a word.
func says(word string) genai.Handler[string, string] {
	return func(context.Context, string) (string, error) { return word, nil }
}

func fails(err error) genai.Handler[string, string] {
	return func(context.Context, string) (string, error) { return "", err }
}

// seeded returns the same random bits in every run.
func seeded() func() uint64 {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(1, 2))
	return func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Uint64()
	}
}

// calls asks h so often and returns the answers, joined by spaces.
func calls(t *testing.T, h genai.Handler[string, string], n int) string {
	t.Helper()
	var got []string
	for range n {
		answer, err := h(t.Context(), "q")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, answer)
	}
	return strings.Join(got, " ")
}

func TestTurns(t *testing.T) {
	abc := func(weights ...int) []route.Target[string, string] {
		var targets []route.Target[string, string]
		for i, w := range weights {
			name := string(rune('a' + i))
			target := route.To(name, says(name))
			target.Weight = w
			targets = append(targets, target)
		}
		return targets
	}
	for _, test := range []struct {
		name    string
		picker  route.Picker
		weights []int
		want    string
	}{
		{"round robin", &route.RoundRobin{}, []int{0, 0, 0}, "a b c a b c a"},
		{"round robin ignores weights", &route.RoundRobin{}, []int{5, 1}, "a b a b"},
		{"weighted without weights", &route.Weighted{}, []int{0, 0, 0}, "a b c a b c"},
		{"weighted is smooth", &route.Weighted{}, []int{5, 1, 1}, "a a b a c a a a a b a c a a"},
		{"weighted 3 to 1", &route.Weighted{}, []int{3, 1}, "a a b a a a b a"},
		{"a negative weight is 1", &route.Weighted{}, []int{-3, 1}, "a b a b"},
		{"least busy takes turns when idle", &route.LeastBusy{}, []int{0, 0, 0}, "a b c a b c"},
		{"one target", &route.PeakEWMA{}, []int{0}, "a a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := route.Among(test.picker, abc(test.weights...)...)
			if got := calls(t, r.Handle, strings.Count(test.want, " ")+1); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestReady(t *testing.T) {
	ready := map[string]bool{}
	target := func(name string) route.Target[string, string] {
		target := route.To(name, says(name))
		target.Ready = func() bool { return ready[name] }
		return target
	}
	r := route.Among(&route.RoundRobin{}, target("a"), target("b"), target("c"), route.To("d", says("d")))
	for _, test := range []struct{ up, want string }{
		{"a b c", "a b c d"},
		{"a c", "a c d"},
		{"", "d"},
	} {
		clear(ready)
		for _, name := range strings.Fields(test.up) {
			ready[name] = true
		}
		got := strings.Fields(calls(t, r.Handle, 24))
		slices.Sort(got)
		if got := strings.Join(slices.Compact(got), " "); got != test.want {
			t.Errorf("with %s up: %s answered", test.up, got)
		}
	}

	// More targets than a word has bits.
	many := []route.Target[string, string]{target("a"), target("b")}
	for i := range 70 {
		many = append(many, route.To(fmt.Sprint(i), says("x")))
	}
	r.Set(many...)
	if got := calls(t, r.Handle, 200); strings.ContainsAny(got, "ab") {
		t.Errorf("with none of two up: %s", got)
	}

	// Panic mode: if nobody is ready, all are asked.
	clear(ready)
	r.Set(target("a"), target("b"))
	if got := calls(t, r.Handle, 2); got != "a b" && got != "b a" {
		t.Errorf("with nobody ready: %s", got)
	}
}

// again makes n attempts at one request, as a retry does, and returns who was asked.
func again(t *testing.T, h genai.Handler[string, string], n int) []string {
	t.Helper()
	ctx := &genai.Trail{Context: t.Context()}
	var asked []string
	for i := range n {
		_, err := h(genai.WithAttempt(ctx, i+1), "q")
		e, ok := errors.AsType[*genai.Error](err)
		if !ok {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
		asked = append(asked, e.Target)
	}
	return asked
}

func TestAttemptsGoElsewhere(t *testing.T) {
	down := fails(genai.Unavailable)
	for _, p := range []route.Picker{nil, &route.RoundRobin{}, &route.Weighted{}, &route.LeastBusy{}, &route.PeakEWMA{Rand: seeded()}} {
		r := route.Among(p, route.To("a", down), route.To("b", down), route.To("c", down), route.To("d", down))
		for range 50 {
			asked := again(t, r.Handle, 4)
			if slices.Sort(asked); strings.Join(asked, "") != "abcd" {
				t.Fatalf("%T: four attempts asked %v", p, asked)
			}
		}
		if asked := again(t, r.Handle, 5); asked[4] == "" {
			t.Errorf("%T: the fifth attempt went nowhere", p)
		}
		var many []route.Target[string, string]
		for i := range 70 {
			many = append(many, route.To(fmt.Sprint(i), down))
		}
		r.Set(many...)
		asked := again(t, r.Handle, 71)[:70]
		slices.Sort(asked)
		if n := len(slices.Compact(asked)); n != 70 {
			t.Errorf("%T: 70 attempts asked %d of 70", p, n)
		}
	}
}

func TestReadyBeatsUntried(t *testing.T) {
	down := fails(genai.Unavailable)
	sick := route.To("sick", down)
	sick.Ready = func() bool { return false }
	r := route.Among(&route.RoundRobin{}, sick, route.To("well", down))
	if asked := again(t, r.Handle, 3); strings.Join(asked, " ") != "well well well" {
		t.Errorf("asked %v", asked)
	}
	well := sick
	well.Name = "other"
	r.Set(sick, well)
	if asked := again(t, r.Handle, 2); asked[0] == asked[1] {
		t.Errorf("with nobody ready both attempts asked %s", asked[0])
	}
}

type pickFunc func(among []*route.Candidate) *route.Candidate

func (f pickFunc) Pick(_ context.Context, _ any, among []*route.Candidate) *route.Candidate {
	return f(among)
}

func TestNoTarget(t *testing.T) {
	stranger := new(route.Candidate)
	for name, test := range map[string]struct {
		router *route.Router[string, string]
		want   genai.Kind
	}{
		"zero value":          {&route.Router[string, string]{}, genai.NoTarget},
		"no targets":          {route.Among[string, string](nil), genai.NoTarget},
		"refused":             {route.Among(pickFunc(func([]*route.Candidate) *route.Candidate { return nil }), route.To("a", says("a"))), genai.NoTarget},
		"somebody else's one": {route.Among(pickFunc(func([]*route.Candidate) *route.Candidate { return stranger }), route.To("a", says("a"))), genai.Internal},
	} {
		if _, err := test.router.Handle(t.Context(), "q"); genai.KindOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSetPanics(t *testing.T) {
	for name, targets := range map[string][]route.Target[string, string]{
		"two of a name": {route.To("a", says("a")), route.To("a", says("b"))},
		"no handler":    {{Name: "a"}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Set took it", name)
				}
			}()
			route.Among(nil, targets...)
		}()
	}
}

type codeError struct{ code int }

func (e codeError) Error() string { return fmt.Sprint("code ", e.code) }

func TestErrorsNameTheTarget(t *testing.T) {
	plain := errors.New("plain")
	own := &genai.Error{Kind: genai.RateLimited, Target: "theirs", RetryAfter: time.Second}
	bare := &genai.Error{Kind: genai.ServerError, Message: "boom", Err: codeError{7}}
	for _, test := range []struct {
		err    error
		target string
		kind   genai.Kind
		text   string
	}{
		{own, "theirs", genai.RateLimited, "theirs: rate_limited [retry after 1s]"},
		{bare, "cloud", genai.ServerError, "cloud: server_error: boom"},
		{fmt.Errorf("around: %w", bare), "cloud", genai.ServerError, "cloud: server_error: around: server_error: boom"},
		{&genai.Error{Kind: genai.Empty, Err: plain}, "cloud", genai.Empty, "cloud: empty_response: plain"},
		{plain, "cloud", genai.Unknown, "cloud: unknown: plain"},
		{context.Canceled, "cloud", genai.Cancelled, "cloud: cancelled: context canceled"},
		{genai.Unavailable, "cloud", genai.Unavailable, "cloud: unavailable: unavailable"},
	} {
		_, err := route.Among(nil, route.To("cloud", fails(test.err))).Handle(t.Context(), "q")
		e, ok := err.(*genai.Error)
		if !ok || e.Target != test.target || e.Kind != test.kind || err.Error() != test.text {
			t.Errorf("%v became %v", test.err, err)
		}
		if !errors.Is(err, test.err) || !errors.Is(err, test.kind) {
			t.Errorf("%v is not found in %v", test.err, err)
		}
	}
	_, err := route.Among(nil, route.To("cloud", fails(bare))).Handle(t.Context(), "q")
	if code, ok := errors.AsType[codeError](err); !ok || code.code != 7 {
		t.Error("the cause was lost")
	}
	if bare.Target != "" {
		t.Error("somebody else's error was changed")
	}
}

// a stream of numbers, as a handler.
func numbers(n int) genai.Handler[string, *genai.Stream[int]] {
	return func(ctx context.Context, _ string) (*genai.Stream[int], error) {
		i := 0
		return genai.NewStream(ctx, func() (int, error) {
			if i++; i > n {
				return 0, io.EOF
			}
			return i, nil
		}, nil)
	}
}

// spy lets a test see the candidates.
type spy struct {
	route.Picker
	mu   sync.Mutex
	seen map[string]*route.Candidate
}

func (s *spy) Pick(ctx context.Context, req any, among []*route.Candidate) *route.Candidate {
	s.mu.Lock()
	for _, c := range among {
		if s.seen == nil {
			s.seen = map[string]*route.Candidate{}
		}
		s.seen[c.Name()] = c
	}
	s.mu.Unlock()
	return s.Picker.Pick(ctx, req, among)
}

func TestInFlightUntilTheEnd(t *testing.T) {
	s := &spy{Picker: &route.RoundRobin{}}
	r := route.Among(s, route.To("a", numbers(3)))
	ctx, cancel := context.WithCancel(t.Context())
	var open []*genai.Stream[int]
	for range 4 {
		stream, err := r.Handle(ctx, "q")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, stream)
	}
	a := s.seen["a"]
	want := func(n int, when string) {
		t.Helper()
		if got := a.InFlight(); got != n {
			t.Errorf("%s: %d in flight, want %d", when, got, n)
		}
	}
	want(4, "open")
	for range open[0].All() {
	}
	want(3, "one read to its end")
	open[1].Close()
	open[1].Close()
	want(2, "one closed")
	genai.Discard(open[2])
	want(1, "one discarded")
	cancel()
	for range open[3].All() {
	}
	want(0, "context over")
}

func TestInFlightAfterFailureAndPanic(t *testing.T) {
	s := &spy{Picker: &route.RoundRobin{}}
	r := route.Among(s, route.To("a", genai.Handler[string, string](func(_ context.Context, q string) (string, error) {
		if q == "panic" {
			panic(q)
		}
		return "", genai.Overloaded
	})))
	if _, err := r.Handle(t.Context(), "q"); !errors.Is(err, genai.Overloaded) {
		t.Error(err)
	}
	func() {
		defer func() {
			if recover() != "panic" {
				t.Error("the panic did not get through")
			}
		}()
		_, _ = r.Handle(t.Context(), "panic")
	}()
	if n := s.seen["a"].InFlight(); n != 0 {
		t.Errorf("%d in flight", n)
	}
	if d := s.seen["a"].Latency(); d < time.Second {
		t.Errorf("failures count for %v only", d)
	}
}

func TestSetKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spy{Picker: &route.RoundRobin{}}
		slow := func(ctx context.Context, _ string) (*genai.Stream[int], error) {
			time.Sleep(time.Second)
			return numbers(1)(ctx, "")
		}
		r := route.Among(s, route.To("a", slow), route.To("b", slow))
		one, _ := r.Handle(t.Context(), "q")
		two, _ := r.Handle(t.Context(), "q")
		old := s.seen["a"]
		r.Set(route.To("c", slow), route.Target[string, *genai.Stream[int]]{Name: "a", Handler: slow, Weight: 7})
		three, _ := r.Handle(t.Context(), "q")
		if a := s.seen["a"]; a != old || a.InFlight() < 1 || a.Latency() == 0 || a.Weight() != 7 {
			t.Errorf("a was forgotten")
		}
		for _, stream := range []*genai.Stream[int]{one, two, three} {
			stream.Close()
		}
		if n := old.InFlight() + s.seen["b"].InFlight() + s.seen["c"].InFlight(); n != 0 {
			t.Errorf("%d in flight", n)
		}
	})
}

func TestSetWhileCallsRun(t *testing.T) {
	for _, p := range []route.Picker{nil, &route.RoundRobin{}, &route.Weighted{}, &route.LeastBusy{}} {
		never := route.To("never", says("never"))
		never.Ready = func() bool { return false }
		sets := [][]route.Target[string, string]{
			{route.To("a", says("a")), route.To("b", says("b"))},
			{route.To("b", says("b")), never, route.To("c", says("c")), route.To("a", says("a"))},
		}
		r := route.Among(p, sets[0]...)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range 500 {
					ctx := t.Context()
					if i%3 == 0 {
						ctx = &genai.Trail{Context: ctx}
						_, _ = r.Handle(ctx, "q")
					}
					if answer, err := r.Handle(ctx, "q"); err != nil || answer == "never" {
						t.Errorf("%q, %v", answer, err)
					}
				}
			})
		}
		wg.Go(func() {
			for i := range 500 {
				r.Set(sets[i%2]...)
			}
		})
		wg.Wait()
	}
}
