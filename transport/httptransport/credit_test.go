package httptransport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// worth returns an operation whose pieces are worth waiting for.
func worth(ahead int) transport.Op[*note, notes] {
	return transport.Op[*note, notes]{Name: "test.worth", MaxBytes: 1 << 20, Ahead: ahead}
}

// drawn serves a producer that counts the pieces it makes.
func drawn(t *testing.T, network string, op transport.Op[*note, notes]) (c *httptransport.Client, made *atomic.Int32) {
	made = &atomic.Int32{}
	s := &httptransport.Server{}
	op.Serve(s, func(ctx context.Context, req *note) (notes, error) {
		if req.Text == "refuse" {
			return nil, genai.Errorf(genai.Overloaded, "not now")
		}
		return genai.NewStream(ctx, func() (note, error) {
			n := int(made.Add(1))
			switch {
			case n <= req.N:
				return note{N: n, Blob: req.Blob}, nil
			case req.Text == "fail":
				return note{}, genai.Errorf(genai.Truncated, "it broke")
			}
			return note{}, io.EOF
		}, nil)
	})
	return dial(t, serve(t, network, s)), made
}

// A producer waits for its reader. All calls of a kind go over one connection, which each of them leaves as it was.
func TestCredit(t *testing.T) {
	blob := genai.NewBlob("image/png", []byte(strings.Repeat("pixel", 1000)))
	for _, network := range networks {
		for _, ahead := range []int{1, 2, 7, 1000} {
			t.Run(fmt.Sprint(network, " ", ahead), func(t *testing.T) {
				noLeak(t)
				c, made := drawn(t, network, worth(ahead))
				connections := 0
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
					if !info.Reused {
						connections++
					}
				}})
				for _, req := range []*note{{N: 60}, {N: 0}, {N: 60, Text: "fail"}, {Text: "refuse"}, {N: 3, Blob: blob}, {N: 60}} {
					made.Store(0)
					s, err := worth(ahead).Dial(c)(ctx, req)
					if req.Text == "refuse" {
						if !errors.Is(err, genai.Overloaded) {
							t.Errorf("got %v", err)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					for i := 1; ; i++ {
						piece, err := s.Next()
						if n := int(made.Load()); n > i+ahead+1 { // the stream itself holds the first
							t.Errorf("%d pieces were made when %d were taken", n, i)
						}
						if err != nil {
							if i <= req.N || (err == io.EOF) == (req.Text == "fail") {
								t.Errorf("the stream of %d ended at %d with %v", req.N, i, err)
							}
							break
						}
						if piece.N != i || piece.Blob.Len() != req.Blob.Len() {
							t.Fatalf("piece %d is %+v", i, piece)
						}
					}
					s.Close()
				}
				if connections > 1 {
					t.Errorf("six calls needed %d connections", connections)
				}
			})
		}
	}
}

// Whoever leaves ends the work, also while the producer waits for credit.
func TestCreditOfSomebodyWhoLeaves(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			over := make(chan error, 1)
			s := &httptransport.Server{}
			op := worth(2)
			op.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
				context.AfterFunc(ctx, func() { over <- ctx.Err() })
				return genai.NewStream(ctx, func() (note, error) { return note{}, nil }, nil)
			})
			c := dial(t, serve(t, network, s))
			for _, leave := range []func(context.CancelFunc, notes){
				func(_ context.CancelFunc, s notes) { s.Close() },
				func(cancel context.CancelFunc, _ notes) { cancel() },
			} {
				ctx, cancel := context.WithCancel(t.Context())
				stream, err := op.Dial(c)(ctx, &note{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Next(); err != nil {
					t.Fatal(err)
				}
				leave(cancel, stream)
				if err := await(t, over, "the work ends"); !errors.Is(err, context.Canceled) {
					t.Errorf("the handler's context ended with %v", err)
				}
				stream.Close()
				cancel()
			}
		})
	}
}

// What is no credit ends the call; a request that ends takes all that comes.
func TestBentCredit(t *testing.T) {
	message := "m\x00\x00\x00\x02{}"
	for _, network := range []string{"http", "h2c"} {
		for name, test := range map[string]struct {
			credit, body string
			status       int
			pieces       int
		}{
			"all of it":         {"1", message, 200, 9},
			"enough":            {"1", message + "c\x00\x00\x00\x04\x00\x00\x00\x08", 200, 9},
			"more than enough":  {"1", message + strings.Repeat("c\x00\x00\x00\x04\xff\xff\xff\xff", 3), 200, 9},
			"none":              {"0", message, 400, 0},
			"negative":          {"-1", message, 400, 0},
			"no number":         {"many", message, 400, 0},
			"no message":        {"1", "", 400, 0},
			"half a message":    {"1", message[:5], 400, 0},
			"credit too early":  {"1", "c\x00\x00\x00\x04\x00\x00\x00\x08" + message, 400, 0},
			"a message too big": {"1", "m\x7f\x00\x00\x02{}", 413, 0},
			"no request":        {"1", "m\x00\x00\x00\x02[]", 400, 0},
		} {
			t.Run(network+" "+name, func(t *testing.T) {
				noLeak(t)
				s := &httptransport.Server{}
				worth(1).Serve(s, counting)
				address := serve(t, network, s)
				client := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}}
				client.Transport.(*http.Transport).Protocols.SetHTTP1(network == "http")
				client.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(network == "h2c")
				defer client.CloseIdleConnections()
				body := strings.Replace(test.body, "\x00\x00\x00\x02{}", "\x00\x00\x00\x07{\"n\":9}", 1)
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(address, "h2c:", "http:", 1)+"/test/worth", io.MultiReader(strings.NewReader(body)))
				r.Header.Set("Content-Type", "application/vnd.dovetail.frames")
				r.Header.Set("Accept", "application/vnd.dovetail.frames")
				r.Header.Set("Dovetail-Credit", test.credit)
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != test.status {
					t.Fatalf("status %d, %q, %v", resp.StatusCode, got, err)
				}
				if n := strings.Count(string(got), `"text"`); n != test.pieces {
					t.Errorf("%d pieces came, want %d: %q", n, test.pieces, got)
				}
			})
		}
	}
}
