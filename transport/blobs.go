package transport

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/dovetail-go/dovetail/genai"
)

var blobType = reflect.TypeFor[genai.Blob]()

// A blobWalk knows which types have Blobs in them.
type blobWalk struct{ has map[reflect.Type]bool }

// findBlobs returns how to walk the Blobs of t, or nil if it has none.
func findBlobs(t reflect.Type) *blobWalk {
	w := &blobWalk{has: map[reflect.Type]bool{}}
	// A recursive type has Blobs if a part of it has, which is known only after all of it was seen: hence more than once.
	for known := -1; known < len(w.has); {
		known = len(w.has)
		w.find(t, map[reflect.Type]bool{})
	}
	if !w.has[t] {
		return nil
	}
	return w
}

func (w *blobWalk) find(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == blobType {
		w.has[t] = true
	}
	if seen[t] {
		return w.has[t]
	}
	seen[t] = true
	if t == blobType || ownMethods(t) {
		return w.has[t]
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		if w.find(t.Elem(), seen) {
			w.has[t] = true
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); travels(f) && w.find(f.Type, seen) {
				w.has[t] = true
			}
		}
	}
	return w.has[t]
}

var methods = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
	reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
}

// ownMethods reports whether t is written or read by methods of its own, which must find the Blobs in it whole.
func ownMethods(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false // what they point to, or hold, decides
	}
	return slices.ContainsFunc(methods, reflect.PointerTo(t).Implements)
}

// travels reports whether JSON has a place for a field.
func travels(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

// each calls f with every Blob in v, and puts what f returns in its place if change is set, for which v must be
// addressable.
func (w *blobWalk) each(v reflect.Value, change bool, f func(genai.Blob) (genai.Blob, error)) error {
	if !w.has[v.Type()] {
		return nil
	}
	if v.Type() == blobType {
		blob, err := f(v.Interface().(genai.Blob))
		if err == nil && change {
			v.Set(reflect.ValueOf(blob))
		}
		return err
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return w.each(v.Elem(), change, f)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := w.each(v.Index(i), change, f); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !travels(v.Type().Field(i)) {
				continue
			}
			if err := w.each(v.Field(i), change, f); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			if err := w.each(value, change, f); err != nil {
				return err
			}
			if change {
				v.SetMapIndex(key, value)
			}
		}
	}
	return nil
}

// any reports whether a Blob in v holds bytes.
func (w *blobWalk) any(v reflect.Value) bool {
	found := false
	_ = w.each(v, false, func(b genai.Blob) (genai.Blob, error) {
		found = found || b.Len() > 0
		return b, nil
	})
	return found
}

// detach moves the bytes out of v, which is a copy and nobody else's, and returns v. Copying has refused Blobs without
// their bytes.
func (w *blobWalk) detach(v any, parts *[][]byte) (any, error) {
	value := reflect.ValueOf(v)
	if value.Kind() != reflect.Pointer {
		addressable := reflect.New(value.Type())
		addressable.Elem().Set(value)
		value = addressable
	}
	err := w.each(value.Elem(), true, func(b genai.Blob) (genai.Blob, error) {
		if b.Len() == 0 {
			return b, nil
		}
		*parts = append(*parts, b.Bytes())
		return b.Detach(len(*parts)), nil
	})
	return value.Interface(), err
}

// attach gives the Blobs in v their bytes.
func (w *blobWalk) attach(v reflect.Value, parts [][]byte) error {
	return w.each(v.Elem(), true, func(b genai.Blob) (genai.Blob, error) {
		n := b.Part()
		if n == 0 {
			return b, nil
		}
		if n > len(parts) {
			return b, genai.Errorf(genai.InvalidRequest, "a blob refers to frame %d of %d", n, len(parts))
		}
		return b.Attach(parts[n-1]), nil
	})
}

// reaches reports whether a value of t may hold something of the kind.
func reaches(t reflect.Type, kind reflect.Kind) bool {
	seen := map[reflect.Type]bool{}
	var look func(t reflect.Type) bool
	look = func(t reflect.Type) bool {
		if t.Kind() == kind {
			return true
		}
		if seen[t] {
			return false
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			return look(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				if look(t.Field(i).Type) {
					return true
				}
			}
		}
		return false
	}
	return look(t)
}
