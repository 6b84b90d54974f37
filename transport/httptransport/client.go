package httptransport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Client calls what a [Server] serves. Only Address must be set, before use. It is safe for concurrent use, connects
// when it is first called, and uses its connections again.
//
// It never sends a request twice that a server may have seen, follows no redirect, and uses no proxy of the environment.
type Client struct {
	// Address is where the server is: "http://host:port", "https://host:port", "h2c://host:port" for HTTP/2 without
	// TLS, or "unix:/path/of.sock". A path is put before those of the operations. Calls to a malformed address fail
	// with [genai.InvalidRequest], whose Field is "address".
	Address string

	// TLS is for "https": whom to trust, and the certificate to show. nil means those that the system trusts, and none.
	TLS *tls.Config

	// Token returns what the client sends with each request to say who it is: see [Tokens]. nil means nothing. It is sent over
	// TLS, to this machine, and nowhere else: a call that would send it elsewhere fails with [genai.Precondition].
	Token func() string

	// Transport makes the requests; nil means one of the client's own, with as many connections as calls need. Set it
	// for proxies, and the like; TLS is not used then. It must not repeat requests, nor limit how long one may take.
	Transport http.RoundTripper

	once sync.Once
	base url.URL
	h2c  bool
	via  http.RoundTripper
	err  error
}

const (
	dialTime = 5 * time.Second
	pingTime = 15 * time.Second // after so much silence a peer is asked whether it lives
	keepIdle = 90 * time.Second // how long a connection waits for the next call
	maxIdle  = 1024             // connections that wait
)

// CloseIdleConnections closes the connections that wait for the next call.
func (c *Client) CloseIdleConnections() {
	c.once.Do(c.connect)
	if closer, ok := c.via.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// connect prepares for connecting.
func (c *Client) connect() {
	at, err := parseAddress(c.Address)
	if err != nil {
		c.err = err
		return
	}
	if c.Token != nil && !at.private() {
		c.err = &genai.Error{Kind: genai.Precondition, Field: "address", Started: genai.StartedNo, Message: fmt.Sprintf("a token would be sent in clear to %s: use https", at.host)}
		return
	}
	c.base = url.URL{Scheme: at.scheme, Host: at.host, Path: at.path}
	switch at.scheme {
	case "h2c":
		c.base.Scheme, c.h2c = "http", true
	case "unix":
		c.base.Scheme, c.base.Host = "http", "localhost"
	}
	c.via = c.Transport
	if c.via == nil {
		t := newTransport(at)
		t.TLSClientConfig = c.TLS.Clone()
		c.via = t
	}
}

// private reports whether nobody between can listen.
func (a address) private() bool {
	if a.scheme == "https" || a.scheme == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(a.host)
	if err != nil {
		host = a.host
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func newTransport(at address) *http.Transport {
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
	if at.scheme == "unix" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", at.host)
		}
	}
	return t
}
