// Package observe tells OpenTelemetry what calls do: spans and metrics with the standard names for generative AI and
// for remote calls. It is the only package that knows OpenTelemetry, and only its API: what is recorded, and where it
// goes, is decided by the providers that an application passes in.
//
//	chat := genai.With(client.Chat, &observe.Model{Provider: "openai", Tracer: otel.GetTracerProvider()})
//
// # What is measured where
//
// [Model] is one request to one model, [Call] is what a user waits for. With both, the attempts of a retry or of a
// fallback are the children of one span:
//
//	cloud := genai.With(openaiModel.Chat, &observe.Model{Provider: "openai", Tracer: tracer})
//	edge := genai.With(ollamaModel.Chat, &observe.Model{Provider: "ollama", Tracer: tracer})
//	chat := genai.With(route.Fallback(cloud, edge), &observe.Call{Name: "desk.answer", Tracer: tracer}, retry)
//
// Spans last until the response is over, so the span of a stream ends with its last piece. What happens on the way, a
// retry or a breaker that opens, is an event of the span around it, if its policy says so with [genai.Emit].
//
// # Calls between services
//
// [Network] stands in front of a network of package transport, and gives each call a span on either side, joined
// across processes, and the same whether there is one process or several:
//
//	net := &observe.Network{Network: sw, Tracer: tracer}
//	moderate := Moderate.Dial(net)
//
// # What is not recorded
//
// No text of a prompt, an answer, a tool or an error, and no media: a provider's error message may quote what it was
// sent, so spans tell the Kind, the status and the codes of an error, and no more. Nothing is sent to providers of
// models either, no trace context and no baggage.
//
// # Cost
//
// Nothing is global. A policy whose providers are nil, or those of the noop packages, is left out when it is wrapped
// around a handler, and costs nothing.
package observe
