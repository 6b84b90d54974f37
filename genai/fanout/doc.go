// Package fanout asks many handlers at once, or one handler many things: [All] for every answer, [First] for the
// fastest, [Map] for a list of requests. Each makes a Handler out of handlers, so they can be nested, guarded by policies
// and put behind a transport like any other.
//
// Whatever is asked is waited for: when a handler of this package returns, all its branches have returned, the losers
// having been cancelled first, and what came too late has been discarded. A branch that ignores its context therefore
// holds up everybody, as it would if it were called alone.
//
// A branch that panics panics in the caller, once the other branches were cancelled and have returned: a bug is not
// hidden because of where it runs, and whoever contains panics, such as a transport, needs to do it in one place only.
package fanout
