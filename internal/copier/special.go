package copier

import (
	"bytes"
	"encoding"
	"encoding/json"
	"net/url"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/dovetail-go/dovetail/genai"
)

// A blobNode shares the bytes, which nobody may change.
type blobNode struct{}

func (n blobNode) copy(v reflect.Value, _ int) (size int64, null bool, err error) {
	b, _ := reflect.TypeAssert[*genai.Blob](v.Addr())
	return int64(b.Len() + len(b.URL())), false, n.check(v, 0)
}

func (blobNode) check(v reflect.Value, _ int) error {
	b, _ := reflect.TypeAssert[*genai.Blob](v.Addr())
	for _, s := range [...]string{b.MediaType(), b.URL(), b.SHA256()} {
		if err := checkString(s); err != nil {
			return err
		}
	}
	if b.Part() != 0 {
		return refuse("a blob has lost its bytes")
	}
	if b.URL() != "" {
		if _, err := url.Parse(b.URL()); err != nil {
			return refuse("a blob has a URL that cannot be parsed")
		}
	}
	return nil
}

// A timeNode makes of a time what RFC 3339 can say.
type timeNode struct{}

func (timeNode) copy(v reflect.Value, _ int) (size int64, null bool, err error) {
	t, _ := reflect.TypeAssert[*time.Time](v.Addr())
	if year := t.Year(); t.Location() == time.UTC && 0 <= year && year <= 9999 {
		*t = t.UTC() // which takes the monotonic reading off as well
		return 0, false, nil
	}
	text, err := t.MarshalJSON()
	if err == nil {
		err = t.UnmarshalJSON(text)
	}
	if err != nil {
		return 0, false, refuse("the time cannot be written by RFC 3339")
	}
	return 0, false, nil
}

func (n timeNode) check(v reflect.Value, depth int) error {
	scratch := reflect.New(v.Type()).Elem()
	scratch.Set(v)
	_, _, err := n.copy(scratch, depth)
	return err
}

// A numberNode copies numbers that are kept as text.
type numberNode struct{}

func (n numberNode) copy(v reflect.Value, _ int) (size int64, null bool, err error) {
	if v.Len() == 0 {
		v.SetString("0") // as encoding/json has it
	}
	return int64(v.Len()) - 1, false, n.check(v, 0)
}

func (numberNode) check(v reflect.Value, _ int) error { return checkNumber(v.String()) }

func checkNumber(s string) error {
	if s == "" {
		return nil
	}
	if rest, ok := plainNumber([]byte(s)); !ok || len(rest) > 0 {
		return refuse("the text is not a number")
	}
	return nil
}

// A rawNode copies JSON that stands as it is. It becomes what encoding/json makes of it: without white space, and with
// those characters escaped that mean something to a browser.
type rawNode struct{}

func (rawNode) copy(v reflect.Value, _ int) (size int64, null bool, err error) {
	raw, _ := reflect.TypeAssert[*json.RawMessage](v.Addr())
	if *raw != nil && plainJSON(*raw) {
		*raw = bytes.Clone(*raw)
	} else if *raw, err = rewrite(*raw); err != nil {
		return 0, false, err
	}
	return int64(len(*raw)) - 1, string(*raw) == "null", nil
}

func (rawNode) check(v reflect.Value, _ int) error {
	raw, _ := reflect.TypeAssert[*json.RawMessage](v.Addr())
	if *raw == nil || plainJSON(*raw) {
		return nil
	}
	_, err := rewrite(*raw)
	return err
}

func rewrite(raw json.RawMessage) (json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, refuse("the text is not UTF-8")
	}
	fresh, err := json.Marshal(raw)
	if err != nil {
		return nil, refuse("the text is not JSON")
	}
	return fresh, nil
}

// A throughNode copies values of a type with methods of its own for JSON or text, by calling them.
type throughNode struct {
	typ     reflect.Type
	text    bool // it is written by MarshalText
	written node // what checks it if it has no method to be written with
}

func (n *throughNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	if n.written != nil {
		if err := n.written.check(v, depth); err != nil {
			return 0, false, err
		}
	}
	text, err := n.encode(v)
	if err != nil {
		return 0, false, err
	}
	fresh := reflect.New(n.typ)
	if err := json.Unmarshal(text, fresh.Interface()); err != nil {
		return 0, false, unable(err, "the %v cannot be read from what it was written as", n.typ)
	}
	v.Set(fresh.Elem())
	return int64(len(text)) - 1, string(text) == "null", nil
}

func (n *throughNode) check(v reflect.Value, depth int) error {
	scratch := reflect.New(n.typ).Elem()
	scratch.Set(v)
	_, _, err := n.copy(scratch, depth)
	return err
}

func (n *throughNode) encode(v reflect.Value) ([]byte, error) {
	if n.text {
		// encoding/json would repair a text that is not UTF-8.
		m, ok := reflect.TypeAssert[encoding.TextMarshaler](v.Addr())
		if ok {
			text, err := m.MarshalText()
			if err != nil {
				return nil, unable(err, "the %v cannot be written", n.typ)
			}
			if !utf8.Valid(text) {
				return nil, refuse("the text is not UTF-8")
			}
		}
	}
	text, err := json.Marshal(v.Addr().Interface())
	if err != nil {
		return nil, unable(err, "the %v cannot be written", n.typ)
	}
	if !utf8.Valid(text) {
		return nil, refuse("the text is not UTF-8")
	}
	return text, nil
}

func unable(err error, format string, args ...any) error {
	e := refuse(format, args...)
	e.Err = err
	return e
}
