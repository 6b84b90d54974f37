package genai

// Tokens estimates how many tokens the prompt has, from its length: a provider counts differently, and says so in Usage
// once it has answered. A picture, a recording or a document counts as a thousand.
func (r *ChatRequest) Tokens() int {
	n := 0
	for i := range r.Messages {
		n += 4 + tokensIn(r.Messages[i].Parts)
	}
	for _, t := range r.Tools {
		n += tokensOf(len(t.Name) + len(t.Description) + len(t.Parameters))
	}
	return n
}

// Tokens estimates how many tokens the texts have.
func (r *EmbedRequest) Tokens() int {
	n := 0
	for _, text := range r.Input {
		n += tokensOf(len(text))
	}
	return n
}

func tokensIn(parts []Part) int {
	n := 0
	for i := range parts {
		p := &parts[i]
		n += tokensOf(len(p.Text) + len(p.Refusal))
		if p.Image != nil || p.Audio != nil || p.File != nil {
			n += 1000
		}
		if p.ToolCall != nil {
			n += tokensOf(len(p.ToolCall.Name) + len(p.ToolCall.Arguments))
		}
		if p.ToolResult != nil {
			n += tokensIn(p.ToolResult.Parts)
		}
		if p.Reasoning != nil {
			n += tokensOf(len(p.Reasoning.Text))
		}
	}
	return n
}

// tokensOf is the rule of thumb of four bytes of English text a token, rounded up.
func tokensOf(bytes int) int { return (bytes + 3) / 4 }

// UsageOf returns the usage that a response, or a piece of one, reports: nil if it reports none. It is for policies, which
// do not know what they guard. v may be a pointer or a value.
func UsageOf(v any) *Usage {
	switch r := v.(type) {
	case *ChatEvent:
		return r.Usage
	case *ChatResponse:
		return r.Usage
	case *Embeddings:
		return r.Usage
	case *Images:
		return r.Usage
	case *Ranking:
		return r.Usage
	case *SpeechChunk:
		return r.Usage
	case *Transcript:
		return r.Usage
	case ChatEvent:
		return r.Usage
	}
	return nil
}
