// Package sdk compares the model clients of this repository with the official ones of the providers, on the bytes of recorded
// exchanges. It is a module of its own, so that the library requires none of them. See README.md.
package sdk
