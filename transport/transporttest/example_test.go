package transporttest_test

import (
	"testing"

	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
	"github.com/dovetail-go/dovetail/transport/transporttest"
)

// A transport proves itself in a test of its own, and says where it differs.
func ExampleRun() {
	TestConformance := func(t *testing.T) {
		transporttest.Run(t, func(t testing.TB, serve func(transport.Server)) transporttest.Link {
			network := &inproc.Network{}
			serve(network)
			return transporttest.Link{Client: network, Trusts: true}
		}, transporttest.Except{
			"C7/the producer does not heed its context": "the producer runs in the goroutine of its reader",
			"E8/the producer ends its goroutine":        "the producer runs in the goroutine of its reader",
		})
	}
	_ = TestConformance // package testing calls it
}
