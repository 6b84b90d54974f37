package recordedtest_test

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/ollama"
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

// answered returns what our client makes of an exchange, asked as it was.
func answered(ctx context.Context, r recordedtest.Exchange) (*genai.ChatResponse, error) {
	via := r.Replay().Client()
	whole, chat := openaiAt(via).Complete, openaiAt(via).Chat
	switch r.API {
	case "responses":
		whole, chat = openaiAt(via).Respond, openaiAt(via).Responses
	case "messages":
		c := &anthropic.Client{BaseURL: host, HTTP: via}
		whole, chat = c.Complete, c.Chat
	case "generateContent", "streamGenerateContent":
		c := &gemini.Client{BaseURL: host, HTTP: via}
		whole, chat = c.Complete, c.Chat
	case "ollama.chat":
		c := &ollama.Client{BaseURL: host, HTTP: via}
		whole, chat = c.Complete, c.Chat
	}
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
