package openai

import (
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A dialect is what one server with this interface wants to be told otherwise than the rest. Everything that the client does
// differently from server to server stands in the table below; how they answer differently, the decoder understands without
// being told who answers.
type dialect struct {
	name     string   // for Client.Dialect
	hosts    []string // whole names, or with a leading dot what they end with
	provider string   // as people call it

	keyHeader string // where the key goes; empty: Authorization, as a bearer token
	needsKey  bool   // without one there is no answer
	needsName bool   // a request must name its model
	strict    bool   // it takes what OpenAI documents today, by the names of today, and refuses the rest
	endUser   string // the field for the person: "user", "safety_identifier"

	noStreamOptions bool     // it refuses stream_options, and reports usage in every stream without being asked
	seed            string   // the field for the seed
	dimensions      string   // the field for the length of a vector
	lacks           []string // settings of ours that it refuses, or does not heed without saying so
}

// dialects are the servers that are known. The system role is nowhere in it: "developer" is refused by most, and "system" is
// understood by all, OpenAI included, which takes one for the other where a model knows only one.
var dialects = []dialect{
	{
		name: "openai", hosts: []string{"api.openai.com"}, provider: "OpenAI",
		needsKey: true, needsName: true, strict: true, endUser: "safety_identifier", lacks: []string{"top_k"},
	},
	{
		// The model is in the path of older URLs, which also have an api-version as query. Tokens of Entra go into Client.Header.
		name: "azure", hosts: []string{".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"}, provider: "Azure OpenAI",
		keyHeader: "Api-Key", strict: true, endUser: "user", lacks: []string{"top_k"},
	},
	{
		// Everything that its schema does not name is answered with 422.
		name: "mistral", hosts: []string{"api.mistral.ai"}, provider: "Mistral",
		noStreamOptions: true, seed: "random_seed", dimensions: "output_dimension", lacks: []string{"top_k", "log_probs", "end_user", "service_tier"},
	},
	{
		// console.groq.com/docs/openai lists what is answered with 400.
		name: "groq", hosts: []string{"api.groq.com"}, provider: "Groq",
		lacks: []string{"top_k", "log_probs", "messages.name"},
	},
	{name: "openrouter", hosts: []string{"openrouter.ai"}, provider: "OpenRouter"},
	{name: "deepseek", hosts: []string{"api.deepseek.com"}, provider: "DeepSeek", lacks: []string{"top_k"}},
	{name: "ollama", hosts: []string{"ollama.com"}, provider: "Ollama", lacks: []string{"top_k"}}, // its own interface has it
	{name: "vllm", provider: "vLLM"},
	{name: "llamacpp", provider: "llama.cpp"},
	{name: "compatible", provider: "this server"},
}

// dialectOf finds the dialect by its name, or else by the host; a host that is not known has the usual one.
func dialectOf(name, host string) (*dialect, bool) {
	host = strings.ToLower(host)
	for i := range dialects {
		d := &dialects[i]
		known := name == d.name
		if name == "" {
			known = slices.ContainsFunc(d.hosts, func(h string) bool {
				return h == host || h[0] == '.' && strings.HasSuffix(host, h)
			})
		}
		if known {
			return d, true
		}
	}
	return &dialects[len(dialects)-1], name == ""
}

// check refuses settings that the server lacks: one that is dropped in silence is worse than none.
func (d *dialect) check(e *encoder, req *genai.ChatRequest) {
	for _, setting := range d.lacks {
		switch setting {
		case "top_k":
			e.Lacks(setting, req.TopK != nil)
		case "log_probs":
			e.Lacks(setting, req.LogProbs != nil)
		case "end_user":
			e.Lacks(setting, req.EndUser != "")
		case "service_tier":
			e.Lacks(setting, req.ServiceTier != "")
		case "messages.name":
			e.Lacks(setting, slices.ContainsFunc(req.Messages, func(m genai.Message) bool { return m.Name != "" }))
		}
	}
}
