// Package inproc is the transport within one process. It behaves like a wire without being one: values are copied both
// ways, of the context only what travels arrives, errors lose their cause, a panic is the error of one call, and the caller
// gets its answer as soon as its context ends, even if the handler does not heed it. So a block that works here works
// when it moves to a process of its own.
//
//	network := &inproc.Network{}
//	Moderate.Serve(network, moderator)
//	moderate := Moderate.Dial(network)
//
// Where even that costs too much, declare the operation Shared, and values are handed over without a copy; or pass the
// handler itself, which costs nothing and promises nothing.
package inproc
