package openai

import (
	"encoding/json"

	"github.com/dovetail-go/dovetail/genai"
)

// tokens is the count of tokens as servers send it. Numbers are float64, because some send 12.0.
type tokens struct {
	Prompt        *float64 `json:"prompt_tokens"`
	Completion    float64  `json:"completion_tokens"`
	Total         float64  `json:"total_tokens"`
	Reasoning     float64  `json:"reasoning_tokens"`
	CacheHit      float64  `json:"prompt_cache_hit_tokens"`
	PromptDetails struct {
		Cached     float64 `json:"cached_tokens"`
		CacheWrite float64 `json:"cache_write_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning float64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// usageOf translates a count; nil if it cannot be understood, which is not zero.
func usageOf(raw []byte) *genai.Usage {
	var t tokens
	if err := json.Unmarshal(raw, &t); err != nil || t.Prompt == nil {
		return nil
	}
	return t.usage()
}

func (t *tokens) usage() *genai.Usage {
	u := &genai.Usage{
		Input:      int(*t.Prompt),
		Output:     int(t.Completion),
		CacheRead:  int(max(t.PromptDetails.Cached, t.CacheHit)),
		CacheWrite: int(t.PromptDetails.CacheWrite),
		Reasoning:  int(max(t.CompletionDetails.Reasoning, t.Reasoning)),
	}
	if u.Reasoning > 0 && int(t.Total) == u.Input+u.Output+u.Reasoning {
		u.Output += u.Reasoning // some count it beside the output; the total tells
	}
	return u
}

// responseTokens is the same count under the names that the newer interfaces of OpenAI have for it.
type responseTokens struct {
	Input        *float64 `json:"input_tokens"`
	Output       float64  `json:"output_tokens"`
	Total        float64  `json:"total_tokens"`
	InputDetails struct {
		Cached     float64 `json:"cached_tokens"`
		CacheWrite float64 `json:"cache_write_tokens"`
	} `json:"input_tokens_details"`
	OutputDetails struct {
		Reasoning float64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
}

// responseUsage translates a count; nil if it cannot be understood, which is not zero.
func responseUsage(raw []byte) *genai.Usage {
	var r responseTokens
	if err := json.Unmarshal(raw, &r); err != nil || r.Input == nil {
		return nil
	}
	t := tokens{Prompt: r.Input, Completion: r.Output, Total: r.Total, Reasoning: r.OutputDetails.Reasoning}
	t.PromptDetails.Cached, t.PromptDetails.CacheWrite = r.InputDetails.Cached, r.InputDetails.CacheWrite
	return t.usage()
}
