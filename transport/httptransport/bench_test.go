package httptransport_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// versus measures ours beside plain net/http, turn by turn so that a noisy machine is noisy for both, and reports how much
// longer ours takes.
func versus(b *testing.B, ours, plain func(b *testing.B)) {
	b.Helper()
	ours(b)
	plain(b)
	var spent [2]time.Duration
	b.ReportAllocs()
	for b.Loop() {
		for i, f := range []func(*testing.B){ours, plain} {
			began := time.Now()
			f(b)
			spent[i] += time.Since(began)
		}
	}
	n := float64(b.N)
	b.ReportMetric(float64(spent[0].Microseconds())/n, "ours-µs")
	b.ReportMetric(float64(spent[1].Microseconds())/n, "plain-µs")
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "ratio")
	b.ReportMetric(0, "ns/op")
}

func plainServer(b *testing.B, h http.HandlerFunc) (url string, client *http.Client) {
	server := httptest.NewServer(h)
	b.Cleanup(server.Close)
	return server.URL, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}}
}

// echoJSON is what a program without us would do: decode, encode, and check nothing.
func echoJSON(w http.ResponseWriter, r *http.Request) {
	req := &note{}
	if err := json.NewDecoder(r.Body).Decode(req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(req)
}

func plainEcho(url string, client *http.Client, req *note) error {
	text, _ := json.Marshal(req)
	resp, err := client.Post(url, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got := &note{}
	return json.NewDecoder(resp.Body).Decode(got)
}

func BenchmarkUnary1KB(b *testing.B) {
	s := &httptransport.Server{}
	echo.Serve(s, func(_ context.Context, req *note) (*note, error) { return req, nil })
	call := echo.Dial(dial(b, serve(b, "http", s)))
	url, client := plainServer(b, echoJSON)
	req := &note{Text: strings.Repeat("x", 1000)}
	versus(b, func(b *testing.B) {
		if _, err := call(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}, func(b *testing.B) {
		if err := plainEcho(url, client, req); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkSeveral1KB is what choosing one of eight servers costs, beside a client of one.
func BenchmarkSeveral1KB(b *testing.B) {
	all := replicate(b, "http", here(8)...)
	eight := echo.Dial(dial(b, addresses(all)))
	keyed := dial(b, addresses(all))
	keyed.Affinity = func(_ context.Context, req any) string { return req.(*note).Text[:8] }
	one := echo.Dial(dial(b, all[0].address))
	req := &note{Text: strings.Repeat("x", 1000)}
	run := func(call genai.Handler[*note, *note]) func(b *testing.B) {
		return func(b *testing.B) {
			if _, err := call(b.Context(), req); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("any", func(b *testing.B) { versus(b, run(eight), run(one)) })
	b.Run("keyed", func(b *testing.B) { versus(b, run(echo.Dial(keyed)), run(one)) })
}

func BenchmarkUnary1KBParallel(b *testing.B) {
	s := &httptransport.Server{}
	echo.Serve(s, func(_ context.Context, req *note) (*note, error) { return req, nil })
	call := echo.Dial(dial(b, serve(b, "http", s)))
	url, client := plainServer(b, echoJSON)
	req := &note{Text: strings.Repeat("x", 1000)}
	run := func(f func() error) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := f(); err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
	b.Run("ours", run(func() error { _, err := call(context.Background(), req); return err }))
	b.Run("plain", run(func() error { return plainEcho(url, client, req) }))
}

func BenchmarkStream256(b *testing.B) {
	for _, network := range networks {
		b.Run(network, func(b *testing.B) {
			s := &httptransport.Server{}
			tokens.Serve(s, produce)
			call := tokens.Dial(dial(b, serve(b, network, s)))
			url, client := plainServer(b, plainEvents)
			versus(b, func(b *testing.B) {
				stream, err := call(b.Context(), &note{N: 256})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for _, err := range stream.All() {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 256 {
					b.Fatalf("%d pieces", n)
				}
			}, func(b *testing.B) { readEvents(b, url, client) })
		})
	}
}

// BenchmarkCredit256 is the same stream with credit for 32 pieces, beside one without.
func BenchmarkCredit256(b *testing.B) {
	for _, network := range networks {
		b.Run(network, func(b *testing.B) {
			credited := tokens
			credited.Ahead = 32
			s := &httptransport.Server{}
			tokens.Serve(s, produce)
			c := dial(b, serve(b, network, s))
			read := func(call genai.Handler[*note, *genai.Stream[token]]) func(b *testing.B) {
				return func(b *testing.B) {
					stream, err := call(b.Context(), &note{N: 256})
					if err != nil {
						b.Fatal(err)
					}
					for _, err := range stream.All() {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			versus(b, read(credited.Dial(c)), read(tokens.Dial(c)))
		})
	}
}

// A token is a piece as models send it.
type token struct {
	Text string `json:"text,omitzero"`
	N    int    `json:"n,omitzero"`
}

var tokens = transport.Op[*note, *genai.Stream[token]]{Name: "test.tokens"}

// produce is as fast as can be.
func produce(ctx context.Context, req *note) (*genai.Stream[token], error) {
	n := 0
	return genai.NewStream(ctx, func() (token, error) {
		if n == req.N {
			return token{}, io.EOF
		}
		n++
		return token{Text: "twenty bytes of text"}, nil
	}, nil)
}

func pieces(ctx context.Context, req *note) (notes, error) {
	n := 0
	return genai.NewStream(ctx, func() (note, error) {
		if n == req.N {
			return note{}, io.EOF
		}
		n++
		return note{Text: "twenty bytes of text"}, nil
	}, nil)
}

func drain(b testing.TB, stream notes, want int) {
	n := 0
	for _, err := range stream.All() {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	if n != want {
		b.Fatalf("%d pieces", n)
	}
}

// plainEvents sends 256 events, and flushes after each.
func plainEvents(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	for range 256 {
		text, _ := json.Marshal(token{Text: "twenty bytes of text"})
		fmt.Fprintf(w, "data: %s\n\n", text)
		_ = rc.Flush()
	}
}

func readEvents(b *testing.B, url string, client *http.Client) {
	resp, err := client.Post(url, "application/json", strings.NewReader("{}"))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	n := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok {
			var got token
			if err := json.Unmarshal(data, &got); err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	if n != 256 {
		b.Fatalf("%d events", n)
	}
}

// BenchmarkStream256Events is what a stream costs whose pieces are events and not frames: why a Client asks for frames.
func BenchmarkStream256Events(b *testing.B) {
	s := &httptransport.Server{}
	tokens.Serve(s, produce)
	c := &httptransport.Client{Address: serve(b, "http", s)}
	own := &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}
	defer own.CloseIdleConnections()
	c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		r.Header.Set("Accept", "text/event-stream")
		return own.RoundTrip(r)
	})
	call := tokens.Dial(c)
	b.ReportAllocs()
	for b.Loop() {
		stream, err := call(b.Context(), &note{N: 256})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range stream.All() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkStream256Alone is for profiles.
func BenchmarkStream256Alone(b *testing.B) {
	s := &httptransport.Server{}
	tokens.Serve(s, produce)
	call := tokens.Dial(dial(b, serve(b, "http", s)))
	b.ReportAllocs()
	for b.Loop() {
		stream, err := call(b.Context(), &note{N: 256})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range stream.All() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkFirstPiece(b *testing.B) {
	s := &httptransport.Server{}
	count.Serve(s, pieces)
	call := count.Dial(dial(b, serve(b, "http", s)))
	url, client := plainServer(b, plainEvents)
	versus(b, func(b *testing.B) {
		stream, err := call(b.Context(), &note{N: 256})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = stream.Next()
		_ = stream.Close()
	}, func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = bufio.NewReader(resp.Body).ReadString('\n')
		cancel()
		_ = resp.Body.Close()
	})
}

var picture = transport.Op[*note, *note]{Name: "test.picture"}

func BenchmarkBlob1MiB(b *testing.B) {
	data := bytes.Repeat([]byte("picture "), 1<<17)
	s := &httptransport.Server{}
	picture.Serve(s, func(context.Context, *note) (*note, error) { return &note{Blob: genai.NewBlob("image/png", data)}, nil })
	call := picture.Dial(dial(b, serve(b, "http", s)))
	url, client := plainServer(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data)
	})
	versus(b, func(b *testing.B) {
		got, err := call(b.Context(), &note{})
		if err != nil || got.Blob.Len() != len(data) {
			b.Fatal(got, err)
		}
	}, func(b *testing.B) {
		resp, err := client.Post(url, "application/json", strings.NewReader("{}"))
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		body := make([]byte, resp.ContentLength)
		if _, err := io.ReadFull(resp.Body, body); err != nil {
			b.Fatal(err)
		}
	})
}
