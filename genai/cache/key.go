package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// Everyone is a Tenant for answers that depend on nothing but the request, and may be seen by whoever asks.
func Everyone(context.Context) string { return "everyone" }

// A key names a request: its handler, its tenant, its type and its contents.
type key [sha256.Size]byte

// wrapped counts the handlers that were wrapped, so that each has keys of its own.
var wrapped atomic.Uint64

// keyOf returns the key of a request, or false if its answer is not for sharing.
func keyOf(ctx context.Context, handler uint64, tenant func(context.Context) string, sampled bool, req any) (key, bool) {
	if tenant == nil || req == nil || !sampled && leftToChance(req) {
		return key{}, false
	}
	name := tenant(ctx)
	if name == "" {
		return key{}, false
	}
	w := writers.Get().(*writer)
	defer w.done()
	w.buf = binary.BigEndian.AppendUint64(w.buf[:0], handler)
	w.text(name)
	v := reflect.ValueOf(req)
	w.typ(v.Type())
	if !w.value(v, 0) {
		return key{}, false
	}
	return sha256.Sum256(w.buf), true
}

// leftToChance reports whether a request asks for an answer that may be another one each time.
func leftToChance(req any) bool {
	switch req := req.(type) {
	case *genai.ChatRequest:
		return req == nil || req.Temperature == nil || *req.Temperature != 0
	case genai.ChatRequest:
		return leftToChance(&req)
	case *genai.ImageRequest, genai.ImageRequest:
		return true
	case *genai.TranscribeRequest:
		return req != nil && req.Temperature != nil && *req.Temperature != 0
	}
	return false
}

// sizeOf returns about how many bytes a value takes.
func sizeOf(v any) int64 {
	w := writers.Get().(*writer)
	defer w.done()
	w.buf = w.buf[:0]
	w.value(reflect.ValueOf(v), 0)
	return int64(len(w.buf))
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// A writer writes values so that different ones never look the same: every value begins with its kind, and what varies in
// length says how long it is.
type writer struct{ buf []byte }

// The limits of what is compared. A request that contains itself is beyond one of them.
const (
	maxDepth = 100
	maxSize  = 32 << 20
)

// done gives the writer back, unless a picture has made it large.
func (w *writer) done() {
	if cap(w.buf) <= 64<<10 {
		writers.Put(w)
	}
}

func (w *writer) number(n uint64) { w.buf = binary.BigEndian.AppendUint64(w.buf, n) }

func (w *writer) length(n int) { w.buf = binary.AppendUvarint(w.buf, uint64(n)) }

func (w *writer) text(s string) {
	w.length(len(s))
	w.buf = append(w.buf, s...)
}

// typ writes which type it is: keys live as long as the process, and so does the address of a type.
func (w *writer) typ(t reflect.Type) { w.number(uint64(reflect.ValueOf(t).Pointer())) }

// value writes v, unexported fields and all. It returns false for what has no contents to compare, such as a function.
func (w *writer) value(v reflect.Value, depth int) bool {
	if depth > maxDepth || len(w.buf) > maxSize {
		return false
	}
	kind := v.Kind()
	w.buf = append(w.buf, byte(kind))
	switch kind {
	case reflect.Bool:
		w.buf = append(w.buf, 0)
		if v.Bool() {
			w.buf[len(w.buf)-1] = 1
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.number(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		w.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		w.number(math.Float64bits(v.Float()))
	case reflect.Complex64, reflect.Complex128:
		w.number(math.Float64bits(real(v.Complex())))
		w.number(math.Float64bits(imag(v.Complex())))
	case reflect.String:
		w.text(v.String())
	case reflect.Struct:
		return w.structure(v, depth)
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			w.buf = append(w.buf, 0)
			return true
		}
		w.buf = append(w.buf, 1)
		if kind == reflect.Interface {
			w.typ(v.Elem().Type())
		}
		return w.value(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		return w.list(v, depth)
	case reflect.Map:
		return w.mapping(v, depth)
	default: // a function, a channel
		if kind == reflect.UnsafePointer || !v.IsNil() {
			return false
		}
	}
	return true
}

func (w *writer) structure(v reflect.Value, depth int) bool {
	if v.Type() == reflect.TypeFor[time.Time]() {
		if !v.CanInterface() {
			return false
		}
		t := v.Interface().(time.Time)
		_, offset := t.Zone()
		w.number(uint64(t.Unix()))
		w.number(uint64(t.Nanosecond()))
		w.number(uint64(offset))
		return true
	}
	for i := range v.NumField() {
		if !w.value(v.Field(i), depth+1) {
			return false
		}
	}
	return true
}

func (w *writer) list(v reflect.Value, depth int) bool {
	if v.Kind() == reflect.Slice {
		if v.IsNil() {
			w.buf = append(w.buf, 0)
			return true
		}
		w.buf = append(w.buf, 1)
	}
	w.length(v.Len())
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		w.buf = append(w.buf, v.Bytes()...)
		return true
	}
	for i := range v.Len() {
		if !w.value(v.Index(i), depth+1) {
			return false
		}
	}
	return true
}

// mapping writes the entries in the order of what they are written as.
func (w *writer) mapping(v reflect.Value, depth int) bool {
	if v.IsNil() {
		w.buf = append(w.buf, 0)
		return true
	}
	w.buf = append(w.buf, 1)
	w.length(v.Len())
	begin := len(w.buf)
	var entries [][]byte
	for it := v.MapRange(); it.Next(); {
		at := len(w.buf)
		if !w.value(it.Key(), depth+1) || !w.value(it.Value(), depth+1) {
			return false
		}
		entries = append(entries, bytes.Clone(w.buf[at:]))
	}
	slices.SortFunc(entries, bytes.Compare)
	w.buf = append(w.buf[:begin], bytes.Join(entries, nil)...)
	return true
}
