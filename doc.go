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
//   - genai/openai, genai/anthropic, genai/gemini, genai/ollama: models at providers, and at servers with their interfaces.
//   - genai/tool: functions that a model may call, and answers of a type of yours.
//   - genai/job: work that outlasts a call, such as batches and the training of models.
//   - genai/route: one of many, and one after the other.
//   - genai/fanout: many at once.
//   - genai/cache: calls that need not be made.
//   - genai/price: what a call has cost.
//   - genai/observe: spans and metrics; the one package that knows OpenTelemetry.
//   - resilience: policies against failure, and the order in which they work together.
//
// Between processes:
//
//   - transport: contracts, and the Switch that knows where each service lives.
//   - transport/inproc, transport/httptransport: how calls travel.
//   - transport/rollout: a service that moves while it is used, a little at a time.
//   - transport/contract, transport/openapi: what services agree on, to be checked by a build and read by people.
//
// For tests:
//
//   - genai/genaitest: models that do what a script says; genai/genaitest/wiretest puts them, and their faults, on the wires
//     of the providers.
//   - genai/genaitest/chattest, resilience/policytest, transport/transporttest: whether a client, a policy or a transport
//     that you write keeps the promises of ours. The last one also runs your tests in every deployment.
//
// The smallest program to copy is examples/ask; a whole application stands in examples/supportdesk, and the user guide in its folder knowledge.
package dovetail
