package openai

import (
	"strconv"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// tokens is the count of tokens as servers send it. Numbers are float64, because some send 12.0.
type tokens struct {
	known                     bool // there is a count of the prompt
	prompt, completion, total float64
	cached, written, thought  float64
}

// usageOf translates a count; nil if it cannot be understood, which is not zero.
func usageOf(raw []byte) *genai.Usage { return tokensOf(raw, "prompt_tokens", "completion_tokens") }

// responseUsage is usageOf for the names that the newer interfaces of OpenAI have for the same.
func responseUsage(raw []byte) *genai.Usage { return tokensOf(raw, "input_tokens", "output_tokens") }

func tokensOf(raw []byte, prompt, completion string) *genai.Usage {
	var t tokens
	s := jsonscan.New(raw)
	if !s.Open('{') {
		return nil
	}
	for s.More('}') {
		switch name := s.Key(); {
		case string(name) == prompt:
			t.known = count(&s, &t.prompt)
		case string(name) == completion:
			count(&s, &t.completion)
		case string(name) == "total_tokens":
			count(&s, &t.total)
		case string(name) == "reasoning_tokens":
			most(&s, &t.thought)
		case string(name) == "prompt_cache_hit_tokens": // of DeepSeek
			most(&s, &t.cached)
		case strings.HasSuffix(string(name), "_tokens_details"):
			t.details(&s)
		default:
			s.Skip()
		}
	}
	if s.End() != nil || !t.known {
		return nil
	}
	return t.usage()
}

// details reads what a count consists of.
func (t *tokens) details(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		switch string(s.Key()) {
		case "cached_tokens":
			most(s, &t.cached)
		case "cache_write_tokens":
			most(s, &t.written)
		case "reasoning_tokens":
			most(s, &t.thought)
		default:
			s.Skip()
		}
	}
}

// count reads a number and reports whether it is one.
func count(s *jsonscan.Scanner, to *float64) bool {
	n, err := strconv.ParseFloat(string(s.Raw()), 64)
	if err != nil {
		return false
	}
	*to = n
	return true
}

// most is count for what stands in several places: servers that have it twice say the same, or nothing in one of them.
func most(s *jsonscan.Scanner, to *float64) {
	var n float64
	if count(s, &n) {
		*to = max(*to, n)
	}
}

func (t *tokens) usage() *genai.Usage {
	u := &genai.Usage{
		Input: int(t.prompt), Output: int(t.completion),
		CacheRead: int(t.cached), CacheWrite: int(t.written), Reasoning: int(t.thought),
	}
	if u.Reasoning > 0 && int(t.total) == u.Input+u.Output+u.Reasoning {
		u.Output += u.Reasoning // some count it beside the output; the total tells
	}
	return u
}
