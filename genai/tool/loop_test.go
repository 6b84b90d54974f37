package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/genai/tool"
	"github.com/dovetail-go/dovetail/resilience"
)

type zone struct {
	Zone string `json:"zone" jsonschema:"the name of a time zone"`
	Full bool   `json:"full,omitempty"`
}

// clock is a tool that counts its calls.
func clock(calls *atomic.Int64) tool.Tool {
	return tool.New("clock", "Tells the time.", func(_ context.Context, z zone) (string, error) {
		calls.Add(1)
		if z.Zone == "Atlantis" {
			return "", genai.Errorf(genai.NotFound, "there is no such zone")
		}
		return "noon in " + z.Zone, nil
	})
}

func call(id, name, arguments string) genai.ToolCall {
	return genai.ToolCall{ID: id, Name: name, Arguments: arguments}
}

// results returns what the model was told last.
func results(m *genaitest.Model) (told []string) {
	all := m.Calls()
	messages := all[len(all)-1].Request.Messages
	for _, p := range messages[len(messages)-1].Parts {
		text := genai.Message{Parts: p.ToolResult.Parts}.Text()
		if p.ToolResult.Failed {
			text = "FAILED " + text
		}
		told = append(told, p.ToolResult.CallID+": "+text)
	}
	return told
}

func TestLoop(t *testing.T) {
	var calls atomic.Int64
	model := genaitest.Script(
		genaitest.Events(genai.ChatEvent{Reasoning: "hm"}, genai.ChatEvent{Opaque: &genai.Opaque{Data: "sig"}}, genai.ChatEvent{Text: "Let me see."},
			genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "a", Name: "clock", Arguments: `{"zone":`}}, genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Arguments: `"UTC"}`}},
			genai.ChatEvent{ToolCall: &genai.ToolCallDelta{Index: 1, ID: "b", Name: "clock", Arguments: `{"zone":"CET"}`}}).Usage(10, 5),
		genaitest.ToolCalls(call("c", "clock", `{"zone":"EET","full":true}`)).Usage(20, 5),
		genaitest.Pieces("It is ", "noon.").Usage(30, 5),
	)
	loop := &tool.Loop{Model: model.Chat, Tools: []tool.Tool{clock(&calls)}}
	req := ask("What time is it?")
	room := append(make([]genai.Message, 0, 9), req.Messages...)
	req.Messages = room
	req.ToolChoice = &genai.ToolChoice{Mode: genai.ToolRequired}
	var noted []genai.Message
	loop.Note = func(_ context.Context, m genai.Message) { noted = append(noted, m) }
	got, err := loop.Run(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got.Response.Text() != "It is noon." || got.Steps != 3 || len(got.Messages) != 5 || *got.Usage != (genai.Usage{Input: 60, Output: 15}) || calls.Load() != 3 {
		t.Errorf("%+v, %d calls", got, calls.Load())
	}
	if room[:2][1].Role != "" {
		t.Error("the loop writes into the request's messages")
	}
	if !reflect.DeepEqual(noted, got.Messages) {
		t.Errorf("noted %+v", noted)
	}
	asked := model.Calls()
	first, second := asked[0].Request, asked[1].Request
	if first.ToolChoice == nil || second.ToolChoice != nil || len(first.Tools) != 1 || first.Tools[0].Name != "clock" || len(req.Messages) != 1 {
		t.Errorf("%+v\n%+v", first, second)
	}
	const schema = `{"type":"object","properties":{"zone":{"type":"string","description":"the name of a time zone"},"full":{"type":"boolean"}},"required":["zone"],"additionalProperties":false}`
	if string(first.Tools[0].Parameters) != schema {
		t.Errorf("%s", first.Tools[0].Parameters)
	}
	if p := second.Messages[1].Parts; len(p) != 4 || p[0].Opaque == nil || p[2].ToolCall.Arguments != `{"zone":"UTC"}` {
		t.Errorf("the model's own words are not given back: %+v", p)
	}
	if told := results(model); !reflect.DeepEqual(told, []string{"c: noon in EET"}) {
		t.Errorf("%q", told)
	}
	model.Verify(t)
}

// TestLoopStreams: the answer arrives while it is made, and what tools do is shown.
func TestLoopStreams(t *testing.T) {
	var calls atomic.Int64
	script := func() *genaitest.Model {
		return genaitest.Script(
			genaitest.Events(genai.ChatEvent{Text: "Let me "}, genai.ChatEvent{Text: "see."}, genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "a", Name: "clock", Arguments: `{"zone":"UTC"}`}}).Usage(10, 5),
			genaitest.Pieces("Noon", ".").Usage(20, 5))
	}
	loop := &tool.Loop{Model: script().Chat, Tools: []tool.Tool{clock(&calls)}}
	s, err := loop.Chat(t.Context(), ask("?"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e, err := range s.All() {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Start != nil:
			got = append(got, "start")
		case e.ToolCall != nil:
			got = append(got, fmt.Sprintf("%s(%s) %v %d", e.ToolCall.Name, e.ToolCall.Arguments, e.ToolCall.Handled, calls.Load()))
		case e.Usage != nil:
			got = append(got, fmt.Sprint(e.Usage.Input, e.Finish != nil))
		default:
			got = append(got, e.Text)
		}
	}
	want := []string{"start", "Let me ", "see.", `clock({"zone":"UTC"}) true 0`, "10 false", "\n\nNoon", ".", "30 true"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
	loop.Model = script().Chat
	whole, err := genai.Whole(loop.Chat)(t.Context(), ask("?"))
	if err != nil || whole.Text() != "Let me see.\n\nNoon." || len(whole.Message.ToolCalls()) != 0 || whole.Finish.Reason != genai.FinishStop || whole.Usage.Input != 30 {
		t.Errorf("%+v, %v", whole, err)
	}
}

// TestTold: what is wrong with a call is told to the model, and does not end the loop.
func TestTold(t *testing.T) {
	var calls atomic.Int64
	slow := tool.New("slow", "", func(ctx context.Context, _ struct{}) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	slow.Timeout = time.Minute
	long := tool.New("long", "", func(context.Context, struct{}) (string, error) { return "", errors.New(strings.Repeat("ä", 5000)) })
	foreign := tool.New("foreign", "", func(context.Context, struct{}) (any, error) { return nil, errors.New("out of paper") })
	for name, c := range map[string]struct {
		call genai.ToolCall
		want string
		runs int64
	}{
		"well":             {call("a", "clock", `{"zone":"UTC"}`), "a: noon in UTC", 1},
		"null for missing": {call("a", "clock", `{"zone":"UTC","full":null}`), "a: noon in UTC", 1},
		"fails":            {call("a", "clock", `{"zone":"Atlantis"}`), "a: FAILED It failed (not_found): there is no such zone", 1},
		"foreign error":    {call("a", "foreign", ""), "a: FAILED It failed: out of paper", 0},
		"a long error":     {call("a", "long", ""), "a: FAILED It failed: " + strings.Repeat("ä", 494) + "…", 0},
		"no such tool":     {call("a", "cloak", `{}`), "a: FAILED It failed (not_found): there is no such tool; there are: clock, foreign, long, slow", 0},
		"no JSON":          {call("a", "clock", `{"zone":`), "a: FAILED The arguments do not fit: it is not JSON", 0},
		"no arguments":     {call("a", "clock", ``), "a: FAILED The arguments do not fit: required", 0},
		"another type":     {call("a", "clock", `{"zone":3}`), "a: FAILED The arguments do not fit: at zone: type", 0},
		"unknown field":    {call("a", "clock", `{"zone":"UTC","x":1}`), "a: FAILED The arguments do not fit: unexpected additional properties", 0},
		"too slow":         {call("a", "slow", ""), "a: FAILED It failed (timeout): it took longer than 1m0s", 0},
		"without a name":   {call("", "clock", `{"zone":"UTC"}`), "call_1: noon in UTC", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls.Store(0)
				model := genaitest.Script(genaitest.ToolCalls(c.call), genaitest.Reply("done"))
				loop := &tool.Loop{Model: model.Chat, Tools: []tool.Tool{clock(&calls), slow, foreign, long}}
				var events []genai.Event
				ctx := genai.Listen(t.Context(), func(e genai.Event) { events = append(events, e) })
				got, err := loop.Run(ctx, ask("?"))
				if err != nil || got.Response.Text() != "done" {
					t.Fatal(got, err)
				}
				if told := strings.Join(results(model), "|"); !strings.HasPrefix(told, c.want) || strings.Contains(c.want, "FAILED") != strings.Contains(told, "FAILED") {
					t.Errorf("told %q", told)
				}
				if calls.Load() != c.runs {
					t.Errorf("the tool ran %d times", calls.Load())
				}
				if len(events) != 1 || events[0].Name != "tool" || events[0].Target != c.call.Name || (events[0].Kind != "") != strings.Contains(c.want, "FAILED") {
					t.Errorf("%+v", events)
				}
			})
		})
	}
}

// TestEnds: what ends a loop, and that no tool ran that must not.
func TestEnds(t *testing.T) {
	look := genaitest.ToolCalls(call("a", "clock", `{"zone":"UTC"}`))
	stopped := &genai.Error{Kind: genai.PermissionDenied, Message: "not today"}
	for name, c := range map[string]struct {
		steps   []genaitest.Step
		change  func(*tool.Loop)
		kind    genai.Kind
		runs    int64
		started bool
	}{
		"the model fails":           {[]genaitest.Step{genaitest.Fail(genai.Overloaded)}, nil, genai.Overloaded, 0, false},
		"the model fails later":     {[]genaitest.Step{look, genaitest.Fail(genai.Overloaded)}, nil, genai.Overloaded, 1, true},
		"cut in the middle":         {[]genaitest.Step{look.Then(genai.Truncated)}, nil, genai.Truncated, 0, false},
		"limit on tokens":           {[]genaitest.Step{look.Finish(genai.FinishLength)}, nil, genai.Truncated, 0, true},
		"filtered":                  {[]genaitest.Step{look.Finish(genai.FinishFiltered)}, nil, genai.ContentFiltered, 0, true},
		"steps":                     {[]genaitest.Step{look.Times(3)}, func(l *tool.Loop) { l.Steps = 3 }, genai.BudgetExhausted, 2, true},
		"default steps":             {[]genaitest.Step{look.Times(10)}, nil, genai.BudgetExhausted, 9, true},
		"tokens":                    {[]genaitest.Step{look.Usage(40, 20).Times(2)}, func(l *tool.Loop) { l.Tokens = 100 }, genai.BudgetExhausted, 1, true},
		"tokens nobody counts":      {[]genaitest.Step{look.Times(3)}, func(l *tool.Loop) { l.Tokens = 200 }, genai.BudgetExhausted, 2, true},
		"not allowed":               {[]genaitest.Step{look}, func(l *tool.Loop) { l.Allow = func(context.Context, *genai.ChatResponse) error { return stopped } }, genai.PermissionDenied, 0, true},
		"a tool stops it":           {[]genaitest.Step{look}, func(l *tool.Loop) { l.Tools = []tool.Tool{ends(func() error { return tool.Stop(stopped) })} }, genai.PermissionDenied, 0, true},
		"a tool stops it, foreign":  {[]genaitest.Step{look}, func(l *tool.Loop) { l.Tools = []tool.Tool{ends(func() error { return tool.Stop(errors.New("no")) })} }, genai.Unknown, 0, true},
		"a tool panics":             {[]genaitest.Step{look}, func(l *tool.Loop) { l.Tools = []tool.Tool{ends(func() error { panic("no") })} }, genai.Internal, 0, true},
		"a tool ends its goroutine": {[]genaitest.Step{look}, func(l *tool.Loop) { l.Tools = []tool.Tool{ends(func() error { runtime.Goexit(); return nil })} }, genai.Internal, 0, true},
		"two tools of one name":     {nil, func(l *tool.Loop) { l.Tools = append(l.Tools, l.Tools[0]) }, genai.Internal, 0, false},
		"no model":                  {nil, func(l *tool.Loop) { l.Model = nil }, genai.Internal, 0, false},
		"result without form in JSON": {[]genaitest.Step{look}, func(l *tool.Loop) {
			l.Tools = []tool.Tool{tool.New("clock", "", func(context.Context, zone) (func(), error) { return func() {}, nil })}
		}, genai.Internal, 0, true},
		"result that is a stream": {[]genaitest.Step{look}, func(l *tool.Loop) {
			l.Tools = []tool.Tool{tool.New("clock", "", func(ctx context.Context, _ zone) (*genai.Stream[genai.ChatEvent], error) {
				return genaitest.Script(genaitest.Reply("a")).Chat(ctx, ask("?"))
			})}
		}, genai.Unsupported, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			run := func() (*tool.Loop, *genaitest.Model) {
				calls.Store(0)
				model := genaitest.Script(c.steps...)
				loop := &tool.Loop{Model: model.Chat, Tools: []tool.Tool{clock(&calls)}}
				if c.change != nil {
					c.change(loop)
				}
				return loop, model
			}
			loop, model := run()
			got, err := loop.Run(t.Context(), ask("?"))
			if got != nil || genai.KindOf(err) != c.kind {
				t.Errorf("Run: %+v, %v", got, err)
			}
			if started := genai.AsError(err).Started == genai.StartedYes; started != c.started {
				t.Errorf("started: %v", started)
			}
			if calls.Load() != c.runs {
				t.Errorf("the tool ran %d times, want %d", calls.Load(), c.runs)
			}
			model.Verify(t)
			loop, model = run()
			if _, err := genai.Whole(loop.Chat)(t.Context(), ask("?")); genai.KindOf(err) != c.kind || calls.Load() != c.runs {
				t.Errorf("Chat: %v after %d calls", err, calls.Load())
			}
			model.Verify(t)
		})
	}
	if _, err := (&tool.Loop{Model: genaitest.Script().Chat}).Run(t.Context(), nil); genai.KindOf(err) != genai.InvalidRequest {
		t.Error(err)
	}
}

// ends is a clock that does not tell the time.
func ends(f func() error) tool.Tool {
	return tool.New("clock", "", func(context.Context, zone) (string, error) { return "", f() })
}

// TestUsage: what a conversation used is the sum of what its answers did, and says where that is not all.
func TestUsage(t *testing.T) {
	look, done := genaitest.ToolCalls(call("a", "clock", `{"zone":"UTC"}`)), genaitest.Reply("done")
	all := genai.Usage{Input: 10, Output: 5, CacheRead: 4, CacheWrite: 3, Reasoning: 2}
	twice := genai.Usage{Input: 20, Output: 10, CacheRead: 8, CacheWrite: 6, Reasoning: 4}
	less := func(u genai.Usage) *genai.Usage { u.LowerBound = true; return &u }
	counted := func(events ...genai.ChatEvent) genaitest.Step {
		return genaitest.Events(append(events, genai.ChatEvent{Usage: &all})...)
	}
	calls := genai.ChatEvent{ToolCall: &genai.ToolCallDelta{ID: "a", Name: "clock", Arguments: `{"zone":"UTC"}`}}
	bounded := genaitest.Events(genai.ChatEvent{Text: "done"}, genai.ChatEvent{Usage: less(all)})
	for name, c := range map[string]struct {
		first, second genaitest.Step
		want          *genai.Usage
	}{
		"both":          {counted(calls), counted(genai.ChatEvent{Text: "done"}), &twice},
		"the first":     {counted(calls), done, less(all)},
		"the last":      {look, counted(genai.ChatEvent{Text: "done"}), less(all)},
		"a lower bound": {counted(calls), bounded, less(twice)},
		"neither":       {look, done, nil},
	} {
		model := genaitest.Script(c.first, c.second)
		got, err := (&tool.Loop{Model: model.Chat, Tools: []tool.Tool{clock(new(atomic.Int64))}}).Run(t.Context(), ask("?"))
		if err != nil || !reflect.DeepEqual(got.Usage, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got.Usage, err, c.want)
		}
	}
}

// TestParallel: tools of one answer run at once, as many as may, and their results come in the order of the calls.
func TestParallel(t *testing.T) {
	for parallel, want := range map[int]time.Duration{0: 2 * time.Minute, 1: 10 * time.Minute, 3: 4 * time.Minute, 20: time.Minute} {
		t.Run(fmt.Sprint(parallel), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all []genai.ToolCall
				for i := range 10 {
					all = append(all, call(fmt.Sprint(i), "wait", fmt.Sprintf(`{"n":%d}`, i)))
				}
				model := genaitest.Script(genaitest.ToolCalls(all...), genaitest.Reply("done"))
				wait := tool.New("wait", "", func(_ context.Context, in struct {
					N int `json:"n"`
				}) (int, error) {
					time.Sleep(time.Minute)
					return in.N, nil
				})
				began := time.Now()
				if _, err := (&tool.Loop{Model: model.Chat, Tools: []tool.Tool{wait}, Parallel: parallel}).Run(t.Context(), ask("?")); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
				if told := strings.Join(results(model), " "); told != "0: 0 1: 1 2: 2 3: 3 4: 4 5: 5 6: 6 7: 7 8: 8 9: 9" {
					t.Error(told)
				}
			})
		})
	}
}

// TestShown: the calls of all answers are told apart by their index.
func TestShown(t *testing.T) {
	var calls atomic.Int64
	look := func(id string) genai.ToolCall { return call(id, "clock", `{"zone":"UTC"}`) }
	model := genaitest.Script(genaitest.ToolCalls(look("a"), look("b")), genaitest.ToolCalls(look("c")), genaitest.Reply("done"))
	s, err := (&tool.Loop{Model: model.Chat, Tools: []tool.Tool{clock(&calls)}}).Chat(t.Context(), ask("?"))
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for e, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		if c := e.ToolCall; c != nil {
			shown = append(shown, fmt.Sprint(c.Index, c.ID))
		}
	}
	if got := strings.Join(shown, " "); got != "0a 1b 2c" {
		t.Error(got)
	}
}

// TestOneStops: when one tool ends the loop, those that run are cancelled and waited for, and those that wait their turn
// never begin.
func TestOneStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began, ended atomic.Int64
		slow := tool.New("slow", "", func(ctx context.Context, _ struct{}) (string, error) {
			began.Add(1)
			<-ctx.Done()
			time.Sleep(time.Second) // cleaning up
			ended.Add(1)
			return "", ctx.Err()
		})
		stops := tool.New("stops", "", func(context.Context, struct{}) (string, error) {
			time.Sleep(time.Minute)
			return "", tool.Stop(genai.Errorf(genai.PermissionDenied, "no"))
		})
		model := genaitest.Script(genaitest.ToolCalls(call("a", "slow", ""), call("b", "stops", ""), call("c", "slow", "")).Always())
		for parallel, runs := range map[int]int64{2: 1, 3: 2} {
			began.Store(0)
			ended.Store(0)
			start := time.Now()
			_, err := (&tool.Loop{Model: model.Chat, Tools: []tool.Tool{slow, stops}, Parallel: parallel}).Run(t.Context(), ask("?"))
			if genai.KindOf(err) != genai.PermissionDenied || began.Load() != runs || ended.Load() != runs || time.Since(start) != time.Minute+time.Second {
				t.Errorf("%d at once: %v after %v; %d began, %d ended", parallel, err, time.Since(start), began.Load(), ended.Load())
			}
		}
	})
}

// TestLeave: who leaves is obeyed while the model speaks and while tools run, which are waited for.
func TestLeave(t *testing.T) {
	for name, leave := range map[string]func(cancel func(), s *genai.Stream[genai.ChatEvent]){
		"cancel": func(cancel func(), _ *genai.Stream[genai.ChatEvent]) { cancel() },
		"close":  func(_ func(), s *genai.Stream[genai.ChatEvent]) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := false
				wait := tool.New("wait", "", func(ctx context.Context, _ struct{}) (string, error) {
					defer func() { ended = true }()
					<-ctx.Done()
					return "", ctx.Err()
				})
				model := genaitest.Script(genaitest.ToolCalls(call("a", "wait", ""), call("b", "wait", "")))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s, err := (&tool.Loop{Model: model.Chat, Tools: []tool.Tool{wait}, Parallel: 1}).Chat(ctx, ask("?"))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				time.AfterFunc(time.Hour, func() { leave(cancel, s) })
				if _, err := genai.FoldChat(s.All()); genai.KindOf(err) != genai.Cancelled || time.Since(began) != time.Hour {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				synctest.Wait()
				if !ended {
					t.Error("the tool is still at work")
				}
			})
		})
	}
	// Left while the model speaks: the model hears of it.
	model := genaitest.Script(genaitest.Pieces("a", "b").ThenHang())
	s, err := (&tool.Loop{Model: model.Chat}).Chat(t.Context(), ask("?"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if c := model.Calls()[0]; !c.Over || !c.Abandoned {
		t.Errorf("%+v", c)
	}
}

// TestRetry: a retry around a loop that streams does not repeat what tools did.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		model := genaitest.Script(genaitest.Fail(genai.Overloaded), genaitest.ToolCalls(call("a", "clock", `{"zone":"UTC"}`)), genaitest.Fail(genai.Overloaded))
		loop := &tool.Loop{Model: model.Chat, Tools: []tool.Tool{clock(&calls)}}
		_, err := genai.Whole(genai.With(loop.Chat, &resilience.Retry{Attempts: 5}))(t.Context(), ask("?"))
		if genai.KindOf(err) != genai.Overloaded || calls.Load() != 1 {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
		model.Verify(t)
	})
}

// TestChoice: a request may choose among the tools, and bring none.
func TestChoice(t *testing.T) {
	var calls atomic.Int64
	loop := &tool.Loop{Tools: []tool.Tool{clock(&calls), tool.New("stop", "", func(context.Context, struct{}) (string, error) { return "", nil })}}
	for name, c := range map[string]struct {
		tools []genai.Tool
		want  string
		kind  genai.Kind
	}{
		"all":     {nil, "clock stop", ""},
		"one":     {[]genai.Tool{{Name: "stop"}}, "stop", ""},
		"none":    {[]genai.Tool{}, "", ""},
		"another": {[]genai.Tool{{Name: "shell"}}, "", genai.Unsupported},
	} {
		model := genaitest.Script(genaitest.Reply("a").Always())
		loop.Model = model.Chat
		req := ask("?")
		req.Tools = c.tools
		_, err := loop.Run(t.Context(), req)
		if genai.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		var names []string
		for _, offered := range model.Calls()[0].Request.Tools {
			names = append(names, offered.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestAuto: an automatic model calls every tool with arguments that fit, over a real wire, and the answer is a value.
func TestAuto(t *testing.T) {
	server := &wiretest.Server{Chat: (&genaitest.Model{Auto: true}).Chat}
	client := &openai.Client{BaseURL: server.Start(t), Model: "m"}
	var mu sync.Mutex
	var got []string
	seen := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, name)
	}
	loop := &tool.Loop{Model: client.Chat, Tools: []tool.Tool{
		tool.New("plan", "", func(_ context.Context, in *forecast) (*forecast, error) { seen("plan"); return in, nil }),
		tool.New("map", "", func(_ context.Context, in map[string]int) (any, error) { seen("map"); return in, nil }),
		tool.New("deep", "", func(_ context.Context, in struct {
			Places [2]place       `json:"places"`
			Skies  map[string]sky `json:"skies"`
			Any    any            `json:"any"`
			Small  uint8          `json:"small,omitempty"`
		}) ([]genai.Part, error) {
			seen("deep")
			return []genai.Part{{Text: "deep"}}, nil
		}),
		{Name: "raw", Parameters: json.RawMessage(`{"type":"object","properties":{"x":{"type":"integer","minimum":5}}}`), Run: func(_ context.Context, a json.RawMessage) ([]genai.Part, error) {
			seen("raw" + string(a))
			return nil, nil
		}},
	}, Parallel: 1}
	answer, err := (&tool.Answer[place]{Model: genai.Whole(loop.Chat)}).Ask(t.Context(), ask("?"))
	if err != nil || answer != (place{0.5, 0.5}) {
		t.Errorf("%+v, %v", answer, err)
	}
	if want := []string{"plan", "map", "deep", `raw{"x":5}`}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

func TestNewPanics(t *testing.T) {
	ok := func(context.Context, zone) (string, error) { return "", nil }
	for name, f := range map[string]func(){
		"no name":     func() { tool.New("", "", ok) },
		"a bad name":  func() { tool.New("what time", "", ok) },
		"a long name": func() { tool.New(strings.Repeat("a", 65), "", ok) },
		"no object":   func() { tool.New("a", "", func(context.Context, string) (string, error) { return "", nil }) },
		"no schema": func() {
			tool.New("a", "", func(context.Context, struct{ C chan int }) (string, error) { return "", nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
	if tool.Stop(nil) != nil {
		t.Error("nothing stops")
	}
}
