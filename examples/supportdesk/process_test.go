package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the path of the program under test, which TestMain builds: these tests run it as people do.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "supportdesk")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "supportdesk")
	if text, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, text)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// environment is that of a person without a provider.
func environment(more ...string) []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "OPENAI_") && !strings.HasPrefix(pair, "DOVETAIL_") {
			env = append(env, pair)
		}
	}
	return append(env, more...)
}

// A process is the program running.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Writer
	url   string // where it can be reached
	once  sync.Once
	done  chan struct{} // closed when it has ended
	err   error
	log   lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs the program and waits until it says where it can be reached.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, environment(), args...)
}

func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	address := make(chan string, 1)
	go func() { // ends with the process
		defer close(p.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, at, ok := strings.Cut(lines.Text(), " at "); ok && strings.Contains(at, "://") {
				select {
				case address <- at:
				default:
				}
			}
			fmt.Fprintln(&p.log, lines.Text())
		}
		_, _ = io.Copy(io.Discard, out)
		p.err = p.cmd.Wait()
	}()
	select {
	case p.url = <-address:
	case <-p.done:
		t.Fatalf("%v ended: %v\n%s", args, p.err, p.log.String())
	case <-time.After(30 * time.Second):
		t.Fatalf("%v does not say where it is\n%s", args, p.log.String())
	}
	return p
}

// stop asks the program to end, as a supervisor does, and waits.
func (p *process) stop() { p.end(syscall.SIGTERM) }

// kill leaves it no time.
func (p *process) kill() { p.end(syscall.SIGKILL) }

func (p *process) end(signal os.Signal) {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(signal)
		select {
		case <-p.done:
		case <-time.After(30 * time.Second):
			_ = p.cmd.Process.Kill()
			p.t.Errorf("%v does not end\n%s", p.cmd.Args, p.log.String())
			<-p.done
		}
		if signal == syscall.SIGTERM && p.err != nil {
			p.t.Errorf("%v ended with %v\n%s", p.cmd.Args, p.err, p.log.String())
		}
	})
}

// four starts each service as a process of its own. It returns them by name.
func four(t *testing.T) map[string]*process {
	t.Helper()
	running := map[string]*process{}
	var at []string
	for _, service := range []string{"moderation", "retrieval", "answers"} {
		running[service] = start(t, "-serve", service, "-listen", "127.0.0.1:0")
		at = append(at, service+"="+running[service].url)
	}
	running["desk"] = start(t, "-serve", "desk", "-listen", "127.0.0.1:0", "-at", strings.Join(at, ","))
	return running
}

// ask runs the program with a question and returns what it prints.
func ask(t *testing.T, env []string, in string, args ...string) (out, errs string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = env
	cmd.Stdin = strings.NewReader(in)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%v hangs\n%s%s", args, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String(), err
}
