package openapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// example returns a request to show.
func (d *Document) example(op *operation) []byte {
	var v any
	if given, ok := d.Examples[op.Name]; ok {
		v = given
	} else {
		v = op.made(op.Request, map[string]bool{})
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // where it is shown, that is somebody else's matter
	if err := e.Encode(v); err != nil {
		return []byte("{}")
	}
	return bytes.TrimSpace(text.Bytes())
}

// made makes up a value of a type, with the fields that have to be there.
func (o *operation) made(text string, above map[string]bool) any {
	switch {
	case text == "json":
		return map[string]any{}
	case text == "bool":
		return false
	case text == "time":
		return "2026-01-31T12:00:00Z"
	case text == "bytes":
		return "aGVsbG8="
	case text == "blob":
		return map[string]any{"media_type": "text/plain", "data": "aGVsbG8="}
	case text == "string" || text == "text":
		return "hello"
	case strings.HasPrefix(text, "[]") && (above[text[2:]] || strings.HasPrefix(text, "[][")):
		return []any{}
	case strings.HasPrefix(text, "[]"):
		return []any{o.made(text[2:], above)}
	case strings.HasPrefix(text, "["), strings.HasPrefix(text, "map["):
		return o.zero(text)
	case strings.HasPrefix(text, "#"):
		if above[text] {
			return nil
		}
		above = maps.Clone(above)
		above[text] = true
		made := map[string]any{}
		fields := o.Types[text[1:]]
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if of := fields[name]; !strings.HasSuffix(of, "?") {
				made[name] = o.made(of, above)
			}
		}
		return made
	}
	return 1 // the numbers are left
}

// zero returns the value of arrays and maps with as much in it as there has to be.
func (o *operation) zero(text string) any {
	if strings.HasPrefix(text, "map[") {
		return map[string]any{}
	}
	length, of, _ := strings.Cut(text[1:], "]")
	var n int
	if err := json.Unmarshal([]byte(length), &n); err != nil || n > 100 {
		n = 0
	}
	all := make([]any, n)
	for i := range all {
		all[i] = o.made(of, map[string]bool{})
	}
	return all
}
