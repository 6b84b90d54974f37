package anthropic_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

func TestChat(t *testing.T) {
	recordedtest.CheckLeaks(t)
	s := serve(t, stream(start, text, ping, hello, world, `{"type":"news","delta":7}`, end(0), finish("end_turn"), stop))
	got, err := all(s.client().Chat(t.Context(), ask))
	if err != nil {
		t.Fatal(err)
	}
	want := &genai.ChatResponse{
		ID: "msg_1", Model: "real", Message: genai.Assistant("Hello world"),
		Finish: genai.Finish{Reason: genai.FinishStop, Raw: "end_turn"},
		Usage:  &genai.Usage{Input: 9, Output: 4, CacheRead: 3, CacheWrite: 1, Reasoning: 2},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	h := s.request.Header
	if s.request.URL.Path != "/v1/messages" || h.Get("X-Api-Key") != "sk-ant-secret-key" || h.Get("Anthropic-Version") != "2023-06-01" {
		t.Errorf("asked %s with %q", s.request.URL, h)
	}
	if h.Get("Authorization") != "" || h.Get("Idempotency-Key") != "" || s.calls != 1 {
		t.Errorf("%d calls with %q", s.calls, h)
	}
}

// TestOpensAtTheFirstPiece: until there is something to show there is no stream.
func TestOpensAtTheFirstPiece(t *testing.T) {
	shown := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(data(start, ping, begin(0, `{"type":"thinking","thinking":"","signature":""}`))))
		_ = http.NewResponseController(w).Flush()
		close(shown)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ends with the server, which the test closes
		<-shown
		cancel()
	}()
	if got, err := s.client().Chat(ctx, ask); genai.KindOf(err) != genai.Cancelled || got != nil {
		t.Errorf("it opened: %v, %v", got, err)
	}
}

// TestBlocks: what stands in the blocks of an answer, streamed and whole.
func TestBlocks(t *testing.T) {
	opaque := func(typ, data string) *genai.Opaque { return &genai.Opaque{Origin: "there", Type: typ, Data: data} }
	for name, c := range map[string]struct {
		events []string
		blocks string
		want   []genai.Part
		reason string
	}{
		"a thought and a call": {
			events: []string{
				begin(0, `{"type":"thinking","thinking":"","signature":""}`), grow(0, `{"type":"thinking_delta","thinking":"Hm."}`),
				grow(0, `{"type":"signature_delta","signature":"c2ln"}`), end(0),
				begin(1, `{"type":"tool_use","id":"toolu_1","name":"add","input":{}}`), grow(1, `{"type":"input_json_delta","partial_json":""}`),
				grow(1, `{"type":"input_json_delta","partial_json":"{\"a\":"}`), grow(1, `{"type":"input_json_delta","partial_json":"1}"}`), end(1),
				begin(2, `{"type":"tool_use","id":"toolu_2","name":"now","input":{}}`), end(2),
			},
			blocks: `{"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"tool_use","id":"toolu_1","name":"add","input":{"a":1}},{"type":"tool_use","id":"toolu_2","name":"now","input":{}}`,
			want: []genai.Part{
				{Reasoning: &genai.Reasoning{Text: "Hm."}, Opaque: opaque("signature", "c2ln")},
				{ToolCall: &genai.ToolCall{ID: "toolu_1", Name: "add", Arguments: `{"a":1}`}},
				{ToolCall: &genai.ToolCall{ID: "toolu_2", Name: "now", Arguments: `{}`}},
			},
			reason: "tool_use",
		},
		"thoughts that are not shown": {
			events: []string{
				begin(0, `{"type":"redacted_thinking","data":"b3Bh"}`), end(0),
				begin(1, `{"type":"thinking","thinking":"","signature":""}`), grow(1, `{"type":"signature_delta","signature":"c2ln"}`), end(1),
				begin(2, `{"type":"text","text":"Yes"}`), end(2),
			},
			blocks: `{"type":"redacted_thinking","data":"b3Bh"},{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"text","text":"Yes"}`,
			want: []genai.Part{
				{Reasoning: &genai.Reasoning{}, Opaque: opaque("redacted_thinking", `{"type":"redacted_thinking","data":"b3Bh"}`)},
				{Reasoning: &genai.Reasoning{}, Opaque: opaque("signature", "c2ln")},
				{Text: "Yes"},
			},
			reason: "end_turn",
		},
		"a tool of the provider, and citations": {
			events: []string{
				begin(0, `{"type":"server_tool_use","id":"s1","name":"web_search","input":{}}`), grow(0, `{"type":"input_json_delta","partial_json":"{\"q\":"}`),
				grow(0, `{"type":"input_json_delta","partial_json":"1}"}`), end(0),
				begin(1, `{"type":"web_search_tool_result","tool_use_id":"s1","content":[]}`), end(1),
				begin(2, `{"type":"text","text":"","citations":[]}`), grow(2, `{"type":"citations_delta","citation":{"n":1}}`),
				grow(2, `{"type":"text_delta","text":"It is."}`), grow(2, `{"type":"citations_delta","citation":{"n":2}}`), end(2),
				begin(3, `{"type":"text","text":" So."}`), end(3),
			},
			blocks: `{"id":"s1","input":{"q":1},"name":"web_search","type":"server_tool_use"},{"type":"web_search_tool_result","tool_use_id":"s1","content":[]},` +
				`{"type":"text","text":"It is.","citations":[{"n":1},{"n":2}]},{"type":"text","text":" So."}`,
			want: []genai.Part{
				{Reasoning: &genai.Reasoning{}, Opaque: opaque("server_tool_use", `{"id":"s1","input":{"q":1},"name":"web_search","type":"server_tool_use"}`)},
				{Reasoning: &genai.Reasoning{}, Opaque: opaque("web_search_tool_result", `{"type":"web_search_tool_result","tool_use_id":"s1","content":[]}`)},
				{Text: "It is.", Opaque: opaque("citations", `[{"n":1},{"n":2}]`)},
				{Text: " So."},
			},
			reason: "pause_turn",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for form, h := range map[string]http.HandlerFunc{
				"streamed": stream(append(append([]string{start}, c.events...), finish(c.reason), stop)...),
				"whole": fixed(200, "application/json", `{"type":"message","id":"msg_1","model":"real","role":"assistant","content":[`+c.blocks+
					`],"stop_reason":"`+c.reason+`","usage":{"input_tokens":1,"output_tokens":2}}`),
			} {
				s := serve(t, h)
				client := s.client()
				client.BaseURL, client.HTTP.Transport = "http://there", through(s)
				got, err := all(client.Chat(t.Context(), ask))
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				if !reflect.DeepEqual(got.Message.Parts, c.want) || got.Finish.Raw != c.reason {
					t.Errorf("%s: got %s, want %s", form, show(got.Message.Parts), show(c.want))
				}
				// And back again: the next question has the blocks in it as they came.
				req := &genai.ChatRequest{Messages: []genai.Message{genai.User("?"), got.Message, genai.User("!")}}
				if _, err := all(client.Chat(t.Context(), req)); err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				if want := `{"role":"assistant","content":[` + c.blocks + `]}`; !strings.Contains(s.body, want) {
					t.Errorf("%s: sent %s, want in it %s", form, s.body, want)
				}
				// But not to somebody else.
				client.BaseURL = "http://elsewhere"
				if _, err := all(client.Chat(t.Context(), req)); err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				for _, private := range []string{"c2ln", "b3Bh", "server_tool_use", "citations"} {
					if strings.Contains(s.body, private) {
						t.Errorf("%s: sent to another server: %s", form, s.body)
					}
				}
			}
		})
	}
}

// through sends every request to s, wherever it goes.
func through(s *server) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.URL.Host = strings.TrimPrefix(s.URL, "http://")
		return http.DefaultTransport.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func show(parts []genai.Part) string {
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p.ToolCall != nil:
			b.WriteString(" call " + p.ToolCall.ID + p.ToolCall.Name + p.ToolCall.Arguments)
		case p.Reasoning != nil:
			b.WriteString(" thought " + p.Reasoning.Text)
		default:
			b.WriteString(" text " + p.Text)
		}
		if p.Opaque != nil {
			b.WriteString(" (" + p.Opaque.Origin + " " + p.Opaque.Type + " " + p.Opaque.Data + ")")
		}
	}
	return b.String()
}

func TestReasons(t *testing.T) {
	for raw, want := range map[string]genai.FinishReason{
		"end_turn": genai.FinishStop, "stop_sequence": genai.FinishStop, "max_tokens": genai.FinishLength,
		"model_context_window_exceeded": genai.FinishLength, "tool_use": genai.FinishToolCalls,
		"refusal": genai.FinishFiltered, "pause_turn": genai.FinishOther, "something_new": genai.FinishOther,
	} {
		s := serve(t, stream(start, text, hello, end(0), finish(raw), stop))
		got, err := all(s.client().Chat(t.Context(), ask))
		if err != nil || got.Finish != (genai.Finish{Reason: want, Raw: raw}) {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
	s := serve(t, stream(start, `{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"cyber","explanation":"Not this."}},"usage":{"output_tokens":0}}`, stop))
	got, err := all(s.client().Chat(t.Context(), ask))
	if err != nil || got.Finish.Reason != genai.FinishFiltered || len(got.Message.Parts) != 1 || got.Message.Parts[0].Refusal != "Not this." {
		t.Errorf("a refusal: %+v, %v", got, err)
	}
}

func TestCountTokens(t *testing.T) {
	s := serve(t, fixed(200, "application/json", `{"input_tokens":17}`))
	n := 5
	req := &genai.ChatRequest{Messages: []genai.Message{genai.System("s"), genai.User("u")}, MaxTokens: &n, Tools: []genai.Tool{{Name: "t"}}}
	got, err := s.client().CountTokens(t.Context(), req)
	if err != nil || got != 17 {
		t.Errorf("%d, %v", got, err)
	}
	want := `{"model":"m","system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"u"}]}],` +
		`"tools":[{"name":"t","input_schema":{"type":"object","properties":{}}}]}`
	if s.body != want || s.request.URL.Path != "/v1/messages/count_tokens" {
		t.Errorf("asked %s for %s", s.request.URL, s.body)
	}
	for body, kind := range map[string]genai.Kind{
		`{}`: genai.Malformed, `{"input_to`: genai.Truncated, `<html>`: genai.Malformed, `[]`: genai.Malformed,
		`{"type":"error","error":{"type":"overloaded_error","message":"m"}}`: genai.Overloaded,
	} {
		s := serve(t, fixed(200, "application/json", body))
		if got, err := s.client().CountTokens(t.Context(), ask); genai.KindOf(err) != kind || got != 0 {
			t.Errorf("%s: %d, %v", body, got, err)
		}
	}
}

// TestCancel: leaving ends the exchange at once, wherever it is.
func TestCancel(t *testing.T) {
	recordedtest.CheckLeaks(t)
	for name, first := range map[string]string{"before the headers": "", "before a piece": data(start), "after a piece": data(start, text, hello)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gone := make(chan struct{})
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if first != "" {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = w.Write([]byte(first))
					_ = http.NewResponseController(w).Flush()
				}
				if name != "after a piece" {
					cancel()
				}
				<-r.Context().Done()
				close(gone)
			})
			stream, err := s.client().Chat(ctx, ask)
			if err == nil {
				if _, err := stream.Next(); err != nil { // the start
					t.Fatal(err)
				}
				cancel()
				for err == nil {
					_, err = stream.Next()
				}
			}
			if !errors.Is(err, context.Canceled) || genai.KindOf(err) != genai.Cancelled {
				t.Errorf("it ended with %v", err)
			}
			<-gone
		})
	}
}

// TestOpenBehindTheEnd: a server that keeps the connection open behind the end of an answer holds up nobody.
func TestOpenBehindTheEnd(t *testing.T) {
	recordedtest.CheckLeaks(t)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(data(start, text, hello, end(0), finish("end_turn"), stop)))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if got, err := all(s.client().Chat(t.Context(), ask)); err != nil || got.Text() != "Hello" {
		t.Errorf("%+v, %v", got, err)
	}
}

var _ genai.Chat = (&anthropic.Client{}).Chat
var _ genai.Completer = (&anthropic.Client{}).Complete
var _ genai.Handler[*genai.ChatRequest, int] = (&anthropic.Client{}).CountTokens
