package tool

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A misfit is what is wrong with something that a model wrote. Its text quotes the model, so it is for the model alone.
type misfit struct {
	at  string // where in the value: the names of fields, joined by dots
	why string
}

func (m *misfit) Error() string {
	if m.at == "" {
		return m.why
	}
	return fmt.Sprintf("at %s: %s", m.at, m.why)
}

var place = regexp.MustCompile(`validating (\S+): `)

// misfitOf takes the words of the validator apart, which name every step on the way to the fault.
func misfitOf(err error) *misfit {
	text := err.Error()
	m := &misfit{why: text}
	if all := place.FindAllStringSubmatchIndex(text, -1); len(all) > 0 {
		last := all[len(all)-1]
		m.why = text[last[1]:]
		m.at = strings.TrimPrefix(strings.ReplaceAll(text[last[2]:last[3]], "/properties", ""), "/")
		m.at = strings.ReplaceAll(strings.ReplaceAll(m.at, "/", "."), "root", "")
	}
	return m
}

// jsonIn returns the JSON of an answer, without the fence that some models put around it.
func jsonIn(text string) []byte {
	text = strings.TrimSpace(text)
	if fenced, ok := strings.CutPrefix(text, "```"); ok {
		if fenced, ok = strings.CutSuffix(fenced, "```"); ok {
			if _, body, ok := strings.Cut(fenced, "\n"); ok {
				fenced = body
			}
			if json.Valid([]byte(fenced)) {
				return []byte(fenced)
			}
		}
	}
	return []byte(text)
}

// unfit makes the Error of an answer that does not fit, without what the model wrote.
func (m *misfit) unfit(what string) *genai.Error {
	return &genai.Error{Kind: genai.Malformed, Field: m.at, Reason: "unfit", Message: "what the model wrote does not fit " + what, Started: genai.StartedYes}
}
