// Package copier makes deep copies of values. A copy is what a trip through encoding/json by the same tags would have
// given, without the trip: fields tagged "-" are zero, what omitempty and omitzero leave out is zero, nothing is shared
// with the original, and what sits in an interface has become nil, bool, string, [encoding/json.Number], []any or
// map[string]any. So a handler cannot tell whether its request came from this process or from another.
//
// It is stricter than encoding/json where that loses something without a word: a type with unexported fields, or with
// fields that hide each other, has no Copier, and a string that is not UTF-8 is refused instead of being repaired. What
// is refused as a value is an error of kind [genai.InvalidRequest] that names the field.
//
// A [genai.Blob] is immutable, so its bytes are shared. Other types with methods of their own for JSON or text go through
// these methods, and cost as much.
package copier
