package tool

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/dovetail-go/dovetail/internal/jsonscan"
)

// A shape is a Go type as models are told of it.
type shape struct {
	wire   json.RawMessage // the schema that is sent
	strict bool            // it keeps to what every provider can enforce
	boxed  bool            // the type is no object, so it is sent as the field "value" of one
	check  *jsonschema.Resolved
}

// boxField is where a value stands that is no object, since answers and arguments must be objects.
const boxField = "value"

// shapeOf makes the shape of a type. With enforced it is one that providers can enforce, if the type allows it: then
// every property is required, and what may be missing may be null instead. Otherwise it is as the type says.
func shapeOf(t reflect.Type, enforced bool) (*shape, error) {
	types := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
		reflect.TypeFor[[]byte]():          {Type: "string", ContentEncoding: "base64"},
		reflect.TypeFor[json.RawMessage](): {},
	}
	if err := special(t, types, map[reflect.Type]bool{}); err != nil {
		return nil, err
	}
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: types})
	if err != nil {
		return nil, err
	}
	notNull(s)
	sh := &shape{}
	if s.Type != "object" {
		sh.boxed = true
		s = &jsonschema.Schema{
			Type: "object", Properties: map[string]*jsonschema.Schema{boxField: s}, Required: []string{boxField},
			AdditionalProperties: never(),
		}
	}
	lenient := s.CloneSchemas()
	allowNull(lenient)
	if sh.check, err = lenient.Resolve(nil); err != nil {
		return nil, err
	}
	sh.strict = true
	forWire(s, enforced, &sh.strict)
	sh.wire, err = json.Marshal(s)
	return sh, err
}

func never() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

// notNull takes the null out of a schema that stands where there must be something.
func notNull(s *jsonschema.Schema) {
	if rest := slices.DeleteFunc(slices.Clone(s.Types), func(t string) bool { return t == "null" }); len(rest) == 1 {
		s.Type, s.Types = rest[0], nil
	}
}

// special finds the types that say themselves what they look like in JSON. Its error is about a field that no schema is
// right for.
func special(t reflect.Type, into map[reflect.Type]*jsonschema.Schema, seen map[reflect.Type]bool) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if seen[t] || into[t] != nil {
		return nil
	}
	seen[t] = true
	if e, ok := reflect.New(t).Interface().(interface{ Enum() []string }); ok && t.Kind() == reflect.String {
		s := &jsonschema.Schema{Type: "string"}
		for _, v := range e.Enum() {
			s.Enum = append(s.Enum, v)
		}
		into[t] = s
		return nil
	}
	switch pointer := reflect.PointerTo(t); {
	case known(t):
		return nil
	case pointer.Implements(reflect.TypeFor[json.Unmarshaler]()):
		into[t] = &jsonschema.Schema{}
		return nil
	case pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		into[t] = &jsonschema.Schema{Type: "string"}
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() && !f.Anonymous {
				continue
			}
			if _, options, _ := strings.Cut(f.Tag.Get("json"), ","); slices.Contains(strings.Split(options, ","), "string") {
				return fmt.Errorf("field %s is written as a text by the option string of its tag, and described as what it is", f.Name)
			}
			if err := special(f.Type, into, seen); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array, reflect.Map:
		return special(t.Elem(), into, seen)
	}
	return nil
}

// known reports whether the schema library knows better what a type looks like.
func known(t reflect.Type) bool {
	switch t.PkgPath() {
	case "math/big", "log/slog":
		return true
	}
	return false
}

// allowNull makes a schema for checking: what may be missing may also be null.
func allowNull(s *jsonschema.Schema) {
	for name, p := range s.Properties {
		allowNull(p)
		if !slices.Contains(s.Required, name) {
			nullable(p)
		}
	}
	for _, inner := range []*jsonschema.Schema{s.Items, s.AdditionalProperties} {
		if inner != nil {
			allowNull(inner)
		}
	}
}

func nullable(p *jsonschema.Schema) {
	switch {
	case p.Type != "":
		p.Types, p.Type = []string{p.Type, "null"}, ""
	case len(p.Types) > 0 && !slices.Contains(p.Types, "null"):
		p.Types = append(p.Types, "null")
	}
	if p.Enum != nil && !slices.Contains(p.Enum, nil) {
		p.Enum = append(p.Enum, nil)
	}
}

// forWire makes a schema for sending. strict becomes false if there is something in it that cannot be enforced.
func forWire(s *jsonschema.Schema, enforced bool, strict *bool) {
	if slices.Contains(s.Types, "array") {
		notNull(s) // a slice that is nil is a slice that is empty
	}
	if s.Type == "" && len(s.Types) == 0 {
		*strict = false
	}
	if a := s.AdditionalProperties; a != nil && a.Not == nil {
		*strict = false
		forWire(a, enforced, strict)
	}
	for name, p := range s.Properties {
		forWire(p, enforced, strict)
		if enforced && !slices.Contains(s.Required, name) {
			nullable(p)
		}
	}
	if enforced && s.Properties != nil {
		s.Required = slices.Sorted(maps.Keys(s.Properties))
		if len(s.PropertyOrder) == len(s.Required) {
			s.Required = slices.Clone(s.PropertyOrder)
		}
	}
	if enforced {
		sayBounds(s)
	}
	if s.Items != nil {
		forWire(s.Items, enforced, strict)
	}
}

// sayBounds tells in words what not every provider takes as a rule. It is checked on our side.
func sayBounds(s *jsonschema.Schema) {
	var words []string
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		words = append(words, fmt.Sprintf("from %.0f to %.0f", *s.Minimum, *s.Maximum))
	case s.Minimum != nil:
		words = append(words, fmt.Sprintf("%.0f or more", *s.Minimum))
	}
	if s.MinItems != nil {
		words = append(words, fmt.Sprintf("exactly %d elements", *s.MinItems)) // a Go array, which has one length
	}
	if s.ContentEncoding != "" {
		words = append(words, "as "+s.ContentEncoding)
	}
	if s.Description != "" {
		words = slices.Insert(words, 0, s.Description)
	}
	s.Description = strings.Join(words, "; ")
	s.Minimum, s.Maximum, s.MinItems, s.MaxItems, s.ContentEncoding = nil, nil, nil, nil, ""
}

// decode reads text into the value that out points to, if it fits.
func (sh *shape) decode(text []byte, out any) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return &misfit{why: "it is not JSON: " + err.Error()}
	}
	if err := once(text); err != nil {
		return err
	}
	if err := sh.check.Validate(v); err != nil {
		return misfitOf(err)
	}
	if sh.boxed {
		var box map[string]json.RawMessage
		if err := json.Unmarshal(text, &box); err != nil {
			return &misfit{why: err.Error()}
		}
		text, v = box[boxField], v.(map[string]any)[boxField]
	}
	if err := json.Unmarshal(text, out); err != nil {
		// A schema takes 3.0 for an integer, and encoding/json does not unless it is written as 3.
		again, failed := json.Marshal(v)
		if failed != nil || json.Unmarshal(again, out) != nil {
			return &misfit{why: err.Error()}
		}
	}
	return validate(out)
}

// validate asks the value that out points to, directly or by further pointers, whether it is content.
func validate(out any) error {
	for v := reflect.ValueOf(out); v.Kind() == reflect.Pointer && !v.IsNil(); v = v.Elem() {
		if c, ok := v.Interface().(interface{ Validate() error }); ok {
			if err := c.Validate(); err != nil {
				return &misfit{why: err.Error()}
			}
			return nil
		}
	}
	return nil
}

// once makes sure that no object of text, which is JSON, has a name twice: the last of them would be checked, and a
// mixture of both decoded.
func once(text []byte) error {
	s := jsonscan.New(text)
	if name, ok := twice(&s); ok {
		return &misfit{why: fmt.Sprintf("%q is there twice", name)}
	}
	if s.End() != nil {
		return &misfit{why: "it is nested too deeply"}
	}
	return nil
}

// twice walks through a value up to a name that an object has twice, and returns it.
func twice(s *jsonscan.Scanner) (string, bool) {
	switch s.Next() {
	case '[':
		s.Open('[')
		for s.More(']') {
			if name, ok := twice(s); ok {
				return name, true
			}
		}
	case '{':
		s.Open('{')
		seen := map[string]bool{}
		for s.More('}') {
			name := string(s.Key())
			if seen[name] {
				return name, true
			}
			seen[name] = true
			if name, ok := twice(s); ok {
				return name, true
			}
		}
	default:
		s.Skip()
	}
	return "", false
}
