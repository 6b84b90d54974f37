//go:build thirdparty

package thirdparty

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// A wire is one of our clients, and the server that it talks to.
type wire struct {
	name   string
	whole  genai.Handler[*genai.ChatRequest, *genai.ChatResponse]
	stream genai.Handler[*genai.ChatRequest, *genai.Stream[genai.ChatEvent]]

	lacks []string // what the server cannot do
}

func wires(t *testing.T) []wire {
	fixtures, err := filepath.Abs("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	mock := "http://" + run(t, "@copilotkit/aimock/dist/cli.js", func(port int) []string {
		return []string{"-p", strconv.Itoa(port), "-f", fixtures, "--log-level", "warn", "--strict"}
	})
	echo := "http://" + run(t, "@dwmkerr/mock-llm/dist/main.js", func(int) []string { return nil })
	gate := "http://" + run(t, "@portkey-ai/gateway/build/start-server.js", func(port int) []string {
		return []string{"--port=" + strconv.Itoa(port), "--headless"}
	})
	o := &openai.Client{BaseURL: mock + "/v1", Key: "a-key-for-tests", Model: "gpt-4o"}
	a := &anthropic.Client{BaseURL: mock + "/v1", Key: "a-key-for-tests", Model: "claude-sonnet-4-5"}
	g := &gemini.Client{BaseURL: mock + "/v1beta", Key: "a-key-for-tests", Model: "gemini-2.5-flash"}
	l := &ollama.Client{BaseURL: mock, Model: "llama3.2"}
	e := &openai.Client{BaseURL: echo + "/v1", Key: "a-key-for-tests", Model: "gpt-4o"}
	p := &openai.Client{BaseURL: gate + "/v1", Key: "a-key-for-tests", Model: "gpt-4o", HTTP: &http.Client{Transport: with{"x-portkey-provider": "openai", "x-portkey-custom-host": mock + "/v1"}}}
	return []wire{
		{"openai chat", o.Complete, o.Chat, nil},
		{"openai responses", o.Respond, o.Responses, nil},
		{"anthropic", a.Complete, a.Chat, nil},
		{"gemini", g.Complete, g.Chat, nil},
		{"ollama", l.Complete, l.Chat, nil},
		{"openai chat through portkey", p.Complete, nil, nil},                                            // whose version 1.15.2 answers streams with 500, "TypeError: immutable"
		{"openai chat of mock-llm", e.Complete, e.Chat, []string{"greeting", "tools", "errors", "cuts"}}, // it says what it is told
	}
}

func ask(text string) *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User(text)}, MaxTokens: new(500)}
}

func fold(s *genai.Stream[genai.ChatEvent], err error) (*genai.ChatResponse, error) {
	if err != nil {
		return nil, err
	}
	return genai.FoldChat(s.All())
}

func TestClients(t *testing.T) {
	for _, w := range wires(t) {
		ways := map[string]func(context.Context, *genai.ChatRequest) (*genai.ChatResponse, error){
			"whole": w.whole,
			"stream": func(ctx context.Context, req *genai.ChatRequest) (*genai.ChatResponse, error) {
				return fold(w.stream(ctx, req))
			},
		}
		if w.stream == nil {
			delete(ways, "stream")
		}
		for way, call := range ways {
			test := func(name string, f func(t *testing.T)) {
				t.Run(w.name+"/"+way+"/"+name, func(t *testing.T) {
					if slices.Contains(w.lacks, name) {
						t.Skip("the server has none")
					}
					f(t)
				})
			}
			test("chat", func(t *testing.T) {
				got, err := call(t.Context(), ask("hello"))
				if err != nil || got.Text() == "" || got.Finish.Reason != genai.FinishStop {
					t.Fatalf("%+v, %v", got, err)
				}
			})
			test("greeting", func(t *testing.T) {
				if got, err := call(t.Context(), ask("hello")); err != nil || got.Text() != "Hello! How can I help you today?" {
					t.Fatalf("%+v, %v", got, err)
				}
			})
			test("tools", func(t *testing.T) {
				req := ask("weather")
				req.Tools = []genai.Tool{{Name: "weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`)}}
				got, err := call(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				calls := got.Message.ToolCalls()
				if len(calls) != 1 || calls[0].Name != "weather" || calls[0].Incomplete || got.Finish.Reason != genai.FinishToolCalls && got.Finish.Raw != "FUNCTION_CALL" { // a word of aimock's Gemini alone
					t.Fatalf("%+v", got)
				}
				var arguments struct{ City string }
				if err := json.Unmarshal([]byte(calls[0].Arguments), &arguments); err != nil || arguments.City != "Paris" {
					t.Errorf("the arguments are %s", calls[0].Arguments)
				}
				result := genai.Message{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{CallID: calls[0].ID, Name: "weather", Parts: []genai.Part{{Text: "21 degrees"}}}}}}
				req.Messages = append(req.Messages, got.Message, result)
				if got, err = call(t.Context(), req); err != nil || got.Text() != "It is 21 degrees in Paris." {
					t.Errorf("after the result: %+v, %v", got, err)
				}
			})
			test("errors", func(t *testing.T) {
				for text, want := range map[string]genai.Error{
					"too often": {Kind: genai.RateLimited, Status: 429}, "broken": {Kind: genai.ServerError, Status: 500},
				} {
					_, err := call(t.Context(), ask(text))
					if e := genai.AsError(err); e == nil || e.Kind != want.Kind || e.Status != want.Status {
						t.Errorf("%s: %v", text, err)
					}
				}
			})
			if way == "stream" {
				test("cuts", func(t *testing.T) {
					got, err := call(t.Context(), ask("cut"))
					if kind := genai.KindOf(err); kind != genai.Truncated && kind != genai.Unavailable {
						t.Errorf("a stream that was cut: %+v, %v", got, err)
					}
				})
			}
		}
	}
}
