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

func TestInproc(t *testing.T) {
	transporttest.Run(t, func(_ testing.TB, serve func(transport.Server)) transporttest.Link {
		n := &inproc.Network{Name: "suite"}
		serve(n)
		return transporttest.Link{Client: n, Caller: "suite", Trusts: true}
	}, inReader)
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
	"V1":                            "both sides have the same value, and have promised not to change it",
	"V2":                            "both sides have the same value",
	"V4/refused in a request":       "nobody looks at the value",
	"V4/refused in a response":      "nobody looks at the value",
	"V5":                            "both sides have the same value",
	"V6":                            "both sides have the same value",
	"V11/with methods of their own": "nobody calls the methods",
	"V7":                            "nobody looks at the value",
	"C7/the handler does not heed its context": "the handler runs in the goroutine of the caller",
	"L1":                                "nobody looks at the value",
	"S10":                               "nobody looks at the value",
	"C10/the context of a value ends":   "the context is the caller's",
	"C10/the context of a stream ends":  "the context is the caller's",
	"E8/in a method of a request":       "nobody calls the method",
	"E8/in a method of a response":      "nobody calls the method",
	"E8/in a method of a piece":         "nobody calls the method",
	"E8/the handler ends its goroutine": "the handler runs in the goroutine of the caller",
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
	}, inReader, asIs)
}

func TestHTTP1(t *testing.T) { runOverHTTP(t, "http") }
func TestH2C(t *testing.T)   { runOverHTTP(t, "h2c") }
func TestTLS(t *testing.T)   { runOverHTTP(t, "https") }
func TestUnix(t *testing.T)  { runOverHTTP(t, "unix") }

// runOverHTTP proves package httptransport. Callers are known by certificates over TLS, and otherwise by tokens.
func runOverHTTP(t *testing.T, scheme string) {
	config := mutual(t)
	webs := map[transport.Client]*web{}
	transporttest.Run(t, func(t testing.TB, serve func(transport.Server)) transporttest.Link {
		w := &web{scheme: scheme, config: config, serve: serve, at: "127.0.0.1:0"}
		if scheme == "unix" {
			w.at = filepath.Join(t.TempDir(), "s")
		}
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			w.stop()
			if w.err != nil {
				t.Errorf("the server ended with %v", w.err)
			}
		})
		client := w.client(t, "a token")
		webs[client] = w
		link := transporttest.Link{Client: client, Caller: "suite.internal", Stop: w.stop, Cut: func() { w.cutter.cut() }}
		link.Again = func() {
			if err := w.start(); err != nil {
				t.Skipf("somebody else has taken the place: %v", err)
			}
		}
		link.Join = func(other transporttest.Link) transport.Client {
			second := webs[other.Client]
			both := w.client(t, "a token")
			both.Address += "," + second.address()
			second.clients = append(second.clients, both)
			return both
		}
		if scheme == "https" {
			stranger := w.client(t, "a token")
			stranger.TLS = &tls.Config{RootCAs: config.RootCAs}
			link.Strangers = map[string]transport.Client{"no certificate": stranger}
		} else {
			link.Strangers = map[string]transport.Client{
				"no token": w.client(t, ""), "a token of nobody": w.client(t, "another"), "an old token": w.client(t, "an old token"),
			}
		}
		return link
	})
}

// A web is a server with its clients.
type web struct {
	scheme, at string
	config     *tls.Config
	serve      func(transport.Server)
	clients    []*httptransport.Client

	cutter *cutter
	leave  context.CancelFunc
	ended  chan struct{}
	err    error // of the server, once it has ended
}

// start starts a server, at the same place as the one before it.
func (w *web) start() error {
	network := "tcp"
	if w.scheme == "unix" {
		network = "unix"
	}
	l, err := net.Listen(network, w.at)
	if err != nil {
		return err
	}
	w.at = l.Addr().String()
	server := &httptransport.Server{DrainGrace: 30 * time.Second}
	if w.scheme == "https" {
		server.TLS, server.Identity = w.config, &httptransport.Certificates{Names: []string{"suite.internal"}}
	} else {
		tokens := &httptransport.Tokens{}
		tokens.Allow("suite.internal", "a token", time.Time{})
		tokens.Allow("suite.internal", "an old token", time.Unix(1, 0))
		server.Identity = tokens
	}
	w.serve(server)
	w.cutter = &cutter{Listener: l}
	ctx, cancel := context.WithCancel(context.Background())
	w.leave, w.ended = cancel, make(chan struct{})
	go func() { // waited for by stop
		defer close(w.ended)
		w.err = server.Serve(ctx, w.cutter)
	}()
	return nil
}

func (w *web) address() string { return w.scheme + "://" + w.at }

// client returns a client that shows a token, or the certificate over TLS. It closes its connections before the server ends.
func (w *web) client(t testing.TB, token string) *httptransport.Client {
	c := &httptransport.Client{Address: w.address(), TLS: w.config}
	if token != "" && w.scheme != "https" {
		c.Token = func() string { return token }
	}
	w.clients = append(w.clients, c)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// stop ends the server, as often as it is called.
func (w *web) stop() {
	w.leave()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		for _, c := range w.clients {
			c.CloseIdleConnections() // or a server waits a second for those who were told of its end over HTTP/2
		}
		select {
		case <-w.ended:
			return
		case <-again.C:
		}
	}
}

// mutual returns what both sides need to know each other by certificates. Between them package net/http speaks HTTP/2. Who shows
// no certificate is not turned away by package crypto/tls: a client that is may find only a broken connection.
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
	return &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: authority.Pool, ClientCAs: authority.Pool, ClientAuth: tls.VerifyClientCertIfGiven}
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
