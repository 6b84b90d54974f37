package httptransport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// TestMethodInFlight: one operation is full, the others are not, and neither is the server.
func TestMethodInFlight(t *testing.T) {
	noLeak(t)
	inside, release := make(chan struct{}, 3), make(chan struct{})
	s := &httptransport.Server{MaxInFlight: 3, Limits: httptransport.Limits{Methods: map[string]httptransport.Method{"test.echo": {MaxInFlight: 2}}}}
	waits := func(_ context.Context, req *note) (*note, error) {
		inside <- struct{}{}
		<-release
		return req, nil
	}
	echo.Serve(s, waits)
	fetch.Serve(s, waits)
	client := dial(t, serve(t, "http", s))
	results := make(chan error, 3)
	begin := func(op transport.Op[*note, *note]) {
		go func() { // ends with the call
			_, err := op.Dial(client)(t.Context(), &note{})
			results <- err
		}()
		await(t, inside, "the handler waits")
	}
	refused := func(op transport.Op[*note, *note], want string) {
		t.Helper()
		_, err := op.Dial(client)(t.Context(), &note{})
		if e := genai.AsError(err); genai.KindOf(err) != genai.Overloaded || e.Started != genai.StartedNo || e.RetryAfter == 0 || !strings.Contains(e.Message, want) {
			t.Errorf("got %+v", e)
		}
	}
	begin(echo)
	begin(echo)
	refused(echo, "2 calls of test.echo")
	begin(fetch)
	refused(fetch, "3 calls are running")
	close(release)
	for range 3 {
		if err := await(t, results, "a call returns"); err != nil {
			t.Error(err)
		}
	}
	if _, err := echo.Dial(client)(t.Context(), &note{}); err != nil {
		t.Errorf("there is room again, but: %v", err)
	}
}

// TestMethodTime: an operation has a limit of time, whatever the caller grants; a caller who grants less is the one whose time was up.
func TestMethodTime(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			const most = 50 * time.Millisecond
			s := &httptransport.Server{Limits: httptransport.Limits{Methods: map[string]httptransport.Method{"test.echo": {MaxTime: most}, "test.count": {MaxTime: most}}}}
			causes := make(chan error, 10)
			echo.Serve(s, func(ctx context.Context, _ *note) (*note, error) {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return nil, ctx.Err()
			})
			count.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
				n := 0
				return genai.NewStream(ctx, func() (note, error) {
					if n++; n == 1 {
						return note{}, nil
					}
					<-ctx.Done()
					return note{}, ctx.Err()
				}, nil)
			})
			client := dial(t, serve(t, network, s))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			tooLong := func(err error, op string) {
				t.Helper()
				if e := genai.AsError(err); genai.KindOf(err) != genai.Timeout || !e.Remote || e.Started != genai.StartedYes || !strings.Contains(e.Message, "the limit of "+op) {
					t.Errorf("got %+v", e)
				}
			}
			for _, ctx := range []context.Context{t.Context(), ctx} {
				_, err := echo.Dial(client)(ctx, &note{})
				tooLong(err, "test.echo")
				if err := await(t, causes, "the handler's context ends"); !errors.Is(err, genai.Timeout) {
					t.Errorf("the cause is %v", err)
				}
			}
			stream, last := count.Dial(client)(ctx, &note{})
			if last == nil { // on a busy machine the time may be up before the first piece is there
				for _, last = range stream.All() {
				}
			}
			tooLong(last, "test.count")
			short, cancel := context.WithTimeout(t.Context(), most/10)
			defer cancel()
			if _, err := echo.Dial(client)(short, &note{}); genai.KindOf(err) != genai.DeadlineExceeded {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestLimitsOfRemote: what is set for a Remote counts for the servers that it makes.
func TestLimitsOfRemote(t *testing.T) {
	noLeak(t)
	l, err := (&httptransport.Remote{MaxInFlight: 1, Limits: httptransport.Limits{Methods: map[string]httptransport.Method{"test.echo": {MaxTime: time.Millisecond}}}}).Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	echo.Serve(l, func(ctx context.Context, _ *note) (*note, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }() // waited for below
	client := dial(t, l.(interface{ String() string }).String())
	if _, err := echo.Dial(client)(t.Context(), &note{}); genai.KindOf(err) != genai.Timeout {
		t.Errorf("got %v", err)
	}
	client.CloseIdleConnections()
	cancel()
	if err := await(t, ended, "Run returns"); err != nil {
		t.Error(err)
	}
}

// TestNoLimits: who wants no limit has none, and a writer without deadlines breaks nothing.
func TestNoLimits(t *testing.T) {
	s := &httptransport.Server{Limits: httptransport.Limits{Header: -1, Body: -1, Idle: -1, Stall: -1}}
	echo.Serve(s, func(_ context.Context, req *note) (*note, error) { return req, nil })
	count.Serve(s, counting)
	client := dial(t, serve(t, "http", s))
	if got, err := echo.Dial(client)(t.Context(), &note{Text: strings.Repeat("x", 1<<19)}); err != nil || len(got.Text) != 1<<19 {
		t.Error(err)
	}
	stream, err := count.Dial(client)(t.Context(), &note{N: 3})
	if err != nil {
		t.Fatal(err)
	}
	drain(t, stream, 3)
	plain := &plainWriter{header: http.Header{}}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://localhost/test/echo", strings.NewReader(`{"text":"hi"}`))
	if err != nil {
		t.Fatal(err)
	}
	(&httptransport.Server{Limits: httptransport.Limits{Body: time.Nanosecond}}).ServeHTTP(plain, r)
	if s.ServeHTTP(plain, r); !strings.Contains(plain.text.String(), "hi") {
		t.Errorf("got %s", plain.text.String())
	}
}

// plainWriter is a response as somebody else may make it.
type plainWriter struct {
	header http.Header
	text   strings.Builder
}

func (p *plainWriter) Header() http.Header         { return p.header }
func (p *plainWriter) WriteHeader(int)             {}
func (p *plainWriter) Write(b []byte) (int, error) { return p.text.Write(b) }

// TestStreamsTakeTheirTime: what bounds requests, idle connections and slow readers does not bound a stream that is read.
func TestStreamsTakeTheirTime(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		t.Run(network, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const limit = 30 * time.Millisecond
				s := &httptransport.Server{Limits: httptransport.Limits{Header: limit, Body: limit, Idle: limit, Stall: limit}}
				count.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
					n := 0
					return genai.NewStream(ctx, func() (note, error) {
						if n++; n > 5 {
							return note{}, io.EOF
						}
						time.Sleep(time.Minute) // as a model may
						return note{N: n}, nil
					}, nil)
				})
				stream, err := count.Dial(remember(t, s).client(t, network))(t.Context(), &note{})
				if err != nil {
					t.Fatal(err)
				}
				drain(t, stream, 5)
			})
		})
	}
}
