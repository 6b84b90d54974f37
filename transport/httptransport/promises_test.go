package httptransport_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// D5 of package transporttest: a server says of each service whether it takes calls, of those that it does not have that it does
// not, and that it is about to end, as long as there is somebody to ask.
func TestD5ReadyOfEachService(t *testing.T) {
	noLeak(t)
	s := &httptransport.Server{}
	inside, release := make(chan struct{}), make(chan struct{})
	echo.Serve(s, func(_ context.Context, n *note) (*note, error) {
		close(inside)
		<-release
		return n, nil
	})
	transport.Op[*note, *note]{Name: "other.echo"}.Serve(s, func(_ context.Context, n *note) (*note, error) { return n, nil })
	address, stop, ended := start(t, "http", s)
	says := func(want map[string]int) {
		t.Helper()
		for path, status := range want {
			if got := get(t, address, path); got != status {
				t.Errorf("%s says %d, want %d", path, got, status)
			}
		}
	}
	says(map[string]int{"/readyz": 200, "/readyz/test": 200, "/readyz/other": 200, "/readyz/oth": 404, "/readyz/": 200, "/readyz/other.echo": 404, "/readyz/other/echo": 404})
	result := make(chan error, 1)
	c := dial(t, address)
	go func() { // waited for below
		_, err := echo.Dial(c)(t.Context(), &note{})
		result <- err
	}()
	await(t, inside, "the handler works")
	stop()
	for get(t, address, "/readyz") != http.StatusServiceUnavailable { // it takes a moment to hear of it
	}
	says(map[string]int{"/readyz/test": 503, "/readyz/other": 503, "/readyz/nobody": 404, "/livez": 200})
	close(release)
	if err := await(t, result, "the call returns"); err != nil {
		t.Error(err)
	}
	c.CloseIdleConnections()
	if err := await(t, ended, "the server ends"); err != nil {
		t.Error(err)
	}
}

var (
	wait = transport.Op[*note, *note]{Name: "test.wait"}
	drip = transport.Op[*note, notes]{Name: "test.drip"}
)

// TestCallerProcess is no test: it is the caller, in the process that the next test starts and kills.
func TestCallerProcess(t *testing.T) {
	address := os.Getenv("DOVETAIL_TEST_CALL")
	if address == "" {
		t.Skip("it is for the test below")
	}
	c := dial(t, address)
	go func() { _, _ = wait.Dial(c)(t.Context(), &note{}) }() // ends with the process
	s, err := drip.Dial(c)(t.Context(), &note{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range s.All() {
		t.Logf("the stream goes on: %v", err)
	}
}

// C8 of package transporttest: the handlers of a caller whose process is killed are told so.
func TestC8KilledCaller(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			working, over := make(chan struct{}, 2), make(chan error, 2)
			work := func(ctx context.Context) error {
				working <- struct{}{}
				<-ctx.Done()
				over <- ctx.Err()
				return ctx.Err()
			}
			s := &httptransport.Server{}
			wait.Serve(s, func(ctx context.Context, _ *note) (*note, error) { return nil, work(ctx) })
			drip.Serve(s, func(ctx context.Context, _ *note) (notes, error) {
				return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
					yield(note{})
					return work(ctx)
				})
			})
			cmd := exec.Command(os.Args[0], "-test.run=^TestCallerProcess$")
			cmd.Env = append(os.Environ(), "DOVETAIL_TEST_CALL="+serve(t, network, s))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cmd.Process.Kill()
			await(t, working, "the handler of a value works")
			await(t, working, "the handler of a stream works")
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := await(t, over, "a handler is told"); err != context.Canceled {
					t.Errorf("the context of a handler ended with %v", err)
				}
			}
		})
	}
}

// S3 of package transporttest, with a proxy between: each piece arrives before the next one is made.
func TestS3ThroughAProxy(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			had := make(chan struct{})
			s := &httptransport.Server{}
			drip.Serve(s, func(ctx context.Context, n *note) (notes, error) {
				return genai.Open(ctx, func(ctx context.Context, yield func(note) bool) error {
					for i := range n.N {
						if !yield(note{N: i}) {
							return ctx.Err()
						}
						select {
						case <-had:
						case <-ctx.Done():
							return ctx.Err()
						}
					}
					return nil
				})
			})
			to, err := url.Parse(serve(t, "http", s))
			if err != nil {
				t.Fatal(err)
			}
			behind := &http.Transport{}
			t.Cleanup(behind.CloseIdleConnections)
			proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{Transport: behind, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
			proxy.Config.Protocols = new(http.Protocols)
			proxy.Config.Protocols.SetHTTP1(true)
			proxy.Config.Protocols.SetUnencryptedHTTP2(true)
			proxy.Start()
			t.Cleanup(proxy.Close)
			stream, err := drip.Dial(dial(t, network+strings.TrimPrefix(proxy.URL, "http")))(t.Context(), &note{N: 10})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			for i := range 10 {
				if piece, err := stream.Next(); err != nil || piece.N != i {
					t.Fatalf("piece %d is %+v, %v", i, piece, err)
				}
				had <- struct{}{}
			}
			if _, err := stream.Next(); err != io.EOF {
				t.Errorf("the stream ended with %v", err)
			}
		})
	}
}
