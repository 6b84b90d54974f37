package httptransport_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// A bubble is a network inside a bubble of package synctest, where time passes only when nobody has anything to do: limits of
// milliseconds mean the same on every machine.
type bubble struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// remember runs a server in memory until the test ends.
func remember(t *testing.T, s *httptransport.Server) *bubble {
	m := &bubble{conns: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, m) }() // the cleanup waits for it
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	return m
}

// Accept implements [net.Listener].
func (m *bubble) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (m *bubble) Close() error { m.once.Do(func() { close(m.closed) }); return nil }

// Addr implements [net.Listener].
func (m *bubble) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// connect opens a connection, for somebody who does not keep to the rules.
func (m *bubble) connect(t *testing.T) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
	case <-m.closed:
		t.Fatal("the server has ended")
	}
	t.Cleanup(func() { ours.Close() })
	return ours
}

// via returns what sends requests.
func (m *bubble) via(t *testing.T, network string) *http.Transport {
	via := &http.Transport{Protocols: &http.Protocols{}, DialContext: func(context.Context, string, string) (net.Conn, error) { return m.connect(t), nil }}
	via.Protocols.SetHTTP1(network == "http")
	via.Protocols.SetUnencryptedHTTP2(network == "h2c")
	t.Cleanup(via.CloseIdleConnections)
	return via
}

// client returns a client.
func (m *bubble) client(t *testing.T, network string) *httptransport.Client {
	return &httptransport.Client{Address: "http://127.0.0.1", Transport: m.via(t, network)}
}
