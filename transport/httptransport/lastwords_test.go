package httptransport

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
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
		if _, err := dialled.(*hearer).Conn.Write([]byte("x")); err != nil {
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

// TestGoodbyeBeforeTheFirstWord: a server says goodbye to somebody who has said nothing so far, and who begins with HTTP/2 just then. Nobody
// has seen the call.
func TestGoodbyeBeforeTheFirstWord(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // waited for below
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(goodbye())
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	type word struct{ Text string }
	op := transport.Op[*word, *word]{Name: "test.word"}
	client := &Client{Address: "h2c://" + l.Addr().String()}
	_, err = op.Dial(client)(t.Context(), &word{})
	if e := genai.AsError(err); genai.KindOf(err) != genai.Unavailable || e.Started != genai.StartedNo {
		t.Errorf("got %+v", e)
	}
	client.CloseIdleConnections()
	l.Close()
	<-ended
}

// TestOtherProtocol: a server that does not speak HTTP/2 has seen nothing of what was said in it.
func TestOtherProtocol(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler()) // of HTTP/1.1
	defer s.Close()
	type word struct{ Text string }
	op := transport.Op[*word, *word]{Name: "test.word"}
	client := &Client{Address: "h2c" + strings.TrimPrefix(s.URL, "http")}
	defer client.CloseIdleConnections()
	_, err := op.Dial(client)(context.Background(), &word{})
	if e := genai.AsError(err); genai.KindOf(err) != genai.Unavailable || e.Started != genai.StartedNo {
		t.Errorf("got %+v", e)
	}
}
