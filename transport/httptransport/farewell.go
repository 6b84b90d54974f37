package httptransport

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// The peers are the connections of a server. They are known so that none of them has to be broken off: over HTTP/1.1 a
// connection that merely ends says nothing about the request that was on its way to it. Over HTTP/2 there is GOAWAY for that.
type peers struct {
	mu   sync.Mutex
	all  map[net.Conn]*peer
	told int           // how many were told and have not left yet
	left chan struct{} // closed when those have left; nil if nobody waits for it

	ending  bool
	goodbye []byte
}

type peer struct {
	http1 atomic.Bool // it has sent a request over HTTP/1
	since time.Time
	fresh bool // it has sent nothing yet; clients make connections in advance
	idle  bool
	told  bool
}

// waits reports whether nothing goes on. Whoever speaks HTTP/2 begins at once, so a connection that has long been silent will
// speak HTTP/1.1, if anything.
func (p *peer) waits(conn net.Conn) bool {
	_, encrypted := conn.(*tls.Conn) // and may still be waiting for the other side's keys
	return p.idle && p.http1.Load() || p.fresh && !encrypted && time.Since(p.since) > noticeTime/2
}

type peerKey struct{}

const (
	farewellTime = 250 * time.Millisecond // how long those who wait for nothing have in which to close their connection
)

// goodbye is what an idle connection is told before its end: an answer to nobody, which RFC 9110 section 15.5.9 allows with
// this status, or else to the request that has just been sent, which then fails for certain without having been seen.
func goodbye() []byte {
	p := transport.ProblemOf(errEnding)
	p.Status, p.Refused = http.StatusRequestTimeout, true
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{}`) // a Problem can be encoded
	}
	return fmt.Appendf(nil, "HTTP/1.1 408 Request Timeout\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", typeProblem, len(body), body)
}

var errEnding = refuse(genai.Unavailable, "the server is about to end and takes no more calls")

// watch makes hs tell the peers what becomes of its connections.
func (p *peers) watch(hs *http.Server) {
	p.all, p.goodbye = map[net.Conn]*peer{}, goodbye()
	hs.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		one := &peer{since: time.Now(), fresh: true}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all[conn] = one
		return context.WithValue(ctx, peerKey{}, one)
	}
	hs.ConnState = p.changed
}

// changed is told what becomes of a connection.
func (p *peers) changed(conn net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.all[conn]
	if one == nil {
		return
	}
	one.idle, one.fresh = state == http.StateIdle, state == http.StateNew
	switch state {
	case http.StateIdle:
		if p.ending {
			p.tell(conn, one)
		}
	case http.StateClosed, http.StateHijacked:
		delete(p.all, conn)
		if one.told {
			p.told--
			p.leave()
		}
	}
}

// leave ends the farewell when nobody is left who was told.
func (p *peers) leave() {
	if p.told == 0 && p.left != nil {
		close(p.left)
		p.left = nil
	}
}

// seen notes over what a request came.
func seen(r *http.Request) {
	if r.ProtoMajor != 1 {
		return
	}
	if one, ok := r.Context().Value(peerKey{}).(*peer); ok && !one.http1.Load() {
		one.http1.Store(true)
	}
}

// farewell tells those who have a connection of HTTP/1.1 and wait for nothing that it ends, and gives them a little time to
// close it. The server takes no more calls by then, but still listens: connections that have just been made are told too. It
// reports whether there was anybody.
func (p *peers) farewell() bool {
	p.mu.Lock()
	open := len(p.all)
	left := make(chan struct{})
	p.left, p.ending = left, true
	for conn, one := range p.all {
		p.tell(conn, one)
	}
	p.leave()
	p.mu.Unlock()
	if open == 0 {
		return false
	}
	within(left, farewellTime)
	return true
}

// newcomers waits until nobody is left who has a connection over which nothing was sent yet, and gives up after noticeTime. Nobody
// else comes by then. Package net/http drops a first request that it reads after its Shutdown has begun, without a word.
func (p *peers) newcomers() {
	for began := time.Now(); p.fresh() && time.Since(began) < noticeTime; {
		time.Sleep(noticeTime / 10)
	}
}

// fresh tells those over whose connections nothing was sent for long enough, and reports whether there are others.
func (p *peers) fresh() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	others := false
	for conn, one := range p.all {
		if one.fresh && !one.told {
			p.tell(conn, one)
			others = others || !one.told
		}
	}
	return others
}

// tell says goodbye. It must be called with the lock held, and does not wait: a few words always find room in a connection on
// which nothing goes on.
func (p *peers) tell(conn net.Conn, one *peer) {
	if one.told || !one.waits(conn) {
		return
	}
	one.told = true
	p.told++
	_ = conn.SetWriteDeadline(time.Now().Add(farewellTime / 10))
	_, _ = conn.Write(p.goodbye)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // what they have sent is still read, so that nothing resets the connection
	}
}
