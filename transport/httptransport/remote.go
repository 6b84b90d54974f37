package httptransport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/dovetail-go/dovetail/transport"
)

// A Remote is this transport for a [transport.Switch]. The zero value is ready; set the fields before use.
type Remote struct {
	TLS      *tls.Config   // see [Server] and [Client]: one for both, with the certificate of this process
	Identity Identity      // see [Server]
	Token    func() string // see [Client]; it is sent to all addresses of services
	Insecure bool          // see [Server]
	Pages    http.Handler  // see [Server]
	Hosts    []string      // see [Server]

	DrainGrace  time.Duration // see [Server]
	MaxInFlight int           // see [Server]
	Limits      Limits        // see [Server]
}

// Dial implements [transport.Remote]. Addresses are those of a [Client].
func (r *Remote) Dial(address string) (transport.Client, error) {
	if _, err := parseAddresses(address); err != nil {
		return nil, err
	}
	return &Client{Address: address, TLS: r.TLS, Token: r.Token}, nil
}

// Listen implements [transport.Remote]. Addresses are "host:port", where port 0 takes a free one, and "unix:/path". The
// Listener has a method String, which returns the address for clients. An address that is taken is
// [genai.Unavailable], and one that other machines can reach needs TLS and Identity, or Insecure.
func (r *Remote) Listen(address string) (transport.Listener, error) {
	l, err := listen(address, r.TLS != nil)
	if err != nil {
		return nil, err
	}
	server := &listener{Server: Server{TLS: r.TLS, Identity: r.Identity, Insecure: r.Insecure, Pages: r.Pages, Hosts: r.Hosts, DrainGrace: r.DrainGrace, MaxInFlight: r.MaxInFlight, Limits: r.Limits}, l: l}
	if err := server.reachable(l.Addr()); err != nil {
		_ = l.Close() // the other error says more
		return nil, err
	}
	return server, nil
}

// A listener is a Server and where it listens.
type listener struct {
	Server
	l net.Listener
}

// Run implements [transport.Listener].
func (l *listener) Run(ctx context.Context) error { return l.Serve(ctx, l.l) }

// String returns the address as clients write it.
func (l *listener) String() string {
	tcp, ok := l.l.Addr().(*net.TCPAddr)
	if !ok {
		return "unix:" + l.l.Addr().String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() { // no address for others
		host = "127.0.0.1"
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	scheme := "http://"
	if l.TLS != nil {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}
