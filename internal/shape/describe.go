package shape

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// An Op is the description of an operation.
type Op struct {
	Name        string            `json:"op"`
	Version     string            `json:"fingerprint,omitzero"` // what Fingerprint returned when it was written down
	Idempotency string            `json:"idempotency,omitzero"`
	Streams     bool              `json:"streams,omitzero"` // the response arrives in pieces
	Request     string            `json:"request"`
	Response    string            `json:"response"` // of a piece, if it streams
	Types       map[string]Struct `json:"types,omitzero"`
}

// A Struct is the fields of a struct: their types by their names.
type Struct map[string]string

// Describe returns the description of an operation.
func Describe(name, idempotency string, streams bool, request, response reflect.Type) *Op {
	d := &describer{op: &Op{Name: name, Idempotency: idempotency, Streams: streams, Types: map[string]Struct{}}, names: map[reflect.Type]string{}}
	d.op.Request = d.typ(request)
	d.op.Response = d.typ(response)
	return d.op
}

// Fingerprint returns 16 digits that tell one description from another.
func (o *Op) Fingerprint() string {
	unmarked := *o
	unmarked.Version = ""
	text, err := json.Marshal(unmarked) // maps are written in the order of their keys
	if err != nil {
		panic(err) // nothing in it can fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

type describer struct {
	op    *Op
	names map[reflect.Type]string
}

var (
	marshaler       = reflect.TypeFor[json.Marshaler]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// typ returns how t is written.
func (d *describer) typ(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[genai.Blob]():
		return "blob"
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[json.Number]():
		return "number"
	}
	switch p := reflect.PointerTo(t); {
	case p.Implements(marshaler) || p.Implements(unmarshaler):
		return "json"
	case p.Implements(textMarshaler) || p.Implements(textUnmarshaler):
		return "text"
	}
	switch t.Kind() {
	case reflect.Interface:
		return "json"
	case reflect.Int:
		return "int64"
	case reflect.Uint, reflect.Uintptr:
		return "uint64"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && d.typ(t.Elem()) == "uint8" {
			return "bytes"
		}
		return "[]" + d.typ(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), d.typ(t.Elem()))
	case reflect.Map:
		return "map[string]" + d.typ(t.Elem()) // every key is a string in JSON
	case reflect.Struct:
		return d.structure(t)
	}
	return t.Kind().String()
}

func (d *describer) structure(t reflect.Type) string {
	if name, ok := d.names[t]; ok {
		return "#" + name
	}
	name := d.name(t)
	d.names[t] = name
	fields := Struct{}
	d.op.Types[name] = fields
	d.fields(t, fields, false)
	return "#" + name
}

// name returns one for t that no other type has.
func (d *describer) name(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[") // the arguments of a generic type are full of paths
	if name == "" {
		name = "struct"
	}
	for n, base := 2, name; ; n++ {
		if _, taken := d.op.Types[name]; !taken {
			return name
		}
		name = fmt.Sprint(base, n)
	}
}

func (d *describer) fields(t reflect.Type, into Struct, optional bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		under := f.Type
		if under.Kind() == reflect.Pointer {
			under = under.Elem()
		}
		if f.Anonymous && name == "" && under.Kind() == reflect.Struct {
			d.fields(under, into, optional || f.Type.Kind() == reflect.Pointer)
			continue
		}
		if tag == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		all := strings.Split(options, ",")
		text := d.typ(f.Type)
		if slices.Contains(all, "string") {
			text = "text"
		}
		if optional || f.Type.Kind() == reflect.Pointer || slices.Contains(all, "omitempty") || slices.Contains(all, "omitzero") {
			text += "?"
		}
		into[name] = text
	}
}
