package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/copier"
)

// A codec encodes, decodes and copies values of one type.
type codec struct {
	typ     reflect.Type // what the values are; may be a pointer
	copier  *copier.Copier
	blobs   *blobWalk // nil if the type has no Blobs
	numbers bool      // numbers may land in interfaces, and are kept as json.Number there
	own     bool      // the type decides by methods of its own what it is in JSON, which must be an object
}

func newCodec(t reflect.Type) (codec, error) {
	shape := t
	if shape.Kind() == reflect.Pointer {
		shape = shape.Elem()
	}
	if shape.Kind() != reflect.Struct {
		return codec{}, fmt.Errorf("%v is not a struct: only structs can be extended later without breaking their users", t)
	}
	c, err := copier.For(t)
	if err != nil {
		return codec{}, err
	}
	return codec{
		typ: t, copier: c, blobs: findBlobs(t), numbers: reaches(t, reflect.Interface), own: shape != blobType && ownMethods(shape),
	}, nil
}

func (c *codec) encode(v any) (Message, error) {
	if reflect.TypeOf(v) != c.typ {
		return Message{}, genai.Errorf(genai.Internal, "a %T was sent as a %v", v, c.typ)
	}
	if missing(v) {
		return Message{}, errNil
	}
	return c.encodeChecked(v)
}

// encodePointer encodes what v points to.
func (c *codec) encodePointer(v any) (Message, error) {
	if c.typ.Kind() == reflect.Pointer {
		return c.encode(reflect.ValueOf(v).Elem().Interface())
	}
	return c.encodeChecked(v)
}

func (c *codec) encodeChecked(v any) (Message, error) {
	if err := c.copier.Check(v); err != nil {
		return Message{}, err
	}
	var m Message
	if c.blobs != nil && c.blobs.any(c.value(v)) {
		detached, _, err := c.copier.Copy(v)
		if err != nil {
			return Message{}, err
		}
		if v, err = c.blobs.detach(detached, &m.Parts); err != nil {
			return Message{}, err
		}
	}
	var err error
	if m.Head, err = json.Marshal(v); err != nil {
		return Message{}, plain(err)
	}
	if c.own && !isObject(m.Head) {
		return Message{}, genai.Errorf(genai.InvalidRequest, "the message is not a JSON object")
	}
	return m, nil
}

// value returns v, or what it points to if that is of the codec's type.
func (c *codec) value(v any) reflect.Value {
	value := reflect.ValueOf(v)
	if value.Type() != c.typ {
		value = value.Elem()
	}
	return value
}

func (c *codec) decode(m Message) (any, error) {
	shape := c.typ
	if shape.Kind() == reflect.Pointer {
		shape = shape.Elem()
	}
	into := reflect.New(shape)
	if err := c.read(m, into.Interface(), into); err != nil {
		return nil, err
	}
	if c.typ.Kind() == reflect.Pointer {
		return into.Interface(), nil
	}
	return into.Elem().Interface(), nil
}

// decodeInto decodes into what v points to.
func (c *codec) decodeInto(m Message, v any) error {
	return c.read(m, v, reflect.ValueOf(v))
}

func (c *codec) read(m Message, into any, value reflect.Value) error {
	if !utf8.Valid(m.Head) {
		return genai.Errorf(genai.InvalidRequest, "the message is not UTF-8")
	}
	if !isObject(m.Head) {
		return genai.Errorf(genai.InvalidRequest, "the message is not a JSON object")
	}
	var err error
	if c.numbers {
		d := json.NewDecoder(bytes.NewReader(m.Head))
		d.UseNumber()
		if err = d.Decode(into); err == nil {
			if _, more := d.Token(); more != io.EOF {
				err = errTrailing
			}
		}
	} else {
		err = json.Unmarshal(m.Head, into)
	}
	if err != nil {
		return plain(err)
	}
	if c.blobs != nil {
		return c.blobs.attach(value, m.Parts)
	}
	return nil
}

func isObject(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	return len(head) > 0 && head[0] == '{'
}

// copy returns a copy of v, and how many bytes v takes at least when it travels.
func (c *codec) copy(v any) (copied any, size int64, err error) {
	if reflect.TypeOf(v) != c.typ {
		return nil, 0, genai.Errorf(genai.Internal, "a %T was sent as a %v", v, c.typ)
	}
	if missing(v) {
		return nil, 0, errNil
	}
	if !c.own {
		return c.copier.Copy(v)
	}
	m, err := c.encodeChecked(v)
	if err != nil {
		return nil, 0, err
	}
	copied, err = c.decode(m)
	return copied, m.Len(), err
}

// copyInto copies what from points to into what to points to, and returns the size as copy does.
func (c *codec) copyInto(to, from any) (size int64, err error) {
	if c.own {
		m, err := c.encodePointer(from)
		if err != nil {
			return 0, err
		}
		return m.Len(), c.decodeInto(m, to)
	}
	if c.typ.Kind() == reflect.Pointer && reflect.ValueOf(from).Elem().IsNil() {
		return 0, errNil
	}
	return c.copier.CopyInto(to, from)
}

// errNil is made once; those who pass it on copy it.
var errNil = &genai.Error{Kind: genai.InvalidRequest, Message: "the message is nil"}

// plain makes an error of package json one of ours: which field, and what is wrong, without the text of the message, of which
// the errors of a type's own methods are full.
func plain(err error) error {
	if e, ok := errors.AsType[*genai.Error](err); ok {
		return e
	}
	e := &genai.Error{Kind: genai.InvalidRequest, Err: err}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what, _, _ := strings.Cut(wrong.Value, " ") // behind it stands the number, or the key
		e.Field = wrong.Field
		e.Message = fmt.Sprintf("a JSON %s cannot be a %v", what, wrong.Type)
		return e
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		e.Message = "the message is not JSON: " + err.Error()
		return e
	}
	if err == errTrailing {
		e.Message = err.Error()
		return e
	}
	e.Message = "a value in the message does not fit its type"
	return e
}

var errTrailing = errors.New("there is something after the JSON object")
