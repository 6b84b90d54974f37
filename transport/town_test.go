package transport_test

import (
	"context"
	"strings"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

type ping struct {
	Text string `json:"text"`
}

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
