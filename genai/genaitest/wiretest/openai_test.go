package wiretest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
)

func ask(text string) *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User(text)}}
}

// openAI returns a client of s.
func openAI(t *testing.T, s *wiretest.Server) *openai.Client {
	return &openai.Client{BaseURL: s.Start(t) + "/v1", Key: "key", Model: "m"}
}

// read returns what arrives of a stream, and how it ends.
func read(s *genai.Stream[genai.ChatEvent], err error) (*genai.ChatResponse, error) {
	if err != nil {
		return nil, err
	}
	return genai.FoldChat(s.All())
}

// TestAnswers: what a script says is what a client hears, whole and streamed.
func TestAnswers(t *testing.T) {
	for name, step := range map[string]genaitest.Step{
		"text":     genaitest.Pieces("Hel", "lo, ", "<world> & \"all\"\n").Usage(9, 3),
		"no usage": genaitest.Reply("a"),
		"length":   genaitest.Reply("a").Finish(genai.FinishLength),
		"tools": genaitest.ToolCalls(genai.ToolCall{Name: "clock", Arguments: `{"zone":"UTC"}`},
			genai.ToolCall{ID: "x", Name: "stop", Arguments: "{}"}).Usage(1, 2),
		"thoughts": genaitest.Events(genai.ChatEvent{Reasoning: "hm"}, genai.ChatEvent{Reasoning: "m"}, genai.ChatEvent{Text: "b"}),
		"refusal":  genaitest.Events(genai.ChatEvent{Refusal: "I will not"}),
		"everything in usage": genaitest.Events(genai.ChatEvent{Text: "a"}, genai.ChatEvent{Usage: &genai.Usage{
			Input: 10, Output: 5, CacheRead: 4, CacheWrite: 1, Reasoning: 2}}),
	} {
		t.Run(name, func(t *testing.T) {
			model := genaitest.Script(step.Times(3))
			client := openAI(t, &wiretest.Server{Chat: model.Chat, Complete: model.Complete})
			want, err := model.Complete(t.Context(), &genai.ChatRequest{Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			streamed, err := read(client.Chat(t.Context(), ask("hi")))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := client.Complete(t.Context(), ask("hi"))
			if err != nil {
				t.Fatal(err)
			}
			for how, got := range map[string]*genai.ChatResponse{"streamed": streamed, "whole": whole} {
				forget(got)
				got.ID, want.ID = "", ""
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s\ngot  %s\nwant %s", how, show(got), show(want))
				}
			}
			if calls := model.Calls(); !calls[1].Streamed || calls[2].Streamed {
				t.Error("a stream and a whole answer are not told apart")
			}
			model.Verify(t)
		})
	}
}

// forget drops what a client adds for its provider's sake.
func forget(resp *genai.ChatResponse) {
	for i := range resp.Message.Parts {
		resp.Message.Parts[i].Opaque = nil
	}
}

func show(v any) string {
	text, _ := json.MarshalIndent(v, "", "  ")
	return string(text)
}

// TestRequests: what a client asks is what the model is asked.
func TestRequests(t *testing.T) {
	req := &genai.ChatRequest{
		Model: "big",
		Messages: []genai.Message{
			genai.System("Be short."),
			{Role: genai.RoleUser, Name: "ann", Parts: []genai.Part{{Text: "What is this?"},
				{Image: new(genai.NewBlob("image/png", []byte("png")))}, {Image: new(genai.BlobURL("", "https://example.com/a.png", ""))},
				{Audio: new(genai.NewBlob("audio/wav", []byte("wav")))},
				{File: &genai.File{Name: "a.pdf", Blob: genai.NewBlob("application/pdf", []byte("pdf"))}}, {File: &genai.File{ID: "f1"}}}},
			{Role: genai.RoleAssistant, Parts: []genai.Part{{Text: "Let me see."},
				{ToolCall: &genai.ToolCall{ID: "1", Name: "look", Arguments: `{"a":1}`}}, {ToolCall: &genai.ToolCall{ID: "2", Name: "look", Arguments: `{}`}}}},
			{Role: genai.RoleTool, Parts: []genai.Part{
				{ToolResult: &genai.ToolResult{CallID: "1", Parts: []genai.Part{{Text: "a"}}}},
				{ToolResult: &genai.ToolResult{CallID: "2", Parts: []genai.Part{{Text: "b"}}}}}},
			genai.User("So?"),
		},
		Tools:       []genai.Tool{{Name: "look", Description: "Looks.", Parameters: json.RawMessage(`{"type":"object"}`), Strict: new(true)}},
		ToolChoice:  &genai.ToolChoice{Mode: genai.ToolRequired, Name: "look"},
		Format:      &genai.Format{Name: "f", Description: "d", Schema: json.RawMessage(`{"type":"object"}`), Strict: new(false)},
		MaxTokens:   new(7),
		Temperature: new(0.0), TopP: new(0.5), TopK: new(3), Stop: []string{"x"}, Seed: new(int64(4)),
		FrequencyPenalty: new(0.1), PresencePenalty: new(0.2), LogProbs: new(2), ParallelToolCalls: new(false),
		Reasoning: &genai.ReasoningOptions{Effort: "low"}, EndUser: "u", CacheKey: "c", ServiceTier: "flex",
		Metadata: map[string]string{"a": "b"}, Extra: map[string]json.RawMessage{"own": json.RawMessage(`[1,{"x":2}]`)},
	}
	model := genaitest.Script(genaitest.Reply("a").Times(2))
	client := openAI(t, &wiretest.Server{Chat: model.Chat, Complete: model.Complete})
	if _, err := client.Complete(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if _, err := read(client.Chat(t.Context(), req)); err != nil {
		t.Fatal(err)
	}
	for _, c := range model.Calls() {
		if !reflect.DeepEqual(c.Request, req) {
			t.Errorf("got  %s\nwant %s", show(c.Request), show(req))
		}
	}
}

// TestFailures: how a script fails is how a client sees it fail.
func TestFailures(t *testing.T) {
	for kind := range genai.Kinds {
		switch kind {
		case genai.Internal, genai.Unknown, genai.Precondition, genai.BreakerOpen, genai.LimitReached, genai.BudgetExhausted, genai.NoTarget,
			genai.Empty, genai.Cancelled, genai.DeadlineExceeded:
			continue // no provider says such a thing
		}
		t.Run(string(kind), func(t *testing.T) {
			model := genaitest.Script(genaitest.Fail(kind).Times(2), genaitest.Pieces("a", "b").Then(kind))
			client := openAI(t, &wiretest.Server{Chat: model.Chat})
			first, middle := kind, kind
			switch kind {
			case genai.Truncated:
				first = genai.Unavailable // before the headers nobody knows that an answer was cut
			case genai.Unavailable:
				middle = genai.Truncated
			case genai.Unimplemented:
				middle = genai.ServerError // without a status there is no word for it
			}
			if _, err := client.Chat(t.Context(), ask("hi")); genai.KindOf(err) != first {
				t.Errorf("a stream that fails: %v, want %s", err, first)
			}
			if _, err := client.Complete(t.Context(), ask("hi")); genai.KindOf(err) != first {
				t.Errorf("a whole answer that fails: %v, want %s", err, first)
			}
			resp, err := read(client.Chat(t.Context(), ask("hi")))
			if resp == nil || resp.Text() != "ab" || genai.KindOf(err) != middle {
				t.Errorf("a stream that is cut: %v, %v, want %s", resp, err, middle)
			}
			model.Verify(t)
		})
	}
}

func TestDetails(t *testing.T) {
	want := &genai.Error{Kind: genai.RateLimited, RetryAfter: 1500 * time.Millisecond, Status: 429, Code: "rate_limit_exceeded", RequestID: "r7", Message: "slower"}
	model := genaitest.Script(genaitest.Fail(want), genaitest.Fail(&genai.Error{Kind: genai.ServerError, Status: 502, Message: "no"}))
	client := openAI(t, &wiretest.Server{Chat: model.Chat})
	_, err := client.Chat(t.Context(), ask("hi"))
	if e := genai.AsError(err); e.RetryAfter != 2*time.Second || e.Status != 429 || e.Code != want.Code || e.RequestID != "r7" || e.Message != "slower" {
		t.Errorf("%+v", e)
	}
	_, err = client.Chat(t.Context(), ask("hi"))
	if e := genai.AsError(err); e.Kind != genai.ServerError || e.Status != 502 {
		t.Errorf("%+v", e)
	}
}

func TestKey(t *testing.T) {
	model := genaitest.Script(genaitest.Reply("a"))
	s := &wiretest.Server{Chat: model.Chat, Key: "right"}
	client := openAI(t, s)
	if _, err := client.Chat(t.Context(), ask("hi")); genai.KindOf(err) != genai.Unauthenticated {
		t.Errorf("a wrong key: %v", err)
	}
	client.Key = "right"
	if _, err := read(client.Chat(t.Context(), ask("hi"))); err != nil {
		t.Error(err)
	}
	client.Key, client.Header = "", http.Header{"Api-Key": {"right"}}
	if _, err := client.Chat(t.Context(), ask("hi")); genai.KindOf(err) == genai.Unauthenticated {
		t.Error("a key in a header of its own is not seen")
	}
}

func TestEmbeddings(t *testing.T) {
	client := openAI(t, &wiretest.Server{Embed: genaitest.Embed})
	req := &genai.EmbedRequest{Input: []string{"a b", "c"}, Dimensions: new(4), Model: "e"}
	want, err := genaitest.Embed(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Embed(t.Context(), req)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %v", show(got), err)
	}
	if _, err := client.Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a"}, Dimensions: new(0), Model: "e"}); genai.KindOf(err) != genai.InvalidRequest {
		t.Error(err)
	}
	if _, err := client.Chat(t.Context(), ask("hi")); genai.KindOf(err) != genai.NotFound {
		t.Errorf("a server without a model: %v", err)
	}
}

// TestCallerLeaves: a server lets go of its model when its client goes.
func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := genaitest.Script(genaitest.Pieces("a").ThenHang())
		client := &openai.Client{Key: "key", Model: "m", HTTP: (&wiretest.Server{Chat: model.Chat}).Client(t)}
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.Chat(ctx, ask("hi"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := genai.FoldChat(stream.All()); genai.KindOf(err) != genai.Cancelled {
			t.Error(err)
		}
		synctest.Wait()
		if c := model.Calls()[0]; !c.Over || !c.Abandoned {
			t.Errorf("the model does not know that its caller left: %+v", c)
		}
	})
}
