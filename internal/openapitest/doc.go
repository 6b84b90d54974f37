// Package openapitest holds the documents of package transport/openapi against a validator that somebody else has written, and what a
// server takes and gives against the documents. It is a module of its own, so that the validator is no requirement of the library.
package openapitest
