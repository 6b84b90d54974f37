package exchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strconv"

	"github.com/dovetail-go/dovetail/genai"
)

// A Check looks a request over while it is written, and keeps the first thing that is wrong with it.
type Check struct {
	X        *Exchange
	Provider string       // as people call it
	Err      *genai.Error // nil: nothing is wrong

	// Paths says that places within the request get their names. They cost more than the rest of the writing, and are needed only if
	// something is wrong: whoever finds that looks once more, with Paths.
	Paths bool
}

// At returns the name of an element of a list of the request.
func (c *Check) At(path, list string, i int) string {
	if !c.Paths {
		return ""
	}
	if path != "" {
		path += "."
	}
	return path + list + "[" + strconv.Itoa(i) + "]"
}

// Bad notes that something is wrong with a field of the request.
func (c *Check) Bad(kind genai.Kind, field, format string, args ...any) {
	if c.Err == nil {
		c.Err = c.X.Refuse(kind, field, fmt.Sprintf(format, args...))
	}
}

// Lacks notes that the provider has no such setting, if it is set.
func (c *Check) Lacks(field string, set bool) {
	if set {
		c.Bad(genai.Unsupported, field, "%s has no such setting", c.Provider)
	}
}

// Unread notes that the provider has such a setting, but that our client has no way to tell what comes of it, if it is set.
func (c *Check) Unread(field string, set bool) {
	if set {
		c.Bad(genai.Unsupported, field, "this client has no way to tell what %s says about it", c.Provider)
	}
}

// Number checks that JSON can carry a number. Ranges are up to the server: they differ.
func (c *Check) Number(field string, n *float64) {
	if n != nil && (math.IsNaN(*n) || math.IsInf(*n, 0)) {
		c.Bad(genai.InvalidRequest, field, "it is not a number")
	}
}

// Messages checks that there is something to answer.
func (c *Check) Messages(req *genai.ChatRequest) bool {
	if req == nil || len(req.Messages) == 0 {
		c.Bad(genai.InvalidRequest, "messages", "there is nothing to answer")
		return false
	}
	return true
}

// Model returns the model that a request is for: its own, or else that of the client.
func (c *Check) Model(asked, configured string) string {
	if asked == "" {
		asked = configured
	}
	if asked == "" {
		c.Bad(genai.InvalidRequest, "model", "neither the request nor the client names a model")
	}
	return asked
}

// Merge puts the members of extra[name], which must be an object if it is there, over those of into, and returns extra
// without it. Neither the map nor what it holds is changed.
func (c *Check) Merge(into map[string]any, extra map[string]json.RawMessage, name string) map[string]json.RawMessage {
	raw, ok := extra[name]
	if !ok {
		return extra
	}
	var more map[string]json.RawMessage
	if json.Unmarshal(raw, &more) != nil || more == nil {
		c.Bad(genai.InvalidRequest, "extra."+name, "it is not a JSON object")
	}
	for member, value := range more {
		into[member] = value
	}
	extra = maps.Clone(extra)
	delete(extra, name)
	return extra
}

// Set puts a value into a map of options, if it is set.
func Set[T any](options map[string]any, name string, value *T) {
	if value != nil {
		options[name] = *value
	}
}

// noParameters is the schema of a tool that takes none. Many servers insist on a schema.
var noParameters = json.RawMessage(`{"type":"object","properties":{}}`)

// Tools checks the tools, and returns the schema of each.
func (c *Check) Tools(tools []genai.Tool) []json.RawMessage {
	schemas := make([]json.RawMessage, len(tools))
	for i, t := range tools {
		if t.Name == "" {
			c.Bad(genai.InvalidRequest, fmt.Sprintf("tools[%d].name", i), "a tool needs a name")
		}
		schemas[i] = t.Parameters
		if t.Parameters == nil {
			schemas[i] = noParameters
		} else if !json.Valid(t.Parameters) {
			c.Bad(genai.InvalidRequest, fmt.Sprintf("tools[%d].parameters", i), "the schema is not JSON")
		}
	}
	return schemas
}

// Choice checks that a choice of tools makes sense. nil does.
func (c *Check) Choice(choice *genai.ToolChoice) {
	switch {
	case choice == nil:
	case choice.Name != "" && choice.Mode != genai.ToolRequired:
		c.Bad(genai.InvalidRequest, "tool_choice.name", "a tool can be named only if one is required")
	case choice.Mode != genai.ToolAuto && choice.Mode != genai.ToolNone && choice.Mode != genai.ToolRequired:
		c.Bad(genai.InvalidRequest, "tool_choice.mode", "there is no such mode")
	}
}

// Schema returns the schema of a format, with the description of the format where it has none of its own.
func (c *Check) Schema(f *genai.Format) json.RawMessage {
	if !json.Valid(f.Schema) {
		c.Bad(genai.InvalidRequest, "format.schema", "the schema is not JSON")
		return nil
	}
	var fields map[string]json.RawMessage
	if f.Description == "" || json.Unmarshal(f.Schema, &fields) != nil || fields == nil || fields["description"] != nil {
		return f.Schema
	}
	fields["description"], _ = Marshal(f.Description) // a string can always be written
	described, err := Marshal(fields)
	if err != nil {
		return f.Schema
	}
	return described
}

// Bytes checks that a Blob is here and says what it is, and returns its bytes.
func (c *Check) Bytes(b genai.Blob, at string) []byte {
	switch {
	case b.Part() != 0 || b.Len() == 0:
		c.Bad(genai.InvalidRequest, at, "there are no bytes in it")
	case b.MediaType() == "":
		c.Bad(genai.InvalidRequest, at, "it needs a media type")
	}
	return b.Bytes()
}

// Call checks a call that goes back to the model, and returns its arguments as a JSON object.
func (c *Check) Call(call *genai.ToolCall, at string) json.RawMessage {
	if call.Incomplete {
		c.Bad(genai.InvalidRequest, at, "the call was cut inside of its arguments")
	}
	if call.Name == "" {
		c.Bad(genai.InvalidRequest, at+".name", "a call needs the name of its tool")
	}
	return c.Object(call.Arguments, at+".arguments")
}

// Object returns text as a JSON object, the empty one if there is no text.
func (c *Check) Object(text, at string) json.RawMessage {
	if text == "" {
		return json.RawMessage("{}")
	}
	raw := json.RawMessage(text)
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		c.Bad(genai.InvalidRequest, at, "it is not a JSON object")
		return json.RawMessage("{}")
	}
	return raw
}
