package httptransport_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// The operations of a server in a process of its own.
type (
	amount struct{ Pieces, Bytes int }
	block  struct{ Data genai.Blob }
	memory struct{ Peak int } // bytes
)

var (
	far      = transport.Op[*amount, *genai.Stream[block]]{Name: "far.read", Idempotency: transport.Safe}
	farHang  = transport.Op[*amount, *memory]{Name: "far.hang"}
	farDrip  = transport.Op[*amount, *genai.Stream[block]]{Name: "far.drip"}
	farUsage = transport.Op[*amount, *memory]{Name: "far.memory", Idempotency: transport.Safe}
)

// TestServerProcess is no test: it is the server, in the process that startServer starts.
func TestServerProcess(t *testing.T) {
	address := os.Getenv("DOVETAIL_TEST_LISTEN")
	if address == "" {
		t.Skip("it is for the tests below")
	}
	debug.SetGCPercent(20) // what is measured is what is held, not what has not been collected yet
	s := &httptransport.Server{}
	data := bytes.Repeat([]byte("x"), 1<<20)
	far.Serve(s, func(ctx context.Context, req *amount) (*genai.Stream[block], error) {
		left := req.Pieces
		return genai.NewStream(ctx, func() (block, error) {
			if left--; left < 0 {
				return block{}, io.EOF
			}
			return block{genai.NewBlob("application/octet-stream", data[:req.Bytes])}, nil
		}, nil)
	})
	farHang.Serve(s, func(ctx context.Context, _ *amount) (*memory, error) {
		fmt.Println("hanging")
		<-ctx.Done()
		return nil, genai.ContextError(ctx)
	})
	farDrip.Serve(s, func(ctx context.Context, _ *amount) (*genai.Stream[block], error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(block) bool) error {
			yield(block{genai.NewBlob("text/plain", []byte("one"))})
			<-ctx.Done()
			return genai.ContextError(ctx)
		})
	})
	farUsage.Serve(s, func(context.Context, *amount) (*memory, error) { return &memory{peak(t)}, nil })
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("listening at", l.Addr())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ends with the parent, who holds the other end
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := s.Serve(ctx, l); err != nil {
		t.Error(err)
	}
}

// peak returns the most memory that this process has had, in bytes.
func peak(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("there is no /proc here to read the memory from")
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kB << 10
		}
	}
	t.Skip("this system does not say how much memory a process has had")
	return 0
}

// A serverProcess is a server that can be killed.
type serverProcess struct {
	address string
	lines   *bufio.Scanner // what it says
	kill    func()
}

func startServer(t *testing.T, address string) *serverProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerProcess$")
	cmd.Env = append(os.Environ(), "DOVETAIL_TEST_LISTEN="+address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err = cmd.StdinPipe(); err != nil { // closed with the process
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &serverProcess{lines: bufio.NewScanner(out), kill: func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}}
	t.Cleanup(func() { p.kill() })
	if !p.lines.Scan() {
		t.Fatal("the server does not say where it is")
	}
	p.address = strings.TrimPrefix(p.lines.Text(), "listening at ")
	return p
}

func eachScheme(t *testing.T, test func(t *testing.T, scheme string)) {
	for _, scheme := range []string{"http://", "h2c://"} {
		t.Run(scheme, func(t *testing.T) { test(t, scheme) })
	}
}

// TestGigabyte: as much data as nobody wants to hold goes through a service, and neither side holds it.
func TestGigabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	eachScheme(t, func(t *testing.T, scheme string) {
		p := startServer(t, "127.0.0.1:0")
		c := &httptransport.Client{Address: scheme + p.address}
		read, usage := far.Dial(c), farUsage.Dial(c)
		pull := func(pieces int) {
			t.Helper()
			s, err := read(t.Context(), &amount{Pieces: pieces, Bytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for piece, err := range s.All() {
				if err != nil {
					t.Fatal(err)
				}
				n += piece.Data.Len()
			}
			if n != pieces<<20 {
				t.Fatalf("%d bytes of %d have come", n, pieces<<20)
			}
		}
		server := func() int {
			t.Helper()
			m, err := usage(t.Context(), &amount{})
			if err != nil {
				t.Fatal(err)
			}
			return m.Peak
		}
		defer debug.SetGCPercent(debug.SetGCPercent(20))
		pull(256) // what both need in any case, which the race detector makes more of
		there, here := server(), peak(t)
		pull(1024)
		there, here = server()-there, peak(t)-here
		t.Logf("the server has grown by %d KiB, the client by %d KiB", there>>10, here>>10)
		if most := 64 << 20; there > most || here > most {
			t.Errorf("the server has grown by %d MiB, the client by %d MiB", there>>20, here>>20)
		}
		c.CloseIdleConnections()
	})
}

// TestKilledServer: a server that is killed leaves errors that say so, and one that is started in its place is used at once.
func TestKilledServer(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		noLeak(t)
		p := startServer(t, "127.0.0.1:0")
		c := &httptransport.Client{Address: scheme + p.address}
		s, err := farDrip.Dial(c)(t.Context(), &amount{})
		if err != nil {
			t.Fatal(err)
		}
		if piece, err := s.Next(); err != nil || string(piece.Data.Bytes()) != "one" {
			t.Fatalf("got %v, %v", piece, err)
		}
		failed := make(chan error, 1)
		go func() { // waited for below
			_, err := farHang.Dial(c)(t.Context(), &amount{})
			failed <- err
		}()
		for p.lines.Scan() && p.lines.Text() != "hanging" {
		}
		p.kill()
		if e := genai.AsError(<-failed); e.Kind != genai.Unavailable || e.Started == genai.StartedNo {
			t.Errorf("a call that was worked on failed with %+v", e)
		}
		if _, err := s.Next(); genai.KindOf(err) != genai.Unavailable || genai.AsError(err).Started != genai.StartedYes {
			t.Errorf("the stream ended with %v", err)
		}
		_, err = farUsage.Dial(c)(t.Context(), &amount{})
		if e := genai.AsError(err); e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedNo {
			t.Errorf("a call that finds nobody failed with %v", err)
		}
		startServer(t, p.address)
		if _, err := farUsage.Dial(c)(t.Context(), &amount{}); err != nil {
			t.Errorf("the server that was started again: %v", err)
		}
		c.CloseIdleConnections()
	})
}
