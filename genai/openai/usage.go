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
