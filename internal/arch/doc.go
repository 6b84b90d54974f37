// Package arch holds no code, only tests: they guard the shape of the repository, so that nobody has to remember it.
// Each failure says which rule was broken, why the rule is there, and where the list that it comes from stands.
package arch
