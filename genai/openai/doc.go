// Package openai speaks to servers that have the chat completions and embeddings interface of OpenAI: the provider
// itself, and the many others that took the interface over, such as vLLM, llama.cpp, Ollama, OpenRouter and Groq.
//
// A [Client] is one server. Its method values are the models:
//
//	c := &openai.Client{Key: key, Model: "gpt-5-mini"}
//	var chat genai.Chat = c.Chat
//
// The client sends each request once. It repeats nothing, follows no redirect and waits for nothing but the context:
// that is what policies are for. In return it never guesses about an answer. A stream that stops before its end is
// [genai.Truncated], an error that arrives inside of an answer is that error, and an error is classified by its
// structure; its wording counts only where the structure says nothing, and never what may be a quotation in it.
package openai
