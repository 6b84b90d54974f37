// Package words finds the words in a text that carry its meaning, for the two places that compare texts without a
// language model: the lexical search and the offline model.
package words

import (
	"strings"
	"unicode"
)

// Of returns the stems of the words of an English text that carry meaning, in their order.
func Of(text string) []string {
	var list []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(w) > 1 && !empty[w] {
			list = append(list, stem(w))
		}
	}
	return list
}

// Set returns the same words without their order.
func Set(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range Of(text) {
		set[w] = true
	}
	return set
}

// stem cuts the commonest endings, so that "retries" finds "retry" and "streaming" finds "stream".
func stem(w string) string {
	for _, e := range []struct{ suffix, replacement string }{
		{"ies", "y"}, {"ied", "y"}, {"sses", "ss"}, {"ing", ""}, {"ed", ""}, {"s", ""},
	} {
		if root, ok := strings.CutSuffix(w, e.suffix); ok && len(root) >= 3 && !strings.HasSuffix(root, "s") {
			w = root + e.replacement
			break
		}
	}
	return strings.TrimSuffix(w, "e")
}

// empty are words that stand in every text.
var empty = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`a about after all also an and any are as at be because been before both but by can could did do
		does doing for from had has have having how if in into is it its just me more most my no not of on one or other our out over
		own same she he should so some such than that the their them then there these they this those through to too under until up
		us very want was we were what when where which while who why will with would you your`) {
		m[w] = true
	}
	return m
}()
