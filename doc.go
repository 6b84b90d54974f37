// Package dovetail is the front door of the library: it holds no code, and says where everything is.
//
// A GenAI system is written once, out of blocks that fit each other by their types. Which of them share a process and
// which are services somewhere else is decided when the program starts, or while it runs. Six sentences explain the
// rest:
//
//   - Every block is a function of one shape, genai.Handler: a model, a router, a tool, a service behind a network.
//   - An answer that is still arriving, a genai.Stream, is a response like any other, so nothing is written twice.
//   - A handler that returns has committed itself: it hands out a stream once the first real piece is in hand, and
//     until then a failure is a plain error, which may be retried or handled by somebody else.
//   - What must be held for as long as an answer takes is given back by genai.Finally, as defer does for a function.
//   - What a model can do is a pair of structs; the model is a function over them, and usually a method of a client.
//   - A contract is a name with two types, an Op: one side serves it, the other dials it, and gets the same function.
//
// # Map
//
// The vocabulary, which needs the standard library only:
//
//   - genai: handlers, streams, policies, errors, and what models take and give.
//
// Blocks:
//
//   - genai/openai: models behind the interface of OpenAI, wherever they run.
//   - genai/route: one of many, and one after the other.
//   - genai/fanout: many at once.
//   - genai/observe: spans and metrics; the one package that knows OpenTelemetry.
//   - genai/genaitest: models for tests, which do what a script says.
//   - resilience: policies against failure; resilience/policytest checks those that you write.
//
// Between processes:
//
//   - transport: contracts, and the Switch that knows where each service lives.
//   - transport/inproc, transport/httptransport: how calls travel.
//   - transport/transporttest: checks transports, and runs your tests in every deployment.
//
// A whole application to copy stands in examples/supportdesk, and the user guide in its folder knowledge.
package dovetail
