package httptransport

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A deaf listener accepts connections from which nothing is read until somebody opens the door, as on a machine that gives the
// goroutine no time.
type deaf struct {
	net.Listener
	door   chan struct{}
	come   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

type deafConn struct {
	*net.TCPConn
	door chan struct{}
}

func (l *deaf) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	one := &deafConn{conn.(*net.TCPConn), l.door}
	l.come <- one
	return one, nil
}

func (l *deaf) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (l *deaf) SetDeadline(t time.Time) error { return l.Listener.(*net.TCPListener).SetDeadline(t) }

func (c *deafConn) Read(p []byte) (int, error) {
	<-c.door
	return c.TCPConn.Read(p)
}

// TestHeardTooLate: a server ends that has not read what a caller sent long ago. The caller is told that nobody saw the call, in the
// protocol that it speaks: a goodbye in HTTP/1.1 to somebody who has begun with HTTP/2 was an error that said nothing.
func TestHeardTooLate(t *testing.T) {
	for _, scheme := range []string{"h2c://", "http://"} {
		t.Run(scheme, func(t *testing.T) {
			tcp, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := &deaf{Listener: tcp, door: make(chan struct{}), come: make(chan net.Conn, 8), closed: make(chan struct{})}
			type word struct{ Text string }
			op := transport.Op[*word, *word]{Name: "test.word"}
			s := &Server{}
			op.Serve(s, func(context.Context, *word) (*word, error) {
				t.Error("a server that is about to end has begun to work")
				return &word{}, nil
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := s.Serve(ctx, l); err != nil {
					t.Error(err)
				}
			})
			client := &Client{Address: scheme + tcp.Addr().String()}
			defer client.CloseIdleConnections()
			wg.Go(func() {
				_, err := op.Dial(client)(t.Context(), &word{})
				if e := genai.AsError(err); genai.KindOf(err) != genai.Unavailable || e.Started != genai.StartedNo {
					t.Errorf("got %+v", e)
				}
			})
			conn := <-l.come
			for !pending(conn) { // the request is there, and nobody has read it
				time.Sleep(time.Millisecond)
			}
			time.Sleep(2 * silence) // long ago
			cancel()
			<-l.closed // whoever is told has been told
			close(l.door)
			wg.Wait()
		})
	}
}

// TestPending: what was sent and not read is pending, and nothing else is.
func TestPending(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	theirs, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	want := func(what string, want bool) {
		t.Helper()
		for range 1000 { // what goes over a network takes its time
			if pending(ours) == want {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Errorf("%s: something is pending: %v", what, !want)
	}
	want("nothing was sent", false)
	if _, err := theirs.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	want("two bytes were sent", true)
	if n, err := ours.Read(make([]byte, 2)); n != 2 || err != nil {
		t.Fatalf("what was looked at is gone: %d, %v", n, err)
	}
	want("they were read", false)
	theirs.Close()
	want("the other side has left", false)
	in, out := net.Pipe()
	defer in.Close()
	defer out.Close()
	if pending(in) {
		t.Error("something is pending that no system knows of")
	}
}
