// Package chattest proves a client of a chat model: that it tells the truth about what a provider says and about how it
// fails, whole and streamed. A client of one's own is done when its test is green:
//
//	func TestClient(t *testing.T) {
//		chattest.Run(t, func(t *testing.T, model *genaitest.Model) chattest.Client {
//			server := &wiretest.Server{Chat: model.Chat, Complete: model.Complete}
//			c := &mine.Client{HTTP: server.Client(t)}
//			return chattest.Client{Chat: c.Chat, Complete: c.Complete}
//		})
//	}
//
// A provider that package wiretest does not speak for needs a server of its own, which asks the model. Anything else
// that is a [genai.Chat] can be proved as well, a router or a guard around the model itself.
//
// The checks rest on the contract of package genai:
//
//   - What the provider says arrives: text, thoughts, tool calls, the reason for the end, and usage, which is never made up.
//   - A stream is handed out with its first real piece, its pieces come when they come, and it is complete or says why not.
//   - Each failure is a [genai.Error] of the right Kind, without the prompt in it. Nothing is repeated.
//   - A caller who leaves is obeyed at once, and the provider hears of it.
//   - What is asked arrives as well, and the request stays as it was.
//
// Every check runs in a bubble of package [testing/synctest], so that time is exact and costs nothing, and a goroutine
// that is left over fails the test. Clients must therefore be given a transport without sockets.
package chattest
