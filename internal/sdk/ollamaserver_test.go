package sdk

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/middleware"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// A played is what the model in the place of a real one does when it is asked for something.
type played struct {
	thoughts, text []string
	call           bool // it calls the first tool
	reason         string
	status         int  // of an error, before anything has come
	breaks         bool // an error, after half of the answer
}

var roles = map[string]played{
	"hello":     {text: []string{"Hello", "! How", " are you?"}, reason: "stop"},
	"think":     {thoughts: []string{"Hm", "mm."}, text: []string{"Yes."}, reason: "stop"},
	"weather":   {call: true, reason: "stop"},
	"long":      {text: []string{"and", " so on"}, reason: "length"},
	"cut":       {text: []string{"This is", " much", " longer"}, breaks: true},
	"who":       {status: http.StatusNotFound},
	"broken":    {status: http.StatusInternalServerError},
	"too often": {status: http.StatusTooManyRequests},
}

// runner takes the place of the handler of chats in Ollama, which would load a model. It is fed and heard by Ollama's own code.
func runner(c *gin.Context) {
	var req api.ChatRequest
	if err := c.ShouldBindJSON(&req); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	last := req.Messages[len(req.Messages)-1]
	p := roles[last.Content]
	if last.Role == "tool" {
		p = played{text: []string{"It is ", last.Content, "."}, reason: "stop"}
	}
	if p.status != 0 {
		c.JSON(p.status, gin.H{"error": "the model is not well"})
		return
	}
	say := func(m api.Message) api.ChatResponse {
		m.Role = "assistant"
		return api.ChatResponse{Model: req.Model, CreatedAt: time.Now(), Message: m}
	}
	var all []api.ChatResponse
	for _, s := range p.thoughts {
		all = append(all, say(api.Message{Thinking: s}))
	}
	for _, s := range p.text {
		all = append(all, say(api.Message{Content: s}))
	}
	if p.call {
		arguments := api.NewToolCallFunctionArguments()
		arguments.Set("city", "Paris")
		all = append(all, say(api.Message{ToolCalls: []api.ToolCall{{ID: "call_1", Function: api.ToolCallFunction{Name: req.Tools[0].Function.Name, Arguments: arguments}}}}))
	}
	end := say(api.Message{})
	end.Done, end.DoneReason, end.Metrics = true, p.reason, api.Metrics{PromptEvalCount: 9, EvalCount: 3}
	if req.Stream != nil && !*req.Stream {
		if p.breaks {
			c.JSON(http.StatusInternalServerError, gin.H{"error": "the model broke down"})
			return
		}
		for _, r := range all {
			end.Message.Content += r.Message.Content
			end.Message.Thinking += r.Message.Thinking
			end.Message.ToolCalls = append(end.Message.ToolCalls, r.Message.ToolCalls...)
		}
		c.JSON(http.StatusOK, end)
		return
	}
	c.Header("Content-Type", "application/x-ndjson")
	write := func(v any) {
		line, _ := json.Marshal(v)
		_, _ = c.Writer.Write(append(line, '\n'))
		c.Writer.Flush()
	}
	for _, r := range all {
		write(r)
	}
	if p.breaks {
		write(gin.H{"error": "the model broke down"})
		return
	}
	write(end)
}

// ollamaServer is the server of Ollama, of which only the model is replaced.
func ollamaServer(t *testing.T) string {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.POST("/api/chat", runner)
	r.POST("/v1/chat/completions", middleware.ChatMiddleware(), runner)
	r.POST("/v1/responses", middleware.ResponsesMiddleware(), runner)
	r.POST("/v1/messages", middleware.AnthropicMessagesMiddleware(), runner)
	embed := func(c *gin.Context) {
		var req api.EmbedRequest
		if err := c.ShouldBindJSON(&req); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		texts, _ := req.Input.([]any)
		var vectors [][]float32
		for i := range max(len(texts), 1) {
			vectors = append(vectors, []float32{float32(i), 0.5})
		}
		c.JSON(http.StatusOK, api.EmbedResponse{Model: req.Model, Embeddings: vectors, PromptEvalCount: 7})
	}
	r.POST("/api/embed", embed)
	r.POST("/v1/embeddings", middleware.EmbeddingsMiddleware(), embed)
	tags := func(c *gin.Context) {
		c.JSON(http.StatusOK, api.ListResponse{Models: []api.ListModelResponse{{Name: "llama3.2:latest", Model: "llama3.2:latest", ModifiedAt: time.Now(), Size: 7}}})
	}
	r.GET("/api/tags", tags)
	r.GET("/v1/models", middleware.ListMiddleware(), tags)
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return s.URL
}

// TestOllamaServer asks the server of Ollama in the four ways that it understands, whole and streamed.
func TestOllamaServer(t *testing.T) {
	url := ollamaServer(t)
	o := &openai.Client{BaseURL: url + "/v1", Model: "m"}
	a := &anthropic.Client{BaseURL: url + "/v1", Model: "m"}
	l := &ollama.Client{BaseURL: url, Model: "m"}
	fold := func(h genai.Chat) genai.Handler[*genai.ChatRequest, *genai.ChatResponse] {
		return genai.Collect(h, genai.FoldChat)
	}
	for name, h := range map[string]genai.Handler[*genai.ChatRequest, *genai.ChatResponse]{
		"chat completions": o.Complete, "chat completions, streamed": fold(o.Chat),
		"responses": o.Respond, "responses, streamed": fold(o.Responses),
		"messages": a.Complete, "messages, streamed": fold(a.Chat),
		"ollama": l.Complete, "ollama, streamed": fold(l.Chat),
	} {
		streamed := strings.HasSuffix(name, "streamed")
		t.Run(name, func(t *testing.T) {
			ask := func(text string) *genai.ChatRequest {
				return &genai.ChatRequest{Messages: []genai.Message{genai.User(text)}, MaxTokens: new(100)}
			}
			got, err := h(t.Context(), ask("hello"))
			if err != nil || got.Text() != "Hello! How are you?" || got.Finish.Reason != genai.FinishStop || got.Model != "m" {
				t.Errorf("%+v, %v", got, err)
			} else if got.Usage == nil || got.Usage.Input != 9 || got.Usage.Output != 3 {
				t.Errorf("usage %+v", got.Usage)
			}
			if got, err = h(t.Context(), ask("think")); err != nil || got.Text() != "Yes." || thoughts(got) != "Hmmm." {
				t.Errorf("%+v, %v", got, err)
			}
			if got, err = h(t.Context(), ask("long")); err != nil || got.Text() != "and so on" {
				t.Errorf("%+v, %v", got, err)
			} else if silent := strings.HasPrefix(name, "responses"); (got.Finish.Reason != genai.FinishLength) != silent {
				t.Errorf("%+v", got.Finish) // its Responses say "completed", whatever was the end
			}
			req := ask("weather")
			req.Tools = []genai.Tool{{Name: "weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`)}}
			if got, err = h(t.Context(), req); err != nil || len(got.Message.ToolCalls()) != 1 || got.Finish.Reason != genai.FinishToolCalls {
				t.Fatalf("%+v, %v", got, err)
			}
			call := got.Message.ToolCalls()[0]
			if call.Name != "weather" || call.Arguments != `{"city":"Paris"}` || call.ID == "" || call.Incomplete {
				t.Errorf("%+v", call)
			}
			req.Messages = append(req.Messages, got.Message, genai.Message{Role: genai.RoleTool, Parts: []genai.Part{{
				ToolResult: &genai.ToolResult{CallID: call.ID, Name: call.Name, Parts: []genai.Part{{Text: "warm"}}},
			}}})
			if got, err = h(t.Context(), req); err != nil || got.Text() != "It is warm." {
				t.Errorf("after the result: %+v, %v", got, err)
			}
			got, err = h(t.Context(), ask("cut"))
			if kind := genai.KindOf(err); kind != genai.Truncated && kind != genai.ServerError || !streamed && kind != genai.ServerError {
				t.Errorf("an answer that broke off: %+v, %v", got, err)
			}
			for text, want := range map[string]genai.Kind{"who": genai.NotFound, "broken": genai.ServerError, "too often": genai.RateLimited} {
				_, err := h(t.Context(), ask(text))
				if e := genai.AsError(err); e == nil || e.Kind != want || e.Status != roles[text].status || e.Message != "the model is not well" {
					t.Errorf("%s: %v", text, err)
				}
			}
		})
	}
}

func thoughts(resp *genai.ChatResponse) (text string) {
	for _, p := range resp.Message.Parts {
		if p.Reasoning != nil {
			text += p.Reasoning.Text
		}
	}
	return text
}

func TestOllamaServerVectors(t *testing.T) {
	url := ollamaServer(t)
	for name, h := range map[string]genai.Embedder{
		"openai": (&openai.Client{BaseURL: url + "/v1", Model: "m"}).Embed, "ollama": (&ollama.Client{BaseURL: url, Model: "m"}).Embed,
	} {
		got, err := h(t.Context(), &genai.EmbedRequest{Input: []string{"a", "b"}})
		if err != nil || len(got.Vectors) != 2 || !slices.Equal(got.Vectors[1], []float32{1, 0.5}) || got.Usage == nil || got.Usage.Input != 7 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	s, err := (&openai.Client{BaseURL: url + "/v1"}).Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range s.All() {
		if err != nil || m.ID != "llama3.2:latest" {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if models, err := (&ollama.Client{BaseURL: url}).Models(t.Context()); err != nil || len(models) != 1 || models[0].Name != "llama3.2:latest" {
		t.Errorf("%+v, %v", models, err)
	}
}
