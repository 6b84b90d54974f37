// Package tool gives models functions to call and types to answer in.
//
// # Answers that are values
//
// [As] makes a handler whose answer is a Go value. The schema that the model is given comes from the type, and what the
// model writes is checked on our side, whatever the provider promises:
//
//	type Forecast struct {
//		City string  `json:"city" jsonschema:"the name of the city, in English"`
//		High float64 `json:"high" jsonschema:"in degrees Celsius"`
//		Rain *bool   `json:"rain,omitempty"`
//	}
//	forecast := tool.As[Forecast](client.Complete)
//	f, err := forecast(ctx, req)
//
// # Tools
//
// [New] makes a [Tool] out of a function, which may be any [genai.Handler]: a service somewhere else is a tool as well. A
// [Loop] lets a model call its tools until it has an answer. A Loop is itself a model, streams while it works, and stands
// wherever a model does.
//
// # Types
//
// Structs, strings, numbers, booleans, slices, and pointers for what may be missing have schemas; a field with omitempty
// or omitzero may be missing too. The tag jsonschema describes a field. A string type with a method
//
//	Enum() []string
//
// has those values and no others. A type with a method Validate() error is asked at the end whether it is content. A map
// and an any are understood, but providers cannot enforce them. A type that contains itself has no schema.
package tool
