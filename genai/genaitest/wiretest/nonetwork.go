package wiretest

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// NoNetwork keeps a test on this machine. Until t is over, whatever uses [http.DefaultTransport], which is what clients do
// that are told nothing else, reaches loopback addresses and unix sockets only; an attempt to dial another fails the
// test, names the address and sends nothing, not even a question to DNS. Proxies are not used.
//
// A client with a transport of its own is not caught. Give it the one that is returned. A test that runs in parallel
// with others cannot use NoNetwork, since those would be kept as well.
func NoNetwork(t testing.TB) http.RoundTripper {
	t.Helper()
	t.Setenv("WIRETEST_NO_NETWORK", "1") // package testing allows it where changing what is shared is safe
	previous := http.DefaultTransport
	transport := &http.Transport{}
	if standard, ok := previous.(*http.Transport); ok {
		transport = standard.Clone()
	}
	dial := transport.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	transport.Proxy, transport.DialTLSContext = nil, nil
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !here(network, address) {
			t.Errorf("wiretest: the test tried to reach %s; it must not leave this machine", address)
			return nil, &genai.Error{Kind: genai.Internal, Target: address, Message: "a test must not leave this machine", Started: genai.StartedNo}
		}
		return dial(ctx, network, address)
	}
	http.DefaultTransport = transport
	t.Cleanup(func() {
		http.DefaultTransport = previous
		transport.CloseIdleConnections()
	})
	return transport
}

// here reports whether an address is on this machine, without asking anybody.
func here(network, address string) bool {
	if network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
