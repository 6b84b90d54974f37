package httptransport

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/rendezvous"
)

// An endpoint is one of the servers that a client may call. One that cannot be reached, does not answer, or is about to end is
// out: it is passed over as long as another is in, and is asked now and then whether it is back.
type endpoint struct {
	at      address
	ip      netip.Addr // one of those that the host has; the zero Addr if that is not looked up
	name    string     // for people
	base    url.URL
	repeats bool // package net/http may be given the means to send a request again: see [Client.request]
	via     http.RoundTripper
	hash    uint64

	calls  atomic.Int64 // in flight
	misses atomic.Int32 // calls in a row that had no answer
	rest   atomic.Int64 // when it is asked whether it is back, on the clock of the pool; 0 if it is in
	rests  atomic.Int32 // how often in a row it was found to be out
}

const (
	maxMisses = 3           // in a row, and an endpoint is out; one to which there is no connection is out at once
	firstRest = time.Second // before it is asked whether it is back; twice as long each time
	maxRest   = 30 * time.Second
	askTime   = 2 * time.Second // for the answer
)

// endpoint returns the server at an address and, if the address has a name that was looked up, at one of its places.
func (c *Client) endpoint(at address, ip netip.Addr) *endpoint {
	e := &endpoint{at: at, ip: ip, name: at.String(), base: url.URL{Scheme: at.scheme, Host: at.host, Path: at.path}, via: c.Transport}
	switch at.scheme {
	case "h2c":
		e.base.Scheme = "http"
	case "unix":
		e.base.Scheme, e.base.Host = "http", "localhost"
	}
	if ip.IsValid() {
		e.name += " (" + ip.String() + ")"
	}
	e.hash = rendezvous.Hash(e.name, 0)
	if e.via == nil {
		t := newTransport(at, ip)
		t.TLSClientConfig = c.TLS.Clone()
		e.via = t
		e.repeats = at.scheme == "http" || at.scheme == "unix"
	}
	return e
}

// answered notes that the server is there.
func (e *endpoint) answered() {
	if e.misses.Load() != 0 {
		e.misses.Store(0)
	}
}

// missed notes that a call had no answer.
func (e *endpoint) missed(now time.Duration) {
	if e.misses.Add(1) >= maxMisses {
		e.leaveOut(now)
	}
}

// leaveOut lets calls pass the endpoint over, if they do not already.
func (e *endpoint) leaveOut(now time.Duration) {
	if e.rest.CompareAndSwap(0, int64(now+firstRest)) {
		e.rests.Store(1)
	}
}

// stayOut lets calls pass it over for longer.
func (e *endpoint) stayOut(now time.Duration) {
	rest := min(firstRest<<min(e.rests.Add(1)-1, 5), maxRest)
	e.rest.Store(int64(now + rest))
}

// takeIn lets calls come again.
func (e *endpoint) takeIn() {
	e.misses.Store(0)
	e.rests.Store(0)
	e.rest.Store(0)
}

// in reports whether calls may come. If it is time to ask the server whether it is back, ask is true for one caller.
func (e *endpoint) in(now func() time.Duration) (in, ask bool) {
	rest := e.rest.Load()
	if rest == 0 {
		return true, false
	}
	t := now()
	return false, rest <= int64(t) && e.rest.CompareAndSwap(rest, int64(t+askTime))
}

// ask makes a connection to the server, which a call may then use, and asks whether it takes calls. Whatever answers /readyz
// without an error of its own is taken for a server that does, so that one behind a gateway without such a path is too.
func (e *endpoint) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	u := e.base
	u.Path += "/readyz"
	hr := &http.Request{Method: http.MethodGet, URL: &u, Host: u.Host, Header: http.Header{"User-Agent": nil}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	resp, err := e.via.RoundTrip(hr.WithContext(ctx))
	if err != nil {
		return unreachable(e, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxTrailer) // so that the connection can be used
	if resp.StatusCode >= http.StatusInternalServerError {
		return &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo, Message: fmt.Sprintf("%s takes no calls: its /readyz answers %d", e.name, resp.StatusCode)}
	}
	return nil
}

// closeIdle closes the connections that wait for the next call.
func (e *endpoint) closeIdle() {
	if closer, ok := e.via.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// unreachable is the error of a server that was not reached.
func unreachable(e *endpoint, err error) *genai.Error {
	return &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo, Err: err, Message: fmt.Sprintf("cannot reach %s: %v", e.name, err)}
}
