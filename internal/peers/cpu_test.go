//go:build unix

package peers

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serving is the variable under which this program is the server of the benchmarks.
const serving = "DOVETAIL_PEERS_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serving) != "" {
		canned()
		return
	}
	os.Exit(m.Run())
}

// canned serves answers until its standard input ends, which happens at the latest with whoever started it. A stream leaves token by
// token, as from a model.
func canned() {
	stream := strings.SplitAfter(string(events()), "\n\n")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(asked), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, whole)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, event := range stream {
			_, _ = io.WriteString(w, event)
			w.(http.Flusher).Flush()
		}
	}))
	fmt.Println(s.URL + "/v1")
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Close()
}

// elsewhere starts the server in a process of its own, so that its work is in no figure, and returns its address.
func elsewhere(tb testing.TB) string {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	server := exec.Command(self)
	server.Env = append(os.Environ(), serving+"=1")
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		_ = server.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// spent is the processor time of this process so far, in the program and in the kernel.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkClientCPU is what a whole answer, and a stream of 256 tokens, cost the client alone, garbage and kernel included.
func BenchmarkClientCPU(b *testing.B) {
	url := elsewhere(b)
	all := clients(url)
	for _, way := range []string{"whole", "stream"} {
		for _, c := range all {
			call := c.whole
			if way == "stream" {
				call = c.stream
			}
			b.Run(way+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				calls, before := 0, spent(b)
				for b.Loop() {
					if err := call(); err != nil {
						b.Fatal(err)
					}
					calls++
				}
				b.ReportMetric(float64(spent(b)-before)/float64(calls), "cpu-ns/op")
			})
		}
	}
}

// TestFewerAllocations: what is promised of the model client beside the official one, as far as it can be counted and need not be measured.
func TestFewerAllocations(t *testing.T) {
	url := elsewhere(t)
	allocations := map[string]float64{}
	for _, c := range clients(url) {
		for name, call := range map[string]func() error{"whole": c.whole, "stream": c.stream} {
			allocations[name+" "+c.name] = testing.AllocsPerRun(20, func() {
				if err := call(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	for _, name := range []string{"whole", "stream"} {
		if ours, theirs := allocations[name+" dovetail"], allocations[name+" openai-go"]; ours >= theirs {
			t.Errorf("%s: %v allocations, openai-go has %v", name, ours, theirs)
		}
	}
	t.Log(allocations)
}
