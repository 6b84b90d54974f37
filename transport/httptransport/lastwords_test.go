package httptransport

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestLastWords: what a server has said before it closed a connection is heard, though the caller was writing.
func TestLastWords(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := hearing((&net.Dialer{}).DialContext)(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialled.Close()
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Write([]byte("go away")); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	broken := false
	for range 1000 { // until the system knows that nobody is there
		if n, err := dialled.Write([]byte("a request")); n != len("a request") || err != nil {
			t.Fatalf("%d bytes were written: %v", n, err)
		}
		if _, err := dialled.(hearer).Conn.Write([]byte("x")); err != nil {
			broken = true
			break
		}
		time.Sleep(time.Millisecond)
	}
	if !broken {
		t.Fatal("the connection does not end")
	}
	if n, err := dialled.Write([]byte("a request")); n != len("a request") || err != nil {
		t.Errorf("%d bytes were written: %v", n, err)
	}
	_ = dialled.SetReadDeadline(time.Now().Add(10 * time.Second)) // a bound for the test
	if text, err := io.ReadAll(dialled); string(text) != "go away" {
		t.Errorf("heard %q, %v", text, err)
	}
}
