// Package fanout asks many handlers at once, or one handler many things: [All] for every answer, [First] for the
// fastest, [Quorum] for the fastest few, [Vote] for an answer on which several agree, [Best] for the one that a judge
// prefers, [Map] for a list of requests, [MapReduce] for a request that is taken apart. Each makes a Handler out of handlers, so they can be nested, guarded by policies
// and put behind a transport like any other.
//
// Whatever is asked is waited for: when a handler of this package returns, all its branches have returned, the losers
// having been cancelled first, and what came too late has been discarded. A branch that ignores its context therefore
// holds up everybody, as it would if it were called alone.
//
// Streams: All, First, Quorum and Map count a stream as an answer when its first piece is there, and hand it on as it
// is; what they return lives on, and what they discard is closed. Vote and Best have to know whole answers before they
// choose, so they are for answers that were folded ([genai.Whole], [genai.Collect]). In MapReduce the last step may
// stream.
//
// Everything that is asked is paid for, losers too as far as they got. None of this repeats anything; put a retry inside,
// around one branch, rather than outside.
//
// A branch that panics panics in the caller, once the other branches were cancelled and have returned: a bug is not
// hidden because of where it runs, and whoever contains panics, such as a transport, needs to do it in one place only.
package fanout
