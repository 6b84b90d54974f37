// Package transporttest proves that a transport keeps the promises of package transport, so that nothing but latency
// changes when a service moves. A transport that passes [Run] may carry any operation:
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, func(t testing.TB, serve func(transport.Server)) transporttest.Link {
//			network := &inproc.Network{}
//			serve(network)
//			return transporttest.Link{Client: network, Trusts: true}
//		})
//	}
//
// Each promise is one subtest, named by a letter, a number and what is promised; one with variants is a table of subtests. Nothing is
// measured with a clock: what must happen is waited for, and fails the test if it does not come within a minute.
//
//   - V1 to V12: what becomes of values.
//   - C1 to C10: what arrives of a context, and how it ends.
//   - E1 to E9: errors and panics.
//   - S1 to S14: streams. A [genai.Stream] belongs to one reader and is pulled, so what a transport promises for it in S7 is that it asks a
//     producer in turn; two goroutines that read one stream are a mistake that the race detector finds in every mode. S13 says that
//     requests do not stream, which is refused before it is served: there are no streams in both directions.
//   - L1 to L5: limits and load. L2 is about the limit of a handler, behind every transport; what a server refuses by a limit of its own
//     is told by TestL2MaxInFlight of package httptransport.
//   - R1 to R4: calls that nobody must repeat.
//   - D1 to D4, D6: servers that end, come back, stand beside others, or have another version.
//   - A1 to A3: who may call.
//
// What a [Link] leaves out is skipped: D1 to D4, R2 and a part of E7 need Stop; D2 needs Join, D4 Again, A3 Strangers; C8, a part of S2, of R1,
// of R3 and of D2 need Cut.
//
// Not every promise can be asked of a transport that one knows nothing about. These are tests of their own, with the ID in their names:
//
//   - A4, that a server beyond this machine asks for credentials: TestA4OpenListenerAsksForIdentity of package httptransport.
//   - C8, also for callers whose process is killed: TestC8KilledCaller of package httptransport.
//   - D5, that a server says of each service whether it takes calls: TestD5ReadyOfEachService of package httptransport.
//   - S3, also with a proxy between: TestS3ThroughAProxy of package httptransport.
//   - O1 and O2, that metrics and spans of a call are the same in every mode: TestO1MetricsOfAnEdge and TestO2SpansOfAnEdge of package
//     genai/observe, with [Modes].
//
// What may differ all the same is in the tests of this package: TestMayDiffer, and the lists of [Except] beside it.
//
// After each variant all goroutines that it started must have ended, on both sides of the wire, and on Linux all sockets must be closed, so
// Run must not run beside parallel tests of the same program.
package transporttest
