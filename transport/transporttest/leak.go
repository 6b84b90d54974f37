package transporttest

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A census is the goroutines there are, by the first word of their stack, which is their number.
type census map[string]string

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

// wait waits until there are no goroutines but those of c, and reports the stacks of those that stay.
func (c census) wait(t testing.TB, patience time.Duration) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		var stay []string
		for name, stack := range goroutines() {
			if _, old := c[name]; !old {
				stay = append(stay, stack)
			}
		}
		if len(stay) == 0 {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Errorf("%d goroutines outlive the test:\n\n%s", len(stay), strings.Join(stay, "\n\n"))
			return
		}
	}
}
