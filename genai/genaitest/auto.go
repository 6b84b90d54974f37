package genaitest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// auto answers a call by itself.
func auto(req *genai.ChatRequest) Step {
	results, called := since(req.Messages)
	if calls := due(req, called); len(calls) > 0 {
		return ToolCalls(calls...).count(req, "")
	}
	text := results
	switch f := req.Format; {
	case f != nil && f.Schema != nil:
		text = sample(f.Schema, "answer")
	case f != nil:
		text = string(mustMarshal(map[string]string{"answer": text + req.Text()}))
	case text == "":
		text = req.Text()
	}
	if text == "" {
		text = "Well."
	}
	return Pieces(strings.SplitAfter(text, " ")...).count(req, text)
}

// since returns what the tools said since the user spoke last, and which of them were called.
func since(messages []genai.Message) (results string, called []string) {
	var lines []string
	names := map[string]string{}
	for _, m := range messages {
		if m.Role == genai.RoleUser {
			lines, called = nil, nil
		}
		for _, p := range m.Parts {
			if p.ToolCall != nil {
				called = append(called, p.ToolCall.Name)
				names[p.ToolCall.ID] = p.ToolCall.Name
			}
			if r := p.ToolResult; r != nil {
				name := r.Name
				if name == "" {
					name = names[r.CallID]
				}
				lines = append(lines, name+": "+genai.Message{Parts: r.Parts}.Text())
			}
		}
	}
	return strings.Join(lines, "\n"), called
}

// due returns the calls that are to be made next.
func due(req *genai.ChatRequest, called []string) (calls []genai.ToolCall) {
	choice := req.ToolChoice
	if choice != nil && choice.Mode == genai.ToolNone {
		return nil
	}
	for _, t := range req.Tools {
		if slices.Contains(called, t.Name) || choice != nil && choice.Name != "" && choice.Name != t.Name {
			continue
		}
		arguments := "{}"
		if t.Parameters != nil {
			arguments = sample(t.Parameters, t.Name)
		}
		calls = append(calls, genai.ToolCall{Name: t.Name, Arguments: arguments})
		if req.ParallelToolCalls != nil && !*req.ParallelToolCalls {
			break
		}
	}
	return calls
}

// count reports words as tokens.
func (s Step) count(req *genai.ChatRequest, answer string) Step {
	input := 0
	for _, m := range req.Messages {
		input += len(strings.Fields(m.Text()))
	}
	return s.Usage(input, len(strings.Fields(answer)))
}

func mustMarshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("genaitest: " + err.Error()) // it came out of JSON
	}
	return text
}
