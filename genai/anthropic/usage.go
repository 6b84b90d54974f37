package anthropic

import (
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// tokens are the counts that were told last. The interface counts what was read from a cache and what was written to it
// beside the input, and thinking inside of the output.
type tokens struct {
	input, output, read, written, thinking int
}

// add takes over what a document says about usage. Later counts replace earlier ones: they are sums already. It reports
// whether there was any.
func (t *tokens) add(raw []byte) bool {
	told := false
	s := jsonscan.New(raw)
	if !s.Open('{') {
		return false
	}
	for s.More('}') {
		var count *int
		switch string(s.Key()) {
		case "input_tokens":
			count = &t.input
		case "output_tokens":
			count = &t.output
		case "cache_read_input_tokens":
			count = &t.read
		case "cache_creation_input_tokens":
			count = &t.written
		case "output_tokens_details":
			t.details(&s)
			continue
		default:
			s.Skip()
			continue
		}
		if n, ok := s.Integer(); ok {
			*count, told = n, true
		}
	}
	return told
}

func (t *tokens) details(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		if string(s.Key()) != "thinking_tokens" {
			s.Skip()
		} else if n, ok := s.Integer(); ok {
			t.thinking = n
		}
	}
}

func (t *tokens) usage() *genai.Usage {
	return &genai.Usage{
		Input: t.input + t.read + t.written, Output: t.output,
		CacheRead: t.read, CacheWrite: t.written, Reasoning: t.thinking,
	}
}
