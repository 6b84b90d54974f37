package httptransport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// A replica is one of several servers that serve the same.
type replica struct {
	address string
	calls   atomic.Int32  // that its handler has seen
	hold    chan struct{} // if it is there, calls wait until it is closed
	end     func()        // drains it
}

// replicate runs servers at addresses, such as "127.0.0.1:0".
func replicate(t testing.TB, scheme string, at ...string) []*replica {
	t.Helper()
	var all []*replica
	for _, address := range at {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		r := &replica{address: scheme + "://" + l.Addr().String(), hold: make(chan struct{})}
		close(r.hold)
		s := &httptransport.Server{Hosts: []string{"desk.internal"}}
		echo.Serve(s, func(ctx context.Context, req *note) (*note, error) {
			r.calls.Add(1)
			select {
			case <-r.hold:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return &note{Text: r.address, N: req.N}, nil
		})
		count.Serve(s, func(ctx context.Context, req *note) (notes, error) {
			r.calls.Add(1)
			return counting(ctx, req)
		})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, l) }() // end waits for it
		r.end = sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Serve returned %v", err)
			}
		})
		t.Cleanup(r.end)
		all = append(all, r)
	}
	return all
}

// here are n places on this machine.
func here(n int) []string { return strings.Split(strings.Repeat("127.0.0.1:0 ", n)[:n*12-1], " ") }

func addresses(all []*replica) string {
	var list []string
	for _, r := range all {
		list = append(list, r.address)
	}
	return strings.Join(list, ", ")
}

// nowhere is an address at which nobody listens.
func nowhere(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestCallsGoToAllServers(t *testing.T) {
	all := replicate(t, "http", here(3)...)
	c := dial(t, addresses(all))
	for range 300 {
		if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range all {
		if n := r.calls.Load(); n < 50 { // each should have 100; 50 is seven standard deviations away
			t.Errorf("server %d had %d of 300 calls", i, n)
		}
	}
	if _, _, calls := c.State(); calls != 0 {
		t.Errorf("%d calls are in flight after the last", calls)
	}
}

// Where a call takes long, the next ones go elsewhere.
func TestCallsGoWhereFewAre(t *testing.T) {
	all := replicate(t, "h2c", here(2)...)
	all[0].hold = make(chan struct{})
	c := dial(t, addresses(all))
	var wg sync.WaitGroup
	answered := make(chan struct{})
	for all[0].calls.Load() == 0 {
		n := all[1].calls.Load()
		wg.Go(func() { _, _ = echo.Dial(c)(t.Context(), &note{}); answered <- struct{}{} })
		for all[0].calls.Load() == 0 && all[1].calls.Load() == n {
			runtime.Gosched()
		}
		if all[0].calls.Load() == 0 {
			<-answered
		}
	}
	for range 50 {
		if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := all[0].calls.Load(); n > 1 {
		t.Errorf("a server with a call in flight had %d of 50 more", n-1)
	}
	go func() { <-answered }() // ends with the call
	close(all[0].hold)
	wg.Wait()
}

func TestStreamsAreInFlightUntilTheyEnd(t *testing.T) {
	all := replicate(t, "http", here(2)...)
	c := dial(t, addresses(all))
	for _, end := range []func(notes) error{
		func(s notes) error { return s.Close() },
		func(s notes) error { _, err := s.Next(); return errors.Join(err, s.Close(), s.Close()) },
		func(s notes) error {
			for {
				if _, err := s.Next(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		},
	} {
		s, err := count.Dial(c)(t.Context(), &note{N: 5})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, calls := c.State(); calls != 1 {
			t.Errorf("%d calls are in flight during a stream", calls)
		}
		if err := end(s); err != nil {
			t.Error(err)
		}
		if _, _, calls := c.State(); calls != 0 {
			t.Errorf("%d calls are in flight after a stream", calls)
		}
	}
	if _, err := count.Dial(c)(t.Context(), &note{}); err != nil {
		t.Fatal(err)
	}
}

// An operation that must not be repeated goes on to another server when nobody has seen it.
func TestOneServerIsDead(t *testing.T) {
	all := replicate(t, "http", here(2)...)
	c := dial(t, nowhere(t)+","+addresses(all))
	for range 40 {
		if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := all[0].calls.Load() + all[1].calls.Load(); n != 40 {
		t.Errorf("40 calls were made %d times", n)
	}
	if servers, out, _ := c.State(); servers != 3 || out != 1 {
		t.Errorf("%d of %d servers are out", out, servers)
	}
}

func TestNobodyIsThere(t *testing.T) {
	a, b := nowhere(t), nowhere(t)
	c := dial(t, a+","+b)
	for range 3 {
		_, err := echo.Dial(c)(t.Context(), &note{})
		e := genai.AsError(err)
		if e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedNo || !strings.Contains(e.Message, "none of the 2 servers") {
			t.Fatalf("got %v", err)
		}
	}
	if err := c.Connect(t.Context()); genai.KindOf(err) != genai.Unavailable {
		t.Errorf("Connect returned %v", err)
	}
}

// A server that ends is left without an error, whatever is going on, and is called again when it is back.
func TestServersEndAndComeBack(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			all := replicate(t, scheme, here(3)...)
			c := dial(t, addresses(all))
			var done atomic.Bool
			var made, failed atomic.Int32
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for !done.Load() {
						n := int(made.Add(1))
						got, err := echo.Dial(c)(t.Context(), &note{N: n})
						if err != nil || got.N != n {
							failed.Add(1)
							t.Errorf("%v, %v", got, err)
							return
						}
					}
				})
			}
			passed := func(n int32) {
				for now := made.Load(); made.Load() < now+n && failed.Load() == 0; {
					runtime.Gosched()
				}
			}
			passed(200)
			all[0].end()
			passed(200)
			all[1].end()
			passed(200)
			back := replicate(t, scheme, strings.TrimPrefix(all[0].address, scheme+"://"))[0]
			passed(50)
			done.Store(true)
			wg.Wait()
			seen := all[0].calls.Load() + all[1].calls.Load() + all[2].calls.Load() + back.calls.Load() // on a slow machine it may already be in
			c.Age(60e9)                                                                                 // now it is asked whether it is back
			for back.calls.Load() == 0 {
				if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
					t.Fatal(err)
				}
				c.Settle()
			}
			if servers, out, calls := c.State(); servers != 3 || out != 1 || calls != 0 {
				t.Errorf("of %d servers, %d are out, with %d calls in flight", servers, out, calls)
			}
			if n := made.Load(); seen < n-1 {
				t.Errorf("%d calls were made, and %d seen", n, seen)
			}
		})
	}
}

// A server that takes requests and gives no answers is out after the third. None of them is repeated elsewhere: work may have begun.
func TestAServerThatDoesNotAnswerIsOut(t *testing.T) {
	all := replicate(t, "http", here(1)...)
	var seen atomic.Int32
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if seen.Add(1) == 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(sick.Close)
	c := dial(t, sick.URL+","+addresses(all))
	failed := 0
	for range 200 {
		if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
			if e := genai.AsError(err); e.Kind != genai.Unavailable || e.Started == genai.StartedNo {
				t.Errorf("got %+v", e)
			}
			failed++
		}
	}
	if failed != 3 || seen.Load() != 3 {
		t.Errorf("%d calls failed, and the server that does not answer has seen %d", failed, seen.Load())
	}
	if got := int(all[0].calls.Load()); got != 197 {
		t.Errorf("the other server has seen %d", got)
	}
	for range 5 { // it is asked, and is not back
		c.Age(60e9)
		if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
			t.Error(err)
		}
		c.Settle()
	}
	if _, out, _ := c.State(); out != 1 || seen.Load() != 3 {
		t.Errorf("%d servers are out, and the one that does not answer has seen %d calls", out, seen.Load())
	}
}

// Errors of handlers say nothing about their server, nor do callers who leave.
func TestAnswersAndCallersPutNobodyOut(t *testing.T) {
	s := &httptransport.Server{}
	echo.Serve(s, func(ctx context.Context, req *note) (*note, error) {
		if req.N == 1 {
			<-ctx.Done()
		}
		return nil, genai.Errorf(genai.Unavailable, "the model is away")
	})
	c := dial(t, serve(t, "http", s)+","+serve(t, "http", s2(t)))
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		if i%2 == 1 {
			cancel()
		}
		_, _ = echo.Dial(c)(ctx, &note{N: i % 2})
		cancel()
	}
	if _, out, calls := c.State(); out != 0 || calls != 0 {
		t.Errorf("%d servers are out, %d calls in flight", out, calls)
	}
}

func s2(t *testing.T) *httptransport.Server {
	s := &httptransport.Server{}
	echo.Serve(s, func(context.Context, *note) (*note, error) { return nil, genai.Errorf(genai.Internal, "broken") })
	return s
}

func TestKeysStayWithTheirServer(t *testing.T) {
	all := replicate(t, "h2c", here(4)...)
	list := addresses(all)
	keyed := func() *httptransport.Client {
		c := dial(t, list)
		c.Affinity = func(_ context.Context, req any) string { return req.(*note).Text }
		return c
	}
	c, other := keyed(), keyed()
	where := map[string]string{}
	ask := func(c *httptransport.Client, key string) string {
		got, err := echo.Dial(c)(t.Context(), &note{Text: key})
		if err != nil {
			t.Fatal(err)
		}
		return got.Text
	}
	used := map[string]bool{}
	for i := range 40 {
		key := fmt.Sprint("key ", i)
		where[key] = ask(c, key)
		used[where[key]] = true
	}
	if len(used) != 4 {
		t.Errorf("40 keys are at %d of 4 servers", len(used))
	}
	for key, at := range where {
		if ask(c, key) != at || ask(other, key) != at {
			t.Errorf("%s has moved", key)
		}
	}
	all[1].end()
	moved := 0
	for key, at := range where {
		switch got := ask(c, key); {
		case at == all[1].address:
			moved++
		case got != at:
			t.Errorf("%s has moved, though its server is there", key)
		}
	}
	if moved == 0 {
		t.Error("no key was at the server that has ended")
	}
}

// A key that everybody asks for does not pull down its server.
func TestAKeyLeavesAServerThatHasTooMuchToDo(t *testing.T) {
	all := replicate(t, "h2c", here(4)...)
	for _, r := range all {
		r.hold = make(chan struct{})
	}
	c := dial(t, addresses(all))
	c.Affinity = func(context.Context, any) string { return "the one" }
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
				t.Error(err)
			}
		})
	}
	total := int32(0)
	for total < 40 {
		total = 0
		for _, r := range all {
			total += r.calls.Load()
		}
	}
	for i, r := range all {
		if n := r.calls.Load(); n > 15 { // 1.25 times 40/4, and those that were counted at the same time
			t.Errorf("server %d has %d of 40 calls of one key", i, n)
		}
		close(r.hold)
	}
	wg.Wait()
}

type sticky struct {
	Text string `json:"text"`
}

func (s *sticky) AffinityKey() string { return s.Text }

func TestRequestsBringTheirKey(t *testing.T) {
	stick := transport.Op[*sticky, *note]{Name: "test.stick"}
	chat := transport.Op[*genai.ChatRequest, *note]{Name: "test.chat"}
	var list []string
	for i := range 4 {
		s := &httptransport.Server{}
		stick.Serve(s, func(context.Context, *sticky) (*note, error) { return &note{N: i}, nil })
		chat.Serve(s, func(context.Context, *genai.ChatRequest) (*note, error) { return &note{N: i}, nil })
		list = append(list, serve(t, "http", s))
	}
	c := dial(t, strings.Join(list, ","))
	of := func(call func() (*note, error)) map[int]bool {
		at := map[int]bool{}
		for range 40 {
			got, err := call()
			if err != nil {
				t.Fatal(err)
			}
			at[got.N] = true
		}
		return at
	}
	if at := of(func() (*note, error) { return stick.Dial(c)(t.Context(), &sticky{Text: "a"}) }); len(at) != 1 {
		t.Errorf("one key is at %v", at)
	}
	if at := of(func() (*note, error) { return chat.Dial(c)(t.Context(), &genai.ChatRequest{CacheKey: "a"}) }); len(at) != 1 {
		t.Errorf("one key of a conversation is at %v", at)
	}
	if at := of(func() (*note, error) { return stick.Dial(c)(t.Context(), &sticky{}) }); len(at) < 2 {
		t.Errorf("requests without a key are at %v", at)
	}
}

// What is left of the caller's time is told anew to each server, and after each other cause to send a request again: to find out that one
// cannot be reached takes seconds.
func TestTimeLeftIsCountedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left []string
		answers := []func() (*http.Response, error){
			func() (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: errors.New("nobody is there")}
			},
			func() (*http.Response, error) { return nil, errors.New("http: server closed idle connection") },
			func() (*http.Response, error) {
				text, err := json.Marshal(transport.Problem{Kind: genai.Precondition, Refused: true, Contract: described(t)})
				return &http.Response{StatusCode: 412, Header: http.Header{"Content-Type": {"application/problem+json"}}, Body: io.NopCloser(bytes.NewReader(text))}, err
			},
			func() (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
			},
		}
		c := &httptransport.Client{Address: "http://127.0.0.1:1, http://127.0.0.1:2", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			left = append(left, r.Header.Get("Dovetail-Timeout-Ms"))
			time.Sleep(3 * time.Second)
			return answers[len(left)-1]()
		})}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := echo.Dial(c)(ctx, &note{}); err == nil {
			t.Error("there is an answer to a call whose time is up")
		}
		if got := strings.Join(left, " "); got != "10000 7000 4000 1000" {
			t.Errorf("the time that is left was %s", got)
		}
	})
}

// described returns a contract of test.echo that goes together with ours.
func described(t *testing.T) json.RawMessage {
	var text json.RawMessage
	transport.Op[*note2, *note2]{Name: "test.echo"}.Serve(server(func(spec *transport.Spec) { text = spec.Contract() }), func(_ context.Context, n *note2) (*note2, error) { return n, nil })
	return text
}

type server func(*transport.Spec)

func (f server) Handle(spec *transport.Spec, _ genai.AnyHandler) { f(spec) }
