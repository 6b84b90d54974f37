package faultproxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/internal/faultproxy"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// shout is a server that answers each byte with two.
func shout(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { // waited for by the cleanup
		defer close(over)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer conn.Close()
				buf := make([]byte, 100)
				for {
					n, err := conn.Read(buf)
					if n > 0 {
						_, _ = conn.Write([]byte(strings.Repeat("!", 2*n)))
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	return l.Addr().String()
}

func TestFaults(t *testing.T) {
	recordedtest.CheckLeaks(t)
	to := shout(t)
	for name, test := range map[string]struct {
		fault faultproxy.Fault
		want  int // bytes that come back for 10
		err   error
	}{
		"none":           {faultproxy.Fault{}, 20, nil},
		"slices":         {faultproxy.Fault{Up: faultproxy.Flow{Slice: 3}, Down: faultproxy.Flow{Slice: 1}}, 20, nil},
		"end of request": {faultproxy.Fault{Up: faultproxy.Flow{How: faultproxy.Half, After: 4}}, 8, nil},
		"end":            {faultproxy.Fault{Down: faultproxy.Flow{How: faultproxy.End, After: 7}}, 7, nil},
		"reset":          {faultproxy.Fault{Down: faultproxy.Flow{How: faultproxy.Reset, After: 7}}, 7, syscall.ECONNRESET},
		"reset at once":  {faultproxy.Fault{Up: faultproxy.Flow{How: faultproxy.Reset}}, 0, syscall.ECONNRESET},
		"half":           {faultproxy.Fault{Down: faultproxy.Flow{How: faultproxy.Half, After: 7}}, 7, nil},
		"behind the end": {faultproxy.Fault{Down: faultproxy.Flow{How: faultproxy.Reset, After: 21}}, 20, nil},
		"stall, healed":  {faultproxy.Fault{Down: faultproxy.Flow{How: faultproxy.Stall, After: 7}}, 20, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := &faultproxy.Proxy{To: to, Fault: func(int) faultproxy.Fault { return test.fault }}
			at, err := p.Listen()
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			conn, err := net.Dial("tcp", at)
			if test.err != nil && errors.Is(err, test.err) {
				return // it was reset before it was there
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // a bound for the test, not a measure
			if _, err := conn.Write([]byte("0123456789")); err == nil {
				_ = conn.(*net.TCPConn).CloseWrite()
			}
			got := 0
			buf := make([]byte, 100)
			for {
				n, err := conn.Read(buf)
				got += n
				if got == 7 && test.fault.Down.How == faultproxy.Stall {
					<-p.Broken()
					p.Heal()
				}
				if err != nil {
					if !errors.Is(err, orEnd(test.err)) && !(test.err == syscall.ECONNRESET && err == io.EOF) {
						t.Errorf("it ended with %v, want %v", err, test.err)
					}
					break
				}
			}
			if got != test.want && !(test.err != nil && got < test.want) { // what was not read yet may be lost with a reset
				t.Errorf("%d bytes came, want %d", got, test.want)
			}
			if p.Connections() != 1 {
				t.Errorf("%d connections", p.Connections())
			}
			broken := false
			select {
			case <-p.Broken():
				broken = true
			default:
			}
			if faulty := name != "none" && name != "slices" && name != "behind the end"; broken != faulty {
				t.Errorf("broken: %t, want %t", broken, faulty)
			}
		})
	}
}

func orEnd(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// Close ends what stalls.
func TestCloseEndsWhatStalls(t *testing.T) {
	recordedtest.CheckLeaks(t)
	p := &faultproxy.Proxy{To: shout(t), Fault: func(int) faultproxy.Fault {
		return faultproxy.Fault{Up: faultproxy.Flow{How: faultproxy.Stall}, Down: faultproxy.Flow{How: faultproxy.Stall}}
	}}
	at, err := p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for p.Connections() == 0 {
		runtime.Gosched()
	}
	_, _ = conn.Write([]byte("0"))
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("%d bytes came, %v", n, err)
	}
}

func Example() {
	server, _ := net.Listen("tcp", "127.0.0.1:0")
	defer server.Close()
	go func() { // ends with the server
		conn, err := server.Accept()
		if err == nil {
			_, _ = conn.Write([]byte("hello, world"))
			_ = conn.Close()
		}
	}()
	proxy := &faultproxy.Proxy{To: server.Addr().String(), Fault: func(int) faultproxy.Fault {
		return faultproxy.Fault{Down: faultproxy.Flow{How: faultproxy.End, After: 5}}
	}}
	at, _ := proxy.Listen()
	defer proxy.Close()
	conn, _ := net.Dial("tcp", at)
	defer conn.Close()
	got, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", got, err)
	// Output: hello <nil>
}
