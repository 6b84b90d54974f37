// Package shape describes what an operation's messages look like as JSON, so that two versions of them can be compared
// without either one's Go types. A description is written for people too: it is meant to be kept in a repository.
//
// A type is written as bool, string, int8 to int64, uint8 to uint64, float32, float64, bytes (base64), time, blob, text (a
// type with a text form of its own), json (anything), []T, [4]T, map[string]T, or #Name for one of the structs under "types".
// A field that may be absent ends with a question mark.
package shape
