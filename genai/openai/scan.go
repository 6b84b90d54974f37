package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// A scanner walks through one JSON text by hand, because decoding is most of what a token costs on our side. It checks
// the grammar of what it passes over as strictly as encoding/json does. After a failure it stands still, so that a walk
// needs to look at the error only at its end.
//
//	if s.open('{') {
//		for s.more('}') {
//			switch string(s.key()) {
//			case "id":
//				id = s.string()
//			default:
//				s.skip()
//			}
//		}
//	}
type scanner struct {
	text  []byte
	at    int
	value bool // a value was just passed, so a comma or the end must follow
	depth int
	err   error
}

// maxDepth bounds nesting, and so the stack.
const maxDepth = 500

var (
	errCut       = errors.New("JSON text ends early")
	errMalformed = errors.New("not JSON of the expected form")
)

func (s *scanner) fail() {
	if s.err == nil {
		s.err = errMalformed
		if s.at >= len(s.text) {
			s.err = errCut
		}
	}
	s.at = len(s.text)
}

// next passes over white space and returns the byte behind it, 0 at the end.
func (s *scanner) next() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// end fails unless nothing but white space is left.
func (s *scanner) end() error {
	if s.next(); s.err == nil && s.at < len(s.text) {
		s.fail()
	}
	return s.err
}

// open enters an object or an array. If something else stands there, it passes over that and returns false.
func (s *scanner) open(bracket byte) bool {
	if s.next() != bracket || s.err != nil {
		s.skip()
		return false
	}
	if s.depth++; s.depth > maxDepth {
		s.fail()
		return false
	}
	s.at++
	s.value = false
	return true
}

// more reports whether another member follows, and passes over the bracket if none does.
func (s *scanner) more(bracket byte) bool {
	if s.err != nil {
		return false
	}
	c := s.next()
	switch {
	case c == bracket && s.at < len(s.text):
		s.at++
		s.depth--
		s.value = true
		return false
	case !s.value && c != 0:
		return true
	case s.value && c == ',':
		s.at++
		s.value = false
		if s.next() != bracket {
			return true
		}
	}
	s.fail()
	return false
}

// key passes over a name and its colon.
func (s *scanner) key() []byte {
	raw, plain := s.quoted()
	if s.next() != ':' || s.err != nil {
		s.fail()
		return nil
	}
	s.at++
	s.value = false
	if plain {
		return raw[1 : len(raw)-1]
	}
	return []byte(unquote(raw))
}

// quoted passes over a string and returns it with its quotes. plain says that it has no escapes in it.
func (s *scanner) quoted() (raw []byte, plain bool) {
	if s.next() != '"' || s.err != nil {
		s.fail()
		return nil, false
	}
	begin, text := s.at, s.text
	plain = true
	for i := begin + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			s.at = i + 1
			s.value = true
			return text[begin:s.at], plain
		case c == '\\':
			plain = false
			n := escape(text[i:])
			if n == 0 {
				s.at = i
				s.fail()
				return nil, false
			}
			i += n - 1
		case c < ' ':
			s.at = i
			s.fail()
			return nil, false
		}
	}
	s.at = len(text)
	s.fail()
	return nil, false
}

// escape returns the length of the escape sequence at the start of text, 0 if there is none.
func escape(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(text) < 6 {
			return 0
		}
		for _, c := range text[2:6] {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// unquote returns what a quoted string means. Strings with escapes are for encoding/json, which knows all about
// surrogates.
func unquote(raw []byte) string {
	var text string
	_ = json.Unmarshal(raw, &text) // quoted has checked it
	return text
}

// string returns a string, or "" for a value of another type, which it passes over.
func (s *scanner) string() string {
	if s.next() != '"' {
		s.skip()
		return ""
	}
	raw, plain := s.quoted()
	switch {
	case s.err != nil || len(raw) == 2:
		return ""
	case plain && utf8.Valid(raw):
		return string(raw[1 : len(raw)-1])
	}
	return unquote(raw)
}

// raw passes over a value and returns it as it stands; nil for null.
func (s *scanner) raw() []byte {
	s.next()
	begin := s.at
	s.skip()
	if raw := s.text[begin:s.at]; s.err == nil && !bytes.Equal(raw, []byte("null")) {
		return raw
	}
	return nil
}

// skip passes over a value.
func (s *scanner) skip() {
	switch c := s.next(); {
	case s.err != nil:
	case c == '"':
		s.quoted()
	case c == '{':
		if s.open('{') {
			for s.more('}') {
				s.name()
				s.skip()
			}
		}
	case c == '[':
		if s.open('[') {
			for s.more(']') {
				s.skip()
			}
		}
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	default:
		s.number()
	}
}

// name passes over a name and its colon, when nobody asks what it is.
func (s *scanner) name() {
	s.quoted()
	if s.next() != ':' || s.err != nil {
		s.fail()
		return
	}
	s.at++
	s.value = false
}

func (s *scanner) literal(want string) {
	rest := s.text[s.at:]
	if !bytes.HasPrefix(rest, []byte(want)) {
		if bytes.HasPrefix([]byte(want), rest) {
			s.at = len(s.text)
		}
		s.fail()
		return
	}
	s.at += len(want)
	s.value = true
}

// number passes over a number and returns it; nil if there is none.
func (s *scanner) number() []byte {
	s.next()
	begin := s.at
	if s.is('-') {
		s.at++
	}
	switch {
	case s.is('0'):
		s.at++
	case !s.digits():
		s.fail()
		return nil
	}
	if s.is('.') {
		s.at++
		if !s.digits() {
			s.fail()
			return nil
		}
	}
	if s.is('e') || s.is('E') {
		s.at++
		if s.is('+') || s.is('-') {
			s.at++
		}
		if !s.digits() {
			s.fail()
			return nil
		}
	}
	s.value = true
	return s.text[begin:s.at]
}

func (s *scanner) is(c byte) bool { return s.at < len(s.text) && s.text[s.at] == c }

// digits passes over digits and reports whether there were any.
func (s *scanner) digits() bool {
	begin := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > begin
}

// integer returns a number that is one, and whether it was.
func (s *scanner) integer() (n int, ok bool) {
	if c := s.next(); c != '-' && (c < '0' || c > '9') {
		s.skip()
		return 0, false
	}
	digits := s.number()
	if len(digits) > 9 || len(digits) == 0 || digits[0] == '-' {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}
