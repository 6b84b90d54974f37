package copier

import "unicode/utf8"

// plainJSON reports whether text is JSON that encoding/json would hand on byte for byte: valid, compact, in UTF-8, and
// without characters that it escapes. Where it says no, encoding/json has to be asked; where it says yes, it need not
// be, which is ten times as fast.
func plainJSON(text []byte) bool {
	rest, ok := plainValue(text, 0)
	return ok && len(rest) == 0
}

// plainValue takes one value off the front of text.
func plainValue(text []byte, depth int) ([]byte, bool) {
	if len(text) == 0 || depth > 100 {
		return nil, false
	}
	switch c := text[0]; {
	case c == '"':
		return plainString(text)
	case c == '{' || c == '[':
		return plainMembers(text[1:], c == '{', depth+1)
	case c == 't':
		return plainWord(text, "true")
	case c == 'f':
		return plainWord(text, "false")
	case c == 'n':
		return plainWord(text, "null")
	}
	return plainNumber(text)
}

// plainMembers takes what stands in an object or array, and the bracket that ends it.
func plainMembers(text []byte, object bool, depth int) ([]byte, bool) {
	end := byte(']')
	if object {
		end = '}'
	}
	if len(text) > 0 && text[0] == end {
		return text[1:], true
	}
	for {
		ok := true
		if object {
			if len(text) == 0 || text[0] != '"' {
				return nil, false
			}
			if text, ok = plainString(text); !ok || len(text) == 0 || text[0] != ':' {
				return nil, false
			}
			text = text[1:]
		}
		if text, ok = plainValue(text, depth); !ok || len(text) == 0 {
			return nil, false
		}
		switch text[0] {
		case end:
			return text[1:], true
		case ',':
			text = text[1:]
		default:
			return nil, false
		}
	}
}

func plainWord(text []byte, word string) ([]byte, bool) {
	if len(text) < len(word) || string(text[:len(word)]) != word {
		return nil, false
	}
	return text[len(word):], true
}

func plainString(text []byte) ([]byte, bool) {
	for i := 1; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			return text[i+1:], true
		case c == '\\':
			n := 2
			if i+1 < len(text) && text[i+1] == 'u' {
				n = 6
			}
			if !escape(text[i:min(i+n, len(text))]) {
				return nil, false
			}
			i += n
		case c < ' ' || c == '<' || c == '>' || c == '&':
			return nil, false
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
				return nil, false
			}
			i += size
		}
	}
	return nil, false
}

// escape reports whether text is one escape sequence.
func escape(text []byte) bool {
	if len(text) == 6 {
		for _, c := range text[2:] {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return false
			}
		}
		return true
	}
	if len(text) != 2 {
		return false
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	}
	return false
}

func plainNumber(text []byte) ([]byte, bool) {
	digits := func() bool {
		n := 0
		for n < len(text) && '0' <= text[n] && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n > 0
	}
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	if len(text) > 0 && text[0] == '0' {
		text = text[1:]
	} else if !digits() {
		return nil, false
	}
	if len(text) > 0 && text[0] == '.' {
		text = text[1:]
		if !digits() {
			return nil, false
		}
	}
	if len(text) > 0 && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if !digits() {
			return nil, false
		}
	}
	return text, true
}
