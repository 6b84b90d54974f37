package exchange

import (
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A folder reduces a text to what is left of it however it is quoted: without white space, quotation marks and the signs of
// escaping, in small letters. A prompt is found by it in a message that has it in JSON, in JSON within JSON, in the notation
// of a programming language or in HTML.
type folder struct {
	text []byte
	from []int32 // where each byte of text comes from; nil: nobody wants to know
}

func (f *folder) add(c rune, at int) {
	switch {
	case c <= ' ' && c != 0 || c == '"' || c == '\'' || c == '`' || c == '\\' || c == utf8.RuneError:
		return
	case 'A' <= c && c <= 'Z': // it was escaped
		c += 'a' - 'A'
	}
	n := len(f.text)
	f.text = utf8.AppendRune(f.text, c)
	if f.from != nil {
		for range len(f.text) - n {
			f.from = append(f.from, int32(at))
		}
	}
}

// plain says what becomes of most characters; 0 if it has to be found out.
var plain = func() (to [256]byte) {
	for c := '!'; c <= '~'; c++ {
		if !strings.ContainsRune("\\&\"'`", c) {
			to[c] = byte(c)
		}
		if 'A' <= c && c <= 'Z' {
			to[c] += 'a' - 'A'
		}
	}
	return to
}()

// fold adds a text.
func (f *folder) fold(text string) {
	f.text = slices.Grow(f.text, len(text))
	for i := 0; i < len(text); {
		if c := plain[text[i]]; c != 0 {
			f.text = append(f.text, c)
			if f.from != nil {
				f.from = append(f.from, int32(i))
			}
			i++
			continue
		}
		c, size := unit(text[i:])
		f.add(c, i)
		i += size
	}
}

// unit reads what stands for one character, which is a space if it stands for none, and how long it is.
func unit(text string) (rune, int) {
	switch c := text[0]; {
	case c == '\\':
		return escaped(text)
	case c == '&':
		for _, e := range entities {
			if strings.HasPrefix(text, e.is) {
				return e.stands, len(e.is)
			}
		}
	case c >= utf8.RuneSelf:
		return utf8.DecodeRuneInString(text)
	}
	return rune(text[0]), 1
}

var entities = []struct {
	is     string
	stands rune
}{{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", ' '}, {"&#34;", ' '}, {"&#39;", ' '}, {"&#x27;", ' '}, {"&apos;", ' '}}

// escaped reads one character behind backslashes, of which there are many where it was escaped again.
func escaped(text string) (rune, int) {
	n := 1
	for n < len(text) && text[n] == '\\' {
		n++
	}
	if n == len(text) {
		return ' ', n
	}
	switch text[n] {
	case 'n', 'r', 't', 'b', 'f', 'v':
		return ' ', n + 1
	case 'u':
		c, ok := hex(text[n+1:], 4)
		if !ok {
			break
		}
		end := n + 5
		if utf16.IsSurrogate(c) {
			rest := strings.TrimLeft(text[end:], `\`)
			if low, ok := hex(strings.TrimPrefix(rest, "u"), 4); ok && strings.HasPrefix(rest, "u") {
				return utf16.DecodeRune(c, low), len(text) - len(rest) + 5
			}
		}
		return c, end
	case 'U':
		if c, ok := hex(text[n+1:], 8); ok {
			return c, n + 9
		}
	case 'x':
		if c, ok := hex(text[n+1:], 2); ok {
			return c, n + 3
		}
	}
	return ' ', n // whatever follows stands for itself
}

func hex(text string, digits int) (c rune, ok bool) {
	if len(text) < digits {
		return 0, false
	}
	for i := range digits {
		d := text[i]
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d|0x20 && d|0x20 <= 'f':
			d = d | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		c = c<<4 | rune(d)
	}
	return c, true
}
