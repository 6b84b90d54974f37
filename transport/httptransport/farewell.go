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
	telling sync.WaitGroup // those who say so; of who ends the server
}

type peer struct {
	speaks atomic.Int32 // the version of HTTP of its first request that has come as far as the handler; 0 before
	since  time.Time
	state  http.ConnState
	told   chan struct{} // closed when it was told; nil if it is not
	spare  spare
}

// waits reports whether nothing goes on. Whoever speaks HTTP/2 begins at once, so a connection that has long been silent will
// speak HTTP/1.1, if anything. On a busy machine it is we who have not listened for so long.
func (p *peer) waits(conn net.Conn) bool {
	switch p.state {
	case http.StateIdle:
		return p.speaks.Load() == 1
	case http.StateNew: // clients make connections in advance
		_, encrypted := conn.(*tls.Conn) // and may still be waiting for the other side's keys
		return !encrypted && time.Since(p.since) >= silence && !pending(conn)
	}
	return false
}

// fresh reports whether nothing of it has come as far as the handler. A first request that was read, but no more, counts: package
// net/http looks once more whether it shuts down before it passes the request on.
func (p *peer) fresh() bool {
	return p.state == http.StateNew || p.state == http.StateActive && p.speaks.Load() == 0
}

type peerKey struct{}

const (
	farewellTime = 250 * time.Millisecond // how long those who wait for nothing have in which to close their connection
	silence      = 250 * time.Millisecond // after which whoever has a new connection has nothing to say
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
		one := &peer{since: time.Now(), state: http.StateNew}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all[conn] = one
		return context.WithValue(ctx, peerKey{}, one)
	}
	hs.ConnState = p.changed
}

// changed is told what becomes of a connection. Nothing more becomes of one that is being told until that is done: a connection that
// is closed before has said nothing, and an answer that begins before has something in its midst.
func (p *peers) changed(conn net.Conn, state http.ConnState) {
	switch told, first := p.change(conn, state); {
	case first:
		p.say(conn, told)
	case told != nil:
		<-told
	}
}

// change returns the channel that is closed when the peer was told; nil if it is not. The first to hear of it has to do it.
func (p *peers) change(conn net.Conn, state http.ConnState) (told chan struct{}, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.all[conn]
	if one == nil {
		return nil, false
	}
	one.state = state
	switch state {
	case http.StateIdle:
		first = p.ending && p.tell(conn, one)
	case http.StateClosed, http.StateHijacked:
		delete(p.all, conn)
		if one.told != nil {
			p.told--
			p.leave()
		}
	}
	return one.told, first
}

// leave ends the farewell when nobody is left who was told.
func (p *peers) leave() {
	if p.told == 0 && p.left != nil {
		close(p.left)
		p.left = nil
	}
}

// seen notes that a request has come over a connection, and returns what is kept there to be used again; nil if somebody else listens.
func seen(r *http.Request) *spare {
	one, ok := r.Context().Value(peerKey{}).(*peer)
	if !ok {
		return nil
	}
	if one.speaks.Load() == 0 {
		one.speaks.Store(int32(r.ProtoMajor))
	}
	return &one.spare
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
		if p.tell(conn, one) {
			p.telling.Go(func() { p.say(conn, one.told) }) // waited for with telling
		}
	}
	p.leave()
	p.mu.Unlock()
	p.telling.Wait()
	if open == 0 {
		return false
	}
	within(left, farewellTime)
	return true
}

// newcomers waits until nobody is left who has a connection over which nothing has come yet, and gives up after a while; those who have
// sent something that merely was not read yet have the time that a drain may take. Nobody else comes by then. Package net/http drops a
// first request that it reads after its Shutdown has begun, without a word.
func (p *peers) newcomers() {
	for began := time.Now(); ; time.Sleep(noticeTime / 10) {
		others, unread := p.fresh()
		if since := time.Since(began); !others || since > silence+noticeTime && (!unread || since > drainTime) {
			return
		}
	}
}

// fresh tells those over whose connections nothing was sent for long enough, and reports whether there are others, and whether one of
// them has sent something.
func (p *peers) fresh() (others, unread bool) {
	defer p.telling.Wait() // with the lock released
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn, one := range p.all {
		if !one.fresh() || one.told != nil {
			continue
		}
		if p.tell(conn, one) {
			p.telling.Go(func() { p.say(conn, one.told) }) // waited for with telling
		} else {
			others, unread = true, unread || pending(conn)
		}
	}
	return others, unread
}

// tell reports whether a peer is to be told: it waits for nothing, and was not told. It must be called with the lock held, and say
// then without.
func (p *peers) tell(conn net.Conn, one *peer) bool {
	if one.told != nil || !one.waits(conn) {
		return false
	}
	one.told = make(chan struct{})
	p.told++
	return true
}

// say says goodbye. A few words always find room in a connection on which nothing goes on, unless answers before them were never
// read. The time for them must not be short: on a busy machine it passes before a word was written, and a connection that ends
// without one is what nobody can make sense of.
func (p *peers) say(conn net.Conn, told chan struct{}) {
	defer close(told)
	_ = conn.SetWriteDeadline(time.Now().Add(farewellTime))
	_, _ = conn.Write(p.goodbye)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // what they have sent is still read, so that nothing resets the connection
	}
}
