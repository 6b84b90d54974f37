package httptransport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/rendezvous"
)

// A Client calls what one or several [Server] serve. Only Address must be set, before use. It is safe for concurrent use,
// connects when it is first called, and uses its connections again.
//
// It never sends a request twice that a server may have seen, follows no redirect, and uses no proxy of the environment.
//
// # Several servers
//
// With several servers that serve the same, each call goes to one of two that chance names, the one with fewer calls of this
// client in flight: calls of a model take long, and in turns they would pile up where they take longest. A server that cannot be
// reached, is about to end, or has not answered three times in a row is out. A call that nobody has seen goes on to the next
// server, without an error. Whoever is out is asked for /readyz after a second, and then less often, up to every 30 seconds; if
// nobody is in, all are tried. An answer of a server is an answer: to call again after an error, or around a server whose answers are
// bad, is for packages resilience and route.
type Client struct {
	// Address is where the server is: "http://host:port", "https://host:port", "h2c://host:port" for HTTP/2 without
	// TLS, or "unix:/path/of.sock"; several with commas between. A path is put before those of the operations. Calls to a
	// malformed address fail with [genai.InvalidRequest], whose Field is "address".
	//
	// The name of a host stands for all servers it is found to have, such as those of a headless service of Kubernetes. It is looked up
	// again every 10 seconds while calls are made, and when one of them cannot be reached; a server that is new is called when there is a
	// connection to it. That is not so for "localhost", nor if Transport is set.
	Address string

	// Affinity returns a key: requests with the same one go to the same server, whichever client sends them, as long as that
	// is in and does not have more than 1.25 times its share of the calls of this client. "" means any server. nil means the
	// request's method AffinityKey() string, if it has one, and for a [genai.ChatRequest] its CacheKey.
	Affinity func(ctx context.Context, req any) string

	// Lookup finds the addresses of a host; nil means as the system does.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// TLS is for "https": whom to trust, and the certificate to show. nil means those that the system trusts, and none.
	TLS *tls.Config

	// Token returns what the client sends with each request to say who it is: see [Tokens]. nil means nothing. It is sent over
	// TLS, to this machine, and nowhere else: a call that would send it elsewhere fails with [genai.Precondition].
	Token func() string

	// Transport makes the requests; nil means one of the client's own, with as many connections as calls need. Set it
	// for proxies, and the like; TLS is not used then. It must not repeat requests, nor limit how long one may take.
	Transport http.RoundTripper

	once sync.Once
	pool pool
	err  error
}

const (
	dialTime = 5 * time.Second
	pingTime = 15 * time.Second // after so much silence a peer is asked whether it lives
	keepIdle = 90 * time.Second // how long a connection waits for the next call
	maxIdle  = 1024             // connections that wait
)

// Connect makes a connection to each server, so that the first calls need not wait for one, and asks whether it takes calls. The error
// is [genai.Unavailable] if none does, or what calls would fail with. It need not be called.
func (c *Client) Connect(ctx context.Context) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	all := *c.pool.all.Load()
	errs := make([]error, len(all))
	var asked sync.WaitGroup
	for i, e := range all {
		asked.Go(func() { errs[i] = e.ask(ctx) }) // waited for below
	}
	asked.Wait()
	for i, e := range all {
		if errs[i] == nil {
			e.takeIn()
		} else if ctx.Err() == nil {
			e.leaveOut(c.pool.now())
		}
	}
	if over := genai.ContextError(ctx); over != nil {
		return over
	}
	if slices.Contains(errs, nil) {
		return nil
	}
	return errs[0]
}

// CloseIdleConnections closes the connections that wait for the next call.
func (c *Client) CloseIdleConnections() {
	c.once.Do(c.prepare)
	if c.err == nil {
		c.pool.rest()
	}
}

// ready makes the client ready for a call.
func (c *Client) ready(ctx context.Context) error {
	c.once.Do(c.prepare)
	if c.err != nil {
		return c.err
	}
	return c.pool.ready(ctx)
}

// prepare reads the addresses.
func (c *Client) prepare() {
	all, err := parseAddresses(c.Address)
	if err != nil {
		c.err = err
		return
	}
	c.pool.began = time.Now()
	var fixed []*endpoint
	var named []address
	for _, at := range all {
		switch {
		case c.Token != nil && !at.private():
			c.err = &genai.Error{Kind: genai.Precondition, Field: "address", Started: genai.StartedNo, Message: fmt.Sprintf("a token would be sent in clear to %s: use https", at.host)}
			return
		case c.Transport == nil && at.named():
			named = append(named, at)
		default:
			fixed = append(fixed, c.endpoint(at, netip.Addr{}))
		}
	}
	c.pool.all.Store(&fixed)
	if len(named) > 0 {
		c.pool.names = &names{client: c, fixed: fixed, named: named, held: make(chan struct{}, 1)}
	}
}

// key returns the hash of what ties a request to a server; 0 if nothing does.
func (c *Client) key(ctx context.Context, req any) uint64 {
	if c.pool.names == nil && len(*c.pool.all.Load()) == 1 {
		return 0
	}
	key := ""
	if c.Affinity != nil {
		key = c.Affinity(ctx, req)
	} else {
		switch req := req.(type) {
		case interface{ AffinityKey() string }:
			key = req.AffinityKey()
		case *genai.ChatRequest:
			if req != nil {
				key = req.CacheKey
			}
		}
	}
	if key == "" {
		return 0
	}
	return rendezvous.Hash(key, 0)
}

// newTransport returns what connects to an address, or to the ip that its host was found at.
func newTransport(at address, ip netip.Addr) *http.Transport {
	dialer := &net.Dialer{
		Timeout:         dialTime,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingTime, Interval: pingTime / 3, Count: 3},
	}
	t := &http.Transport{
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: dialTime,
		MaxIdleConns:        maxIdle,
		MaxIdleConnsPerHost: maxIdle,
		IdleConnTimeout:     keepIdle,
		DisableCompression:  true,
		Protocols:           new(http.Protocols),
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingTime, PingTimeout: pingTime},
	}
	switch at.scheme {
	case "h2c":
		t.Protocols.SetUnencryptedHTTP2(true)
	case "https":
		t.Protocols.SetHTTP1(true)
		t.Protocols.SetHTTP2(true)
	default:
		t.Protocols.SetHTTP1(true)
	}
	switch {
	case at.scheme == "unix":
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", at.host)
		}
	case ip.IsValid():
		t.DialContext = func(ctx context.Context, network, host string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(host)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort(ip.String(), port))
		}
	}
	if at.scheme == "h2c" {
		t.DialContext = hearing(t.DialContext)
	}
	return t
}
