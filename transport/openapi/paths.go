package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/dovetail-go/dovetail/internal/shape"
	"github.com/dovetail-go/dovetail/transport"
)

const typeFrames = "application/vnd.dovetail.frames"

// MarshalJSON returns the document, as OpenAPI 3.1. It is the same for the same operations.
func (d *Document) MarshalJSON() ([]byte, error) {
	ops := d.all()
	in := &schemas{all: map[string]any{}, names: map[string]string{}}
	problem := shape.Describe("problem", "", false, reflect.TypeFor[transport.Problem](), reflect.TypeFor[transport.Problem]())
	typer{in, problem.Types}.ref("Problem")
	paths, tags, seen := schema{}, []schema{}, map[string]bool{}
	versions := sha256.New()
	for _, op := range ops {
		if !seen[op.service] {
			seen[op.service] = true
			tags = append(tags, schema{"name": op.service})
		}
		paths[pathOf(op)] = schema{"post": d.operation(in, op)}
		fmt.Fprintln(versions, op.Version)
	}
	info := schema{"title": d.title(ops), "version": d.Version}
	if d.Version == "" {
		info["version"] = "contracts-" + hex.EncodeToString(versions.Sum(nil)[:4])
	}
	if d.Description != "" {
		info["description"] = d.Description
	}
	components := schema{"schemas": in.all, "parameters": parameters, "responses": schema{"Problem": failed}}
	all := schema{"openapi": "3.1.0", "info": info, "tags": tags, "paths": paths, "components": components}
	if d.Bearer {
		components["securitySchemes"] = schema{"bearer": schema{"type": "http", "scheme": "bearer"}}
		all["security"] = []schema{{"bearer": []string{}}}
	}
	return json.MarshalIndent(all, "", "  ")
}

func pathOf(op *operation) string { return "/" + strings.Replace(op.Name, ".", "/", 1) }

// failed is every answer but 200.
var failed = schema{
	"description": "What went wrong, as a problem detail of RFC 9457. Programs decide by its kind.",
	"headers":     schema{"Retry-After": schema{"description": "How many seconds to wait before asking again.", "schema": schema{"type": "integer", "minimum": 0}}},
	"content":     schema{"application/problem+json": schema{"schema": schema{"$ref": refs + "Problem"}}},
}

// parameters are the headers that every operation understands, and that of keyed ones.
var parameters = schema{
	"Timeout": header("Dovetail-Timeout-Ms", "How long the caller still waits, in milliseconds.", schema{"type": "integer", "minimum": 0}),
	"Attempt": header("Dovetail-Attempt", "The number of the attempt, from 1.", schema{"type": "integer", "minimum": 1}),
	"Key": header("Dovetail-Key", "The caller's own name for the request. A request that is repeated under it is worked on once.",
		schema{"type": "string", "maxLength": 256}),
	"Traceparent": header("traceparent", "The span that the call belongs to, as W3C Trace Context has it.", schema{"type": "string"}),
}

func header(name, description string, s schema) schema {
	return schema{"name": name, "in": "header", "description": description, "schema": s}
}

func (d *Document) operation(in *schemas, op *operation) schema {
	t := typer{in, op.Types}
	names := []string{"Timeout", "Attempt", "Traceparent"}
	summary := "Answers with one message."
	if op.Streams {
		summary = "Answers with a stream of messages."
	}
	repeating := "Repeating a call may do harm, or cost money."
	switch transport.Idempotency(op.Idempotency) {
	case transport.Safe:
		repeating = "Repeating a call changes nothing."
	case transport.Keyed:
		names = append(names, "Key")
		repeating = "Repeating a call under the same Dovetail-Key is harmless."
	}
	var params []schema
	for _, name := range names {
		params = append(params, schema{"$ref": "#/components/parameters/" + name})
	}
	takes := schema{"application/json": schema{"schema": t.message(op.Request), "example": json.RawMessage(d.example(op))}}
	gives := schema{}
	if op.Streams {
		gives["text/event-stream"] = schema{
			"schema": schema{
				"type": "string", "contentMediaType": "text/event-stream",
				"description": "Events. Each one without a name has a message as its data, see x-item-schema. The last one is named end, or error and then its data is a Problem; a stream without it was cut.",
			},
			"x-item-schema": t.message(op.Response),
		}
	} else {
		gives["application/json"] = schema{"schema": t.message(op.Response)}
	}
	if t.has("blob", op.Request) {
		takes[typeFrames] = frames("The request, with the bytes of blobs beside it instead of in it.")
	}
	if op.Streams || t.has("blob", op.Response) {
		gives[typeFrames] = frames("The same in frames, with the bytes of blobs beside the messages, for those who accept it.")
	}
	return schema{
		"operationId": op.Name, "tags": []string{op.service}, "summary": summary,
		"description": fmt.Sprintf("%s Messages have at most %d bytes.", repeating, op.maxBytes),
		"parameters":  params,
		"requestBody": schema{"content": takes, "required": true},
		"responses": schema{
			"200":     schema{"description": summary, "content": gives},
			"default": schema{"$ref": "#/components/responses/Problem"},
		},
		"x-dovetail-contract": op.Version,
	}
}

func frames(description string) schema {
	return schema{"schema": schema{"type": "string", "format": "binary", "description": description}}
}

// message returns the schema of what travels as a whole, which is an object whatever its type says.
func (t typer) message(text string) schema {
	if text == "json" || text == "text" {
		return schema{"type": "object"}
	}
	return t.schema(text)
}

// has reports whether something is in a type.
func (t typer) has(what, in string) bool {
	seen := map[string]bool{}
	var look func(text string) bool
	look = func(text string) bool {
		text = strings.TrimSuffix(text, "?")
		if text[strings.LastIndexByte(text, ']')+1:] == what {
			return true
		}
		_, name, ok := strings.Cut(text, "#")
		if !ok || seen[name] {
			return false
		}
		seen[name] = true
		for _, field := range t.types[name] {
			if look(field) {
				return true
			}
		}
		return false
	}
	return look(in)
}
