// Package transport lets handlers be called from elsewhere. An [Op] is a name with types, all that two sides of a wire
// must agree on; Serve and Dial are its only verbs:
//
//	var Moderate = transport.Op[*genai.ModerationRequest, *genai.Verdict]{Name: "moderation.check"}
//
//	Moderate.Serve(server, moderator)      // where the service is
//	moderate := Moderate.Dial(client)      // where it is needed: a handler like the one that is served
//
// Who serves and who calls are a [Server] and a [Client] of some transport: package inproc within one process, package
// httptransport between processes. A [Switch] is both, and sends each call to where its [Placement] says that the service
// lives. A transport moves erased handlers by name; what it must know about an operation is in its [Spec].
//
// # What every transport does alike
//
// Values are copied: nobody sees what the other side does to a message, and fields without a place in JSON do not travel.
// Of the context, the deadline, the cancellation, the number of the attempt and the metadata (see [WithMetadata])
// travel, and nothing else. Errors arrive as [genai.Error] with all that it says but its cause, marked Remote. A panic
// becomes an [genai.Internal] error of the one call. A stream is pulled, piece by piece, by the one who reads it, and one
// that was cut is never taken for one that ended. No call is sent again that somebody may have begun to work on.
//
// # Money
//
// A call to a model is paid for, so repeating one is the caller's decision. An operation that is [Keyed] makes it harmless:
// repetitions under the same [Key] get what came of the first. Errors say in Started whether work has begun; a [Switch], and what
// else may send a call elsewhere, goes by the stricter [Spec.Unseen].
//
// # While it runs
//
// [Switch.Move] moves a service, and handlers that were dialled before follow it; package transport/rollout does so step by step,
// and back. Two sides with different versions of an operation compare their contracts when they meet: they work together if no
// field is of two types, and otherwise say which; package transport/contract finds such changes in a test. Who calls is in the
// metadata [Caller], as far as the transport has made sure of it.
//
// # Who may call what
//
// A service that dials through [Switch.As] calls in its own name, and may call what it has dialled and nothing else, whether it is
// in the same process or in another. [Switch.Edges] lists it. A composition in which nobody has a name refuses nobody.
//
// Package transporttest proves this for a transport.
package transport
