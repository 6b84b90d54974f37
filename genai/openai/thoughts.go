package openai

import (
	"encoding/json"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// The types of our opaque data: the name of the field under which a server sent reasoning, and wants it back.
const (
	plainContent     = "reasoning_content"
	plainReasoning   = "reasoning"
	reasoningDetails = "reasoning_details"
)

// maxDetails bounds what is kept of reasoning_details. What is longer does not go back.
const maxDetails = 4 << 20

// thoughts remember how a server sent its reasoning, so that it can be sent back the same way.
type thoughts struct {
	field   string
	pending bool // there is something that end has not told yet

	details []detail // the elements of reasoning_details, the texts of the last one left out while they grow
	text    strings.Builder
	summary strings.Builder
	size    int
}

// A detail is one element of reasoning_details. In a stream an element comes in pieces.
type detail = map[string]any

func (t *thoughts) add(c *choice) {
	t.pending = true
	if c.field != "" {
		t.field = c.field
	}
	if c.details == nil || t.size > maxDetails {
		return
	}
	if t.size += len(c.details); t.size > maxDetails {
		t.details = nil
		return
	}
	var pieces []detail
	if json.Unmarshal(c.details, &pieces) != nil {
		return // not what we know; the text is there all the same
	}
	text := ""
	for _, p := range pieces {
		if p != nil {
			text += t.join(p)
		}
	}
	if c.reasoning == "" {
		c.reasoning = text
	}
}

// join appends a piece to the element that it goes on with, or begins one, and returns the text in it.
func (t *thoughts) join(p detail) string {
	text, _ := p["text"].(string)
	summary, _ := p["summary"].(string)
	n := len(t.details)
	_, data := p["data"]
	if n == 0 || data || !same(t.details[n-1]["type"], p["type"]) || !same(t.details[n-1]["index"], p["index"]) {
		t.settle()
		t.details = append(t.details, p)
		n++
	}
	last := t.details[n-1]
	for key, value := range p {
		if value != nil {
			last[key] = value
		}
	}
	t.text.WriteString(text)
	t.summary.WriteString(summary)
	return text + summary
}

// same compares what may be compared: elements without a type or an index are taken for one.
func same(a, b any) bool {
	switch a.(type) {
	case nil, string, float64:
		switch b.(type) {
		case nil, string, float64:
			return a == b
		}
	}
	return false
}

// settle puts the texts that grew into the last element.
func (t *thoughts) settle() {
	if n := len(t.details); n > 0 {
		for key, b := range map[string]*strings.Builder{"text": &t.text, "summary": &t.summary} {
			if b.Len() > 0 {
				t.details[n-1][key] = b.String()
			}
		}
	}
	t.text.Reset()
	t.summary.Reset()
}

// end returns what must go back with the reasoning that is over, nil if there is nothing to remember.
func (t *thoughts) end(origin string) *genai.Opaque {
	if !t.pending {
		return nil
	}
	t.pending = false
	if t.details != nil {
		t.settle()
		data, err := json.Marshal(t.details)
		t.details = nil
		if err == nil {
			return &genai.Opaque{Origin: origin, Type: reasoningDetails, Data: string(data)}
		}
	}
	switch t.field {
	case plainContent, plainReasoning:
		return &genai.Opaque{Origin: origin, Type: t.field}
	}
	return nil
}
