package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

type ticket struct {
	ID     int `json:"id"`
	Pieces int `json:"pieces"`
}

type stub struct {
	ID    int    `json:"id"`
	Place string `json:"place"`
	Piece int    `json:"piece"`
}

var (
	punch = transport.Op[*ticket, *stub]{Name: "gate.punch"}
	tear  = transport.Op[*ticket, *genai.Stream[stub]]{Name: "gate.tear"}
)

// A gate counts what was worked on at one place: how often each ticket was, and how many pieces were made.
type gate struct {
	mu      sync.Mutex
	Punched map[int]int
	Torn    map[int]int
	Pieces  int
}

func newGate() *gate { return &gate{Punched: map[int]int{}, Torn: map[int]int{}} }

func (g *gate) count(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

// serve puts the gate on a server.
func (g *gate) serve(s transport.Server, place string) {
	punch.Serve(s, func(_ context.Context, t *ticket) (*stub, error) {
		g.count(func() { g.Punched[t.ID]++ })
		return &stub{ID: t.ID, Place: place}, nil
	})
	tear.Serve(s, func(ctx context.Context, t *ticket) (*genai.Stream[stub], error) {
		g.count(func() { g.Torn[t.ID]++ })
		return genai.Open(ctx, func(_ context.Context, yield func(stub) bool) error {
			for i := range t.Pieces {
				g.count(func() { g.Pieces++ })
				if !yield(stub{ID: t.ID, Place: place, Piece: i}) {
					break
				}
			}
			return nil
		})
	})
}

// patience bounds how long a place waits for its callers, and for its calls when it ends. It is for a machine that is busy, and measures
// nothing.
const patience = time.Minute

// run serves the gate over HTTP until ctx ends and what runs has ended.
func (g *gate) run(ctx context.Context, place string, listening func(address string)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &httptransport.Server{DrainGrace: patience, Limits: httptransport.Limits{Header: patience, Body: patience}}
	g.serve(server, place)
	listening(l.Addr().String())
	return server.Serve(ctx, l)
}

// listen serves a gate over HTTP in this process. end ends the server and waits for it.
func listen(t *testing.T, place string) (address string, g *gate, end func()) {
	t.Helper()
	g = newGate()
	ctx, cancel := context.WithCancel(context.Background())
	at, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- g.run(ctx, place, func(address string) { at <- address }) }() // waited for by end
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s ended with %v", place, err)
		}
	})
	t.Cleanup(end)
	select {
	case address = <-at:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return address, g, end
}

const gateVariable = "DOVETAIL_TEST_GATE"

// TestGateProcess is no test: it is a place in a process of its own, which spawn starts.
func TestGateProcess(t *testing.T) {
	place := os.Getenv(gateVariable)
	if place == "" {
		t.Skip("it is for the tests below")
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ends when the parent closes the other end, or has died
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	g := newGate()
	if err := g.run(ctx, place, func(address string) { fmt.Println("listening at", address) }); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("counted", string(text))
}

// spawn serves a gate over HTTP in another process. end ends the process and waits for it; what was counted there is in g then.
func spawn(t *testing.T, place string) (address string, g *gate, end func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestGateProcess$")
	cmd.Env = append(os.Environ(), gateVariable+"="+place)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	find := func(prefix string) string {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return text
			}
		}
		t.Errorf("%s has not said %q: %v", place, prefix, lines.Err())
		return ""
	}
	g = newGate()
	end = sync.OnceFunc(func() {
		_ = in.Close() // which tells it to end
		if err := json.Unmarshal([]byte(find("counted ")), g); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ended with %v", place, err)
		}
	})
	t.Cleanup(end)
	return find("listening at "), g, end
}

// TestMoveWhileCallsRun: a service goes from this process to a server over HTTP, to another process, and back, while thousands of calls
// are made and hundreds of streams are open. Each place is told to end as soon as the service has left it. Nobody notices: no
// call fails, none is made twice, and no piece is lost.
func TestMoveWhileCallsRun(t *testing.T) {
	for _, scheme := range []string{"http://", "h2c://"} {
		t.Run(scheme, func(t *testing.T) { moveWhileCallsRun(t, scheme) })
	}
}

func moveWhileCallsRun(t *testing.T, scheme string) {
	calls, streams := 10_000, 500 // the least number of calls, and how many streams are open whenever the service moves
	if testing.Short() {
		calls, streams = 2000, 100
	}
	sw := &transport.Switch{Local: &inproc.Network{}, Remotes: []transport.Remote{&httptransport.Remote{}}}
	here := newGate()
	here.serve(sw, "here")
	overHTTP, first, endFirst := listen(t, "HTTP")
	elsewhere, second, endSecond := spawn(t, "another process")
	t.Cleanup(func() { closeIdle(t, sw, scheme+overHTTP, scheme+elsewhere) })
	stops := []struct{ to, place string }{{scheme + overHTTP, "HTTP"}, {scheme + elsewhere, "another process"}, {transport.Here, "here"}}

	c := &crowd{t: t, call: punch.Dial(sw), stream: tear.Dial(sw), over: make(chan struct{}), places: map[string]int{}}
	for range 64 {
		c.work.Go(c.callOn) // ends when over is closed
	}
	const pieces = 24
	moved := make([]chan struct{}, len(stops))
	for i := range moved {
		moved[i] = make(chan struct{})
	}
	var waiting [3]sync.WaitGroup // those who have read a part of their stream before the service moves
	for i := range waiting {
		waiting[i].Add(streams)
	}
	for n := range streams {
		c.work.Go(func() { // ends with its last stream
			if n%5 == 0 { // one in five reads a single stream from before the first move until after the last
				c.read(pieces, func(piece int) {
					if i := piece/(pieces/4) - 1; piece%(pieces/4) == 0 && i >= 0 {
						waiting[i].Done()
						<-moved[i]
					}
				})
				return
			}
			for i := range stops { // the others one for each move, and one for the end
				c.read(pieces, func(piece int) {
					if piece == pieces/2 {
						waiting[i].Done()
						<-moved[i]
					}
				})
			}
			c.read(pieces, func(int) {})
		})
	}
	leave := []func(){func() {}, endFirst, endSecond}
	for i, stop := range stops {
		waiting[i].Wait()
		c.more(calls / 4)
		if err := sw.Move("gate", stop.to); err != nil {
			t.Error(err)
		}
		c.work.Go(leave[i]) // the place that was left ends when its streams have been read
		c.more(calls / 20)  // while that place has nothing left but open streams
		close(moved[i])
	}
	c.more(calls / 4)
	close(c.over)
	c.work.Wait()

	total := newGate()
	for _, g := range []*gate{here, first, second} {
		total.Pieces += g.Pieces
		for id, n := range g.Punched {
			total.Punched[id] += n
		}
		for id, n := range g.Torn {
			total.Torn[id] += n
		}
		if len(g.Punched) < calls/4 || len(g.Torn) < streams/2 {
			t.Errorf("a place was called %d times and has opened %d streams: the test proves nothing", len(g.Punched), len(g.Torn))
		}
	}
	made, opened := int(c.calls.Load()), int(c.streams.Load())
	if made < calls || opened < streams || len(total.Punched) != made || len(total.Torn) != opened {
		t.Errorf("%d calls and %d streams were begun; %d and %d were worked on", made, opened, len(total.Punched), len(total.Torn))
	}
	for id, n := range total.Punched {
		if n != 1 {
			t.Errorf("call %d was worked on %d times", id, n)
		}
	}
	for id, n := range total.Torn {
		if n != 1 {
			t.Errorf("stream %d was worked on %d times", id, n)
		}
	}
	if read := int(c.pieces.Load()); read != opened*pieces || total.Pieces != read {
		t.Errorf("%d pieces were made and %d read; %d streams have %d", total.Pieces, read, opened, opened*pieces)
	}
	t.Logf("%d calls, of which were answered %v; %d streams with %d pieces", made, c.places, opened, total.Pieces)
}

// A crowd are those who call. What goes wrong for one of them is an error of the test.
type crowd struct {
	t      *testing.T
	call   genai.Handler[*ticket, *stub]
	stream genai.Handler[*ticket, *genai.Stream[stub]]
	work   sync.WaitGroup
	over   chan struct{} // closed when nobody shall call any more

	calls, streams, pieces atomic.Int64 // begun, begun and read

	mu     sync.Mutex
	places map[string]int // calls by where they were answered
	until  int            // so many answers somebody waits for
	enough chan struct{}  // and this is closed then
}

// callOn makes one call after another.
func (c *crowd) callOn() {
	for {
		select {
		case <-c.over:
			return
		default:
		}
		id := int(c.calls.Add(1)) - 1
		s, err := c.call(c.t.Context(), &ticket{ID: id})
		if err != nil || s.ID != id {
			c.t.Errorf("call %d: %+v, %v", id, s, err)
			s = &stub{Place: "nowhere"}
		}
		c.mu.Lock()
		c.places[s.Place]++
		if c.until--; c.until == 0 {
			close(c.enough)
		}
		c.mu.Unlock()
	}
}

// more waits until so many calls were answered from now on.
func (c *crowd) more(n int) {
	enough := make(chan struct{})
	c.mu.Lock()
	c.until, c.enough = n, enough
	c.mu.Unlock()
	<-enough
}

// read reads a stream to its end; before is called before each piece.
func (c *crowd) read(pieces int, before func(piece int)) {
	id := int(c.streams.Add(1)) - 1
	s, err := c.stream(c.t.Context(), &ticket{ID: id, Pieces: pieces})
	if err != nil {
		c.t.Errorf("stream %d: %v", id, err)
	} else {
		defer s.Close()
	}
	for i := range pieces {
		before(i) // even if the stream has failed, for others wait for this one
		if err != nil {
			continue
		}
		var p stub
		if p, err = s.Next(); err != nil || p.Piece != i || p.ID != id {
			c.t.Errorf("stream %d, piece %d: %+v, %v", id, i, p, err)
			continue
		}
		c.pieces.Add(1)
	}
	if err != nil {
		return
	}
	if p, err := s.Next(); err != io.EOF {
		c.t.Errorf("stream %d ends with %+v, %v", id, p, err)
	}
}

// closeIdle closes what a switch without a life of its own has opened.
func closeIdle(t *testing.T, sw *transport.Switch, addresses ...string) {
	for _, address := range addresses {
		c, err := sw.Reach("gate", address)
		if err != nil {
			t.Error(err)
			continue
		}
		c.(*httptransport.Client).CloseIdleConnections()
	}
}
