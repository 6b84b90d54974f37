// Package httptransport carries operations over HTTP, with package net/http and nothing else: HTTP/1.1 and HTTP/2, with
// and without TLS, and unix sockets. What it sends can be typed by hand, see PROTOCOL.md:
//
//	curl -d '{"text":"hello"}' -H 'content-type: application/json' http://127.0.0.1:8080/moderation/check
//
// A [Server] is an [http.Handler] with a life of its own, a [Client] needs an address, and a [Remote] is both for a
// [transport.Switch].
//
// A request is JSON; where a message has Blobs, their bytes travel raw beside it. A stream is sent as server-sent events
// or, between a Client and a Server, as frames, and ends with an event that says so: a connection that is cut before it is
// an error. The Server reads a request to its end before it calls a handler, so that it learns at once when the caller
// leaves, and nothing is ever sent twice.
//
// # Who may call
//
// A Server listens on this machine only, unless it has TLS and an [Identity] that makes sure of each caller, or is told that the
// network around it can be trusted. [Certificates] and [Tokens] are the two that there are; handlers find the name in the
// metadata [transport.Caller]. Who of them may call what is the matter of a [transport.Switch], see its method As; it is asked before
// anything of a request is read. A Server answers no request that a browser sends on behalf of another site.
//
// # Limits
//
// A Server waits for slow callers for a while, and for a handler as long as its caller does: see [Limits]. MaxInFlight bounds the calls
// that run at a time, and those beyond it are refused at once. Serve ends in order: what runs may go on for DrainGrace.
package httptransport
