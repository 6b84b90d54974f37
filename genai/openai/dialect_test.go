package openai_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// A peek is an http.RoundTripper that remembers a request and answers it.
type peek struct {
	request *http.Request
	body    map[string]json.RawMessage
	answer  string
}

func (p *peek) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.request, p.body = r, nil
	if err := json.Unmarshal(text, &p.body); err != nil {
		return nil, err
	}
	answer := p.answer
	if answer == "" {
		answer = data(hello, finish("stop"), done)
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// TestDialects: each server is told what it understands, by the names that it knows, and what it lacks is refused.
func TestDialects(t *testing.T) {
	const bearer = "Authorization: Bearer sk-secret-key"
	for _, tt := range []struct {
		name, base string
		url        string // what is asked
		header     string // where the key is
		has, lacks []string
		refuses    []string
		provider   string
	}{
		{name: "openai", base: "", url: "https://api.openai.com/v1/chat/completions", header: bearer, provider: "OpenAI",
			has:   []string{`max_completion_tokens:9`, `safety_identifier:"u"`, `seed:5`, `stream_options:{"include_usage":true}`},
			lacks: []string{"max_tokens", "user", "random_seed"}, refuses: []string{"top_k"}},
		{name: "azure", base: "https://mine.openai.azure.com/openai/deployments/d?api-version=2024-10-21", provider: "Azure OpenAI",
			url: "https://mine.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21", header: "Api-Key: sk-secret-key",
			has:   []string{`max_completion_tokens:9`, `user:"u"`, `stream_options:{"include_usage":true}`},
			lacks: []string{"max_tokens", "safety_identifier", "model"}, refuses: []string{"top_k"}},
		{name: "azure", base: "https://mine.services.ai.azure.com/openai/v1/", provider: "Azure OpenAI",
			url: "https://mine.services.ai.azure.com/openai/v1/chat/completions", header: "Api-Key: sk-secret-key", refuses: []string{"top_k"}},
		{name: "mistral", base: "https://api.mistral.ai/v1", url: "https://api.mistral.ai/v1/chat/completions", header: bearer, provider: "Mistral",
			has: []string{`max_tokens:9`, `random_seed:5`}, lacks: []string{"stream_options", "max_completion_tokens", "seed", "user"},
			refuses: []string{"top_k", "log_probs", "end_user", "service_tier"}},
		{name: "groq", base: "https://api.groq.com/openai/v1", url: "https://api.groq.com/openai/v1/chat/completions", header: bearer, provider: "Groq",
			has: []string{`max_tokens:9`, `user:"u"`, `seed:5`, `stream_options:{"include_usage":true}`}, refuses: []string{"top_k", "log_probs", "messages.name"}},
		{name: "openrouter", base: "https://openrouter.ai/api/v1", url: "https://openrouter.ai/api/v1/chat/completions", header: bearer,
			has: []string{`max_tokens:9`, `user:"u"`, `top_k:3`, `top_logprobs:2`}, lacks: []string{"max_completion_tokens"}},
		{name: "deepseek", base: "https://api.deepseek.com", url: "https://api.deepseek.com/chat/completions", header: bearer, provider: "DeepSeek",
			has: []string{`max_tokens:9`, `top_logprobs:2`}, refuses: []string{"top_k"}},
		{name: "ollama", base: "http://localhost:11434/v1", url: "http://localhost:11434/v1/chat/completions", header: bearer, provider: "Ollama",
			has: []string{`max_tokens:9`, `stream_options:{"include_usage":true}`}, refuses: []string{"top_k"}},
		{name: "vllm", base: "http://localhost:8000/v1", url: "http://localhost:8000/v1/chat/completions", header: bearer,
			has: []string{`max_tokens:9`, `top_k:3`, `user:"u"`}},
		{name: "llamacpp", base: "http://localhost:8080/v1", url: "http://localhost:8080/v1/chat/completions", header: bearer,
			has: []string{`max_tokens:9`, `top_k:3`, `seed:5`}},
		{name: "compatible", base: "http://example.com/v1", url: "http://example.com/v1/chat/completions", header: bearer,
			has: []string{`max_tokens:9`, `top_k:3`, `stream_options:{"include_usage":true}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := map[string]func(*genai.ChatRequest){
				"top_k":         func(r *genai.ChatRequest) { r.TopK = new(3) },
				"log_probs":     func(r *genai.ChatRequest) { r.LogProbs = new(2) },
				"end_user":      func(r *genai.ChatRequest) { r.EndUser = "u" },
				"service_tier":  func(r *genai.ChatRequest) { r.ServiceTier = "auto" },
				"messages.name": func(r *genai.ChatRequest) { r.Messages[1].Name = "Ann" },
			}
			ask := func(names ...string) *genai.ChatRequest {
				r := &genai.ChatRequest{MaxTokens: new(9), Seed: new(int64(5)), Messages: []genai.Message{genai.System("s"), genai.User("?")}}
				for _, name := range names {
					settings[name](r)
				}
				return r
			}
			var p peek
			chosen := &openai.Client{BaseURL: tt.base, Key: "sk-secret-key", HTTP: &http.Client{Transport: &p}}
			if tt.name == "openai" {
				chosen.Model = "m"
			}
			named := *chosen
			named.Dialect = tt.name
			for _, c := range []*openai.Client{chosen, &named} {
				if c == chosen && strings.Contains(tt.base, "localhost") {
					continue // a host of one's own tells nothing
				}
				var supported []string
				for name := range settings {
					if !slices.Contains(tt.refuses, name) {
						supported = append(supported, name)
						continue
					}
					p.request = nil
					_, err := c.Chat(t.Context(), ask(name))
					e := genai.AsError(err)
					if e == nil || e.Kind != genai.Unsupported || e.Field != name || !strings.Contains(e.Message, tt.provider) || p.request != nil {
						t.Errorf("%s: %v", name, err)
					}
					lenient := *c
					lenient.Drop = []string{"seed", name}
					if _, err := chat(t.Context(), &lenient, ask(name)); err != nil || p.request == nil {
						t.Errorf("%s with Drop: %v", name, err)
					}
				}
				if _, err := chat(t.Context(), c, ask(supported...)); err != nil {
					t.Fatal(err)
				}
				if p.request.URL.String() != tt.url {
					t.Errorf("asked %s", p.request.URL)
				}
				for _, name := range []string{"Authorization", "Api-Key"} {
					value := p.request.Header.Get(name)
					if here := strings.HasPrefix(tt.header, name); here && tt.header != name+": "+value || !here && value != "" {
						t.Errorf("%s: %q", name, value)
					}
				}
				for _, want := range tt.has {
					name, value, _ := strings.Cut(want, ":")
					if string(p.body[name]) != value {
						t.Errorf("%s is %s, want %s", name, p.body[name], value)
					}
				}
				for _, name := range tt.lacks {
					if p.body[name] != nil {
						t.Errorf("%s was sent: %s", name, p.body[name])
					}
				}
				if !strings.Contains(string(p.body["messages"]), `"role":"system"`) {
					t.Errorf("messages are %s", p.body["messages"])
				}
			}
		})
	}
}

func TestDialectUnknown(t *testing.T) {
	c := &openai.Client{BaseURL: "http://example.com", Dialect: "klingon"}
	_, err := c.Chat(t.Context(), ask)
	if e := genai.AsError(err); e == nil || e.Kind != genai.InvalidRequest || e.Field != "Dialect" {
		t.Errorf("%v", err)
	}
	_, err = (&openai.Client{}).Chat(t.Context(), ask)
	if e := genai.AsError(err); e == nil || e.Kind != genai.Unauthenticated || e.Field != "Key" {
		t.Errorf("%v", err)
	}
}

// TestDropWhatAServerRefuses: only the server knows what its models take.
func TestDropWhatAServerRefuses(t *testing.T) {
	var calls int
	s := serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		var body struct{ Temperature *float64 }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if body.Temperature != nil {
			fixed(400, "application/json", `{"error":{"message":"m","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`)(w, r)
			return
		}
		stream(data(hello, finish("stop"), done))(w, r)
	})
	req := *ask
	req.Temperature = new(0.3)
	c := s.client()
	if _, err := chat(t.Context(), c, &req); genai.KindOf(err) != genai.Unsupported || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	c.Drop = []string{"temperature"}
	if got, err := chat(t.Context(), c, &req); err != nil || got.Text() != "Hello" || calls != 3 || *req.Temperature != 0.3 {
		t.Errorf("%d calls, %+v, %v", calls, got, err)
	}
}

// TestDialectEmbeddings: a vector's length has two names.
func TestDialectEmbeddings(t *testing.T) {
	for base, want := range map[string]string{"https://api.mistral.ai/v1": "output_dimension", "http://example.com/v1": "dimensions", "https://x.openai.azure.com/openai/v1": "dimensions"} {
		p := &peek{answer: `{"data":[{"index":0,"embedding":[1,2]}]}`}
		c := &openai.Client{BaseURL: base, Model: "m", HTTP: &http.Client{Transport: p}}
		if _, err := c.Embed(t.Context(), &genai.EmbedRequest{Input: []string{"a"}, Dimensions: new(2)}); err != nil {
			t.Fatal(err)
		}
		if string(p.body[want]) != "2" || (p.body["encoding_format"] != nil) != strings.Contains(base, "azure") {
			t.Errorf("%s: %s", base, p.body)
		}
	}
}
