package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// turns calls the rivals one after another, again and again, so that a noisy machine is noisy for all, and reports the median of each.
// Their order changes, since each finds what the one before it has left: a cache, garbage, threads that are just going to sleep.
func turns(b *testing.B, call func(ctx context.Context, r *rival) (time.Duration, error)) {
	b.Helper()
	all := startWires(b).rivals(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	took := make([][]time.Duration, len(all))
	turn := func() {
		for _, i := range rand.Perm(len(all)) {
			d, err := call(ctx, &all[i])
			if err != nil {
				b.Fatalf("%s: %v", all[i].name, err)
			}
			took[i] = append(took[i], d)
		}
	}
	for range 50 {
		turn()
	}
	for i := range took {
		took[i] = took[i][:0]
	}
	for b.Loop() {
		turn()
	}
	for i, r := range all {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2].Nanoseconds())/1e3, r.name+"-µs")
	}
	b.ReportMetric(0, "ns/op")
}

func timed(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}

// BenchmarkWireUnary is 1 KB of JSON there and back, one call after the other.
func BenchmarkWireUnary(b *testing.B) {
	text := strings.Repeat("x", 1000)
	turns(b, func(ctx context.Context, r *rival) (time.Duration, error) {
		return timed(func() error { _, err := r.echo(ctx, text); return err })
	})
}

// BenchmarkWireStream is 256 pieces of 20 bytes, made as fast as they are taken.
func BenchmarkWireStream(b *testing.B) {
	turns(b, func(ctx context.Context, r *rival) (time.Duration, error) {
		return timed(func() error { return r.readAll(ctx, 256) })
	})
}

// BenchmarkWireFirstPiece is the way to the first of 16 pieces.
func BenchmarkWireFirstPiece(b *testing.B) {
	turns(b, func(ctx context.Context, r *rival) (time.Duration, error) {
		began := time.Now()
		next, stop, err := r.stream(ctx, &order{Pieces: 16})
		if err != nil {
			return 0, err
		}
		defer stop()
		_, err = next()
		took := time.Since(began)
		for err == nil { // so that the connection can be used again
			_, err = next()
		}
		return took, nil
	})
}

// BenchmarkWirePicture is 1 MiB of raw bytes back.
func BenchmarkWirePicture(b *testing.B) {
	turns(b, func(ctx context.Context, r *rival) (time.Duration, error) {
		return timed(func() error {
			got, err := r.picture(ctx)
			if err == nil && len(got) != len(image) {
				err = fmt.Errorf("%d bytes", len(got))
			}
			return err
		})
	})
}

// BenchmarkWireRate is as many calls of 1 KB as there can be, of one caller and of 64: how many a second, and what a call costs the
// processes of client and server. On a machine that others use as well, the costs say more.
func BenchmarkWireRate(b *testing.B) {
	const calls = 6400
	text := strings.Repeat("x", 1000)
	for _, callers := range []int{1, 64} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			w := startWires(b)
			all := w.rivals(b)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			round := func(r *rival, n int) (wall, here, there time.Duration) {
				runtime.GC() // everybody clears away what is theirs
				began, here, there := time.Now(), cpuTime(), cpuTimeOf(b, w.pid)
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						for range n / callers {
							if _, err := r.echo(ctx, text); err != nil {
								b.Errorf("%s: %v", r.name, err)
								return
							}
						}
					})
				}
				wg.Wait()
				return time.Since(began), cpuTime() - here, cpuTimeOf(b, w.pid) - there
			}
			for i := range all {
				round(&all[i], calls/4)
			}
			walls, heres, theres := make([][]time.Duration, len(all)), make([][]time.Duration, len(all)), make([][]time.Duration, len(all))
			for b.Loop() {
				for _, i := range rand.Perm(len(all)) {
					wall, here, there := round(&all[i], calls)
					walls[i], heres[i], theres[i] = append(walls[i], wall), append(heres[i], here), append(theres[i], there)
				}
			}
			for i, r := range all {
				b.ReportMetric(calls/median(walls[i]).Seconds(), r.name+"-calls/s")
				b.ReportMetric(float64(median(heres[i]).Nanoseconds())/1e3/calls, r.name+"-client-µs")
				b.ReportMetric(float64(median(theres[i]).Nanoseconds())/1e3/calls, r.name+"-server-µs")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuTimeOf is what another process has used, in steps of 10 ms.
func cpuTimeOf(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0 // there is no /proc here
	}
	_, behind, _ := strings.Cut(string(text), ") ") // the name of the program may have spaces
	fields := strings.Fields(behind)
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// BenchmarkWireIdle holds 10,000 streams on which nothing happens, and reports how much memory each costs on either side.
func BenchmarkWireIdle(b *testing.B) {
	const streams = 10_000
	for i, name := range []string{"dovetail", "dovetail-h2c", "nethttp", "grpc"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w := startWires(b)
				r := w.rivals(b)[i]
				if err := r.readAll(b.Context(), 1); err != nil {
					b.Fatal(err)
				}
				debug.FreeOSMemory()
				here, there := resident(b, os.Getpid()), resident(b, w.pid)
				ctx, cancel := context.WithCancel(b.Context())
				stops := make([]func(), streams)
				var wg sync.WaitGroup
				for k := range 50 { // as many at a time
					wg.Go(func() {
						for j := k; j < streams; j += 50 {
							next, stop, err := r.stream(ctx, &order{Pieces: 1, Stay: true})
							if err == nil {
								_, err = next()
							}
							if err != nil {
								b.Errorf("stream %d: %v", j, err)
								return
							}
							stops[j] = stop
						}
					})
				}
				wg.Wait()
				debug.FreeOSMemory()
				b.ReportMetric(float64(resident(b, os.Getpid())-here)/streams/1024, "client-KiB/stream")
				b.ReportMetric(float64(resident(b, w.pid)-there)/streams/1024, "server-KiB/stream")
				cancel()
				for _, stop := range stops {
					if stop != nil {
						stop()
					}
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// resident returns how many bytes of memory a process holds.
func resident(b *testing.B, pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Skip("there is no /proc here to read the memory from")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// BenchmarkInProcess is 1 KB there and back without a wire, and what encoding it would cost alone.
func BenchmarkInProcess(b *testing.B) {
	echo := func(_ context.Context, req *letter) (*letter, error) { return req, nil }
	over := func(strict, shared bool) genai.Handler[*letter, *letter] {
		network := &inproc.Network{Strict: strict}
		op := transport.Op[*letter, *letter]{Name: "peers.echo", Shared: shared}
		op.Serve(network, echo)
		return op.Dial(network)
	}
	codec := func(_ context.Context, req *letter) (*letter, error) {
		for range 2 { // there and back
			text, err := json.Marshal(req)
			if err != nil {
				return nil, err
			}
			req = &letter{}
			if err := json.Unmarshal(text, req); err != nil {
				return nil, err
			}
		}
		return req, nil
	}
	for _, way := range []struct {
		name string
		call genai.Handler[*letter, *letter]
	}{
		{"dovetail shared", over(false, true)},
		{"dovetail copying", over(false, false)},
		{"dovetail strict", over(true, false)},
		{"JSON alone", codec},
		{"grpc bufconn", bufconnEcho(b)},
	} {
		b.Run(way.name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			req := &letter{strings.Repeat("x", 1000)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := way.call(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// bufconnEcho is grpc-go with both sides in one process.
func bufconnEcho(b *testing.B) genai.Handler[*letter, *letter] {
	l := bufconn.Listen(1 << 20)
	s := grpcServer()
	go func() { _ = s.Serve(l) }() // ends with Stop
	b.Cleanup(s.Stop)
	conn, err := grpc.NewClient("passthrough:///here", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(jsonCodec{})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return func(ctx context.Context, req *letter) (*letter, error) {
		got := &letter{}
		return got, conn.Invoke(ctx, "/peers.Peers/Echo", req, got)
	}
}
