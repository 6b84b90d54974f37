package wiretest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
)

// Client returns an HTTP client whose every request reaches s, whatever its URL says, over a pipe in memory. The bytes
// are those of real HTTP, but no socket is involved, so that it works inside a bubble of package testing/synctest, where
// delays and stalls take no time. Both ends are closed when t is over.
func (s *Server) Client(t testing.TB) *http.Client {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	// The cleanup below waits for this goroutine, which ends when it closes the server.
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends with ErrServerClosed
	}()
	transport := &http.Transport{DialContext: l.dial, DialTLSContext: l.dial, DisableCompression: true}
	t.Cleanup(func() {
		_ = server.Close()
		<-done
		transport.CloseIdleConnections()
	})
	return &http.Client{Transport: transport}
}

// pipes is a net.Listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	_, _ = client.Close(), server.Close()
	return nil, net.ErrClosed
}

// Accept waits for the next connection.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. It is called once, by the server.
func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

// Addr returns an address that nobody can dial.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "wiretest", Net: "pipe"} }
