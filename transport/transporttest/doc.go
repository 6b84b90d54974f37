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
// Each promise is one subtest, named by a letter, a number and what is promised: V for values, C for the context, E for
// errors, S for streams, R for calls that nobody must repeat, L for limits and load, D for the end of a server, A for
// who may call. A promise
// with variants is a table of subtests. Nothing is measured with a clock: what must happen is waited for, and fails the
// test if it does not come within a minute.
//
// What concerns servers that have an address cannot be asked of every transport: servers that take over and servers that come back,
// limits of a server, credentials. It is proved beside package httptransport.
//
// After each variant all goroutines that it started must have ended, on both sides of the wire, so Run must not run beside
// parallel tests of the same program.
package transporttest
