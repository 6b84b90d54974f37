package transporttest

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A census is what there is that must not be left behind: goroutines, by the first words of their stack, which are their number, and
// sockets, by what the system calls them.
type census map[string]string

func takeCensus() census {
	c := goroutines()
	files, _ := os.ReadDir("/proc/self/fd") // where there is none, sockets are not counted
	for _, f := range files {
		if name, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(name, "socket:") {
			c[name] = "a connection or a listener: " + name
		}
	}
	return c
}

func goroutines() census {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	c := census{}
	for stack := range bytes.SplitSeq(buf, []byte("\n\n")) {
		head, _, _ := strings.Cut(string(stack), " [")
		c[head] = string(stack)
	}
	return c
}

// wait waits until there is nothing but what is in c, and reports what stays.
func (c census) wait(t testing.TB, patience time.Duration) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		var stay []string
		for name, what := range takeCensus() {
			if _, old := c[name]; !old {
				stay = append(stay, what)
			}
		}
		if len(stay) == 0 {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Errorf("%d goroutines or sockets outlive the test:\n\n%s", len(stay), strings.Join(stay, "\n\n"))
			return
		}
	}
}
