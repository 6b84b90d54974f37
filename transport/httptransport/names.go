package httptransport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// names are the addresses of a client whose hosts must be looked up. Each place that a name has is a server.
type names struct {
	client *Client
	fixed  []*endpoint // of the other addresses
	named  []address

	held   chan struct{} // by whoever looks up
	failed error         // what came of it; whoever holds it may look

	looked atomic.Int64 // when that was done, on the clock of the pool; 0: not yet
	due    atomic.Int64 // when it is to be done again; 0: at once
}

const (
	lookEvery = 10 * time.Second // as long as there are calls
	lookRest  = time.Second      // between two, even if servers cannot be reached
	lookTime  = 5 * time.Second  // for the answer
)

// ready sees to it that there are servers to call. Only the first callers wait for that.
func (p *pool) ready(ctx context.Context) error {
	n := p.names
	if n == nil {
		return nil
	}
	due, now := n.due.Load(), p.now()
	switch {
	case due == 0:
		return p.look(ctx)
	case int64(now) >= due && n.due.CompareAndSwap(due, int64(now+lookEvery)):
		p.background(func(ctx context.Context) { _ = p.look(ctx) }) // if it fails, the servers are those that are known
	}
	return nil
}

// again looks names up once more when none of the servers that are known took a call. It reports whether there may be others.
func (p *pool) again(ctx context.Context) bool {
	n := p.names
	return n != nil && time.Duration(n.looked.Load())+lookRest <= p.now() && p.look(ctx) == nil
}

// hasten brings the next lookup forward, since a server cannot be reached.
func (p *pool) hasten() {
	if n := p.names; n != nil {
		due, sooner := n.due.Load(), n.looked.Load()+int64(lookRest)
		if sooner < due {
			n.due.CompareAndSwap(due, sooner)
		}
	}
}

// look looks all names up. Those who come meanwhile wait, and share what comes of it.
func (p *pool) look(ctx context.Context) error {
	n, came := p.names, p.now()
	select {
	case n.held <- struct{}{}:
		defer func() { <-n.held }()
	case <-ctx.Done():
		return genai.ContextError(ctx)
	}
	if n.looked.Load() > int64(came) {
		return n.failed
	}
	within, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	next, err := n.resolve(within, *p.all.Load(), p.now)
	if over := genai.ContextError(ctx); over != nil {
		return over // which says nothing about the names
	}
	if n.failed = err; err == nil {
		p.replace(next)
		n.due.Store(int64(p.now() + lookEvery))
	}
	n.looked.Store(int64(p.now()))
	return err
}

// replace makes others the servers of the client.
func (p *pool) replace(next []*endpoint) {
	for _, e := range *p.all.Swap(&next) {
		if !slices.Contains(next, e) {
			e.closeIdle() // a connection that a call still uses is closed when it has waited for the next one
		}
	}
}

// resolve returns the servers that there are now. Those that are known stay what they are, also where a name is not found.
func (n *names) resolve(ctx context.Context, known []*endpoint, now func() time.Duration) ([]*endpoint, error) {
	next := slices.Clone(n.fixed)
	var failed error
	for _, at := range n.named {
		ips, err := n.client.look(ctx, at)
		for _, e := range known {
			if e.at == at && e.ip.IsValid() && (err != nil || slices.Contains(ips, e.ip)) {
				next = append(next, e)
			}
		}
		for _, ip := range ips {
			if slices.ContainsFunc(next, func(e *endpoint) bool { return e.at == at && e.ip == ip }) {
				continue
			}
			e := n.client.endpoint(at, ip)
			if len(known) > 0 {
				e.leaveOut(now() - firstRest) // until there is a connection
			}
			next = append(next, e)
		}
		if err != nil {
			failed = err
		}
	}
	if len(next) > 0 {
		failed = nil
	}
	return next, failed
}

// look returns where the host of an address is: its addresses of the family that the resolver puts first, since that one can
// be reached from here (RFC 6724).
func (c *Client) look(ctx context.Context, at address) ([]netip.Addr, error) {
	lookup := c.Lookup
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	all, err := lookup(ctx, at.hostname())
	var ips []netip.Addr
	for _, ip := range all {
		if ip = ip.Unmap(); ip.IsValid() && (len(ips) == 0 || ip.Is4() == ips[0].Is4()) {
			ips = append(ips, ip)
		}
	}
	if err == nil && len(ips) == 0 {
		err = fmt.Errorf("the name has no address")
	}
	if err != nil {
		return nil, &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo, Err: err, Message: fmt.Sprintf("cannot find %s: %v", at.hostname(), err)}
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	return slices.Compact(ips), nil
}
