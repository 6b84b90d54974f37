package contract

import "strings"

// Instructions is the system prompt: the rules, and the passages to answer from. The passages stand between marks that
// the offline model finds again; a heading in a passage cannot be mistaken for one.
func Instructions(passages []Passage) string {
	var b strings.Builder
	b.WriteString("You are the support desk of Dovetail, a Go library for composing GenAI services. Answer from the passages below and " +
		"from nothing else, in a few sentences, and name the passages you used as [1], [2]. If they do not answer the question, say so.\n")
	for _, p := range passages {
		b.WriteString(passageMark)
		b.WriteString(p.Title)
		b.WriteByte('\n')
		b.WriteString(p.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

const passageMark = "\n=== PASSAGE === "

// PassagesOf finds the texts of the passages in what Instructions wrote.
func PassagesOf(instructions string) (texts []string) {
	parts := strings.Split(instructions, passageMark)
	for _, p := range parts[1:] {
		_, text, _ := strings.Cut(p, "\n")
		texts = append(texts, strings.TrimSpace(text))
	}
	return texts
}
