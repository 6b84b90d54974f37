package anthropic

import "encoding/json"

// resume leaves the budget for thinking away where the interface refuses it: while an answer goes on behind the results of
// its tools, it may be thought about only if it began with a thought, and one that another provider began did not. (Where
// the model decides by itself how much to think, there is no such rule.)
func (p *prompt) resume() {
	if p.Thinking == nil || p.Thinking.Type != "enabled" {
		return
	}
	var began []any // the first blocks of the answer that goes on; none if none does
	for i := len(p.Messages) - 1; i > 0 && p.Messages[i].results > 0; i-- {
		for i > 0 && p.Messages[i].Role != "assistant" {
			i--
		}
		began = p.Messages[i].Content
	}
	if len(began) > 0 && !isThought(began[0]) {
		p.Thinking = nil
	}
}

func isThought(block any) bool {
	switch b := block.(type) {
	case thinkingBlock:
		return true
	case json.RawMessage:
		var kept struct {
			Type string `json:"type"`
		}
		return json.Unmarshal(b, &kept) == nil && kept.Type == "redacted_thinking"
	}
	return false
}
