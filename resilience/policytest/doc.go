// Package policytest proves a [genai.Policy]. A policy of one's own is done when its test, which is one line, is green:
//
//	func TestPolicy(t *testing.T) {
//		policytest.Run(t, func() genai.Policy { return &mine.Policy{} })
//	}
//
// It checks what everybody relies on who puts a policy around a handler, whatever the policy is for:
//
//   - What comes back is what the handler returned, or an error that says more about it: never a response with an error,
//     never neither.
//   - The context of the caller reaches the handler: its values, its end, its deadline.
//   - A stream is passed on while it arrives, whole, in order, and with the error it ends with. What the policy holds for
//     it (a timer, a permit, a derived context) it holds until the stream is over, and no longer.
//   - Every stream that was opened is read to its end, closed, or returned.
//   - A panic, and the end of the goroutine, pass, and nothing stays held.
//   - However badly the handler did, some time later it gets another chance.
//   - One policy guards many handlers and many calls at once.
//   - The zero value is ready.
//
// Every check runs in a bubble of package [testing/synctest], so waiting costs no time, and a goroutine that is left
// over fails the test. Run it with the race detector.
package policytest
