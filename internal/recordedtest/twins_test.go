package recordedtest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/tool"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// A shape is what two answers to one question have in common, if a model answers twice and says it in other words.
type shape struct {
	Text, Reasoning, Usage bool
	Tools                  []string // that were called
	Finish                 genai.FinishReason
}

func shapeOf(resp *genai.ChatResponse) (s shape) {
	s.Text, s.Usage, s.Finish = resp.Text() != "", resp.Usage != nil, resp.Finish.Reason
	for _, p := range resp.Message.Parts {
		s.Reasoning = s.Reasoning || p.Reasoning != nil
		if p.ToolCall != nil {
			s.Tools = append(s.Tools, p.ToolCall.Name)
		}
	}
	slices.Sort(s.Tools)
	return s
}

// model returns the client for an exchange, which gets what via answers.
func model(r recordedtest.Exchange, via *http.Client) (whole genai.Handler[*genai.ChatRequest, *genai.ChatResponse], chat genai.Chat) {
	switch r.API {
	case "responses":
		return openaiAt(via).Respond, openaiAt(via).Responses
	case "messages":
		c := &anthropic.Client{BaseURL: host, HTTP: via}
		return c.Complete, c.Chat
	case "generateContent", "streamGenerateContent":
		c := &gemini.Client{BaseURL: host, HTTP: via}
		return c.Complete, c.Chat
	case "ollama.chat":
		c := &ollama.Client{BaseURL: host, HTTP: via}
		return c.Complete, c.Chat
	}
	return openaiAt(via).Complete, openaiAt(via).Chat
}

// answered returns what our client makes of an exchange, asked as it was.
func answered(ctx context.Context, r recordedtest.Exchange) (*genai.ChatResponse, error) {
	whole, chat := model(r, r.Replay().Client())
	if r.Stream {
		return genai.Collect(chat, genai.FoldChat)(ctx, hello)
	}
	return whole(ctx, hello)
}

// otherwise are twins of which the model did something else the second time.
var otherwise = []string{
	"doubleword/finish_reason_matrix/blocking_tool_calls#0", // thought aloud
	"deepseek/prompt_caching/blocking_probe#2",              // thought until it had no tokens left
	"deepseek/reasoning_tool_roundtrip/nonstreaming#0",      // said nothing beside its call
}

// TestTwins: where one question was asked twice of a server, for a whole answer and for a stream, the two have one shape.
func TestTwins(t *testing.T) {
	all := map[string]recordedtest.Exchange{}
	for _, file := range recordedtest.Files {
		for _, r := range recordedtest.Load(t, file, "chat.completions", "responses", "messages", "generateContent", "streamGenerateContent", "ollama.chat") {
			if r.Status == http.StatusOK {
				all[r.ID] = r
			}
		}
	}
	n := 0
	for id, r := range all {
		for _, name := range []string{"nonstreaming", "non_streaming", "blocking"} {
			twin, ok := all[strings.Replace(id, name, "streaming", 1)]
			if r.Stream || !ok || !twin.Stream {
				continue
			}
			n++
			a, err := answered(t.Context(), r)
			if err != nil {
				t.Fatal(id, err)
			}
			b, err := answered(t.Context(), twin)
			if err != nil {
				t.Fatal(twin.ID, err)
			}
			x, y := shapeOf(a), shapeOf(b)
			if same := reflect.DeepEqual(x, y); same == slices.Contains(otherwise, id) {
				t.Errorf("%s: %+v, streamed %+v", id, x, y)
			}
		}
	}
	if n < 166 {
		t.Errorf("only %d twins", n)
	}
}

// TestCutCallsAreNotRun: tools are run after a recorded answer that calls them, and after no part of it.
func TestCutCallsAreNotRun(t *testing.T) {
	n := 0
	for _, file := range recordedtest.Files {
		for _, r := range recordedtest.Load(t, file, "chat.completions", "responses", "messages", "streamGenerateContent", "ollama.chat") {
			if !r.Stream || r.Status != http.StatusOK || !slices.Contains(r.Tags, "tool_calls") {
				continue
			}
			whole, err := answered(t.Context(), r)
			if err != nil {
				t.Fatal(r.ID, err)
			}
			if whole.Finish.Reason != genai.FinishToolCalls {
				continue // the limit on tokens came first
			}
			n++
			ran := 0
			var tools []tool.Tool
			for _, call := range whole.Message.ToolCalls() {
				if !slices.ContainsFunc(tools, func(t tool.Tool) bool { return t.Name == call.Name }) {
					tools = append(tools, tool.Tool{Name: call.Name, Run: func(context.Context, json.RawMessage) ([]genai.Part, error) {
						ran++
						return nil, nil
					}})
				}
			}
			play := func(body string) error {
				_, chat := model(r, (&recordedtest.Replay{Headers: r.Headers, Body: body}).Client())
				_, err := (&tool.Loop{Model: chat, Tools: tools, Steps: 2, Parallel: 1}).Run(t.Context(), hello)
				return err
			}
			if _ = play(r.Body); ran == 0 {
				t.Errorf("%s: no tool is run", r.ID)
			}
			ran = 0
			// The reason of the end stands behind the last call, in all of these interfaces.
			calls := whole.Message.ToolCalls()
			last := strings.LastIndex(r.Body, calls[len(calls)-1].Name)
			for i := range 8 {
				if err := play(r.Body[:last*i/7]); ran > 0 || genai.KindOf(err) != genai.Truncated {
					t.Fatalf("%s: cut at %d of %d: %d calls were run, %v", r.ID, last*i/7, len(r.Body), ran, err)
				}
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d streams with calls", n)
	}
}
