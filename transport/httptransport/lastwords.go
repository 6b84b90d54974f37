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
type hearer struct{ net.Conn }

// Write implements [net.Conn].
func (h hearer) Write(p []byte) (int, error) {
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
		return hearer{conn}, nil
	}
}
