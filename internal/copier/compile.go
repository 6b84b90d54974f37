package copier

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

var (
	marshaler       = reflect.TypeFor[json.Marshaler]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	zeroer          = reflect.TypeFor[interface{ IsZero() bool }]()
)

// A place is a type together with whether encoding/json finds its values addressable there, which decides whether it
// calls methods with a pointer receiver.
type place struct {
	typ         reflect.Type
	addressable bool
}

// A compiler makes the nodes of one type and of what is inside it.
type compiler struct {
	refs map[place]*refNode // types being compiled and types that are done, so that recursion ends
}

func compile(t reflect.Type) (node, error) {
	if t == nil {
		return nil, fmt.Errorf("there is no type")
	}
	name := t
	for name.Kind() == reflect.Pointer {
		name = name.Elem()
	}
	c := &compiler{refs: map[place]*refNode{}}
	root := name.Name()
	if root == "" {
		root = t.String()
	}
	return c.compile(t, false, root)
}

func lost(path, format string, args ...any) error {
	return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
}

// compile returns the node of t, or nil if its values are copied by assignment.
func (c *compiler) compile(t reflect.Type, addressable bool, path string) (node, error) {
	if t == reflect.TypeFor[map[string]string]() {
		return labelsNode{}, nil
	}
	switch t {
	case reflect.TypeFor[genai.Blob]():
		return blobNode{}, nil
	case reflect.TypeFor[time.Time]():
		return timeNode{}, nil
	case reflect.TypeFor[json.RawMessage]():
		return rawNode{}, nil
	case reflect.TypeFor[json.Number]():
		return numberNode{}, nil
	}
	key := place{t, addressable}
	if r, ok := c.refs[key]; ok {
		if r.done {
			return r.node, nil
		}
		return r, nil
	}
	r := &refNode{}
	c.refs[key] = r
	n, err := c.methods(t, addressable, path)
	if n == nil && err == nil {
		n, err = c.structure(t, addressable, path)
	}
	r.node, r.done = n, true
	return n, err
}

// methods returns the node of a type with methods of its own for JSON or text, or nil.
func (c *compiler) methods(t reflect.Type, addressable bool, path string) (node, error) {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return nil, nil // what they point to, or hold, decides
	}
	p := reflect.PointerTo(t)
	json, text := p.Implements(marshaler), p.Implements(textMarshaler)
	readsJSON, readsText := p.Implements(unmarshaler), p.Implements(textUnmarshaler)
	switch {
	case !json && !text && !readsJSON && !readsText:
		return nil, nil
	case json && !readsJSON:
		return nil, lost(path, "%v has MarshalJSON and no UnmarshalJSON, so nobody could read it", t)
	case text && !json && !readsJSON && !readsText:
		return nil, lost(path, "%v has MarshalText and no UnmarshalText, so nobody could read it", t)
	case !addressable && json && !t.Implements(marshaler):
		return nil, lost(path, "MarshalJSON of %v has a pointer receiver and would not be called here: use a pointer", t)
	case !addressable && !json && text && !t.Implements(textMarshaler):
		return nil, lost(path, "MarshalText of %v has a pointer receiver and would not be called here: use a pointer", t)
	}
	n := &throughNode{typ: t, text: text && !json}
	if !json && !text {
		// It is written as its structure says and read by its own method.
		var err error
		if n.written, err = c.structure(t, addressable, path); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (c *compiler) structure(t reflect.Type, addressable bool, path string) (node, error) {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return nil, nil
	case reflect.Float32, reflect.Float64:
		return floatNode{}, nil
	case reflect.String:
		return stringNode{}, nil
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return nil, lost(path, "an interface with methods, %v, cannot be filled in by those who read it: use a type of its own", t)
		}
		return anyNode{}, nil
	case reflect.Pointer:
		elem, err := c.compile(t.Elem(), true, path)
		return &pointerNode{typ: t.Elem(), elem: elem}, err
	case reflect.Slice:
		elem, err := c.compile(t.Elem(), true, path+"[]")
		if fast := fastSlice(t, elem); fast != nil {
			return fast, err
		}
		return &sliceNode{typ: t, elem: elem}, err
	case reflect.Array:
		elem, err := c.compile(t.Elem(), addressable, path+"[]")
		if elem == nil || t.Len() == 0 {
			return nil, err
		}
		return &arrayNode{elem: elem, len: t.Len()}, err
	case reflect.Map:
		return c.mapping(t, path)
	case reflect.Struct:
		n, err := c.fields(t, addressable, path)
		if err != nil {
			return nil, err
		}
		return fastStruct(t, n), nil
	}
	return nil, lost(path, "a %v cannot travel", t)
}

func (c *compiler) mapping(t reflect.Type, path string) (node, error) {
	key := t.Key()
	n := &mapNode{typ: t, reads: reflect.PointerTo(key).Implements(textUnmarshaler), strings: key.Kind() == reflect.String}
	switch key.Kind() {
	case reflect.String:
	case reflect.Pointer, reflect.Interface:
		return nil, lost(path, "%v cannot be the key of a map that travels", key)
	default:
		n.writes = key.Implements(textMarshaler)
		integer := reflect.Int <= key.Kind() && key.Kind() <= reflect.Uintptr
		if n.writes != n.reads || !n.writes && !integer {
			return nil, lost(path, "%v cannot be the key of a map that travels: use a string, an integer, or a type with MarshalText and UnmarshalText", key)
		}
	}
	var err error
	n.elem, err = c.compile(t.Elem(), false, path+"[]")
	return n, err
}

// fields returns the node of a struct by the rules of encoding/json.
func (c *compiler) fields(t reflect.Type, addressable bool, path string) (*structNode, error) {
	if err := hidden(t, path); err != nil {
		return nil, err
	}
	n := &structNode{typ: t}
	for i := range t.NumField() {
		f := t.Field(i)
		p := field{index: i, name: f.Name}
		where := path + "." + f.Name
		tag := f.Tag.Get("json")
		embedded := embeds(f)
		switch {
		case f.Name == "_":
			continue
		case tag == "-" && f.IsExported():
			n.never = append(n.never, i)
			continue
		case tag == "-":
			n.private = true
			continue
		case !f.IsExported() && !embedded:
			return nil, lost(where, "unexported field would be lost")
		case !f.IsExported() && f.Type.Kind() == reflect.Pointer:
			return nil, lost(where, "nobody who reads it could set an embedded pointer to an unexported type")
		}
		name, options, _ := strings.Cut(tag, ",")
		if name != "" {
			p.name = name
		}
		var err error
		switch {
		case embedded && f.Type.Kind() == reflect.Pointer:
			if p.promoted, err = c.fields(f.Type.Elem(), true, where); err == nil {
				p.node = &promotedNode{typ: f.Type.Elem(), elem: p.promoted}
			}
		case embedded:
			if p.promoted, err = c.fields(f.Type, addressable, where); err == nil {
				p.node = p.promoted
				if p.promoted.private && !f.IsExported() {
					err = lost(where, "a field tagged \"-\" in an embedded struct that is unexported cannot be cleared")
				}
			}
		default:
			p.node, err = c.compile(f.Type, addressable, where)
			p.omit = omission(f.Type, options)
			if _, own := p.node.(*throughNode); own && slices.Contains(strings.Split(options, ","), "string") && f.Type.Kind() != reflect.Struct {
				err = lost(where, "the option \"string\" does not go together with methods of the type's own")
			}
		}
		if err != nil {
			return nil, err
		}
		n.all = append(n.all, p)
		p.clears = p.omit != nil && clears(f.Type, p.node, options)
		switch p.node.(type) {
		case *throughNode, rawNode, numberNode, *refNode: // even their zero becomes something
		default:
			p.kind = f.Type.Kind()
		}
		if p.node != nil || p.clears {
			n.work = append(n.work, p)
		}
	}
	return n, nil
}

// embeds reports whether the fields of f are taken for fields of the struct that f is in.
func embeds(f reflect.StructField) bool {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return f.Anonymous && name == "" && t.Kind() == reflect.Struct
}

// hidden returns an error if one of the fields of t, embedded ones included, has the JSON name of another.
func hidden(t reflect.Type, path string) error {
	names := map[string]string{}
	var look func(t reflect.Type, path string, outer []reflect.Type) error
	look = func(t reflect.Type, path string, outer []reflect.Type) error {
		if slices.Contains(outer, t) {
			return lost(path, "a struct that embeds itself cannot travel")
		}
		for i := range t.NumField() {
			f := t.Field(i)
			tag := f.Tag.Get("json")
			where := path + "." + f.Name
			if tag == "-" || f.Name == "_" {
				continue
			}
			if embeds(f) {
				inner := f.Type
				if inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				if err := look(inner, where, append(outer, t)); err != nil {
					return err
				}
				continue
			}
			name, _, _ := strings.Cut(tag, ",")
			if name == "" {
				name = f.Name
			}
			if other, taken := names[name]; taken {
				return lost(where, "has the JSON name of %s, so one of them would be lost", other)
			}
			names[name] = where
		}
		return nil
	}
	return look(t, path, nil)
}

// clears reports whether leaving out a field of type t can make a difference to its copy.
func clears(t reflect.Type, n node, options string) bool {
	switch n.(type) {
	case *throughNode, rawNode, numberNode:
		return true // even their zero becomes something
	}
	switch t.Kind() {
	case reflect.Pointer:
		return t.Implements(zeroer)
	case reflect.Interface:
		return false
	case reflect.String, reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return reflect.PointerTo(t).Implements(zeroer)
	case reflect.Slice, reflect.Map:
		return strings.Contains(options, "omitempty") || reflect.PointerTo(t).Implements(zeroer)
	}
	return true
}

// omission returns how to tell that a field is left out, or nil if it never is.
func omission(t reflect.Type, options string) func(reflect.Value) bool {
	empty, zero := false, false
	for o := range strings.SplitSeq(options, ",") {
		empty = empty || o == "omitempty"
		zero = zero || o == "omitzero"
	}
	var tests []func(reflect.Value) bool
	if empty {
		switch t.Kind() {
		case reflect.Slice, reflect.Map, reflect.Array, reflect.String:
			tests = append(tests, func(v reflect.Value) bool { return v.Len() == 0 })
		case reflect.Struct:
		default:
			tests = append(tests, reflect.Value.IsZero)
		}
	}
	if zero {
		switch {
		case t.Kind() == reflect.Interface, t.Kind() == reflect.Pointer && !t.Implements(zeroer):
			tests = append(tests, reflect.Value.IsNil)
		case t.Kind() == reflect.Pointer:
			tests = append(tests, func(v reflect.Value) bool {
				return v.IsNil() || v.Interface().(interface{ IsZero() bool }).IsZero()
			})
		case reflect.PointerTo(t).Implements(zeroer):
			tests = append(tests, func(v reflect.Value) bool { return v.Addr().Interface().(interface{ IsZero() bool }).IsZero() })
		default:
			tests = append(tests, reflect.Value.IsZero)
		}
	}
	switch len(tests) {
	case 0:
		return nil
	case 1:
		return tests[0]
	}
	return func(v reflect.Value) bool { return tests[0](v) || tests[1](v) }
}
