// Package anthropic speaks the Messages interface of Anthropic, to the provider itself and to those who took the
// interface over.
//
// A [Client] is one server. Its method values are the models:
//
//	c := &anthropic.Client{Key: key, Model: "claude-sonnet-4-6"}
//	var chat genai.Chat = c.Chat
//
// Batch answers many conversations together, as a [job.Service]: such work outlasts a call. CountTokens and Models say what a
// prompt takes and what there is to ask.
//
// The client sends each request once, but for what Drop says. It repeats nothing, follows no redirect and waits for nothing but the context:
// that is what policies are for. In return it never guesses about an answer. A stream that stops before its end is
// [genai.Truncated], and an error that arrives inside of an answer is that error, whatever the status was.
//
// # What becomes of a request
//
// System messages at the start of a conversation become the system prompt; one further on keeps its place, which older
// models refuse. Results of tools are put in front of what the user says with them, as the interface demands. A setting that
// the interface has no words for, such as a seed, is [genai.Unsupported] and names the setting, unless Client.Drop has it. Fields of the provider's
// own, such as cache_control, go into the Extra of a request, and the betas that it wants into Header.
//
// # What only the provider understands
//
// The signature of a thought, a redacted thought, the citations of a text and what the provider's own tools did are
// [genai.Opaque], with the host of the server as their origin. Keep an answer as it came and send it back with the next
// question: they then go back unchanged, and to no other host. An answer that another provider began, and that goes on here
// behind the results of its tools, is not thought about with a budget, since the interface refuses that.
package anthropic
