package transport_test

import (
	"context"
	"io"
	"net"
	"slices"
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

// A gate counts how often each ticket was worked on, in all places together.
type gate struct {
	punched, torn []atomic.Int32
}

func newGate(n, streams int) *gate {
	return &gate{make([]atomic.Int32, n), make([]atomic.Int32, streams)}
}

// serve puts the gate on a server.
func (g *gate) serve(s transport.Server, place string) {
	punch.Serve(s, func(_ context.Context, t *ticket) (*stub, error) {
		g.punched[t.ID].Add(1)
		return &stub{ID: t.ID, Place: place}, nil
	})
	tear.Serve(s, func(ctx context.Context, t *ticket) (*genai.Stream[stub], error) {
		g.torn[t.ID].Add(1)
		return genai.Open(ctx, func(_ context.Context, yield func(stub) bool) error {
			for i := range t.Pieces {
				if !yield(stub{ID: t.ID, Place: place, Piece: i}) {
					break
				}
			}
			return nil
		})
	})
}

// listen serves the gate over HTTP. end ends the server and waits for it.
func (g *gate) listen(t *testing.T, place, scheme string) (address string, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptransport.Server{}
	g.serve(server, place)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }() // waited for by end
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s ended with %v", place, err)
		}
	})
	t.Cleanup(end)
	return scheme + l.Addr().String(), end
}

// TestMoveWhileCallsRun: a service goes from this process to a server, to another one, and back, while thousands of calls and
// hundreds of streams are on their way. Each server is told to end as soon as the service has left it. Nobody notices.
func TestMoveWhileCallsRun(t *testing.T) {
	for _, scheme := range []string{"http://", "h2c://"} {
		t.Run(scheme, func(t *testing.T) { moveWhileCallsRun(t, scheme) })
	}
}

func moveWhileCallsRun(t *testing.T, scheme string) {
	calls, streams, pieces := 10_000, 500, 40
	if testing.Short() {
		calls, streams = 2000, 100
	}
	g := newGate(20*calls, streams)
	sw := &transport.Switch{Local: &inproc.Network{}, Remotes: []transport.Remote{&httptransport.Remote{}}}
	g.serve(sw, "here")
	first, endFirst := g.listen(t, "first", scheme)
	second, endSecond := g.listen(t, "second", scheme)
	call, stream := punch.Dial(sw), tear.Dial(sw)

	var next, read atomic.Int64
	back := make(chan struct{}) // closed when the service has come back, and enough calls were made since
	var places sync.Map
	var work sync.WaitGroup
	for range 32 {
		work.Go(func() { // ends when the service is back
			for id := int(next.Add(1)) - 1; id < len(g.punched); id = int(next.Add(1)) - 1 {
				select {
				case <-back:
					g.punched[id].Store(1) // by nobody
					return
				default:
				}
				s, err := call(t.Context(), &ticket{ID: id})
				if err != nil || s.ID != id {
					t.Errorf("call %d: %+v, %v", id, s, err)
					continue
				}
				places.Store(s.Place, true)
			}
		})
	}
	begin, moved := make(chan int), make(chan struct{})
	for range streams {
		work.Go(func() { // ends with its stream
			id := <-begin
			s, err := stream(t.Context(), &ticket{ID: id, Pieces: pieces})
			if err != nil {
				t.Errorf("stream %d: %v", id, err)
				return
			}
			defer s.Close()
			for i := 0; ; i++ {
				if i == pieces/2 && id%2 == 0 {
					<-moved // half of the streams are open until the service is back
				}
				p, err := s.Next()
				if err == io.EOF && i == pieces {
					return
				}
				if err != nil || p.Piece != i || p.ID != id {
					t.Errorf("stream %d, piece %d: %+v, %v", id, i, p, err)
					return
				}
				read.Add(1)
			}
		})
	}
	ids := 0
	open := func(share int) {
		for ; ids < streams*share/100; ids++ {
			begin <- ids
		}
	}
	move := func(to string) {
		if err := sw.Move("gate", to); err != nil {
			t.Error(err)
		}
	}
	more := func() { // waits until a quarter of the calls have been made where the service is
		for until := next.Load() + int64(calls/4); next.Load() < until; {
			time.Sleep(time.Millisecond)
		}
	}
	open(25)
	more()
	move(first)
	open(50)
	more()
	move(second)
	work.Go(endFirst) // ends when the streams of the first server have been read
	open(75)
	more()
	move(transport.Here)
	work.Go(endSecond) // ends when the streams of the second server have been read
	open(100)
	more()
	close(back)
	close(moved)
	work.Wait()

	if n := next.Load(); n < int64(calls) {
		t.Errorf("%d calls were made, %d are the least", n, calls)
	}
	for id := range int(min(next.Load(), int64(len(g.punched)))) {
		if n := g.punched[id].Load(); n != 1 {
			t.Errorf("call %d was worked on %d times", id, n)
		}
	}
	for id := range streams {
		if n := g.torn[id].Load(); n != 1 {
			t.Errorf("stream %d was worked on %d times", id, n)
		}
	}
	if n := read.Load(); n != int64(streams*pieces) {
		t.Errorf("%d pieces were read of %d", n, streams*pieces)
	}
	for _, place := range []string{"here", "first", "second"} {
		if _, ok := places.Load(place); !ok {
			t.Errorf("no call was answered by %s: the test proves nothing", place)
		}
	}
}

// A post is a client that answers as it is told.
type post struct {
	calls atomic.Int32
	err   error
	then  func() // during the call
}

func (p *post) Call(_ context.Context, _ *transport.Spec, req any) (any, error) {
	p.calls.Add(1)
	if p.then != nil {
		p.then()
	}
	if p.err != nil {
		return nil, p.err
	}
	return &stub{ID: req.(*ticket).ID}, nil
}

// What was turned away where a service lived goes on to where it lives, and nothing else does.
func TestMovedDuringACall(t *testing.T) {
	refused := (&transport.Problem{Kind: genai.Unavailable, Refused: true}).Err()
	for name, c := range map[string]struct {
		err    error
		stays  bool // the service does not move
		failed genai.Kind
	}{
		"nobody there":             {err: &genai.Error{Kind: genai.Unavailable, Started: genai.StartedNo}},
		"turned away":              {err: refused},
		"too much to do":           {err: (&transport.Problem{Kind: genai.Overloaded, Refused: true}).Err()},
		"turned away, not moved":   {err: refused, stays: true, failed: genai.Unavailable},
		"may have started":         {err: &genai.Error{Kind: genai.Unavailable}, failed: genai.Unavailable},
		"has started":              {err: &genai.Error{Kind: genai.Unavailable, Started: genai.StartedYes}, failed: genai.Unavailable},
		"further in it has not":    {err: (&transport.Problem{Kind: genai.Unavailable, Started: genai.StartedNo}).Err(), failed: genai.Unavailable},
		"turned away one hop away": {err: transport.Crossed(refused), failed: genai.Unavailable},
		"a wrong request":          {err: (&transport.Problem{Kind: genai.InvalidRequest, Refused: true}).Err(), failed: genai.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			sw := &transport.Switch{Local: &inproc.Network{}}
			newPlace := &post{}
			oldPlace := &post{err: c.err, then: func() {
				if !c.stays {
					sw.Point("gate", "new", newPlace)
				}
			}}
			sw.Point("gate", "old", oldPlace)
			var to []string
			ctx := genai.Listen(t.Context(), func(e genai.Event) { to = append(to, e.To) })
			s, err := punch.Dial(sw)(ctx, &ticket{ID: 7})
			if genai.KindOf(err) != c.failed {
				t.Fatalf("got %v, want %q", err, c.failed)
			}
			if err == nil && (s.ID != 7 || newPlace.calls.Load() != 1 || !slices.Equal(to, []string{"old", "new"})) {
				t.Errorf("the new place answered %+v to %d calls; the calls went to %v", s, newPlace.calls.Load(), to)
			}
			if oldPlace.calls.Load() != 1 || err != nil && newPlace.calls.Load() != 0 {
				t.Errorf("%d calls to the old place, %d to the new one", oldPlace.calls.Load(), newPlace.calls.Load())
			}
		})
	}
}

func TestMoveErrors(t *testing.T) {
	sw := &transport.Switch{Placement: transport.Placement{At: map[string]string{"gate": "town:1"}}, Local: &inproc.Network{}, Remotes: []transport.Remote{&town{}}}
	for _, to := range []string{transport.Here, "gopher://a", ""} {
		if err := sw.Move("gate", to); genai.KindOf(err) != genai.InvalidRequest || genai.AsError(err).Started != genai.StartedNo {
			t.Errorf("moving to %q: %v", to, err)
		}
	}
	if _, err := punch.Dial(sw)(t.Context(), &ticket{}); genai.KindOf(err) != genai.Unimplemented {
		t.Errorf("it does not stay where it was: %v", err)
	}
	if err := sw.Move("elsewhere", "town:2"); err != nil {
		t.Errorf("a service that the placement does not know cannot move: %v", err)
	}
}

// A call through a Switch costs next to nothing above one without.
func BenchmarkSwitch(b *testing.B) {
	direct := &post{}
	sw := &transport.Switch{}
	sw.Point("gate", "direct", direct)
	for _, c := range []struct {
		name   string
		client transport.Client
	}{{"none", direct}, {"switch", sw}} {
		b.Run(c.name, func(b *testing.B) {
			call, req := punch.Dial(c.client), &ticket{}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
