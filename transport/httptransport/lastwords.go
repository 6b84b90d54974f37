package httptransport

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// A hearer is a connection of a client that speaks HTTP/2. Where the server has closed it, writing to it succeeds: what the server has said
// before that is still to be read, and that is the GOAWAY which says whether anybody has seen the request. Package net/http would
// tell of a broken pipe, of which nobody knows what it means.
//
// A server that ends says goodbye in HTTP/1.1 to those who have said nothing for a while, and may so come before the first word of a
// caller on a busy machine. Whoever answers in HTTP/1.1 has not seen a request of HTTP/2, for a server of that begins with a
// SETTINGS frame.
type hearer struct {
	net.Conn
	heard bool // something; of the one goroutine that reads
}

var errOtherProtocol = errors.New("the server answers in HTTP/1.1")

// Read implements [net.Conn].
func (h *hearer) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if n > 0 && !h.heard {
		if h.heard = true; p[0] == 'H' { // no frame of settings is as long as one with this byte in front
			return 0, errOtherProtocol
		}
	}
	return n, err
}

// Write implements [net.Conn].
func (h *hearer) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(p), nil // whoever reads learns that it is over
	}
	return n, err
}

type dialFunc = func(ctx context.Context, network, host string) (net.Conn, error)

// hearing lets the connections that dial makes be read to their end.
func hearing(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, host string) (net.Conn, error) {
		conn, err := dial(ctx, network, host)
		if err != nil {
			return nil, err
		}
		return &hearer{Conn: conn}, nil
	}
}
