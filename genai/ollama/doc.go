// Package ollama speaks the native interface of Ollama, which runs models on machines of one's own.
//
// A [Client] is one server. Its method values are the models:
//
//	c := &ollama.Client{Model: "qwen3:4b"}
//	var chat genai.Chat = c.Chat
//
// The client sends each request once, but for what Drop says. It repeats nothing, follows no redirect and waits for nothing but the context:
// that is what policies are for. In return it never guesses about an answer. A stream that stops before its end is
// [genai.Truncated], and an error that arrives inside of an answer is that error.
//
// # What becomes of a request
//
// The tunables of a request become Ollama's options, over those of the client; Extra may hold an "options" object, whose
// members win over both. A setting that the interface has no words for, such as a tool that is required, is
// [genai.Unsupported] and names the setting, unless Client.Drop has it.
//
// A server that was not told otherwise drops the oldest messages of a conversation that is longer than its window, which
// is num_ctx in the options and often small, and says nothing. Put "truncate": false into Extra to get an error instead,
// from servers that are new enough.
//
// # Thoughts
//
// What a model thought is [genai.Reasoning], marked with the host of the server as its origin. Between tool calls it goes
// back, to the same server.
package ollama
