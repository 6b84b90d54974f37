package transport

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// Here is the address of the process itself, for [Switch.Move].
const Here = "inproc"

// A place is where a service lives. It is never changed.
type place struct {
	client  Client
	address string
	by      string // the transport: "inproc", or the scheme of the address
}

// Move sends the calls of a service to another address from now on: one that a [Remote] knows, or [Here]. Calls that are
// running, and streams, go on to their end where they are; those that follow, through handlers dialled long ago as well, go
// to the new place. No call is lost and none is made twice: one that finds the old place about to end goes on to the new
// one, if the old one turned it away unseen.
//
// To end the old place, tell it after Move to end, and let it drain: see [Listener]. Move does not ask whether somebody is
// at the new address; package transport/rollout moves a service step by step and goes back if it does worse.
//
// The error is [genai.InvalidRequest]: no transport knows the address, or the service is to move here and nothing of it is
// served here. Nothing was changed then.
func (s *Switch) Move(service, to string) error {
	c, err := s.Reach(service, to)
	if err != nil {
		return err
	}
	s.Point(service, to, c)
	return nil
}

// Reach returns the client that calls of a service would go through at an address, without sending any there. The errors are
// those of [Switch.Move].
func (s *Switch) Reach(service, at string) (Client, error) {
	if at != Here {
		return s.dial(service, at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.served, func(op served) bool { return op.spec.Service() == service }) {
		e := placementError("at", "this program serves nothing of a service called %q, so the service cannot move here", service)
		e.Started = genai.StartedNo
		return nil, e
	}
	return s.Local, nil
}

// Point sends the calls of a service through c from now on, until it is moved or pointed elsewhere: for clients that choose
// call by call, such as those of package transport/rollout. name is what [Switch.Where] returns meanwhile.
func (s *Switch) Point(service, name string, c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(service, newPlace(name, c))
}

// Where returns the address to which calls of a service go at the moment; "" if nobody said where the service is.
func (s *Switch) Where(service string) string {
	p, err := s.place(service)
	if err != nil {
		return s.Placement.At[service]
	}
	return p.address
}

func newPlace(address string, c Client) *place {
	by, _, _ := strings.Cut(address, ":")
	return &place{c, address, by}
}

// put must be called with the lock held.
func (s *Switch) put(service string, p *place) {
	next := map[string]*place{}
	if now := s.places.Load(); now != nil {
		next = maps.Clone(*now)
	}
	next[service] = p
	s.places.Store(&next)
}

// place returns where a service lives.
func (s *Switch) place(service string) (*place, error) {
	if now := s.places.Load(); now != nil {
		if p, ok := (*now)[service]; ok {
			return p, nil
		}
	}
	return s.settle(service)
}

// settle puts a service where the placement says that it is at first.
func (s *Switch) settle(service string) (*place, error) {
	if s.Hosts(service) && s.Local == nil {
		return nil, &genai.Error{Kind: genai.Internal, Started: genai.StartedNo, Message: needsLocal}
	}
	p := newPlace(Here, s.Local)
	if address, elsewhere := s.Placement.At[service]; elsewhere {
		c, err := s.dial(service, address)
		if err != nil {
			return nil, err
		}
		p = newPlace(address, c)
	} else if !s.Hosts(service) {
		return nil, &genai.Error{Kind: genai.NoTarget, Field: "at", Started: genai.StartedNo,
			Message: fmt.Sprintf("%s is not served here, and nobody said where it is: add -at %s=<address>", service, service)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.places.Load(); now != nil {
		if moved, ok := (*now)[service]; ok {
			return moved, nil // somebody was faster
		}
	}
	s.put(service, p)
	return p, nil
}

// movedOn returns where a call shall go that failed at a place: to the one that the service has moved to since, if no handler
// has seen the call. Otherwise it returns nil.
func (s *Switch) movedOn(from *place, spec *Spec, err error) *place {
	if !spec.Unseen(err) || !genai.KindOf(err).Failover() {
		return nil
	}
	now, lost := s.place(spec.Service())
	if lost != nil || now == from {
		return nil
	}
	return now
}
