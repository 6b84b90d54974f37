// Package gemini speaks the generateContent interface of Google's Gemini models.
//
// A [Client] is one server. Its method values are the models:
//
//	c := &gemini.Client{Key: key, Model: "gemini-2.5-flash"}
//	var chat genai.Chat = c.Chat
//
// Embed turns texts into vectors, Paint makes pictures with the models that answer in them, and CountTokens says what a prompt
// takes.
//
// The client sends each request once, but for what Drop says. It repeats nothing, follows no redirect and waits for nothing but the context:
// that is what policies are for. In return it never guesses about an answer. A stream that stops before its end is
// [genai.Truncated], and an error that arrives inside of an answer is that error.
//
// # What becomes of a request
//
// System messages at the start of a conversation become the system instruction; the interface has no place for others.
// The tunables of a request become its generationConfig; Extra may hold an object of that name, whose members win. Other
// fields of the provider's own, such as safetySettings and cachedContent, go into Extra as they are. A setting that the
// interface has no words for, such as a metadata field, is [genai.Unsupported] and names the setting, unless Client.Drop has it.
//
// # Refusals
//
// A prompt that the provider blocks is a [genai.ContentFiltered] error with its reason as code. An answer that it
// withholds on the way ends with [genai.FinishFiltered]. An answer in which the model failed to write a tool call as it
// must be is [genai.Malformed].
//
// # What only the provider understands
//
// The signature of a thought, and parts that are neither text nor a tool call, such as code that the provider ran or a
// picture that the model made, are [genai.Opaque], with the host of the server as their origin. Keep an answer as it came
// and send it back with the next question: they then go back unchanged, and to no other host. Models from Gemini 3 on
// insist on the signatures of tool calls; for calls that another provider's model made they are sent the provider's own
// word for "there is none".
package gemini
