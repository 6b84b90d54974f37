package copier

import (
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"

	"encoding"
)

// A refNode stands for a type that contains itself.
type refNode struct {
	node node
	done bool
}

func (n *refNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	if n.node == nil {
		return 0, false, nil
	}
	return n.node.copy(v, depth)
}

func (n *refNode) check(v reflect.Value, depth int) error {
	if n.node == nil {
		return nil
	}
	return n.node.check(v, depth)
}

// A stringNode refuses what is not UTF-8.
type stringNode struct{}

func (n stringNode) copy(v reflect.Value, _ int) (size int64, null bool, err error) {
	return int64(v.Len()), false, n.check(v, 0)
}

func (stringNode) check(v reflect.Value, _ int) error { return checkString(v.String()) }

func checkString(s string) error {
	if s == "" || utf8.ValidString(s) {
		return nil
	}
	return refuse("the text is not UTF-8")
}

// A floatNode refuses what JSON has no number for.
type floatNode struct{}

func (n floatNode) copy(v reflect.Value, _ int) (size int64, null bool, err error) {
	return 0, false, n.check(v, 0)
}

func (floatNode) check(v reflect.Value, _ int) error { return checkFloat(v.Float()) }

func checkFloat(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return refuse("%v is not a number in JSON", f)
	}
	return nil
}

// A pointerNode copies what a pointer points to.
type pointerNode struct {
	typ  reflect.Type // what it points to
	elem node
}

func (n *pointerNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	if v.IsNil() {
		return 0, true, nil
	}
	if depth >= maxDepth {
		return 0, false, tooDeep()
	}
	fresh := reflect.New(n.typ)
	inner := fresh.Elem()
	inner.Set(v.Elem())
	if n.elem != nil {
		if size, null, err = n.elem.copy(inner, depth+1); err != nil {
			return 0, false, err
		}
		if null {
			v.SetZero()
			return 0, true, nil
		}
	}
	v.Set(fresh)
	return size, false, nil
}

func (n *pointerNode) check(v reflect.Value, depth int) error {
	switch {
	case v.IsNil() || n.elem == nil:
		return nil
	case depth >= maxDepth:
		return tooDeep()
	}
	return n.elem.check(v.Elem(), depth+1)
}

// A sliceNode copies slices.
type sliceNode struct {
	typ  reflect.Type
	elem node
}

func (n *sliceNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	if v.IsNil() {
		return 0, true, nil
	}
	if depth >= maxDepth {
		return 0, false, tooDeep()
	}
	length := v.Len()
	fresh := reflect.MakeSlice(n.typ, length, length)
	reflect.Copy(fresh, v)
	v.Set(fresh)
	if n.elem == nil {
		if n.typ.Elem().Kind() == reflect.Uint8 {
			return sizeOfBytes(length), false, nil
		}
		return sizeOfList(length), false, nil
	}
	size = sizeOfList(length)
	for i := range length {
		inner, _, err := n.elem.copy(fresh.Index(i), depth+1)
		if err != nil {
			return 0, false, at(index(i), err)
		}
		size += inner
	}
	return size, false, nil
}

// sizeOfList is what a list takes beside what its elements take more than one byte: themselves, and what is between them.
func sizeOfList(length int) int64 { return 2 * int64(length) }

// sizeOfBytes is what bytes take, which are base64 in JSON.
func sizeOfBytes(length int) int64 { return (int64(length) + 2) / 3 * 4 }

func (n *sliceNode) check(v reflect.Value, depth int) error {
	if n.elem == nil {
		return nil
	}
	if depth >= maxDepth && !v.IsNil() {
		return tooDeep()
	}
	for i := range v.Len() {
		if err := n.elem.check(v.Index(i), depth+1); err != nil {
			return at(index(i), err)
		}
	}
	return nil
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// An arrayNode copies arrays whose elements need more than an assignment.
type arrayNode struct {
	elem node
	len  int
}

func (n *arrayNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	size = sizeOfList(n.len)
	for i := range n.len {
		inner, _, err := n.elem.copy(v.Index(i), depth)
		if err != nil {
			return 0, false, at(index(i), err)
		}
		size += inner
	}
	return size, false, nil
}

func (n *arrayNode) check(v reflect.Value, depth int) error {
	for i := range n.len {
		if err := n.elem.check(v.Index(i), depth); err != nil {
			return at(index(i), err)
		}
	}
	return nil
}

// A mapNode copies maps.
type mapNode struct {
	typ           reflect.Type
	elem          node
	strings       bool // keys are strings
	writes, reads bool // keys have methods of their own for text
}

func (n *mapNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	if v.IsNil() {
		return 0, true, nil
	}
	if depth >= maxDepth {
		return 0, false, tooDeep()
	}
	size = sizeOfMap(v.Len())
	fresh := reflect.MakeMapWithSize(n.typ, v.Len())
	value := reflect.New(n.typ.Elem()).Elem() // one for all entries: a map holds copies
	for entries := v.MapRange(); entries.Next(); {
		key, err := n.key(entries.Key())
		if err != nil {
			return 0, false, err
		}
		if n.strings && !n.reads {
			size += int64(key.Len())
		}
		value.SetIterValue(entries)
		if n.elem != nil {
			inner, _, err := n.elem.copy(value, depth+1)
			if err != nil {
				return 0, false, at(step(key), err)
			}
			size += inner
		}
		fresh.SetMapIndex(key, value)
	}
	v.Set(fresh)
	return size, false, nil
}

// sizeOfMap is what a map takes beside the texts of its keys and what its values take more than one byte: quotes, colon, value and
// what is between two of them.
func sizeOfMap(length int) int64 { return 5 * int64(length) }

func (n *mapNode) check(v reflect.Value, depth int) error {
	if depth >= maxDepth && !v.IsNil() {
		return tooDeep()
	}
	for entries := v.MapRange(); entries.Next(); {
		key, err := n.key(entries.Key())
		if err != nil {
			return err
		}
		if n.elem == nil {
			continue
		}
		value := reflect.New(n.typ.Elem()).Elem()
		value.SetIterValue(entries)
		if err := n.elem.check(value, depth+1); err != nil {
			return at(step(key), err)
		}
	}
	return nil
}

// step names an entry in the path of an error. The text of a key may be a secret of the user's, so its type must do.
func step(reflect.Value) string { return "[]" }

// key returns what becomes of a key.
func (n *mapNode) key(key reflect.Value) (reflect.Value, error) {
	if n.strings {
		if err := checkString(key.String()); err != nil {
			return key, err
		}
	}
	if !n.reads {
		return key, nil
	}
	text := []byte(nil)
	if n.strings {
		text = []byte(key.String())
	} else {
		var err error
		m, _ := reflect.TypeAssert[encoding.TextMarshaler](key)
		if text, err = m.MarshalText(); err != nil {
			return key, refuse("a key cannot be written as text: %v", err)
		}
		if !utf8.Valid(text) {
			return key, refuse("the text of a key is not UTF-8")
		}
	}
	fresh := reflect.New(n.typ.Key())
	m, _ := reflect.TypeAssert[encoding.TextUnmarshaler](fresh)
	if err := m.UnmarshalText(text); err != nil {
		return key, refuse("a key cannot be read from its text: %v", err)
	}
	return fresh.Elem(), nil
}

// A field is one field of a struct.
type field struct {
	index    int
	name     string                   // in JSON
	kind     reflect.Kind             // Pointer, Map, Slice or String if there is nothing to do where it is nil or empty
	node     node                     // nil: an assignment is a copy
	omit     func(reflect.Value) bool // nil: never left out
	clears   bool                     // being left out changes the value
	promoted *structNode              // what an embedded struct brings, in the place of name and omit
}

// idle reports whether there is nothing to do for v, which is the field. Most fields of most requests are not set.
func (f *field) idle(v reflect.Value) bool {
	switch f.kind {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	}
	return false
}

// A structNode copies structs.
type structNode struct {
	typ     reflect.Type
	all     []field // what travels
	work    []field // what travels and needs more than an assignment
	never   []int   // exported fields that do not travel
	private bool    // unexported fields are there that do not travel
}

func (n *structNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	for i := range n.work {
		f := &n.work[i]
		inner := v.Field(f.index)
		if f.idle(inner) {
			continue
		}
		if f.clears && f.omit(inner) {
			inner.SetZero()
			continue
		}
		if f.node == nil {
			continue
		}
		n, _, err := f.node.copy(inner, depth)
		if err != nil {
			if f.promoted != nil {
				return 0, false, err
			}
			return 0, false, at(f.name, err)
		}
		size += n
	}
	for _, i := range n.never {
		v.Field(i).SetZero()
	}
	if n.private {
		fresh := reflect.New(n.typ).Elem()
		n.move(fresh, v)
		v.Set(fresh)
	}
	return size, false, nil
}

// move assigns what travels.
func (n *structNode) move(to, from reflect.Value) {
	for i := range n.all {
		f := &n.all[i]
		if f.promoted != nil && !n.typ.Field(f.index).IsExported() {
			f.promoted.move(to.Field(f.index), from.Field(f.index)) // it cannot be assigned, its fields can
			continue
		}
		to.Field(f.index).Set(from.Field(f.index))
	}
}

func (n *structNode) check(v reflect.Value, depth int) error {
	for i := range n.work {
		f := &n.work[i]
		inner := v.Field(f.index)
		if f.node == nil || f.idle(inner) || f.clears && f.omit(inner) {
			continue
		}
		if err := f.node.check(inner, depth); err != nil {
			if f.promoted != nil {
				return err
			}
			return at(f.name, err)
		}
	}
	return nil
}

// emits reports whether JSON has any field of v.
func (n *structNode) emits(v reflect.Value) bool {
	for i := range n.all {
		f := &n.all[i]
		inner := v.Field(f.index)
		if f.promoted != nil {
			if inner.Kind() != reflect.Pointer && f.promoted.emits(inner) ||
				inner.Kind() == reflect.Pointer && !inner.IsNil() && f.promoted.emits(inner.Elem()) {
				return true
			}
			continue
		}
		if f.omit == nil || !f.omit(inner) {
			return true
		}
	}
	return false
}

// A promotedNode copies embedded pointers to structs. One whose fields are all left out arrives as nil.
type promotedNode struct {
	typ  reflect.Type
	elem *structNode
}

func (n *promotedNode) copy(v reflect.Value, depth int) (size int64, null bool, err error) {
	if v.IsNil() {
		return 0, true, nil
	}
	if !n.elem.emits(v.Elem()) {
		v.SetZero()
		return 0, true, nil
	}
	fresh := reflect.New(n.typ)
	fresh.Elem().Set(v.Elem())
	if size, _, err = n.elem.copy(fresh.Elem(), depth); err != nil {
		return 0, false, err
	}
	v.Set(fresh)
	return size, false, nil
}

func (n *promotedNode) check(v reflect.Value, depth int) error {
	if v.IsNil() {
		return nil
	}
	return n.elem.check(v.Elem(), depth)
}
