package httptransport_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// Frames of HTTP/2 by hand (RFC 9113, section 6), for somebody who does not keep to its rules.
const (
	h2Headers  = 1
	h2Reset    = 3
	h2Settings = 4
	h2Continue = 9
)

func h2Frame(dst []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	dst = append(dst, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(dst, stream), payload...)
}

// h2Call is the headers of a call in HPACK (RFC 7541): POST and http by their numbers, the others spelled out.
func h2Call(path string) []byte {
	block := []byte{0x83, 0x86, 0x04, byte(len(path))}
	block = append(block, path...)
	const authority = "localhost"
	return append(append(block, 0x01, byte(len(authority))), authority...)
}

func h2Connect(t *testing.T, address string) net.Conn {
	conn := connect(t, address)
	if _, err := conn.Write(h2Frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), h2Settings, 0, 0, nil)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestRapidReset: who begins calls and takes them back at once does not get more work done at a time than anybody else, and others
// are served meanwhile. See CVE-2023-44487.
func TestRapidReset(t *testing.T) {
	noLeak(t)
	var running, most atomic.Int32
	s := &httptransport.Server{MaxInFlight: 300}
	echo.Serve(s, func(ctx context.Context, _ *note) (*note, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		<-ctx.Done() // a handler that heeds its context
		return nil, ctx.Err()
	})
	var calls atomic.Int32
	whoami.Serve(s, names(&calls))
	address := serve(t, "http", s)
	conn := h2Connect(t, address)
	closed := make(chan struct{})
	go func() { // ends with the connection
		defer close(closed)
		_, _ = io.Copy(io.Discard, conn)
	}()
	other := whoami.Dial(dial(t, address))
	stream := uint32(1)
	for range 100 {
		var burst []byte
		for range 100 {
			burst = h2Frame(burst, h2Headers, 0x5, stream, h2Call("/test/echo")) // END_STREAM and END_HEADERS
			burst = h2Frame(burst, h2Reset, 0, stream, []byte{0, 0, 0, 8})
			stream += 2
		}
		if _, err := conn.Write(burst); err != nil {
			break // the server has had enough
		}
		if _, err := other(t.Context(), &note{}); err != nil {
			t.Fatalf("somebody else: %v", err)
		}
	}
	conn.Close()
	<-closed
	t.Logf("%d calls were begun; at most %d ran at a time", stream/2, most.Load())
	if most.Load() > 300 {
		t.Errorf("%d handlers ran at a time", most.Load())
	}
}

// TestEndlessHeaders: headers that go on from frame to frame are bounded. See CVE-2023-45288.
func TestEndlessHeaders(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	s := &httptransport.Server{}
	whoami.Serve(s, names(&calls))
	conn := h2Connect(t, serve(t, "http", s))
	closed := make(chan struct{})
	go func() { // ends with the connection
		defer close(closed)
		_, _ = io.Copy(io.Discard, conn)
	}()
	if _, err := conn.Write(h2Frame(nil, h2Headers, 0, 1, h2Call("/test/whoami"))); err != nil {
		t.Fatal(err)
	}
	field := append([]byte{0x00, 1, 'x', 100}, make([]byte, 100)...)
	for i := range 100 {
		field[4+i] = 'y'
	}
	var more []byte
	for range 100 {
		more = append(more, field...)
	}
	ended := false
	for range 1000 { // 10 MB
		if _, err := conn.Write(h2Frame(nil, h2Continue, 0, 1, more)); err != nil {
			ended = true
			break
		}
	}
	if !ended {
		t.Error("the server takes all of it")
	}
	conn.Close()
	<-closed
	if calls.Load() != 0 {
		t.Error("a handler was called")
	}
}
