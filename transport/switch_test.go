package transport_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A town is other processes: a network for each address that begins with "town:". It is a transport between them.
type town struct {
	mu     sync.Mutex
	houses map[string]*inproc.Network
	dialed int
}

func (n *town) house(address string) (*inproc.Network, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !strings.HasPrefix(address, "town:") {
		return nil, genai.Errorf(genai.Unsupported, "%q is not in town", address)
	}
	if address == "town:taken" {
		return nil, genai.Errorf(genai.Unavailable, "the address is in use")
	}
	if n.houses == nil {
		n.houses = map[string]*inproc.Network{}
	}
	if n.houses[address] == nil {
		n.houses[address] = &inproc.Network{}
	}
	return n.houses[address], nil
}

func (n *town) Dial(address string) (transport.Client, error) {
	n.mu.Lock()
	n.dialed++
	n.mu.Unlock()
	return n.house(address)
}

func (n *town) Listen(address string) (transport.Listener, error) {
	h, err := n.house(address)
	if err != nil {
		return nil, err
	}
	return listener{h}, nil
}

type listener struct{ *inproc.Network }

func (listener) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (listener) String() string { return "town://here" }

var (
	ask    = transport.Op[*ping, *ping]{Name: "desk.ask"}
	answer = transport.Op[*ping, *ping]{Name: "answers.answer"}
)

// reply makes a handler that says who it is.
func reply(who string) genai.Handler[*ping, *ping] {
	return func(context.Context, *ping) (*ping, error) { return &ping{who}, nil }
}

func TestSwitch(t *testing.T) {
	town := &town{}
	ctx, cancel := context.WithCancel(t.Context())
	listening, ended := make(chan string, 1), make(chan error, 1)
	there := &transport.Switch{
		Placement: transport.Placement{Serve: []string{"answers"}, Listen: "town:1"},
		Local:     &inproc.Network{},
		Remotes:   []transport.Remote{nowhere{}, town},
		Listening: func(address string) { listening <- address },
	}
	answer.Serve(there, reply("there"))
	go func() { ended <- there.Run(ctx) }() // waited for below
	if address := <-listening; address != "town://here" {
		t.Errorf("others reach it at %q", address)
	}

	here := &transport.Switch{
		Placement: transport.Placement{At: map[string]string{"answers": "town:1"}},
		Local:     &inproc.Network{},
		Remotes:   []transport.Remote{nowhere{}, town},
	}
	if here.Hosts("answers") || !here.Hosts("desk") {
		t.Error("it does not know what lives here")
	}
	ask.Serve(here, reply("here"))
	var calls []string
	listen := genai.Listen(t.Context(), func(e genai.Event) {
		if e.Name == "call" {
			calls = append(calls, e.Op+" "+e.Target+" "+e.To)
		}
	})
	for range 2 {
		for op, want := range map[*transport.Op[*ping, *ping]]string{&ask: "here", &answer: "there"} {
			p, err := op.Dial(here)(listen, &ping{})
			if err != nil || p.Text != want {
				t.Errorf("%s: %v, %v", op.Name, p, err)
			}
		}
	}
	if town.dialed != 1 {
		t.Errorf("%d clients for one address", town.dialed)
	}
	if all := strings.Join(calls, ", "); strings.Count(all, "desk.ask desk inproc") != 2 || strings.Count(all, "answers.answer answers town") != 2 {
		t.Errorf("the calls were told as %s", all)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// nowhere is a transport that knows no address.
type nowhere struct{}

func (nowhere) Dial(string) (transport.Client, error) {
	return nil, genai.Errorf(genai.Unsupported, "unknown")
}

func (nowhere) Listen(string) (transport.Listener, error) {
	return nil, genai.Errorf(genai.Unsupported, "unknown")
}

func TestSwitchErrors(t *testing.T) {
	for name, c := range map[string]struct {
		placement transport.Placement
		remotes   []transport.Remote
		run       bool
		kind      genai.Kind
		field     string
		says      string
	}{
		"an unknown scheme":     {placement: transport.Placement{At: map[string]string{"answers": "gopher://a"}}, remotes: []transport.Remote{&town{}}, kind: genai.InvalidRequest, field: "at", says: `"gopher://a" of answers`},
		"no transport":          {placement: transport.Placement{At: map[string]string{"answers": "town:1"}}, kind: genai.InvalidRequest, field: "at", says: "no transport"},
		"an address is missing": {placement: transport.Placement{At: map[string]string{"answers": ""}}, kind: genai.InvalidRequest, field: "at", says: "answers"},
		"nothing of a service":  {placement: transport.Placement{Serve: []string{"answers"}}, run: true, kind: genai.InvalidRequest, field: "serve", says: `"answers"`},
		"an address in use":     {placement: transport.Placement{Listen: "town:taken"}, remotes: []transport.Remote{nowhere{}, &town{}}, run: true, kind: genai.Unavailable, says: "in use"},
		"nobody listens there":  {placement: transport.Placement{Listen: "gopher:1"}, remotes: []transport.Remote{&town{}}, run: true, kind: genai.Unsupported, says: "gopher:1"},
	} {
		t.Run(name, func(t *testing.T) {
			sw := &transport.Switch{Placement: c.placement, Local: &inproc.Network{}, Remotes: c.remotes}
			check := sw.Check
			if c.run {
				check = func() error { return sw.Run(t.Context()) }
			}
			e := genai.AsError(check())
			if e == nil || e.Kind != c.kind || e.Field != c.field || !strings.Contains(e.Error(), c.says) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// A call to what is nowhere says what to do.
func TestSwitchWithoutTarget(t *testing.T) {
	sw := &transport.Switch{Placement: transport.Placement{Serve: []string{"desk"}}, Local: &inproc.Network{}}
	_, err := answer.Dial(sw)(t.Context(), &ping{})
	e := genai.AsError(err)
	if !errors.Is(err, genai.NoTarget) || e.Started != genai.StartedNo || e.Field != "at" || !strings.Contains(e.Message, "-at answers=") {
		t.Errorf("got %+v", err)
	}
	sw = &transport.Switch{Placement: transport.Placement{At: map[string]string{"answers": "gopher://a"}}, Local: &inproc.Network{}}
	if _, err = answer.Dial(sw)(t.Context(), &ping{}); !errors.Is(err, genai.InvalidRequest) || genai.AsError(err).Started != genai.StartedNo {
		t.Errorf("got %+v", err)
	}
}
