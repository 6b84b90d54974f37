package gemini

import (
	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// decode reads a document. named says that who answers is of interest.
func (d *document) decode(text []byte, named bool) error {
	*d = document{parts: d.parts[:0]}
	s := jsonscan.New(text)
	if s.Next() != '{' {
		s.Fail()
		return s.End()
	}
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "candidates":
			if s.Open('[') {
				for s.More(']') {
					d.choose(&s)
				}
			}
		case "promptFeedback":
			if s.Open('{') {
				for s.More('}') {
					if string(s.Key()) == "blockReason" {
						d.blocked = s.Text()
					} else {
						s.Skip()
					}
				}
			}
		case "usageMetadata":
			d.count(&s)
		case "modelVersion":
			if named {
				d.model = s.Text()
			} else {
				s.Skip()
			}
		case "responseId":
			if named {
				d.id = s.Text()
			} else {
				s.Skip()
			}
		case "error":
			d.failed = s.Raw() != nil || d.failed
		default:
			s.Skip()
		}
	}
	return s.End()
}

// choose decodes a candidate, and keeps the first.
func (d *document) choose(s *jsonscan.Scanner) {
	index, reason, before := 0, "", len(d.parts)
	if s.Open('{') {
		for s.More('}') {
			switch string(s.Key()) {
			case "index":
				index, _ = s.Integer()
			case "finishReason":
				reason = s.Text()
			case "content":
				d.content(s)
			default:
				s.Skip()
			}
		}
	}
	if index != 0 || d.candidate {
		d.parts = d.parts[:before]
		return
	}
	d.candidate, d.reason = true, reason
}

func (d *document) content(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		if string(s.Key()) != "parts" {
			s.Skip()
			continue
		}
		if s.Open('[') {
			for s.More(']') {
				raw := s.Raw()
				if len(raw) == 0 || raw[0] != '{' {
					continue
				}
				d.parts = append(d.parts, said{raw: raw})
				d.parts[len(d.parts)-1].decode()
			}
		}
	}
}

func (p *said) decode() {
	s := jsonscan.New(p.raw)
	s.Open('{')
	for s.More('}') {
		switch string(s.Key()) {
		case "text":
			p.text = s.Text()
		case "thought":
			p.thought = string(s.Raw()) == "true"
		case "thoughtSignature", "thought_signature":
			p.signature = s.Text()
		case "functionCall":
			p.call = true
			p.function(&s)
		default:
			p.other = s.Raw() != nil || p.other
		}
	}
}

func (p *said) function(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		switch string(s.Key()) {
		case "id":
			p.id = s.Text()
		case "name":
			p.name = s.Text()
		case "args":
			p.arguments = s.Raw()
		default:
			s.Skip()
		}
	}
}

// count reads the counts of tokens. What was cached is part of the prompt; what the provider's own tools were given, and
// what was thought, stand beside the rest.
func (d *document) count(s *jsonscan.Scanner) {
	if !s.Open('{') {
		return
	}
	for s.More('}') {
		var count *int
		switch string(s.Key()) {
		case "promptTokenCount":
			count = &d.input
		case "toolUsePromptTokenCount":
			count = &d.tools
		case "candidatesTokenCount", "responseTokenCount":
			count = &d.output
		case "thoughtsTokenCount":
			count = &d.spent
		case "cachedContentTokenCount":
			count = &d.cached
		default:
			s.Skip()
			continue
		}
		if n, ok := s.Integer(); ok {
			*count, d.hasUsage = n, true
		}
	}
}
