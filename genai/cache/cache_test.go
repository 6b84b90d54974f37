package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/cache"
)

// A model counts its calls, and answers each with its number.
type model struct {
	calls atomic.Int32
	err   error
	cut   error // what ends its streams
}

func (m *model) say(ctx context.Context, req string) (string, error) {
	n := m.calls.Add(1)
	if m.err != nil {
		return "", m.err
	}
	return fmt.Sprint(req, n), nil
}

func (m *model) embed(_ context.Context, req *genai.EmbedRequest) (*genai.Embeddings, error) {
	m.calls.Add(1)
	return &genai.Embeddings{Vectors: [][]float32{{float32(len(req.Input))}}}, nil
}

func (m *model) chat(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
	n := m.calls.Add(1)
	events := []genai.ChatEvent{
		{Start: &genai.ChatStart{ID: fmt.Sprint(n)}}, {Text: "one "}, {Text: "two"},
		{Finish: &genai.Finish{Reason: genai.FinishStop}, Usage: &genai.Usage{Output: 2}},
	}
	return genai.NewStream(ctx, func() (genai.ChatEvent, error) {
		if len(events) == 0 || m.cut != nil && len(events) == 1 {
			if m.cut != nil {
				return genai.ChatEvent{}, m.cut
			}
			return genai.ChatEvent{}, io.EOF
		}
		e := events[0]
		events = events[1:]
		return e, nil
	}, nil)
}

func surely(text string) *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User(text)}, Temperature: new(0.0)}
}

func shared() *cache.Cache { return &cache.Cache{Tenant: cache.Everyone} }

func TestCacheValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		c := shared()
		say := genai.With(m.say, c)
		ask := func(req, want string) {
			t.Helper()
			if got, err := say(t.Context(), req); got != want || err != nil {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		}
		ask("a", "a1")
		ask("a", "a1")
		ask("b", "b2")
		ask("a", "a1")
		time.Sleep(10*time.Minute - 1)
		ask("a", "a1")
		time.Sleep(time.Nanosecond)
		ask("a", "a3")
		if c.Len() != 2 {
			t.Errorf("%d answers", c.Len())
		}
		c.Clear()
		ask("b", "b4")
		m.err = genai.Unavailable
		if _, err := say(t.Context(), "c"); !errors.Is(err, genai.Unavailable) {
			t.Error(err)
		}
		m.err = nil
		ask("c", "c6") // a failure is not kept
	})
}

func TestCacheDoesNothingByItself(t *testing.T) {
	m := &model{}
	say := genai.With(m.say, &cache.Cache{})
	_, _ = say(t.Context(), "a")
	if got, _ := say(t.Context(), "a"); got != "a2" {
		t.Errorf("%q was kept without a tenant", got)
	}
}

type tenantKey struct{}

func TestTenantsDoNotMeet(t *testing.T) {
	m := &model{}
	tenant := func(ctx context.Context) string { s, _ := ctx.Value(tenantKey{}).(string); return s }
	say := genai.With(m.say, &cache.Cache{Tenant: tenant})
	for i, who := range []string{"one", "two", "one", "", "", "two"} {
		got, err := say(context.WithValue(t.Context(), tenantKey{}, who), "a")
		if want := []string{"a1", "a2", "a1", "a3", "a4", "a2"}[i]; got != want || err != nil {
			t.Errorf("call %d by %q: %q, %v", i, who, got, err)
		}
	}
}

// One cache, two handlers that are asked the same: each has its own answers.
func TestHandlersDoNotMeet(t *testing.T) {
	c := shared()
	one, two := genai.With(func(context.Context, string) (string, error) { return "one", nil }, c), genai.With(func(context.Context, string) (string, error) { return "two", nil }, c)
	for range 2 {
		a, _ := one(t.Context(), "q")
		b, _ := two(t.Context(), "q")
		if a != "one" || b != "two" {
			t.Errorf("%q and %q", a, b)
		}
	}
}

// Nobody sees what somebody else does to an answer.
func TestCacheCopies(t *testing.T) {
	m := &model{}
	embed := genai.With(m.embed, shared())
	req := &genai.EmbedRequest{Input: []string{"a"}}
	for i := range 3 {
		got, err := embed(t.Context(), req)
		if err != nil || len(got.Vectors) != 1 || got.Vectors[0][0] != 1 {
			t.Fatalf("call %d: %v, %v", i, got, err)
		}
		got.Vectors[0][0] = 7
		got.Vectors = append(got.Vectors[:0], nil)
	}
	req.Input[0] = "b" // the caller's own, and another question
	if _, _ = embed(t.Context(), req); m.calls.Load() != 2 {
		t.Errorf("%d calls", m.calls.Load())
	}
}

func texts(t *testing.T, s *genai.Stream[genai.ChatEvent]) string {
	t.Helper()
	resp, err := genai.FoldChat(s.All())
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(resp.ID, " ", resp.Text(), " ", resp.Finish.Reason, " ", resp.Usage.Output)
}

func TestCacheStreams(t *testing.T) {
	m := &model{}
	c := shared()
	chat := genai.With(m.chat, c)
	open := func(req *genai.ChatRequest) *genai.Stream[genai.ChatEvent] {
		t.Helper()
		s, err := chat(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	// Closed early, and never read: neither is complete.
	s := open(surely("a"))
	_, _ = s.Next()
	s.Close()
	open(surely("a")).Close()
	if c.Len() != 0 {
		t.Fatal("an incomplete stream was kept")
	}
	// Read to the end, though only just.
	s = open(surely("a"))
	for range 4 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if c.Len() != 0 {
		t.Fatal("kept before its end was known")
	}
	if _, err := s.Next(); err != io.EOF || c.Len() != 1 {
		t.Fatalf("%v, %d kept", err, c.Len())
	}
	// Two replays at the same time, and one is spoiled.
	one, two := open(surely("a")), open(surely("a"))
	e, _ := one.Next()
	e.Start.ID = "spoiled"
	if got := texts(t, two); got != "3 one two stop 2" || m.calls.Load() != 3 {
		t.Errorf("%s after %d calls", got, m.calls.Load())
	}
	one.Close()
	if got := texts(t, open(surely("a"))); got != "3 one two stop 2" {
		t.Errorf("%s", got)
	}
	// A replay ends with its context too.
	ctx, cancel := context.WithCancel(t.Context())
	s, _ = chat(ctx, surely("a"))
	cancel()
	for _, err := range s.All() {
		if err != nil && !errors.Is(err, genai.Cancelled) {
			t.Error(err)
		}
	}
	// Cut, before and after its first piece.
	m.cut = &genai.Error{Kind: genai.Truncated}
	s = open(surely("b"))
	for range s.All() {
	}
	if c.Len() != 1 {
		t.Error("a cut stream was kept")
	}
	// A temperature is a wish to hear something else.
	m.cut = nil
	before := m.calls.Load()
	for range 2 {
		texts(t, open(&genai.ChatRequest{Messages: []genai.Message{genai.User("a")}}))
	}
	if n := m.calls.Load() - before; n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := &cache.Cache{Tenant: cache.Everyone, Bytes: 8000}
	calls := map[string]int{}
	say := genai.With(func(_ context.Context, req string) (string, error) {
		calls[req]++
		n := 0
		_, _ = fmt.Sscanf(req, "%d", &n)
		return strings.Repeat("x", n), nil
	}, c)
	ask := func(req string) { _, _ = say(t.Context(), req) }
	ask("999")
	ask("999")
	if calls["999"] != 2 || c.Len() != 0 {
		t.Errorf("an answer of more than an eighth was kept")
	}
	for i := range 100 {
		ask(fmt.Sprintf("700 %d", i))
		ask("700 0") // used all the time, so it stays
	}
	if calls["700 0"] != 1 || c.Len() < 6 || c.Len() > 8 {
		t.Errorf("%d answers; the one in use was asked for %d times", c.Len(), calls["700 0"])
	}
	ask("700 50")
	if calls["700 50"] != 2 {
		t.Error("what was not used for the longest time did not make room")
	}
}

func TestCacheBoundsStreams(t *testing.T) {
	c := &cache.Cache{Tenant: cache.Everyone, Bytes: 80000}
	count := genai.With(func(ctx context.Context, n int) (*genai.Stream[string], error) {
		i := 0
		return genai.NewStream(ctx, func() (string, error) {
			if i++; i > n {
				return "", io.EOF
			}
			return strings.Repeat("x", 100), nil
		}, nil)
	}, c)
	for _, n := range []int{0, 10, 1000} { // the last is too large
		s, err := count(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		for range s.All() {
		}
	}
	if c.Len() != 2 {
		t.Errorf("%d streams were kept", c.Len())
	}
	s, err := count(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for piece, err := range s.All() {
		if n++; len(piece) != 100 || err != nil {
			t.Errorf("%q, %v", piece, err)
		}
	}
	if n != 10 {
		t.Errorf("%d pieces", n)
	}
}

type private struct{ secret int }

type null struct{}

func (*null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }
func (*null) UnmarshalJSON([]byte) error   { return nil }

func TestCachePassesThroughWhatCannotTravel(t *testing.T) {
	n := 0
	hidden := genai.With(func(context.Context, string) (*private, error) { n++; return &private{n}, nil }, shared())
	for i := range 2 {
		if got, err := hidden(t.Context(), "q"); err != nil || got.secret != i+1 {
			t.Errorf("%v, %v", got, err)
		}
	}
	nothing := genai.With(func(context.Context, string) (*null, error) { return &null{}, nil }, shared())
	for range 2 {
		if got, err := nothing(t.Context(), "q"); err != nil || got == nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	asked := genai.With(func(_ context.Context, f func() int) (int, error) { return f(), nil }, shared())
	for i := range 2 {
		if got, err := asked(t.Context(), func() int { return i }); err != nil || got != i {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestCacheTells(t *testing.T) {
	var told []string
	ctx := genai.Listen(t.Context(), func(e genai.Event) { told = append(told, e.Name+" "+e.To) })
	say := genai.With((&model{}).say, shared())
	_, _ = say(ctx, "a")
	_, _ = say(ctx, "a")
	if got := strings.Join(told, ", "); got != "cache miss, cache hit" {
		t.Error(got)
	}
}

func TestCacheWhileManyAsk(t *testing.T) {
	c := &cache.Cache{Tenant: cache.Everyone, Bytes: 20000, TTL: time.Millisecond}
	m := &model{}
	chat := genai.With(m.chat, c)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 300 {
				s, err := chat(t.Context(), surely(fmt.Sprint(i%(7+w))))
				if err != nil {
					t.Error(err)
					return
				}
				switch i % 3 {
				case 0:
					s.Close()
				default:
					if got := texts(t, s); !strings.HasSuffix(got, " one two stop 2") {
						t.Errorf("%s", got)
					}
				}
				if i%100 == 0 {
					c.Clear()
				}
			}
		})
	}
	wg.Wait()
}
