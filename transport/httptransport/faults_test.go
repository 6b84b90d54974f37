package httptransport_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/faultproxy"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// A job is a call through a proxy, and what must hold whatever becomes of it: it reports what is wrong.
type job struct {
	name string
	call func(ctx context.Context, c *httptransport.Client) (complete bool, wrong string, err error)
}

const faultPieces = 20

// patience is how long a caller waits who hears nothing any more. What can still happen in it may be less on a busy machine, and is right
// all the same.
const patience = 10 * time.Millisecond

func jobs() []job {
	blob := genai.NewBlob("image/png", []byte(strings.Repeat("pixel", 2000)))
	unary := func(blob genai.Blob) func(context.Context, *httptransport.Client) (bool, string, error) {
		return func(ctx context.Context, c *httptransport.Client) (bool, string, error) {
			got, err := echo.Dial(c)(ctx, &note{Text: "hello", N: 7, Blob: blob})
			if err == nil && (got.Text != "hello" || got.N != 7 || string(got.Blob.Bytes()) != string(blob.Bytes())) {
				return true, fmt.Sprintf("the answer is %+v", got), nil
			}
			return err == nil, "", err
		}
	}
	stream := func(ctx context.Context, c *httptransport.Client) (bool, string, error) {
		s, err := count.Dial(c)(ctx, &note{N: faultPieces})
		if err != nil {
			return false, "", err
		}
		defer s.Close()
		for i := 0; ; i++ {
			piece, err := s.Next()
			switch {
			case err == io.EOF && i == faultPieces:
				return true, "", nil
			case err == io.EOF:
				return true, fmt.Sprintf("%d pieces are a complete stream", i), nil
			case err != nil:
				return false, "", err
			case piece.N != i:
				return false, fmt.Sprintf("piece %d is %d", i, piece.N), nil
			}
		}
	}
	return []job{{"value", unary(genai.Blob{})}, {"blob", unary(blob)}, {"stream", stream}}
}

// offsets are where connections break: in a request line, in headers, in a body, in frames, at the last bytes and behind them.
func offsets(total int64) []int64 {
	all := []int64{0, 1, total / 7, total / 4, total / 2, total * 3 / 4, total - 2, total - 1, total}
	if total > 300 {
		all = append(all, 120, 250)
	}
	return all
}

// TestFaults breaks connections between real clients and servers at many places, in every way, and looks at what both sides
// make of it: no answer that was cut is complete, no call is made twice, and no call that was made is said not to have started. One server
// sees all of it, and ends in good order.
func TestFaults(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		for _, j := range jobs() {
			t.Run(network+" "+j.name, func(t *testing.T) {
				noLeak(t)
				server := counted(t, network)
				up, down := server.passed(t, j)
				for _, how := range []faultproxy.How{faultproxy.End, faultproxy.Reset, faultproxy.Half, faultproxy.Stall} {
					for _, at := range offsets(up) {
						server.faulty(t, j, faultproxy.Fault{Up: faultproxy.Flow{How: how, After: at}})
					}
					for _, at := range offsets(down) {
						server.faulty(t, j, faultproxy.Fault{Down: faultproxy.Flow{How: how, After: at}})
					}
				}
				for _, size := range []int{1, 7} {
					if complete := server.faulty(t, j, faultproxy.Fault{Up: faultproxy.Flow{Slice: size}, Down: faultproxy.Flow{Slice: size}}); !complete {
						t.Errorf("in slices of %d it does not get through", size)
					}
				}
			})
		}
	}
}

// A countedServer knows how often its handlers were called for each name that clients call in.
type countedServer struct {
	network, at string
	faults      int

	mu    sync.Mutex
	calls map[string]int
}

func counted(t *testing.T, network string) *countedServer {
	c := &countedServer{network: network, calls: map[string]int{}}
	s := &httptransport.Server{}
	echo.Serve(s, func(ctx context.Context, req *note) (*note, error) { c.called(ctx); return req, nil })
	count.Serve(s, func(ctx context.Context, req *note) (notes, error) { c.called(ctx); return counting(ctx, req) })
	c.at = strings.TrimPrefix(serve(t, network, s), network+"://")
	return c
}

func (c *countedServer) called(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[transport.Metadata(ctx, "fault")]++
}

func (c *countedServer) made(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[name]
}

// through returns a client that reaches the server through a proxy.
func (c *countedServer) through(t *testing.T, fault func(int) faultproxy.Fault) (*faultproxy.Proxy, *httptransport.Client) {
	p := &faultproxy.Proxy{To: c.at, Fault: fault}
	at, err := p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, dial(t, c.network+"://"+at)
}

// passed returns how many bytes a call is, in both directions.
func (c *countedServer) passed(t *testing.T, j job) (up, down int64) {
	p, client := c.through(t, nil)
	if complete, wrong, err := j.call(transport.WithMetadata(t.Context(), "fault", "000"), client); !complete || wrong != "" || err != nil {
		t.Fatalf("without a fault: %s, %v", wrong, err)
	}
	client.CloseIdleConnections()
	_ = p.Close() // what was passed on is counted by then
	return p.Passed()
}

// faulty makes a call over a connection with a fault, and another one after it.
func (c *countedServer) faulty(t *testing.T, j job, fault faultproxy.Fault) (complete bool) {
	c.faults++
	name := fmt.Sprintf("%03d", c.faults) // as long as in passed
	t.Run(fmt.Sprintf("%+v", fault), func(t *testing.T) {
		noLeak(t)
		p, client := c.through(t, func(n int) faultproxy.Fault {
			if n == 0 {
				return fault
			}
			return faultproxy.Fault{}
		})
		ctx, cancel := context.WithCancel(transport.WithMetadata(t.Context(), "fault", name))
		defer cancel()
		stalls := fault.Up.How == faultproxy.Stall || fault.Down.How == faultproxy.Stall
		half := fault.Up.How == faultproxy.Half || fault.Down.How == faultproxy.Half
		if stalls || half { // somebody must end it, and that must be enough
			go func() { // ends with ctx
				select {
				case <-p.Broken():
				case <-ctx.Done():
				}
				timer := time.AfterFunc(patience, cancel)
				<-ctx.Done()
				timer.Stop()
			}()
		}
		var wrong string
		var err error
		complete, wrong, err = j.call(ctx, client)
		if wrong != "" {
			t.Error(wrong)
		}
		made := c.made(name)
		if e := genai.AsError(err); e != nil {
			if e.Kind != genai.Unavailable && !(e.Kind == genai.Cancelled && ctx.Err() != nil) {
				t.Errorf("got %+v", e)
			}
			if e.Started == genai.StartedNo && made > 0 {
				t.Errorf("a call that was made is said not to have started: %+v", e)
			}
		}
		if made > 1 || complete && made != 1 {
			t.Errorf("the call was made %d times", made)
		}
		// Afterwards all is well.
		p.Heal()
		client.CloseIdleConnections()
		after := transport.WithMetadata(t.Context(), "fault", "after "+name)
		again, wrong, err := j.call(after, client)
		if genai.KindOf(err) == genai.Unavailable && c.network == "h2c" { // it may have gone over the broken connection, which others may share and nobody has looked at since
			again, wrong, err = j.call(after, client)
		}
		if !again || wrong != "" || err != nil {
			t.Errorf("the next call: %s, %v", wrong, err)
		}
	})
	return complete
}

// A fault of one server is nothing to a client that has another.
func TestFaultsOfOneOfTwo(t *testing.T) {
	for _, network := range []string{"http", "h2c"} {
		t.Run(network, func(t *testing.T) {
			noLeak(t)
			server := counted(t, network)
			_, bad := server.through(t, func(int) faultproxy.Fault { return faultproxy.Fault{Up: faultproxy.Flow{How: faultproxy.Reset}} })
			_, good := server.through(t, nil)
			c := dial(t, bad.Address+","+good.Address)
			var failed atomic.Int32
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 25 {
						if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
							failed.Add(1)
						}
					}
				})
			}
			wg.Wait()
			if n := failed.Load(); n > 12 { // three in a row, and those that were on their way with them
				t.Errorf("%d of 100 calls failed", n)
			}
			if n := server.made("") + int(failed.Load()); n != 100 {
				t.Errorf("%d calls came through or failed", n)
			}
		})
	}
}
