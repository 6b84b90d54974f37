package transporttest

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/certtest"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// Modes runs a test of yours in every deployment, as a subtest for each: "inproc", "inproc strict", "http", "h2c", "https" (HTTP/2
// with certificates on both sides) and "unix". Serve on the network and dial it, as if it were a [transport.Switch]:
//
//	transporttest.Modes(t, func(t *testing.T, network transport.Network) {
//		Moderate.Serve(network, moderator)
//		moderate := Moderate.Dial(network)
//		...
//	})
//
// When a subtest ends, its server does, which waits for the calls that are running.
func Modes(t *testing.T, test func(t *testing.T, network transport.Network)) {
	t.Run("inproc", func(t *testing.T) { test(t, &inproc.Network{}) })
	t.Run("inproc strict", func(t *testing.T) { test(t, &inproc.Network{Strict: true}) })
	for _, scheme := range []string{"http", "h2c", "https", "unix"} {
		t.Run(scheme, func(t *testing.T) { test(t, overHTTP(t, scheme)) })
	}
}

// A loop is a server together with the client that reaches it.
type loop struct {
	server *httptransport.Server
	client *httptransport.Client
}

func (l *loop) Handle(spec *transport.Spec, h genai.AnyHandler) { l.server.Handle(spec, h) }

func (l *loop) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	return l.client.Call(ctx, spec, req)
}

// overHTTP starts a server, which ends with the test.
func overHTTP(t *testing.T, scheme string) *loop {
	t.Helper()
	network, at := "tcp", "127.0.0.1:0"
	if scheme == "unix" {
		network, at = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	both := &loop{&httptransport.Server{}, &httptransport.Client{Address: scheme + "://" + l.Addr().String()}}
	if scheme == "https" {
		config, err := mutualTLS()
		if err != nil {
			t.Fatal(err)
		}
		both.server.TLS, both.server.Identity = config, &httptransport.Certificates{}
		both.client.TLS = config
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- both.server.Serve(ctx, l) }() // the cleanup waits for it
	t.Cleanup(func() {
		cancel()
		again := time.NewTicker(5 * time.Millisecond)
		defer again.Stop()
		for {
			both.client.CloseIdleConnections() // or the server waits for those who were told of its end
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("the server ended with %v", err)
				}
				return
			case <-again.C:
			}
		}
	})
	return both
}

// mutualTLS returns what two sides need who know each other by certificates.
func mutualTLS() (*tls.Config, error) {
	authority, err := certtest.New()
	if err != nil {
		return nil, err
	}
	own, err := authority.Certificate(time.Now().Add(24*time.Hour), "127.0.0.1", "test.internal")
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{own}, RootCAs: authority.Pool, ClientCAs: authority.Pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, nil
}
