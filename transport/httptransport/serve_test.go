package httptransport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// noLeak fails the test if goroutines outlive it. Call it first, so that it looks last.
func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(time.Minute)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// start runs a server until stop is called, which returns what Serve returned.
func start(t *testing.T, network string, s *httptransport.Server) (address string, stop func(), ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }() // the caller waits for it
	return network + "://" + l.Addr().String(), cancel, done
}

func await[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("it did not happen: %s", what)
	}
	return v
}

// TestLeaving: whoever leaves ends the handler, by context, by Close, and by a connection that breaks.
func TestLeaving(t *testing.T) {
	for _, network := range networks {
		for _, how := range []string{"cancel before the response", "cancel in the stream", "close", "connection"} {
			t.Run(network+" "+how, func(t *testing.T) {
				noLeak(t)
				over := make(chan error, 1)
				inside := make(chan struct{})
				s := &httptransport.Server{}
				count.Serve(s, func(ctx context.Context, req *note) (notes, error) {
					n := 0
					return genai.NewStream(ctx, func() (note, error) {
						if n++; n == 1 && how != "cancel before the response" {
							return note{}, nil
						}
						close(inside)
						<-ctx.Done()
						over <- ctx.Err()
						return note{}, ctx.Err()
					}, nil)
				})
				address := serve(t, network, s)
				c := dial(t, address)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if how == "cancel before the response" {
					go func() { // ends with the test
						<-inside
						cancel()
					}()
					_, err := count.Dial(c)(ctx, &note{})
					if !errors.Is(err, context.Canceled) {
						t.Errorf("got %v", err)
					}
				} else {
					stream, err := count.Dial(c)(ctx, &note{})
					if err != nil {
						t.Fatal(err)
					}
					if _, err := stream.Next(); err != nil {
						t.Fatal(err)
					}
					await(t, inside, "the producer waits")
					switch how {
					case "cancel in the stream":
						cancel()
					case "close":
						_ = stream.Close()
					case "connection":
						_ = stream.Close() // the server sees the same as from a process that died
					}
					if _, err := stream.Next(); !errors.Is(err, context.Canceled) {
						t.Errorf("got %v", err)
					}
				}
				if err := await(t, over, "the handler's context ends"); !errors.Is(err, context.Canceled) {
					t.Errorf("the handler's context ended with %v", err)
				}
			})
		}
	}
}

// TestDrain: running calls finish, new ones are told that they have not started, on old and on new connections.
func TestDrain(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			inside, release := make(chan struct{}), make(chan struct{})
			s := &httptransport.Server{DrainGrace: time.Minute}
			count.Serve(s, func(ctx context.Context, req *note) (notes, error) {
				n := 0
				return genai.NewStream(ctx, func() (note, error) {
					switch n++; n {
					case 1:
						return note{}, nil
					case 2:
						close(inside)
						<-release
						return note{}, nil
					}
					return note{}, io.EOF
				}, nil)
			})
			echo.Serve(s, func(_ context.Context, req *note) (*note, error) { return req, nil })
			address, stop, ended := start(t, network, s)
			c := dial(t, address)
			stream, err := count.Dial(c)(t.Context(), &note{})
			if err != nil {
				t.Fatal(err)
			}
			await(t, inside, "the producer waits")
			if status := get(t, address, "/readyz"); status != 200 {
				t.Errorf("/readyz says %d", status)
			}
			stop()
			for get(t, address, "/readyz") != 503 { // it takes a moment to hear of it
				time.Sleep(time.Millisecond)
			}
			if status := get(t, address, "/livez"); status != 200 {
				t.Errorf("/livez says %d", status)
			}
			for _, client := range []*httptransport.Client{c, dial(t, address)} {
				_, err = echo.Dial(client)(t.Context(), &note{})
				if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedNo {
					t.Errorf("got %v", err)
				}
			}
			close(release)
			drain(t, stream, 2)
			if err := await(t, ended, "Serve returns"); err != nil {
				t.Errorf("Serve returned %v", err)
			}
			_, err = echo.Dial(c)(t.Context(), &note{})
			if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedNo {
				t.Errorf("got %v", err)
			}
		})
	}
}

func get(t *testing.T, address, path string) int {
	t.Helper()
	_, host, _ := strings.Cut(address, "://")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + host + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestGrace: what does not finish is cancelled, and its caller is told why.
func TestGrace(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			cause := make(chan error, 2)
			inside := make(chan struct{}, 2)
			s := &httptransport.Server{DrainGrace: time.Millisecond}
			echo.Serve(s, func(ctx context.Context, req *note) (*note, error) {
				inside <- struct{}{}
				<-ctx.Done()
				cause <- context.Cause(ctx)
				return nil, ctx.Err()
			})
			count.Serve(s, func(ctx context.Context, req *note) (notes, error) {
				n := 0
				return genai.NewStream(ctx, func() (note, error) {
					if n++; n == 1 {
						return note{}, nil
					}
					inside <- struct{}{}
					<-ctx.Done()
					cause <- context.Cause(ctx)
					return note{}, ctx.Err()
				}, nil)
			})
			address, stop, ended := start(t, network, s)
			c := dial(t, address)
			stream, err := count.Dial(c)(t.Context(), &note{})
			if err != nil {
				t.Fatal(err)
			}
			unary := make(chan error, 1)
			go func() { // ends with the call
				_, err := echo.Dial(c)(t.Context(), &note{})
				unary <- err
			}()
			await(t, inside, "a handler waits")
			await(t, inside, "the other handler waits")
			stop()
			var last error
			for _, last = range stream.All() {
			}
			for _, err := range []error{await(t, unary, "the call returns"), last} {
				if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedYes || !e.Remote {
					t.Errorf("got %v", err)
				}
			}
			for range 2 {
				if err := await(t, cause, "the context ends"); !errors.Is(err, genai.Unavailable) {
					t.Errorf("the cause is %v", err)
				}
			}
			if err := await(t, ended, "Serve returns"); err != nil {
				t.Errorf("Serve returned %v", err)
			}
		})
	}
}

// TestStalledReader: a caller who does not read does not keep the server from ending.
func TestStalledReader(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			s := &httptransport.Server{DrainGrace: 50 * time.Millisecond}
			over := make(chan struct{})
			count.Serve(s, func(ctx context.Context, req *note) (notes, error) {
				return genai.NewStream(ctx, func() (note, error) { return note{Text: strings.Repeat("x", 1<<16)}, nil }, func() { close(over) })
			})
			address, stop, ended := start(t, network, s)
			stream, err := count.Dial(dial(t, address))(t.Context(), &note{})
			if err != nil {
				t.Fatal(err)
			}
			stop()
			if err := await(t, ended, "Serve returns"); err != nil {
				t.Errorf("Serve returned %v", err)
			}
			await(t, over, "the producer is released")
			var last error
			for _, last = range stream.All() {
			}
			if !errors.Is(last, genai.Unavailable) {
				t.Errorf("the stream ended with %v", last)
			}
		})
	}
}

func TestReachable(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Skip(err)
	}
	err = (&httptransport.Server{}).Serve(t.Context(), l)
	if e := genai.AsError(err); e == nil || e.Kind != genai.Precondition || e.Field != "listen" {
		t.Errorf("got %v", err)
	}
	if _, err := (&httptransport.Remote{}).Listen("0.0.0.0:0"); !errors.Is(err, genai.Precondition) {
		t.Errorf("got %v", err)
	}
	if _, err := (&httptransport.Remote{}).Listen(":0"); !errors.Is(err, genai.Precondition) {
		t.Errorf("got %v", err)
	}
	open, err := (&httptransport.Remote{Insecure: true}).Listen("0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestListen(t *testing.T) {
	r := &httptransport.Remote{}
	for _, test := range []struct {
		address string
		kind    genai.Kind
	}{
		{"nats://127.0.0.1:0", genai.Unsupported}, {"https://127.0.0.1:0", genai.Unsupported}, {"8080", genai.InvalidRequest},
		{"127.0.0.1", genai.InvalidRequest}, {"unix:", genai.InvalidRequest}, {"127.0.0.1:http-please", genai.Unavailable}, {"unix:/nowhere/at.all", genai.Unavailable},
	} {
		_, err := r.Listen(test.address)
		if e := genai.AsError(err); e == nil || e.Kind != test.kind || e.Field != "listen" {
			t.Errorf("%s: %v", test.address, err)
		}
	}
	socket := "unix:" + filepath.Join(t.TempDir(), "s")
	for _, address := range []string{"127.0.0.1:0", "localhost:0", "http://127.0.0.1:0", socket} {
		t.Run(address, func(t *testing.T) {
			noLeak(t)
			l, err := r.Listen(address)
			if err != nil {
				t.Fatal(err)
			}
			echo.Serve(l, func(_ context.Context, req *note) (*note, error) { return req, nil })
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx) }() // waited for below
			defer func() {
				cancel()
				if err := await(t, done, "Run returns"); err != nil {
					t.Error(err)
				}
			}()
			url := l.(interface{ String() string }).String()
			c, err := r.Dial(url)
			if err != nil {
				t.Fatal(err)
			}
			defer c.(*httptransport.Client).CloseIdleConnections()
			if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
				t.Error(err)
			}
			_, err = r.Listen(strings.TrimPrefix(url, "http://"))
			if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable || e.Field != "listen" || !strings.Contains(e.Message, "is in use") {
				t.Errorf("listening twice: %v", err)
			}
		})
	}
}

// TestAbandonedSocket: what a killed process left behind is no obstacle; what somebody else put there is.
func TestAbandonedSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	again, err := (&httptransport.Remote{}).Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := again.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&httptransport.Remote{}).Listen("unix:" + path); !errors.Is(err, genai.Unavailable) {
		t.Errorf("got %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Error("the file is gone")
	}
}

func TestDial(t *testing.T) {
	r := &httptransport.Remote{}
	for _, test := range []struct {
		address string
		kind    genai.Kind // empty: it is an address
	}{
		{"http://127.0.0.1:1", ""}, {"https://example.com", ""}, {"h2c://[::1]:8080", ""}, {"unix:/run/s", ""}, {"unix:///run/s", ""}, {"http://host/prefix/", ""},
		{"nats://host:1", genai.Unsupported}, {"127.0.0.1:8080", genai.Unsupported}, {"", genai.Unsupported}, {"ftp://x", genai.Unsupported},
		{"http://", genai.InvalidRequest}, {"http://:80", genai.InvalidRequest}, {"unix:", genai.InvalidRequest}, {"http://host:port", genai.InvalidRequest},
		{"http://me:secret@host", genai.InvalidRequest}, {"http://host?x=1", genai.InvalidRequest}, {"http://host/%zz", genai.InvalidRequest}, {"http://host/#x", genai.InvalidRequest},
	} {
		_, err := r.Dial(test.address)
		if test.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", test.address, err)
			}
			continue
		}
		_, called := echo.Dial(&httptransport.Client{Address: test.address})(t.Context(), &note{})
		for _, err := range []error{err, called} {
			e := genai.AsError(err)
			if e == nil || e.Kind != test.kind || e.Field != "address" || e.Started != genai.StartedNo {
				t.Errorf("%s: %v", test.address, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		}
	}
}

// TestPrefix: a server may stand behind a path.
func TestPrefix(t *testing.T) {
	s := testServer()
	mux := http.NewServeMux()
	mux.Handle("/ai/", http.StripPrefix("/ai", s))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() { // ends with the server
		defer close(done)
		_ = server.Serve(l)
	}()
	defer func() {
		_ = server.Close()
		<-done
	}()
	if _, err := echo.Dial(dial(t, "http://"+l.Addr().String()+"/ai/"))(t.Context(), &note{}); err != nil {
		t.Error(err)
	}
}

// TestRestart: a client needs no help to find a server that has come back.
func TestRestart(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			r := &httptransport.Remote{}
			address := "127.0.0.1:0"
			if network == "unix" {
				address = "unix:" + filepath.Join(t.TempDir(), "s")
			}
			var c *httptransport.Client
			for range 3 {
				l, err := r.Listen(address)
				if err != nil {
					t.Fatal(err)
				}
				echo.Serve(l, func(_ context.Context, req *note) (*note, error) { return req, nil })
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- l.Run(ctx) }() // waited for below
				url := l.(interface{ String() string }).String()
				address = strings.TrimPrefix(url, "http://")
				if c == nil {
					if network == "h2c" {
						url = "h2c" + strings.TrimPrefix(url, "http")
					}
					c = dial(t, url)
				}
				if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
					t.Error(err)
				}
				cancel()
				if err := await(t, done, "Run returns"); err != nil {
					t.Error(err)
				}
				_, err = echo.Dial(c)(t.Context(), &note{})
				if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable {
					t.Errorf("nobody is there, but: %v", err)
				}
			}
		})
	}
}

var _ transport.Remote = (*httptransport.Remote)(nil)
