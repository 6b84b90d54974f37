// Package openai speaks to servers that have the interface of OpenAI: the provider itself, and the many others that took
// it over, such as Azure, vLLM, llama.cpp, Ollama, OpenRouter, Groq, DeepSeek and Mistral.
//
// A [Client] is one server. Its method values are the models:
//
//	c := &openai.Client{Key: key, Model: "gpt-5-mini"}
//	var chat genai.Chat = c.Chat
//
// Chat and Complete ask for chat completions, which every such server has. Responses and Respond ask the newer interface,
// in which models keep their train of thought. Embed, Paint, Speak, Transcribe and Moderate are what their names say, for
// servers that have them. How servers differ is known to the client; Client.Dialect tells it where the host does not. A
// setting that a server lacks is [genai.Unsupported] and names the setting, unless Client.Drop has it.
//
// What takes longer than a call is a [job.Service]: ChatBatch, RespondBatch and EmbedBatch answer many requests together, and
// FineTunes trains models further. Upload, Files, Content and DeleteFile are about what the server keeps for that, and Models
// about what it can be asked.
//
// The client sends each request once, but for what Drop says. It repeats nothing, follows no redirect and waits for nothing but the context:
// that is what policies are for. In return it never guesses about an answer. A stream that stops before its end is
// [genai.Truncated], an error that arrives inside of an answer is that error, and an error is classified by its
// structure; its wording counts only where the structure says nothing, and never what may be a quotation in it.
package openai
