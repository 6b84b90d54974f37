// Package exchange is what the clients of model providers have in common: one request, sent once, and what became of it.
// It holds them all to the same rules. Nothing is repeated and no redirect is followed; memory is bounded; an error says
// what a program can act on, never a key and never the text of a prompt; and an answer that stops before its end is no
// answer.
//
// A client makes a [Server] out of its fields and gets an [Exchange] from [Begin], which posts a body and turns whatever
// goes wrong into a [genai.Error]. An answer that arrives in pieces is a [Reply]; [Events] reads it from a stream of
// events. What is left to a client is its provider's language: how a request is written, what an event means, and what
// kind of failure a problem is.
package exchange
