package exchange

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dovetail-go/dovetail/genai"
)

// Outcome is [Exchange.Problem] for what is said in a file about a request that is not here to be compared with. What the server puts
// between quotation marks is left out if it is longer than a name; whatever it quotes without them cannot be told from its own words.
func (x *Exchange) Outcome(body []byte) *genai.Error {
	e := x.Problem(body)
	e.Message, e.Raw = unquoted(e.Message), ""
	return e
}

// longestName is how long a quotation may be that is taken for the name of a field, a model or a value.
const longestName = 24

var closing = map[rune]string{'"': `"`, '\'': `'`, '`': "`", '“': "”", '‘': "’", '«': "»"}

// unquoted leaves out what stands between quotation marks. A mark that is not closed begins no quotation, nor does an apostrophe.
func unquoted(text string) string {
	var b strings.Builder
	before := ' '
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		end, marks := closing[c]
		if marks && !word(before) {
			if n := closed(text[i+size:], end); n > longestName {
				b.WriteString(text[i:i+size] + removed + end)
				i += size + n + len(end)
				before = ' '
				continue
			}
		}
		b.WriteString(text[i : i+size])
		i += size
		before = c
	}
	return b.String()
}

func word(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

// closed returns where a quotation ends: at the first mark that stands behind something and before no word.
func closed(text, end string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], end)
		if i < 0 {
			return -1
		}
		i += from
		from = i + len(end)
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		if next, _ := utf8.DecodeRuneInString(text[from:]); !word(next) && i > 0 && !unicode.IsSpace(before) {
			return i
		}
	}
}
