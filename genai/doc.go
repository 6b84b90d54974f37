// Package genai is the vocabulary of Dovetail: what a model, a router, a guard or a remote service looks like to the
// code that uses it. It needs nothing but the standard library.
//
// # The shape
//
// A block is a function, [Handler]. A response that is still arriving is a [Stream], which is an ordinary response
// type and not a mode: a Handler returns a Stream only when its first real piece is in hand, so until it returns,
// failure is an ordinary error and nobody has seen anything. Whatever retries, falls back, hedges or routes is
// therefore written once and is right for both.
//
// A [Policy] guards handlers of any type. [With] puts policies around a handler, the first one outermost. A policy
// that must hold something for as long as the response lasts (a permit, a timer, a span) gives it back with
// [Finally], which runs at once for a value and at the end for a stream.
//
// # Modalities
//
// A modality is a pair of structs and a model is a Handler over them: [Chat] and [Completer], [Embedder], [Painter],
// [Speaker], [Transcriber], [Moderator] and [Ranker]. The method value of a provider's client is the model:
//
//	client := &openai.Client{Key: key}
//	var chat genai.Chat = client.Chat
//
// # Failure
//
// Errors are [*Error] with a [Kind] out of one closed set, and a Kind is itself an error:
//
//	if errors.Is(err, genai.RateLimited) { ... }
//
// holds for a local model, through any number of policies, and across networks.
package genai
