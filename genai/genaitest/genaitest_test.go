package genaitest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

func ask(text string) *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User(text)}}
}

// read returns the texts that arrive, and what ended them; nil if the answer is complete.
func read(s *genai.Stream[genai.ChatEvent]) (texts []string, err error) {
	for e, err := range s.All() {
		if err != nil {
			return texts, err
		}
		if !e.Preamble() {
			texts = append(texts, e.Text)
		}
	}
	return texts, nil
}

func TestSteps(t *testing.T) {
	limited := &genai.Error{Kind: genai.RateLimited, RetryAfter: time.Minute, Status: 429}
	tests := []struct {
		name  string
		step  genaitest.Step
		texts string     // joined by |
		first genai.Kind // how the call fails, if it does
		cut   genai.Kind // how the stream ends
	}{
		{"reply", genaitest.Reply("Hello"), "Hello", "", ""},
		{"pieces", genaitest.Pieces("He", "llo"), "He|llo", "", ""},
		{"nothing", genaitest.Step{}, "", "", ""},
		{"fail", genaitest.Fail(genai.Overloaded), "", genai.Overloaded, ""},
		{"fail with an Error", genaitest.Fail(limited), "", genai.RateLimited, ""},
		{"fail with a wrapped Error", genaitest.Fail(fmt.Errorf("wrapped: %w", limited)), "", genai.RateLimited, ""},
		{"fail with a foreign error", genaitest.Fail(io.ErrClosedPipe), "", genai.Unknown, ""},
		{"fail with nil", genaitest.Fail(nil), "", genai.Internal, ""},
		{"cut", genaitest.Pieces("a", "b").Then(genai.Truncated), "a|b", "", genai.Truncated},
		{"cut of nothing", genaitest.Pieces().Then(genai.Truncated), "", genai.Truncated, ""},
		{"later wins", genaitest.Pieces("a").ThenHang().Then(genai.Truncated), "a", "", genai.Truncated},
		{"do", genaitest.Do(func(_ context.Context, r *genai.ChatRequest) genaitest.Step {
			return genaitest.Reply(r.Text())
		}), "hi", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := genaitest.Script(test.step.Times(2))
			s, err := m.Chat(t.Context(), ask("hi"))
			if genai.KindOf(err) != test.first {
				t.Fatalf("the call failed with %v, want %q", err, test.first)
			}
			if (s == nil) != (err != nil) {
				t.Fatalf("stream %v, error %v", s, err)
			}
			if err == nil {
				texts, err := read(s)
				if got := strings.Join(texts, "|"); got != test.texts {
					t.Errorf("pieces %q, want %q", got, test.texts)
				}
				if genai.KindOf(err) != test.cut {
					t.Errorf("ended with %v, want %q", err, test.cut)
				}
			}
			resp, err := m.Complete(t.Context(), ask("hi"))
			if want := max(test.first, test.cut); genai.KindOf(err) != want || (resp == nil) != (err != nil) {
				t.Errorf("Complete: %v, %v; want %q", resp, err, want)
			}
			if resp != nil && resp.Text() != strings.ReplaceAll(test.texts, "|", "") {
				t.Errorf("Complete: %q", resp.Text())
			}
			if _, ok := errors.AsType[*genai.Error](err); err != nil && !ok {
				t.Errorf("%T is no *genai.Error", err)
			}
			for i, c := range m.Calls() {
				if !c.Over || c.Abandoned || c.Streamed != (i == 0) {
					t.Errorf("call %d: %+v", i+1, c)
				}
			}
			m.Verify(t)
		})
	}
}

func TestEnds(t *testing.T) {
	m := genaitest.Script(
		genaitest.Reply("a").Usage(3, 4).Finish(genai.FinishLength),
		genaitest.ToolCalls(genai.ToolCall{Name: "clock", Arguments: `{"zone":"UTC"}`}, genai.ToolCall{ID: "x", Name: "stop"}),
		genaitest.Events(genai.ChatEvent{Reasoning: "hm"}, genai.ChatEvent{Text: "b"}, genai.ChatEvent{Finish: &genai.Finish{Reason: genai.FinishOther}}),
	)
	m.Name = "m"
	want := []*genai.ChatResponse{
		{ID: "m-1", Model: "big", Message: genai.Assistant("a"), Finish: genai.Finish{Reason: "length", Raw: "length"}, Usage: &genai.Usage{Input: 3, Output: 4}},
		{ID: "m-2", Model: "m", Message: genai.Message{Role: genai.RoleAssistant, Parts: []genai.Part{
			{ToolCall: &genai.ToolCall{ID: "call_1", Name: "clock", Arguments: `{"zone":"UTC"}`}},
			{ToolCall: &genai.ToolCall{ID: "x", Name: "stop"}},
		}}, Finish: genai.Finish{Reason: "tool_calls", Raw: "tool_calls"}},
		{ID: "m-3", Model: "m", Message: genai.Message{Role: genai.RoleAssistant, Parts: []genai.Part{
			{Reasoning: &genai.Reasoning{Text: "hm"}}, {Text: "b"},
		}}, Finish: genai.Finish{Reason: "other"}},
	}
	req := ask("hi")
	req.Model = "big"
	for i, want := range want {
		got, err := m.Complete(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("answer %d\ngot  %+v\nwant %+v", i+1, got, want)
		}
		req = ask("hi")
	}
}

// An answer that is cut has used tokens, but has no reason for its end.
func TestCutHasNoFinish(t *testing.T) {
	s, err := genaitest.Script(genaitest.Reply("a").Usage(1, 2).Finish(genai.FinishStop).Then(genai.Truncated)).Chat(t.Context(), ask("hi"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := genai.FoldChat(s.All())
	if !errors.Is(err, genai.Truncated) || resp.Finish.Reason != "" || resp.Usage == nil || !resp.Usage.LowerBound {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestTime(t *testing.T) {
	type seen struct {
		at   time.Duration
		text string
	}
	tests := []struct {
		name string
		step genaitest.Step
		read time.Duration // how long the reader takes for a piece
		want []seen
		end  time.Duration
	}{
		{"first", genaitest.Reply("a").After(time.Second), 0, []seen{{time.Second, "a"}}, time.Second},
		{"gaps", genaitest.Pieces("a", "b", "c").After(time.Second).Every(time.Minute), 0,
			[]seen{{time.Second, "a"}, {61 * time.Second, "b"}, {121 * time.Second, "c"}}, 121 * time.Second},
		{"slow reader", genaitest.Pieces("a", "b", "c").Every(time.Second), 5 * time.Second,
			[]seen{{0, "a"}, {5 * time.Second, "b"}, {10 * time.Second, "c"}}, 15 * time.Second},
		{"gap before the cut", genaitest.Pieces("a").Every(time.Second).Then(genai.Truncated), 0, []seen{{0, "a"}}, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s, err := genaitest.Script(test.step).Chat(t.Context(), ask("hi"))
				if err != nil {
					t.Fatal(err)
				}
				var got []seen
				for e, err := range s.All() {
					if err == nil && e.Text != "" {
						got = append(got, seen{time.Since(began), e.Text})
						time.Sleep(test.read)
					}
				}
				if !reflect.DeepEqual(got, test.want) || time.Since(began) != test.end {
					t.Errorf("got %v until %v", got, time.Since(began))
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := genaitest.Script(genaitest.Fail(genai.Overloaded).After(time.Second)).Complete(t.Context(), ask("hi"))
		if !errors.Is(err, genai.Overloaded) || time.Since(began) != time.Second {
			t.Errorf("failed with %v after %v", err, time.Since(began))
		}
	})
}

func TestHang(t *testing.T) {
	for _, test := range []struct {
		name string
		step genaitest.Step
		text string
	}{
		{"before the first piece", genaitest.Hang(), ""},
		{"after a piece", genaitest.Reply("a").ThenHang(), "a"},
		{"slow", genaitest.Pieces("a", "b").Every(time.Hour), "a"},
		{"slow to begin", genaitest.Reply("a").After(time.Hour), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := genaitest.Script(test.step)
				ctx, cancel := context.WithTimeout(genai.WithAttempt(t.Context(), 3), time.Second)
				defer cancel()
				resp, err := m.Complete(ctx, ask("hi"))
				if !errors.Is(err, genai.DeadlineExceeded) || resp != nil {
					t.Errorf("%v, %v", resp, err)
				}
				c := m.Calls()[0]
				if !c.Over || !c.Abandoned || !errors.Is(c.Err, genai.DeadlineExceeded) || c.Pieces != len(test.text) {
					t.Errorf("%+v", c)
				}
				if deadline, _ := ctx.Deadline(); c.Deadline != deadline || c.Attempt != 3 {
					t.Errorf("deadline %v, attempt %d", c.Deadline, c.Attempt)
				}
			})
		})
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := genaitest.Script(genaitest.Pieces("a", "b").ThenHang())
		s, err := m.Chat(t.Context(), ask("hi"))
		if err != nil {
			t.Fatal(err)
		}
		if c := m.Calls()[0]; c.Over || c.Pieces != 1 {
			t.Errorf("before: %+v", c)
		}
		go func() {
			time.Sleep(time.Second)
			s.Close() // while read waits
		}()
		texts, err := read(s)
		if len(texts) != 2 || !errors.Is(err, genai.Cancelled) {
			t.Errorf("%q, %v", texts, err)
		}
		if c := m.Calls()[0]; !c.Over || !c.Abandoned || !errors.Is(c.Err, genai.Cancelled) {
			t.Errorf("after: %+v", c)
		}
	})
}

func TestDeadContextLeavesTheStep(t *testing.T) {
	m := genaitest.Script(genaitest.Reply("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Complete(ctx, ask("hi")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if c := m.Calls()[0]; !c.Abandoned {
		t.Errorf("%+v", c)
	}
	if resp, err := m.Complete(t.Context(), ask("hi")); err != nil || resp.Text() != "a" {
		t.Error(resp, err)
	}
	m.Verify(t)
}

func TestRequestsAreCopied(t *testing.T) {
	m := genaitest.Script(genaitest.Reply("a").Always())
	req := ask("hi")
	req.Temperature = new(0.0)
	req.Metadata = map[string]string{"a": "b"}
	req.Messages[0].Parts = append(req.Messages[0].Parts, genai.Part{Image: new(genai.NewBlob("image/png", []byte("png")))})
	if _, err := m.Complete(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got := m.Calls()[0].Request; !reflect.DeepEqual(got, req) {
		t.Errorf("got %+v", got)
	}
	*req.Temperature = 1
	req.Metadata["a"] = "c"
	req.Messages[0].Parts[0].Text = "other"
	m.Calls()[0].Request.Messages[0].Parts[0].Text = "other still"
	got := m.Calls()[0].Request
	if *got.Temperature != 0 || got.Metadata["a"] != "b" || got.Text() != "hi" {
		t.Errorf("the record changed with the request: %+v", got)
	}
	if string(got.Messages[0].Parts[1].Image.Bytes()) != "png" {
		t.Error("the picture is lost")
	}
}

func TestAnswersAreCopied(t *testing.T) {
	call := &genai.ToolCallDelta{Name: "clock"}
	m := genaitest.Script(genaitest.Events(genai.ChatEvent{ToolCall: call}).Always())
	s, err := m.Chat(t.Context(), ask("hi"))
	if err != nil {
		t.Fatal(err)
	}
	for e := range s.All() {
		if e.ToolCall != nil {
			e.ToolCall.Name = "changed"
		}
	}
	if call.Name != "clock" {
		t.Error("a consumer can change the script")
	}
}

// recorder is a testing.TB that remembers failures.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestVerify(t *testing.T) {
	const calls = 3
	tests := []struct {
		name  string
		steps []genaitest.Step
		want  string
	}{
		{"all", []genaitest.Step{genaitest.Reply("a").Times(2), genaitest.Reply("b")}, ""},
		{"always", []genaitest.Step{genaitest.Reply("a").Always()}, ""},
		{"always unused", []genaitest.Step{genaitest.Reply("a").Times(3), genaitest.Reply("b").Always()}, ""},
		{"behind always", []genaitest.Step{genaitest.Reply("a").Always(), genaitest.Reply("b")}, ""},
		{"left", []genaitest.Step{genaitest.Reply("a").Times(4), genaitest.Reply("b")}, "2 of the 5 calls"},
		{"too few", []genaitest.Step{genaitest.Reply("a").Times(2)}, "call 3 came after the end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := genaitest.Script(test.steps...)
			for range calls {
				_, _ = m.Complete(t.Context(), ask("hi"))
			}
			r := &recorder{TB: t}
			m.Verify(r)
			got := strings.Join(r.failures, "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	m := genaitest.Script(genaitest.Reply("a"))
	s, err := m.Chat(t.Context(), ask("hi"))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	m.Verify(r)
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "neither read to its end nor closed") {
		t.Errorf("an open stream: %q", r.failures)
	}
	s.Close()
	m.Verify(t)
}

func TestExhausted(t *testing.T) {
	for _, m := range []*genaitest.Model{{}, genaitest.Script()} {
		s, err := m.Chat(t.Context(), ask("hi"))
		if s != nil || !errors.Is(err, genai.Internal) {
			t.Errorf("%v, %v", s, err)
		}
	}
	if s, err := genaitest.Script(genaitest.Reply("a")).Chat(t.Context(), nil); s != nil || !errors.Is(err, genai.InvalidRequest) {
		t.Errorf("a nil request: %v, %v", s, err)
	}
}

func TestConcurrentCalls(t *testing.T) {
	const n = 50
	m := genaitest.Script(genaitest.Pieces("a", "b").Usage(1, 2).Times(n))
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			resp, err := m.Complete(t.Context(), ask("hi"))
			if err != nil || resp.Text() != "ab" {
				t.Error(resp, err)
			}
			m.Calls()
		})
	}
	wg.Wait()
	m.Verify(t)
	if len(m.Calls()) != n {
		t.Errorf("%d calls", len(m.Calls()))
	}
}

func TestTimesPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	genaitest.Reply("a").Times(0)
}

func TestEmbed(t *testing.T) {
	req := &genai.EmbedRequest{Model: "v", Input: []string{"a b", "", "b A!"}, Dimensions: new(8)}
	resp, err := genaitest.Embed(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Vectors) != 3 || len(resp.Vectors[1]) != 8 || resp.Usage.Input != 4 || resp.Model != "v" {
		t.Errorf("%+v", resp)
	}
	if !reflect.DeepEqual(resp.Vectors[0], resp.Vectors[2]) {
		t.Error("the same words have different vectors")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx  context.Context
		req  *genai.EmbedRequest
		want genai.Kind
	}{
		{t.Context(), nil, genai.InvalidRequest},
		{t.Context(), &genai.EmbedRequest{Dimensions: new(0)}, genai.InvalidRequest},
		{ctx, req, genai.Cancelled},
	} {
		if resp, err := genaitest.Embed(test.ctx, test.req); resp != nil || genai.KindOf(err) != test.want {
			t.Errorf("%v, %v; want %q", resp, err, test.want)
		}
	}
}
