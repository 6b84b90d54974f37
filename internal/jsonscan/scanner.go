package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// A Scanner is a walk through one JSON text. After a failure it stands still.
type Scanner struct {
	text  []byte
	at    int
	value bool // a value was just passed, so a comma or the end must follow
	depth int
	err   error
}

// maxDepth bounds nesting, and so the stack.
const maxDepth = 500

// What End returns. ErrCut is a text that could go on to be JSON, ErrMalformed one that could not.
var (
	ErrCut       = errors.New("JSON text ends early")
	ErrMalformed = errors.New("not JSON of the expected form")
)

// New returns a Scanner at the start of text, which must not change while what was read of it is in use.
func New(text []byte) Scanner { return Scanner{text: text} }

// Fail ends the walk, for those who find something else than they can use: with ErrCut at the end of the text, and with
// ErrMalformed before.
func (s *Scanner) Fail() {
	if s.err == nil {
		s.err = ErrMalformed
		if s.at >= len(s.text) {
			s.err = ErrCut
		}
	}
	s.at = len(s.text)
}

// Next passes over white space and returns the byte behind it, 0 at the end.
func (s *Scanner) Next() byte {
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

// End fails unless nothing but white space is left.
func (s *Scanner) End() error {
	if s.Next(); s.err == nil && s.at < len(s.text) {
		s.Fail()
	}
	return s.err
}

// Open enters an object or an array. If something else stands there, it passes over that and returns false.
func (s *Scanner) Open(bracket byte) bool {
	if s.Next() != bracket || s.err != nil {
		s.Skip()
		return false
	}
	if s.depth++; s.depth > maxDepth {
		s.Fail()
		return false
	}
	s.at++
	s.value = false
	return true
}

// More reports whether another member follows, and passes over the bracket if none does.
func (s *Scanner) More(bracket byte) bool {
	if s.err != nil {
		return false
	}
	c := s.Next()
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
		if s.Next() != bracket {
			return true
		}
	}
	s.Fail()
	return false
}

// Key passes over a name and its colon.
func (s *Scanner) Key() []byte {
	raw, plain := s.quoted()
	if s.Next() != ':' || s.err != nil {
		s.Fail()
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
func (s *Scanner) quoted() (raw []byte, plain bool) {
	if s.Next() != '"' || s.err != nil {
		s.Fail()
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
				s.Fail()
				return nil, false
			}
			i += n - 1 // behind the end if the sequence is cut
		case c < ' ':
			s.at = i
			s.Fail()
			return nil, false
		}
	}
	s.at = len(text)
	s.Fail()
	return nil, false
}

// escape returns the length of the escape sequence at the start of text, 0 if there is none. Of one that is cut it is the
// length that it would have.
func escape(text []byte) int {
	if len(text) < 2 {
		return 2
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		for _, c := range text[2:min(6, len(text))] {
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

// Text returns a string, or "" for a value of another type, which it passes over.
func (s *Scanner) Text() string {
	if s.Next() != '"' {
		s.Skip()
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

// Raw passes over a value and returns it as it stands; nil for null.
func (s *Scanner) Raw() []byte {
	s.Next()
	begin := s.at
	s.Skip()
	if raw := s.text[begin:s.at]; s.err == nil && !bytes.Equal(raw, []byte("null")) {
		return raw
	}
	return nil
}

// Skip passes over a value.
func (s *Scanner) Skip() {
	switch c := s.Next(); {
	case s.err != nil:
	case c == '"':
		s.quoted()
	case c == '{':
		if s.Open('{') {
			for s.More('}') {
				s.name()
				s.Skip()
			}
		}
	case c == '[':
		if s.Open('[') {
			for s.More(']') {
				s.Skip()
			}
		}
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	default:
		s.Number()
	}
}

// name passes over a name and its colon, when nobody asks what it is.
func (s *Scanner) name() {
	s.quoted()
	if s.Next() != ':' || s.err != nil {
		s.Fail()
		return
	}
	s.at++
	s.value = false
}

func (s *Scanner) literal(want string) {
	rest := s.text[s.at:]
	if !bytes.HasPrefix(rest, []byte(want)) {
		if bytes.HasPrefix([]byte(want), rest) {
			s.at = len(s.text)
		}
		s.Fail()
		return
	}
	s.at += len(want)
	s.value = true
}

// Number passes over a number and returns it; nil if there is none.
func (s *Scanner) Number() []byte {
	s.Next()
	begin := s.at
	if s.is('-') {
		s.at++
	}
	switch {
	case s.is('0'):
		s.at++
	case !s.digits():
		s.Fail()
		return nil
	}
	if s.is('.') {
		s.at++
		if !s.digits() {
			s.Fail()
			return nil
		}
	}
	if s.is('e') || s.is('E') {
		s.at++
		if s.is('+') || s.is('-') {
			s.at++
		}
		if !s.digits() {
			s.Fail()
			return nil
		}
	}
	s.value = true
	return s.text[begin:s.at]
}

func (s *Scanner) is(c byte) bool { return s.at < len(s.text) && s.text[s.at] == c }

// digits passes over digits and reports whether there were any.
func (s *Scanner) digits() bool {
	begin := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > begin
}

// Integer returns a number that is one, and whether it was.
func (s *Scanner) Integer() (n int, ok bool) {
	if c := s.Next(); c != '-' && (c < '0' || c > '9') {
		s.Skip()
		return 0, false
	}
	digits := s.Number()
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

// Floats returns an array of numbers, nil for a value of another type, which it passes over. An array of something else
// fails. width is how many there will probably be.
func (s *Scanner) Floats(width int) []float32 {
	if !s.Open('[') {
		return nil
	}
	v := make([]float32, 0, width)
	for s.More(']') {
		number := s.Number()
		f, err := strconv.ParseFloat(string(number), 32)
		if number == nil || err != nil {
			s.Fail()
			return nil
		}
		v = append(v, float32(f))
	}
	return v
}
