package httptransport_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// A resolver knows where one name is.
type resolver struct {
	mu    sync.Mutex
	at    []netip.Addr
	err   error
	asked int
}

func (r *resolver) set(err error, at ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.err = nil, err
	for _, ip := range at {
		r.at = append(r.at, netip.MustParseAddr(ip))
	}
}

func (r *resolver) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func (r *resolver) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if host != "desk.internal" {
		return nil, errors.New("who is " + host)
	}
	return r.at, r.err
}

// named returns servers that have one name, on 127.0.0.1, 127.0.0.2 and so on, and a client that knows the name.
func named(t *testing.T, n int) ([]*replica, *resolver, *httptransport.Client) {
	t.Helper()
	all := replicate(t, "http", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(all[0].address, "http://"))
	r := &resolver{}
	r.set(nil, "127.0.0.1")
	for i := 1; i < n; i++ {
		all = append(all, replicate(t, "http", net.JoinHostPort(places[i], port))...)
	}
	c := dial(t, "http://desk.internal:"+port)
	c.Lookup = r.lookup
	return all, r, c
}

var places = []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}

func TestANameIsAllItsServers(t *testing.T) {
	all, r, c := named(t, 3)
	r.set(nil, "::ffff:127.0.0.1", "127.0.0.2", "127.0.0.2", "::1") // two, and another family that is not tried
	call := func(n int) {
		t.Helper()
		for range n {
			if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	call(40)
	if servers, out, _ := c.State(); servers != 2 || out != 0 || all[0].calls.Load() == 0 || all[1].calls.Load() == 0 {
		t.Errorf("there are %d servers, %d out; they had %d and %d calls", servers, out, all[0].calls.Load(), all[1].calls.Load())
	}
	if r.times() != 1 {
		t.Errorf("the name was looked up %d times in no time", r.times())
	}

	// One is added, and one removed.
	r.set(nil, "127.0.0.3", "127.0.0.2")
	c.Age(11 * time.Second)
	call(1) // this one looks
	c.Settle()
	before := all[0].calls.Load()
	call(1) // this one sees that a server is new
	c.Settle()
	call(40)
	if n := all[0].calls.Load(); n != before || all[2].calls.Load() == 0 {
		t.Errorf("a server that is gone had %d more calls, and a new one %d", n-before, all[2].calls.Load())
	}
	if servers, out, _ := c.State(); servers != 2 || out != 0 {
		t.Errorf("there are %d servers, %d out", servers, out)
	}

	// Nobody knows the name any more, for a while.
	r.set(errors.New("no such host"))
	c.Age(11 * time.Second)
	call(20)
	c.Settle()
	call(20)
	if servers, _, _ := c.State(); servers != 2 {
		t.Errorf("there are %d servers when the name cannot be found", servers)
	}
}

// All servers have moved since the name was looked up: the call that finds out is made at the new place.
func TestANameThatHasMoved(t *testing.T) {
	all, r, c := named(t, 3)
	r.set(nil, "127.0.0.1")
	if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
		t.Fatal(err)
	}
	all[0].end()
	r.set(nil, "127.0.0.2", "127.0.0.3")
	c.Age(2 * time.Second)
	for range 20 {
		if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := all[1].calls.Load() + all[2].calls.Load(); n != 20 || r.times() != 2 {
		t.Errorf("the new places had %d of 20 calls; the name was looked up %d times", n, r.times())
	}
}

func TestANameThatNobodyKnows(t *testing.T) {
	_, r, c := named(t, 1)
	lost := errors.New("no such host")
	for _, test := range []struct {
		err error
		at  []string
	}{{err: lost}, {}} {
		r.set(test.err, test.at...)
		_, err := echo.Dial(c)(t.Context(), &note{})
		e := genai.AsError(err)
		if e == nil || e.Kind != genai.Unavailable || e.Started != genai.StartedNo || !strings.Contains(e.Message, "desk.internal") || test.err != nil && !errors.Is(err, lost) {
			t.Errorf("got %v", err)
		}
	}
	// Whoever leaves while others look is not told about the name.
	ctx, cancel := context.WithCancel(t.Context())
	c.Lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if _, err := echo.Dial(c)(ctx, &note{}); genai.KindOf(err) != genai.Cancelled {
		t.Errorf("got %v", err)
	}
	c.Lookup = r.lookup
	r.set(nil, "127.0.0.1")
	if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
		t.Errorf("got %v when the name is known", err)
	}
}

// What has an address needs no lookup, nor has this machine, nor does a client whose requests are made by others.
func TestWhatIsNotLookedUp(t *testing.T) {
	all := replicate(t, "http", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(all[0].address, "http://"))
	for _, address := range []string{all[0].address, "http://localhost:" + port} {
		c := dial(t, address)
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			t.Errorf("%s is looked up", address)
			return nil, nil
		}
		if _, err := echo.Dial(c)(t.Context(), &note{}); err != nil {
			t.Error(err)
		}
	}
}

func TestConnect(t *testing.T) {
	all := replicate(t, "http", here(2)...)
	c := dial(t, nowhere(t)+","+addresses(all))
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if servers, out, _ := c.State(); servers != 3 || out != 1 {
		t.Errorf("of %d servers %d are out", servers, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Connect(ctx); genai.KindOf(err) != genai.Cancelled {
		t.Errorf("got %v from a caller who has left", err)
	}
	if _, out, _ := c.State(); out != 1 {
		t.Errorf("%d servers are out after that", out)
	}
	all[0].end()
	all[1].end()
	if err := c.Connect(t.Context()); genai.KindOf(err) != genai.Unavailable {
		t.Errorf("got %v when nobody is there", err)
	}
	if err := dial(t, "nonsense").Connect(t.Context()); genai.AsError(err).Field != "address" {
		t.Errorf("got %v", err)
	}
}

func TestSeveralAddressesThatAreWrong(t *testing.T) {
	for address, says := range map[string]string{
		"http://a:1,":                   "malformed",
		"http://a:1, ,http://b:1":       "malformed",
		"http://a:1,b:2":                "malformed",
		"http://a:1,http://a:1":         "twice",
		"http://a:1, http://x@b:2":      "a name or a password",
		",http://a:1":                   "has no scheme",
		"http://127.0.0.1:1,ftp://b:2":  "malformed",
		"unix:/tmp/a,http://u:p@host:1": "a name or a password",
	} {
		_, err := echo.Dial(dial(t, address))(t.Context(), &note{})
		if e := genai.AsError(err); e == nil || e.Field != "address" || !strings.Contains(e.Message, says) || e.Started != genai.StartedNo {
			t.Errorf("%q: %v", address, err)
		}
	}
	c := dial(t, "https://127.0.0.1:1,http://10.0.0.1:1")
	c.Token = func() string { return "a-token-of-sixteen-bytes" }
	if _, err := echo.Dial(c)(t.Context(), &note{}); genai.KindOf(err) != genai.Precondition {
		t.Errorf("a token for a place in the clear: %v", err)
	}
}
