package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/internal/shape"
)

// A schema is one of JSON Schema 2020-12, which is that of OpenAPI 3.1.
type schema = map[string]any

// schemas collects the types of all operations under names of their own.
type schemas struct {
	all   map[string]any    // by the name in the document
	names map[string]string // in the document, by what a type is made of
}

const refs = "#/components/schemas/"

// A typer turns the types of one operation into schemas.
type typer struct {
	in    *schemas
	types map[string]shape.Struct
}

// ref returns a reference to a type, which it describes if nobody has yet. Operations that have the same type share it; different types
// of the same name do not.
func (t typer) ref(name string) schema {
	made := t.canonical(name)
	global, ok := t.in.names[made]
	if !ok {
		global = name
		for n := 2; ; n++ {
			if _, taken := t.in.all[global]; !taken {
				break
			}
			global = fmt.Sprint(name, n)
		}
		t.in.names[made] = global
		t.in.all[global] = nil // it may contain itself
		t.in.all[global] = t.object(t.types[name])
	}
	return schema{"$ref": refs + global}
}

// canonical returns what a type is made of, to the last type in it.
func (t typer) canonical(name string) string {
	parts := map[string]shape.Struct{}
	var add func(name string)
	add = func(name string) {
		if _, ok := parts[name]; ok {
			return
		}
		parts[name] = t.types[name]
		for _, text := range t.types[name] {
			if _, inner, ok := strings.Cut(strings.TrimSuffix(text, "?"), "#"); ok {
				add(inner)
			}
		}
	}
	add(name)
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return name + " " + string(text)
}

func (t typer) object(fields shape.Struct) schema {
	properties, required := schema{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text, optional := strings.CutSuffix(fields[name], "?")
		s := t.schema(text)
		if optional {
			s = orNull(s)
		} else {
			required = append(required, name)
		}
		properties[name] = s
	}
	s := schema{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s // with room for more properties: newer versions have some
}

// scalars are the schemas of types without parts.
var scalars = map[string]string{
	"bool":    `{"type":"boolean"}`,
	"string":  `{"type":"string"}`,
	"text":    `{"type":"string"}`,
	"time":    `{"type":"string","format":"date-time"}`,
	"bytes":   `{"type":["string","null"],"contentEncoding":"base64"}`,
	"json":    `{}`,
	"number":  `{"type":"number"}`,
	"float32": `{"type":"number","format":"float"}`,
	"float64": `{"type":"number","format":"double"}`,
	"int8":    `{"type":"integer","minimum":-128,"maximum":127}`,
	"int16":   `{"type":"integer","minimum":-32768,"maximum":32767}`,
	"int32":   `{"type":"integer","format":"int32"}`,
	"int64":   `{"type":"integer","format":"int64"}`,
	"uint8":   `{"type":"integer","minimum":0,"maximum":255}`,
	"uint16":  `{"type":"integer","minimum":0,"maximum":65535}`,
	"uint32":  `{"type":"integer","minimum":0,"maximum":4294967295}`,
	"uint64":  `{"type":"integer","minimum":0}`,
}

// blob is how raw bytes look in JSON.
const blob = `{
	"type": "object",
	"description": "Bytes with a media type: inline, at a URL, or in a frame of their own beside the JSON.",
	"properties": {
		"media_type": {"type": "string", "examples": ["image/png"]},
		"data": {"type": "string", "contentEncoding": "base64", "description": "The bytes, where they are in the JSON."},
		"url": {"type": "string", "format": "uri", "description": "Where the bytes are to be had."},
		"sha256": {"type": "string", "description": "The hash of what is at the URL, in hexadecimal."},
		"part": {"type": "integer", "minimum": 1, "description": "The number of the frame that holds the bytes, in application/vnd.dovetail.frames."}
	}
}`

// blobName cannot be the name of a type in Go.
const blobName = "dovetail.Blob"

// schema returns the schema of a type as a contract spells it.
func (t typer) schema(text string) schema {
	switch {
	case text == "blob":
		t.in.all[blobName] = json.RawMessage(blob)
		return schema{"$ref": refs + blobName}
	case strings.HasPrefix(text, "#"):
		return t.ref(text[1:])
	case strings.HasPrefix(text, "[]"):
		return schema{"type": []string{"array", "null"}, "items": t.schema(text[2:])}
	case strings.HasPrefix(text, "["):
		length, of, _ := strings.Cut(text[1:], "]")
		return schema{"type": "array", "items": t.schema(of), "minItems": json.Number(length), "maxItems": json.Number(length)}
	case strings.HasPrefix(text, "map[string]"):
		return schema{"type": []string{"object", "null"}, "additionalProperties": t.schema(text[len("map[string]"):])}
	}
	s := schema{}
	if known, ok := scalars[text]; ok {
		if err := json.Unmarshal([]byte(known), &s); err != nil {
			panic(err) // they are constants
		}
	}
	return s
}

// orNull lets a schema be null as well: what may be absent may be written so.
func orNull(s schema) schema {
	if _, ok := s["$ref"]; ok {
		return schema{"anyOf": []schema{s, {"type": "null"}}}
	}
	if one, ok := s["type"].(string); ok {
		s["type"] = []string{one, "null"}
	}
	return s
}
