package transport_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

var (
	get  = transport.Op[*note, *note]{Name: "store.get"}
	list = transport.Op[*note, *genai.Stream[note]]{Name: "store.list"}
	desk = transport.Op[*note, *note]{Name: "desk.answer"}
)

// system serves on sw what lives there: a desk that asks a store.
func system(sw *transport.Switch) {
	if sw.Hosts("store") {
		get.Serve(sw, func(_ context.Context, req *note) (*note, error) {
			if req.Text == "fail" {
				return nil, &genai.Error{Kind: genai.NotFound, Reason: "no_such_order", Message: "no order " + req.Text}
			}
			return &note{"stored " + req.Text}, nil
		})
		list.Serve(sw, func(ctx context.Context, req *note) (*genai.Stream[note], error) {
			return genai.Open(ctx, func(_ context.Context, yield func(note) bool) error {
				_ = yield(note{"one"}) && yield(note{"two"})
				return nil
			})
		})
	}
	if sw.Hosts("desk") {
		from := get.Dial(sw)
		desk.Serve(sw, func(ctx context.Context, req *note) (*note, error) {
			found, err := from(ctx, req)
			if err != nil {
				return nil, err
			}
			return &note{"answered " + found.Text}, nil
		})
	}
}

// run starts a process with a placement, and returns its address. What it started ends with the test.
func run(t *testing.T, sw *transport.Switch) string {
	t.Helper()
	sw.Local = &inproc.Network{}
	sw.Remotes = []transport.Remote{&httptransport.Remote{}}
	at := make(chan string, 1)
	sw.Listening = func(address string) { at <- address }
	system(sw)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sw.Run(ctx) }() // waited for below
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	if sw.Placement.Listen == "" {
		return ""
	}
	select {
	case address := <-at:
		return address
	case err := <-ended:
		ended <- nil
		t.Fatalf("Run ended with %v", err)
		panic("unreachable")
	}
}

// TestSwitch: one program, placed in three ways, does the same.
func TestSwitch(t *testing.T) {
	for _, c := range []struct {
		name string
		desk func(t *testing.T) *transport.Switch
		to   string // where the calls of the desk go
	}{
		{"together", func(*testing.T) *transport.Switch { return &transport.Switch{} }, "inproc"},
		{"apart", func(t *testing.T) *transport.Switch {
			store := run(t, &transport.Switch{Placement: transport.Placement{Serve: []string{"store"}, Listen: "127.0.0.1:0"}})
			return &transport.Switch{Placement: transport.Placement{At: map[string]string{"store": store}}}
		}, "http"},
		{"apart, at a socket", func(t *testing.T) *transport.Switch {
			store := run(t, &transport.Switch{Placement: transport.Placement{Serve: []string{"store"}, Listen: "unix:" + filepath.Join(t.TempDir(), "s")}})
			return &transport.Switch{Placement: transport.Placement{Serve: []string{"desk"}, At: map[string]string{"store": store}}}
		}, "unix"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sw := c.desk(t)
			run(t, sw)
			if sw.Hosts("store") != (c.to == "inproc") || !sw.Hosts("desk") {
				t.Errorf("the store is here: %v", sw.Hosts("store"))
			}
			var events []genai.Event
			ctx := genai.Listen(t.Context(), func(e genai.Event) { events = append(events, e) })
			got, err := desk.Dial(sw)(ctx, &note{"7"})
			if err != nil || got.Text != "answered stored 7" {
				t.Errorf("got %v, %v", got, err)
			}
			_, err = get.Dial(sw)(ctx, &note{"fail"})
			if own := genai.AsError(err); !errors.Is(err, &genai.Error{Kind: genai.NotFound, Reason: "no_such_order"}) || own.Op != "store.get" || own.Target != "store" || !own.Remote {
				t.Errorf("the error is %+v", own)
			}
			s, err := list.Dial(sw)(ctx, &note{})
			if err != nil {
				t.Fatal(err)
			}
			var pieces []string
			for piece, err := range s.All() {
				if err != nil {
					t.Error(err)
				}
				pieces = append(pieces, piece.Text)
			}
			if text := strings.Join(pieces, " "); text != "one two" {
				t.Errorf("the pieces are %s", text)
			}
			if len(events) != 3 {
				t.Fatalf("the events are %+v", events)
			}
			for i, want := range []genai.Event{
				{Name: "call", Op: "desk.answer", Target: "desk", To: "inproc"},
				{Name: "call", Op: "store.get", Target: "store", To: c.to, Kind: genai.NotFound},
				{Name: "call", Op: "store.list", Target: "store", To: c.to},
			} {
				if events[i].Elapsed <= 0 {
					t.Errorf("a call took %v", events[i].Elapsed)
				}
				events[i].Elapsed = 0
				if events[i] != want {
					t.Errorf("got  %+v\nwant %+v", events[i], want)
				}
			}
		})
	}
}

// A wire is a Remote made of functions.
type wire struct {
	dial   func(address string) (transport.Client, error)
	listen func(address string) (transport.Listener, error)
}

func (w wire) Dial(address string) (transport.Client, error)     { return w.dial(address) }
func (w wire) Listen(address string) (transport.Listener, error) { return w.listen(address) }

// only returns a Remote that knows addresses of one scheme and counts how often it is asked for a client.
func only(scheme string, asked *int) wire {
	foreign := func(address string) error {
		if !strings.HasPrefix(address, scheme+":") {
			return genai.Errorf(genai.Unsupported, "%s knows no %s", scheme, address)
		}
		if strings.HasSuffix(address, "bad") {
			return genai.Errorf(genai.InvalidRequest, "it is bad")
		}
		return nil
	}
	return wire{
		dial: func(address string) (transport.Client, error) {
			*asked++
			return line(func(context.Context, *transport.Spec, any) (any, error) { return &note{address}, nil }), foreign(address)
		},
		listen: func(address string) (transport.Listener, error) { return nil, foreign(address) },
	}
}

// TestRemotes: the first that knows an address is used, is asked once, and its word is final.
func TestRemotes(t *testing.T) {
	var first, second int
	sw := &transport.Switch{
		Placement: transport.Placement{At: map[string]string{"store": "two:a", "search": "two:a", "desk": "one:b", "bad": "one:bad", "odd": "three:c"}},
		Remotes:   []transport.Remote{only("one", &first), only("two", &second)},
	}
	for range 3 {
		for op, want := range map[string]string{"store.get": "two:a", "search.find": "two:a", "desk.answer": "one:b"} {
			if got, err := (transport.Op[*note, *note]{Name: op}).Dial(sw)(t.Context(), &note{}); err != nil || got.Text != want {
				t.Errorf("%s went to %v, %v", op, got, err)
			}
		}
	}
	if first != 2 || second != 1 {
		t.Errorf("the transports were asked %d and %d times, want 2 and 1", first, second)
	}
	for op, says := range map[string]string{"bad.op": "it is bad", "odd.op": "two knows no three:c"} {
		_, err := (transport.Op[*note, *note]{Name: op}).Dial(sw)(t.Context(), &note{})
		wants(t, err, "at", says)
		if own := genai.AsError(err); own.Started != genai.StartedNo || own.Op != op {
			t.Errorf("the error is %+v", own)
		}
	}
	wants(t, sw.Check(), "at", `"one:bad" of bad`)
	if second != 2 {
		t.Errorf("an address that the first transport finds wrong was shown to the second")
	}
}

// TestSwitchIsSafe: many may call, and more may be served, at the same time; each address is dialled once.
func TestSwitchIsSafe(t *testing.T) {
	asked := 0
	sw := &transport.Switch{
		Placement: transport.Placement{At: map[string]string{"store": "one:a", "search": "one:b"}},
		Local:     &inproc.Network{}, Remotes: []transport.Remote{only("one", &asked)},
	}
	desk.Serve(sw, echo)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				for _, name := range []string{"store.get", "search.find", "desk.answer"} {
					if _, err := (transport.Op[*note, *note]{Name: name}).Dial(sw)(t.Context(), &note{}); err != nil {
						t.Error(err)
					}
				}
			}
		})
		all.Go(func() { transport.Op[*note, *note]{Name: "desk.op" + string(rune('a'+i))}.Serve(sw, echo) })
	}
	all.Wait()
	if asked != 2 {
		t.Errorf("2 addresses were dialled %d times", asked)
	}
}

func TestSwitchWithoutTarget(t *testing.T) {
	sw := &transport.Switch{Placement: transport.Placement{Serve: []string{"desk"}}, Local: &inproc.Network{}}
	_, err := get.Dial(sw)(t.Context(), &note{})
	if own := genai.AsError(err); own.Kind != genai.NoTarget || own.Field != "at" || own.Started != genai.StartedNo || own.Op != "store.get" || !strings.Contains(own.Message, "-at store=") {
		t.Errorf("the error is %+v", own)
	}
	if _, err = desk.Dial(sw)(t.Context(), &note{}); genai.KindOf(err) != genai.Unimplemented {
		t.Errorf("a service that is here and not served: %v", err)
	}
	none := &transport.Switch{}
	if _, err := desk.Dial(none)(t.Context(), &note{}); genai.KindOf(err) != genai.Internal || !strings.Contains(err.Error(), "Local") {
		t.Errorf("without a local network: %v", err)
	}
	if text := panicOf(func() { desk.Serve(none, echo) }); !strings.Contains(text, "Local") {
		t.Errorf("serving without a local network panics with %q", text)
	}
}

func TestSwitchCheck(t *testing.T) {
	http := []transport.Remote{&httptransport.Remote{}}
	for _, c := range []struct {
		sw   *transport.Switch
		says string // "": nothing is wrong
	}{
		{&transport.Switch{}, ""},
		{&transport.Switch{Remotes: http, Placement: transport.Placement{At: map[string]string{"store": "http://127.0.0.1:1", "desk": "unix:/none"}}}, ""},
		{&transport.Switch{Placement: transport.Placement{At: map[string]string{"store": "http://127.0.0.1:1"}}}, "no transport"},
		{&transport.Switch{Remotes: http, Placement: transport.Placement{At: map[string]string{"store": "nats://127.0.0.1:1"}}}, "another transport"},
		{&transport.Switch{Remotes: http, Placement: transport.Placement{At: map[string]string{"store": "http://"}}}, "no host"},
		{&transport.Switch{Remotes: http, Placement: transport.Placement{At: map[string]string{"store": ""}}}, "missing"},
		{&transport.Switch{Remotes: http, Placement: transport.Placement{Serve: []string{"store"}, At: map[string]string{"store": "http://a"}}}, "one place"},
	} {
		err := c.sw.Check()
		if c.says == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.sw.Placement, err)
			}
			continue
		}
		wants(t, err, "at", "store", c.says)
		if err := c.sw.Run(t.Context()); genai.KindOf(err) != genai.InvalidRequest {
			t.Errorf("Run does not check: %v", err)
		}
	}
}

func TestRunErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	http := []transport.Remote{&httptransport.Remote{}}
	for name, c := range map[string]struct {
		sw    *transport.Switch
		kind  genai.Kind
		field string
		says  string
	}{
		"nothing of it is served":  {&transport.Switch{Placement: transport.Placement{Serve: []string{"desk", "ghost"}}}, genai.InvalidRequest, "serve", `"ghost"`},
		"the port is taken":        {&transport.Switch{Placement: transport.Placement{Listen: taken.Addr().String()}, Remotes: http}, genai.Unavailable, "listen", "in use"},
		"no transport":             {&transport.Switch{Placement: transport.Placement{Listen: "127.0.0.1:0"}}, genai.Unsupported, "listen", "no transport"},
		"of another transport":     {&transport.Switch{Placement: transport.Placement{Listen: "nats://a"}, Remotes: http}, genai.Unsupported, "listen", "nats://a"},
		"open to other machines":   {&transport.Switch{Placement: transport.Placement{Listen: "0.0.0.0:0"}, Remotes: http}, genai.Precondition, "listen", "Insecure"},
		"the address is malformed": {&transport.Switch{Placement: transport.Placement{Listen: "8080"}, Remotes: http}, genai.InvalidRequest, "listen", "8080"},
	} {
		sw := c.sw
		sw.Local = &inproc.Network{}
		sw.Listening = func(address string) { t.Errorf("%s: it listens at %s", name, address) }
		desk.Serve(sw, echo)
		err := sw.Run(t.Context())
		if own := genai.AsError(err); own == nil || own.Kind != c.kind || own.Field != c.field || !strings.Contains(own.Message, c.says) {
			t.Errorf("%s: the error is %+v", name, own)
		}
	}
}
