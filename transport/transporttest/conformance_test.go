package transporttest_test

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/certtest"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
	"github.com/dovetail-go/dovetail/transport/transporttest"
)

// inReader are the promises that do not hold where a stream is pulled in the goroutine of its reader.
var inReader = transporttest.Except{
	"C7/the producer does not heed its context": "the producer runs in the goroutine of its reader",
	"E8/the producer ends its goroutine":        "the producer runs in the goroutine of its reader",
}

// uncounted is not encoded, so nobody knows how large it is.
var uncounted = transporttest.Except{
	"L1":  "messages are not encoded, so nobody knows how large they are",
	"S10": "messages are not encoded, so nobody knows how large they are",
}

func TestInproc(t *testing.T) {
	transporttest.Run(t, func(_ testing.TB, serve func(transport.Server)) transporttest.Link {
		n := &inproc.Network{Name: "suite"}
		serve(n)
		return transporttest.Link{Client: n, Caller: "suite", Trusts: true}
	}, inReader, uncounted)
}

func TestInprocStrict(t *testing.T) {
	transporttest.Run(t, func(_ testing.TB, serve func(transport.Server)) transporttest.Link {
		n := &inproc.Network{Strict: true, Name: "suite"}
		serve(n)
		return transporttest.Link{Client: n, Caller: "suite", Trusts: true}
	}, inReader)
}

// asIs are the promises that do not hold for values that are handed over as they are, to a handler in the caller's goroutine.
var asIs = transporttest.Except{
	"V1":                       "both sides have the same value, and have promised not to change it",
	"V2":                       "both sides have the same value",
	"V4/refused in a request":  "nobody looks at the value",
	"V4/refused in a response": "nobody looks at the value",
	"V5":                       "both sides have the same value",
	"V6":                       "both sides have the same value",
	"V7":                       "nobody looks at the value",
	"C7/the handler does not heed its context": "the handler runs in the goroutine of the caller",
	"E8/in a method of a request":              "nobody calls the method",
	"E8/in a method of a response":             "nobody calls the method",
	"E8/in a method of a piece":                "nobody calls the method",
	"E8/the handler ends its goroutine":        "the handler runs in the goroutine of the caller",
}

// A sharing network takes every operation for one that is declared Shared.
type sharing struct {
	inproc.Network
	mu sync.Mutex
}

func (s *sharing) shared(spec *transport.Spec) *transport.Spec {
	s.mu.Lock() // calls through one Dial share its spec
	defer s.mu.Unlock()
	if !spec.Shared {
		spec.Shared = true // it is nobody else's: every Serve and every Dial makes its own
	}
	return spec
}

func (s *sharing) Handle(spec *transport.Spec, h genai.AnyHandler) {
	s.Network.Handle(s.shared(spec), h)
}

func (s *sharing) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	return s.Network.Call(ctx, s.shared(spec), req)
}

func TestInprocShared(t *testing.T) {
	transporttest.Run(t, func(_ testing.TB, serve func(transport.Server)) transporttest.Link {
		n := &sharing{}
		n.Name = "suite"
		serve(n)
		return transporttest.Link{Client: n, Caller: "suite", Trusts: true}
	}, inReader, uncounted, asIs)
}

func TestHTTP1(t *testing.T) {
	runOverHTTP(t, func(t testing.TB) (string, string) { return "127.0.0.1:0", "http://" })
}

func TestH2C(t *testing.T) {
	runOverHTTP(t, func(t testing.TB) (string, string) { return "127.0.0.1:0", "h2c://" })
}

func TestTLS(t *testing.T) {
	runOverHTTP(t, func(t testing.TB) (string, string) { return "127.0.0.1:0", "https://" })
}

func TestUnix(t *testing.T) {
	runOverHTTP(t, func(t testing.TB) (string, string) { return filepath.Join(t.TempDir(), "s"), "unix:" })
}

func runOverHTTP(t *testing.T, at func(testing.TB) (address, scheme string)) {
	transporttest.Run(t, func(t testing.TB, serve func(transport.Server)) transporttest.Link {
		address, scheme := at(t)
		network := "tcp"
		if scheme == "unix:" {
			network = "unix"
		}
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		cutter := &cutter{Listener: l}
		server := &httptransport.Server{DrainGrace: 30 * time.Second}
		client := &httptransport.Client{Address: scheme + l.Addr().String()}
		caller := ""
		if scheme == "https://" {
			server.TLS, server.Identity = mutual(t), &httptransport.Certificates{Names: []string{"suite.internal"}}
			client.TLS, caller = server.TLS, "suite.internal"
		}
		serve(server)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(ctx, cutter) }() // waited for by stop
		stop := sync.OnceFunc(func() {
			cancel()
			again := time.NewTicker(5 * time.Millisecond)
			defer again.Stop()
			for {
				client.CloseIdleConnections() // or a server waits a second for those who were told of its end over HTTP/2
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
		t.Cleanup(func() {
			client.CloseIdleConnections()
			stop()
		})
		return transporttest.Link{Client: client, Caller: caller, Stop: stop, Cut: cutter.cut}
	})
}

// mutual returns what both sides need to know each other by certificates. Between them package net/http speaks HTTP/2.
func mutual(t testing.TB) *tls.Config {
	t.Helper()
	authority, err := certtest.New()
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Certificate(time.Now().Add(time.Hour), "127.0.0.1", "suite.internal")
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: authority.Pool, ClientCAs: authority.Pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// A cutter can break the connections that it has accepted.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an orderly end
		}
		_ = conn.Close()
	}
}
