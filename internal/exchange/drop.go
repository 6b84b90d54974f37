package exchange

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// Dropping calls do with req, and once more without a setting each time that it is refused as Unsupported and drop has it. The
// request of the caller is left as it is. A setting has the name that errors have as Field, without the numbers: what is
// dropped at "messages.name" is the name of every message.
func Dropping[Req, Resp any](drop []string, req *Req, do func(*Req) (Resp, error)) (Resp, error) {
	for {
		resp, err := do(req)
		if err == nil || len(drop) == 0 {
			return resp, err
		}
		e := genai.AsError(err)
		setting := numbers.ReplaceAllString(e.Field, "")
		if e.Kind != genai.Unsupported || e.Started != genai.StartedNo || !slices.Contains(drop, setting) {
			return resp, err
		}
		without, ok := omit(reflect.ValueOf(req).Elem(), strings.Split(setting, "."))
		if !ok {
			return resp, err
		}
		next := without.Interface().(Req)
		req = &next
	}
}

var numbers = regexp.MustCompile(`\[\d+\]`)

// omit returns a copy of v without what is at path, by the names of JSON, and whether there was something. What a conversation
// is made of is no setting.
func omit(v reflect.Value, path []string) (reflect.Value, bool) {
	switch {
	case len(path) == 0:
		return reflect.Zero(v.Type()), !v.IsZero()
	case v.Kind() == reflect.Pointer && !v.IsNil():
		inner, ok := omit(v.Elem(), path)
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(inner)
		return out, ok
	case v.Kind() == reflect.Slice:
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		any := false
		for i := range v.Len() {
			inner, ok := omit(v.Index(i), path)
			out.Index(i).Set(inner)
			any = any || ok
		}
		return out, any
	case v.Kind() != reflect.Struct || path[0] == "parts":
		return v, false
	}
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	for i := range v.NumField() {
		if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name == path[0] {
			inner, ok := omit(v.Field(i), path[1:])
			out.Field(i).Set(inner)
			return out, ok
		}
	}
	return out, false
}
