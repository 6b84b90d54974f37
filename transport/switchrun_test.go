package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// TestRunDrains: a program that is told to end lets running calls finish and takes no new ones.
func TestRunDrains(t *testing.T) {
	at, inside, finish := make(chan string, 1), make(chan struct{}), make(chan struct{})
	server := &transport.Switch{
		Placement: transport.Placement{Listen: "127.0.0.1:0"}, Local: &inproc.Network{}, Remotes: []transport.Remote{&httptransport.Remote{}},
		Listening: func(address string) { at <- address },
	}
	get.Serve(server, func(_ context.Context, req *note) (*note, error) {
		if req.Text == "slow" {
			close(inside)
			<-finish
		}
		return req, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }() // waited for below
	client := &transport.Switch{Placement: transport.Placement{At: map[string]string{"store": <-at}}, Remotes: server.Remotes}
	call := get.Dial(client)
	slow := make(chan error, 1)
	go func() { // waited for below
		resp, err := call(t.Context(), &note{"slow"})
		if err == nil && resp.Text != "slow" {
			err = errors.New("another answer")
		}
		slow <- err
	}()
	<-inside
	cancel()
	for { // until it refuses
		_, err := call(t.Context(), &note{})
		if err == nil {
			runtime.Gosched()
			continue
		}
		if own := genai.AsError(err); own.Kind != genai.Unavailable || own.Started != genai.StartedNo {
			t.Errorf("a new call: %+v", own)
		}
		break
	}
	select {
	case err := <-ended:
		t.Errorf("Run ended before the call: %v", err)
	default:
	}
	close(finish)
	if err := <-slow; err != nil {
		t.Errorf("the running call: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
}

// A phone is a client with connections.
type phone struct {
	line
	hungUp *int
}

func (p phone) CloseIdleConnections() { *p.hungUp++ }

// TestRunHangsUp: when Run returns no connection is left over.
func TestRunHangsUp(t *testing.T) {
	hungUp := 0
	sw := &transport.Switch{
		Placement: transport.Placement{At: map[string]string{"store": "phone:1", "search": "phone:2"}}, Local: &inproc.Network{},
		Remotes: []transport.Remote{wire{dial: func(string) (transport.Client, error) { return phone{nil, &hungUp}, nil }}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sw.Run(ctx); err != nil || hungUp != 2 {
		t.Errorf("%d of 2 clients have closed their connections: %v", hungUp, err)
	}
}

// TestRunWithoutListening: a program that nobody reaches waits until it is told to end.
func TestRunWithoutListening(t *testing.T) {
	sw := &transport.Switch{Local: &inproc.Network{}, Listening: func(string) { t.Error("it listens") }}
	desk.Serve(sw, echo)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sw.Run(ctx) }() // waited for below
	if _, err := desk.Dial(sw)(t.Context(), &note{}); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		t.Errorf("Run ended with %v", err)
	default:
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
}

// A door is a Listener that runs as a function says.
type door struct {
	transport.Server
	run func(ctx context.Context) error
}

func (d door) Run(ctx context.Context) error { return d.run(ctx) }

func at(d door) []transport.Remote {
	return []transport.Remote{wire{listen: func(string) (transport.Listener, error) { return d, nil }}}
}

// TestRunListener: a Listener is given everything that is served, and the end of Run is its own.
func TestRunListener(t *testing.T) {
	broken := genai.Errorf(genai.Unavailable, "the socket is gone")
	reached := &inproc.Network{}
	var address string
	sw := &transport.Switch{
		Placement: transport.Placement{Listen: "door:1"}, Local: &inproc.Network{},
		Remotes:   at(door{reached, func(context.Context) error { return broken }}),
		Listening: func(a string) { address = a },
	}
	system(sw)
	if err := sw.Run(t.Context()); err != broken {
		t.Errorf("Run ended with %v", err)
	}
	if address != "door:1" {
		t.Errorf("a Listener without an address of its own listens at %q", address)
	}
	if got, err := desk.Dial(reached)(t.Context(), &note{"7"}); err != nil || got.Text != "answered stored 7" {
		t.Errorf("from outside: %v, %v", got, err)
	}
}

// TestRunSignal: a program that is told to end by a signal ends like one whose context has ended.
func TestRunSignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		sw := &transport.Switch{Placement: transport.Placement{Listen: "door:1"}, Local: &inproc.Network{}, Remotes: at(door{&inproc.Network{}, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}})}
		sw.Listening = func(string) { // from now on Run catches it
			if err := syscall.Kill(os.Getpid(), signal); err != nil {
				t.Error(err)
			}
		}
		if err := sw.Run(t.Context()); err != nil {
			t.Errorf("%v: Run ended with %v", signal, err)
		}
		if t.Context().Err() != nil {
			t.Error("the context of the caller has ended")
		}
	}
}

const stubborn = "DOVETAIL_TEST_STUBBORN"

// TestRunSecondSignal: a program that does not end when it is told to ends when it is told again.
func TestRunSecondSignal(t *testing.T) {
	if os.Getenv(stubborn) != "" {
		sw := &transport.Switch{Placement: transport.Placement{Listen: "door:1"}, Local: &inproc.Network{}, Remotes: at(door{&inproc.Network{}, func(ctx context.Context) error {
			<-ctx.Done()
			fmt.Println("draining")
			select {}
		}})}
		sw.Listening = func(string) { fmt.Println("listening") }
		t.Fatal(sw.Run(t.Context()))
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunSecondSignal$")
	child.Env = append(os.Environ(), stubborn+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(out)
	for _, want := range []string{"listening\n", "draining\n"} {
		if text, err := said.ReadString('\n'); text != want {
			t.Fatalf("it says %q, %v, want %q", text, err, want)
		}
		if err := child.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.Copy(io.Discard, said)
	err = child.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want the signal", err)
	}
}
