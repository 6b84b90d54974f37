// Package genaitest holds models for tests: they need no network, no key and no configuration, answer what a script
// tells them, break where it tells them to, and remember how they were called.
//
//	model := genaitest.Script(
//		genaitest.Fail(genai.Overloaded),
//		genaitest.Pieces("He", "llo").Then(genai.Unavailable),
//		genaitest.Reply("Hello"),
//	)
//	var chat genai.Chat = model.Chat
//
// Each call takes the next [Step] of the script, or the next that is for such a request. A [Model] may also answer by
// itself, with tool calls that fit the schemas it is given. Delays are ordinary timers, so that a test that runs under
// testing/synctest spends no time on them.
//
// What comes over the wire is tested with package wiretest, and a client of one's own is proved with package chattest,
// both in folders of this one.
package genaitest
