package httptransport_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

type note struct {
	Text string     `json:"text"`
	N    int        `json:"n,omitzero"`
	Blob genai.Blob `json:"blob,omitzero"`
}

type notes = *genai.Stream[note]

var (
	echo  = transport.Op[*note, *note]{Name: "test.echo", MaxBytes: 1 << 20}
	count = transport.Op[*note, notes]{Name: "test.count", MaxBytes: 1 << 20}
)

// networks are the ways in which a client may reach a server.
var networks = []string{"http", "h2c", "unix"}

// serve runs a server until the test ends, and returns its address.
func serve(t testing.TB, network string, s *httptransport.Server) string {
	t.Helper()
	var l net.Listener
	var err error
	address := ""
	if network == "unix" {
		path := filepath.Join(t.TempDir(), "s")
		l, err = net.Listen("unix", path)
		address = "unix:" + path
	} else {
		l, err = net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			address = network + "://" + l.Addr().String()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }() // the cleanup waits for it
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	return address
}

func dial(t testing.TB, address string) *httptransport.Client {
	c := &httptransport.Client{Address: address}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func counting(ctx context.Context, req *note) (notes, error) {
	return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
		for i := range req.N {
			if !yield(note{Text: fmt.Sprint(i), N: i, Blob: req.Blob}) {
				return ctx.Err()
			}
		}
		return nil
	})
}

func TestUnaryAndStream(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			s := &httptransport.Server{}
			echo.Serve(s, func(ctx context.Context, req *note) (*note, error) {
				if deadline, ok := ctx.Deadline(); ok {
					req.N = int(time.Until(deadline).Seconds() + 0.5)
				}
				return req, nil
			})
			count.Serve(s, counting)
			c := dial(t, serve(t, network, s))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for _, blob := range []genai.Blob{{}, genai.NewBlob("image/png", []byte("bytes"))} {
				got, err := echo.Dial(c)(ctx, &note{Text: "hello", Blob: blob})
				if err != nil {
					t.Fatal(err)
				}
				if got.Text != "hello" || got.N != 20 || string(got.Blob.Bytes()) != string(blob.Bytes()) {
					t.Errorf("got %+v", got)
				}
				stream, err := count.Dial(c)(ctx, &note{N: 10, Blob: blob})
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; ; i++ {
					piece, err := stream.Next()
					if err == io.EOF && i == 10 {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if piece.N != i || string(piece.Blob.Bytes()) != string(blob.Bytes()) {
						t.Errorf("piece %d is %+v", i, piece)
					}
				}
			}
		})
	}
}
