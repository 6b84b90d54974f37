// Package weight tells how many bytes of a value travel at least, without encoding it: those of texts, of Blobs and of what is in
// lists, and not what stands between them. It looks into every request that is copied within a process, and so reads memory by
// offsets, as package reflect does, and not through package reflect, which takes five times as long.
package weight

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/dovetail-go/dovetail/genai"
)

// A Scale weighs what a pointer to a value of its type points to. The value must not contain itself. nil stands for types whose
// values are never large, or of whose size only their own methods know.
type Scale func(p unsafe.Pointer) int64

// For returns the Scale of t.
func For(t reflect.Type) Scale { return maker{}.of(t) }

// Of weighs what v, a pointer, points to.
func (s Scale) Of(v reflect.Value) int64 { return s(v.UnsafePointer()) }

// A maker makes Scales. Types that contain themselves find those that are being made.
type maker map[reflect.Type]*Scale

func (m maker) of(t reflect.Type) Scale {
	if known, ok := m[t]; ok {
		return func(p unsafe.Pointer) int64 {
			if *known == nil {
				return 0
			}
			return (*known)(p)
		}
	}
	made := new(Scale)
	m[t] = made
	*made = m.make(t)
	return *made
}

func (m maker) make(t reflect.Type) Scale {
	if t == reflect.TypeFor[genai.Blob]() {
		return func(p unsafe.Pointer) int64 {
			b := (*genai.Blob)(p)
			return int64(b.Len() + len(b.URL()))
		}
	}
	if ownMethods(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		return text
	case reflect.Interface:
		return func(p unsafe.Pointer) int64 { return anything(reflect.NewAt(t, p).Elem().Interface()) }
	case reflect.Pointer:
		elem := m.of(t.Elem())
		if elem == nil {
			return nil
		}
		return func(p unsafe.Pointer) int64 {
			if p = *(*unsafe.Pointer)(p); p == nil {
				return 0
			}
			return elem(p)
		}
	case reflect.Slice:
		return m.list(t.Elem())
	case reflect.Array:
		return m.array(t)
	case reflect.Map:
		return m.table(t)
	case reflect.Struct:
		return m.fields(t)
	}
	return nil
}

func text(p unsafe.Pointer) int64 { return int64(len(*(*string)(p))) }

// list weighs at least two bytes for each element: itself, and what is between it and the next.
func (m maker) list(t reflect.Type) Scale {
	length := func(p unsafe.Pointer) int { return len(*(*[]byte)(p)) } // all slices begin alike
	if t.Kind() == reflect.Uint8 && !ownMethods(t) {
		return func(p unsafe.Pointer) int64 { return (int64(length(p)) + 2) / 3 * 4 } // base64
	}
	elem, size := m.of(t), t.Size()
	if elem == nil || size == 0 {
		return func(p unsafe.Pointer) int64 { return 2 * int64(length(p)) }
	}
	return func(p unsafe.Pointer) int64 {
		n := length(p)
		total := 2 * int64(n)
		first := *(*unsafe.Pointer)(p)
		for i := range n {
			total += elem(unsafe.Add(first, uintptr(i)*size))
		}
		return total
	}
}

func (m maker) array(t reflect.Type) Scale {
	elem, size, n := m.of(t.Elem()), t.Elem().Size(), t.Len()
	if elem == nil || size == 0 {
		return nil
	}
	return func(p unsafe.Pointer) (total int64) {
		for i := range n {
			total += elem(unsafe.Add(p, uintptr(i)*size))
		}
		return total
	}
}

func (m maker) table(t reflect.Type) Scale {
	if t == reflect.TypeFor[map[string]string]() {
		return func(p unsafe.Pointer) (n int64) {
			for key, value := range *(*map[string]string)(p) {
				n += int64(len(key) + len(value))
			}
			return n
		}
	}
	names := t.Key().Kind() == reflect.String && !ownMethods(t.Key())
	elem := m.of(t.Elem())
	return func(p unsafe.Pointer) int64 {
		table := reflect.NewAt(t, p).Elem()
		n := 4 * int64(table.Len()) // quotes, colon and value
		if n == 0 || !names && elem == nil {
			return n
		}
		one := reflect.New(t.Elem())
		for all := table.MapRange(); all.Next(); {
			if names {
				n += int64(all.Key().Len())
			}
			if elem != nil {
				one.Elem().Set(all.Value())
				n += elem.Of(one)
			}
		}
		return n
	}
}

// fields leaves out those that have no place on a wire, and those that say of themselves that they are zero, and so are not there.
func (m maker) fields(t reflect.Type) Scale {
	type field struct {
		offset uintptr
		scale  Scale
	}
	var texts []uintptr
	var pointers, all []field // most pointers of a message are nil
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if !f.IsExported() || tag == "-" || strings.Contains(tag, ",omitzero") && reflect.PointerTo(f.Type).Implements(zeroer) && f.Type != reflect.TypeFor[genai.Blob]() {
			continue
		}
		switch s := m.of(f.Type); {
		case s == nil:
		case f.Type.Kind() == reflect.String:
			texts = append(texts, f.Offset)
		case f.Type.Kind() == reflect.Pointer:
			pointers = append(pointers, field{f.Offset, s})
		default:
			all = append(all, field{f.Offset, s})
		}
	}
	if texts == nil && pointers == nil && all == nil {
		return nil
	}
	return func(p unsafe.Pointer) (n int64) {
		for _, offset := range texts {
			n += text(unsafe.Add(p, offset))
		}
		for i := range pointers {
			if at := unsafe.Add(p, pointers[i].offset); *(*unsafe.Pointer)(at) != nil {
				n += pointers[i].scale(at)
			}
		}
		for i := range all {
			n += all[i].scale(unsafe.Add(p, all[i].offset))
		}
		return n
	}
}

// anything weighs what JSON may make of a field that may be anything.
func anything(v any) (n int64) {
	switch v := v.(type) {
	case string:
		return int64(len(v))
	case json.Number:
		return int64(len(v))
	case []any:
		n = 2 * int64(len(v))
		for _, e := range v {
			n += anything(e)
		}
	case map[string]any:
		for key, e := range v {
			n += int64(len(key)) + anything(e)
		}
	}
	return n
}

var (
	zeroer  = reflect.TypeFor[interface{ IsZero() bool }]()
	methods = []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	}
)

// ownMethods reports whether a type is written or read by methods of its own.
func ownMethods(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false // what they point to, or hold, decides
	}
	return slices.ContainsFunc(methods, reflect.PointerTo(t).Implements)
}
