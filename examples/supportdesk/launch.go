package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
)

// stopGrace is how long a service may take to finish what it is doing when it is told to stop.
const stopGrace = 15 * time.Second

// launch runs each service as a process of its own, from this very program, until ctx ends. The desk listens on listen
// and the others on the ports after it. A service that dies does not take the others with it; launch says how to start
// it again. With a folder of keys the services know each other by those, which are made if there are none.
func launch(ctx context.Context, listen, keys string, extra []string, out io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	scheme := "http://"
	if keys != "" {
		scheme, extra = "https://", append(extra, "-keys", keys)
		if _, err := os.Stat(filepath.Join(keys, authorityFile)); errors.Is(err, fs.ErrNotExist) {
			host, _, _ := net.SplitHostPort(listen) // commandLines says what is wrong with it
			err = makeKeys(keys, host)
			if err != nil {
				return err
			}
		}
	}
	commands, err := commandLines(program, listen, scheme, extra)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(service, line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "%-10s | %s\n", service, line)
	}
	var running sync.WaitGroup
	// The desk comes last, so that what it says stands at the bottom of the screen.
	for i := len(contract.Services) - 1; i >= 0; i-- {
		service := contract.Services[i]
		running.Go(func() { // ends with its process, which ctx ends
			err := supervise(ctx, commands[service], func(line string) { say(service, line) })
			switch {
			case ctx.Err() != nil:
				say(service, "stopped")
			default:
				say(service, fmt.Sprintf("ended (%v); the others go on. Start it again with: %s", orClean(err), strings.Join(commands[service], " ")))
			}
		})
	}
	running.Wait()
	if ctx.Err() == nil {
		return errors.New("every service has ended")
	}
	return nil
}

func orClean(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// commandLines gives every service its address, and the desk the addresses of the others.
func commandLines(program, listen, scheme string, extra []string) (map[string][]string, error) {
	host, port, err := net.SplitHostPort(listen)
	first, perr := strconv.Atoi(port)
	if err != nil || perr != nil || first < 1 || first > 65535-len(contract.Services) {
		return nil, &genai.Error{Kind: genai.InvalidRequest, Field: "-listen", Message: "-launch needs a fixed address such as 127.0.0.1:8080, not " + strconv.Quote(listen)}
	}
	commands := map[string][]string{}
	var at []string
	for i, service := range contract.Services {
		address := net.JoinHostPort(host, strconv.Itoa(first+i))
		commands[service] = append([]string{program, "-serve", service, "-listen", address}, extra...)
		if i > 0 {
			at = append(at, service+"="+scheme+address)
		}
	}
	commands[contract.Services[0]] = append(commands[contract.Services[0]], "-at", strings.Join(at, ","))
	return commands, nil
}

// supervise runs one process and hands on what it prints, line by line. When ctx ends the process is asked to stop, and
// killed if it does not.
func supervise(ctx context.Context, command []string, line func(string)) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	var printed sync.WaitGroup
	printed.Go(func() { // ends when the pipe is closed below
		lines := bufio.NewScanner(read)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line(lines.Text())
		}
		_, _ = io.Copy(io.Discard, read) // a line without end must not block the process
	})
	err := cmd.Run()
	_ = write.Close()
	printed.Wait()
	return err
}
