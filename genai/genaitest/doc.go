// Package genaitest holds models for tests: they need no network, no key and no configuration, answer what a script
// tells them, break where it tells them to, and remember how they were called. The provider dies after the third token, and
// the fallback answers:
//
//	func TestProviderDies(t *testing.T) {
//		cloud := genaitest.Script(genaitest.Pieces("It ", "is ", "now ").Then(genai.Truncated))
//		edge := genaitest.Script(genaitest.Reply("Twelve."))
//		answer := route.Fallback(genai.Whole(cloud.Chat), edge.Complete) // what is to be tested
//		resp, err := answer(t.Context(), &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}})
//		if err != nil || resp.Text() != "Twelve." || cloud.Calls()[0].Pieces != 3 {
//			t.Errorf("%v, %v", resp, err)
//		}
//		edge.Verify(t) // it was asked once, and no more
//	}
//
// The answer of the cloud is folded inside of the fallback, so nobody has seen the three tokens when it dies. Around
// streams, a fallback helps until the first token only: what its reader has seen cannot be taken back.
//
// # Scripts
//
// Each call takes the next [Step] of the script, or the next that is for such a request:
//
//	model := genaitest.Script(
//		genaitest.Fail(genai.Overloaded),                                    // before the first piece
//		genaitest.Pieces("He", "llo").Then(genai.Unavailable),               // behind the second
//		genaitest.Pieces("He", "llo").After(time.Second).Every(time.Minute), // slowly
//		genaitest.Reply("Hello").Usage(9, 1),
//	)
//	var chat genai.Chat = model.Chat
//
// A [Model] may also answer by itself, with tool calls that fit the schemas it is given. Delays are ordinary timers, so that
// a test that runs under testing/synctest spends no time on them. [Embed] is an embedder; every other sort of model is a
// [genai.Handler], for which a test writes a function.
//
// What comes over the wire is tested with package wiretest, and a client of one's own is proved with package chattest,
// both in folders of this one.
package genaitest
