package httptransport

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestFarewellToWhom: a connection that was made in advance and one that waits are told; one that has just been made and may be
// about to speak, one that speaks HTTP/2, and one on which something goes on, are not.
func TestFarewellToWhom(t *testing.T) {
	for name, c := range map[string]struct {
		states []http.ConnState
		http1  bool
		after  time.Duration
		told   bool
	}{
		"waits":          {[]http.ConnState{http.StateNew, http.StateActive, http.StateIdle}, true, 0, true},
		"HTTP/2":         {[]http.ConnState{http.StateNew, http.StateActive, http.StateIdle}, false, time.Hour, false},
		"at work":        {[]http.ConnState{http.StateNew, http.StateActive}, true, time.Hour, false},
		"new":            {[]http.ConnState{http.StateNew}, false, noticeTime / 4, false},
		"long silent":    {[]http.ConnState{http.StateNew}, false, noticeTime, true},
		"begins to wait": {[]http.ConnState{http.StateNew, http.StateActive}, true, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := pipe()
				defer theirs.Close()
				var p peers
				hs := &http.Server{}
				p.watch(hs)
				ctx := hs.ConnContext(t.Context(), ours)
				for _, s := range c.states {
					hs.ConnState(ours, s)
				}
				if c.http1 {
					ctx.Value(peerKey{}).(*peer).speaks.Store(1)
				}
				time.Sleep(c.after)
				answers := make(chan *http.Response, 1)
				go func() { // ends when it has read an answer, or ours is closed
					resp, err := http.ReadResponse(bufio.NewReader(theirs), nil)
					if err == nil {
						answers <- resp
					}
					close(answers)
				}()
				over := make(chan struct{})
				go func() { // waited for below
					defer close(over)
					p.farewell()
				}()
				if name == "begins to wait" {
					synctest.Wait()
					hs.ConnState(ours, http.StateIdle)
				}
				synctest.Wait()
				hs.ConnState(ours, http.StateClosed)
				<-over
				ours.Close()
				resp := <-answers
				if (resp != nil) != c.told || resp != nil && resp.StatusCode != http.StatusRequestTimeout {
					t.Errorf("it was told %+v", resp)
				}
			})
		})
	}
}

// pipe returns the two ends of a connection. Between the deadline that is set for the first and what is written to it passes as much
// time as on a machine that is very busy: when that was short, those who wait were told nothing.
func pipe() (ours, theirs net.Conn) {
	ours, theirs = net.Pipe()
	return &busy{ours}, theirs
}

type busy struct{ net.Conn }

func (b *busy) Write(p []byte) (int, error) {
	time.Sleep(farewellTime / 2)
	return b.Conn.Write(p)
}

// TestFarewellIsNotInterrupted: package net/http does nothing with a connection until its other side has been told. It would close it
// before a word was written, or answer a request, and the goodbye would stand in the midst of the answer.
func TestFarewellIsNotInterrupted(t *testing.T) {
	for _, next := range []http.ConnState{http.StateActive, http.StateClosed} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := pipe()
			defer ours.Close()
			defer theirs.Close()
			var p peers
			hs := &http.Server{}
			p.watch(hs)
			hs.ConnContext(t.Context(), ours).Value(peerKey{}).(*peer).speaks.Store(1)
			hs.ConnState(ours, http.StateIdle)
			var wg sync.WaitGroup
			wg.Go(func() { p.farewell() })
			synctest.Wait()
			var went atomic.Bool
			wg.Go(func() { hs.ConnState(ours, next); went.Store(true) })
			synctest.Wait()
			if went.Load() {
				t.Errorf("%v before the other side was told", next)
			}
			if _, err := http.ReadResponse(bufio.NewReader(theirs), nil); err != nil {
				t.Error(err)
			}
			hs.ConnState(ours, http.StateClosed)
			wg.Wait()
		})
	}
}

// TestNewcomersAreHeard: a first request that package net/http has read and not passed on yet is waited for, as is one that is still to
// come. When the Shutdown began between the two, it was dropped without a word.
func TestNewcomersAreHeard(t *testing.T) {
	for _, state := range []http.ConnState{http.StateNew, http.StateActive} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := pipe()
			defer ours.Close()
			defer theirs.Close()
			var p peers
			hs := &http.Server{}
			p.watch(hs)
			ctx := hs.ConnContext(t.Context(), ours)
			hs.ConnState(ours, state)
			var wg sync.WaitGroup
			var gone atomic.Bool
			wg.Go(func() { p.newcomers(); gone.Store(true) })
			time.Sleep(noticeTime / 4)
			if synctest.Wait(); gone.Load() {
				t.Errorf("nobody waits for a request whose connection is %v", state)
			}
			hs.ConnState(ours, http.StateActive)
			r := (&http.Request{ProtoMajor: 1}).WithContext(ctx)
			seen(r)
			time.Sleep(noticeTime / 4)
			if synctest.Wait(); !gone.Load() {
				t.Error("a request that is being answered is waited for, which is not for newcomers to do")
			}
			wg.Wait()
		})
	}
}

// A late listener lets somebody in when it has been closed already, as happens where the goroutine that accepts had to wait for its turn.
type late struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
	calls  int
}

func (l *late) Accept() (net.Conn, error) {
	<-l.closed
	if l.calls++; l.calls > 1 {
		return nil, net.ErrClosed
	}
	time.Sleep(2 * noticeTime)
	return l.conn, nil
}

func (l *late) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *late) Addr() net.Addr { return &net.UnixAddr{Name: "late"} }

// TestLateNewcomer: whoever was let in last is answered too. A Shutdown that began before left them with a connection that just ends.
func TestLateNewcomer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := (&Server{}).Serve(ctx, &late{conn: ours, closed: make(chan struct{})}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { _, _ = io.WriteString(theirs, "POST /test/echo HTTP/1.1\r\nHost: localhost\r\n\r\n") })
		resp, err := http.ReadResponse(bufio.NewReader(theirs), nil)
		if err != nil || resp.StatusCode != http.StatusNotImplemented {
			t.Errorf("got %+v, %v", resp, err)
		}
		theirs.Close()
		wg.Wait()
	})
}
