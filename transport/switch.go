package transport

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
)

// A Switch is the network that an application is built on: it serves and calls like any other, and sends each call to
// where the service lives. Programs say once what a service is made of:
//
//	if sw.Hosts("moderation") {
//		Moderate.Serve(sw, moderator)
//	}
//	moderate := Moderate.Dial(sw) // wherever it is
//
// Set the fields before use. It is safe for concurrent use.
type Switch struct {
	Placement Placement
	Local     Network  // between services of this process; an inproc.Network, as a rule
	Remotes   []Remote // to other processes; the first that knows an address is used

	// Results keeps what came of keyed calls to the services here, see [Keyed]; nil means in memory.
	Results Store

	// Listening is called by Run when others can reach the services here, with the address as others write it.
	Listening func(address string)

	places atomic.Pointer[map[string]*place] // by service; never changed, only replaced
	edges  atomic.Pointer[edges]             // nil while nobody has a name

	mu      sync.Mutex
	served  []served
	clients map[string]Client // by address
}

// A Remote is a transport between processes, as a [Switch] uses it. Both methods fail with [genai.Unsupported] for an
// address that is not theirs.
type Remote interface {
	// Dial returns the client for an address. It does not connect yet.
	Dial(address string) (Client, error)

	// Listen opens an address, so that it is known whether it is free. If the Listener has a method String, that is the
	// address for others.
	Listen(address string) (Listener, error)
}

// A Listener is a server whose handlers are reached at an address.
type Listener interface {
	Server

	// Run serves until ctx ends, then lets running calls finish for a while, and returns. Its error says why it could
	// not go on. Everything that it started has ended when it returns.
	Run(ctx context.Context) error
}

type served struct {
	spec    *Spec
	handler genai.AnyHandler
}

// Hosts reports whether a service lives in this process, so that its handlers must be made and served.
func (s *Switch) Hosts(service string) bool { return s.Placement.Hosts(service) }

// Handle implements [Server]. Others reach what is served before Run.
func (s *Switch) Handle(spec *Spec, h genai.AnyHandler) {
	if s.Local == nil {
		panic("transport: " + needsLocal)
	}
	if s.Results != nil {
		spec.Results = s.Results
	}
	spec.Admit = s.admits(spec)
	s.Local.Handle(spec, h)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served = append(s.served, served{spec, h})
}

const needsLocal = "a Switch needs a Local network, such as &inproc.Network{}"

// Call implements [Client]. It tells those who listen (see [genai.Listen]) where each call went: an event "call" with the
// service as Target, the transport in To ("inproc", or the scheme of the address), and the time until there was a response.
// A call to a service of which the placement does not say where it is fails with [genai.NoTarget].
//
// A call that was turned away where a service lived, after the service has moved, goes on to where it lives now. That is
// the only case in which a Switch sends a request twice, and the first time nobody began to work on it.
func (s *Switch) Call(ctx context.Context, spec *Spec, req any) (any, error) {
	at, err := s.place(spec.Service())
	if err != nil {
		return nil, err
	}
	for {
		began := clock.Now()
		resp, err := at.client.Call(ctx, spec, req)
		genai.Emit(ctx, genai.Event{
			Name: "call", Op: spec.Name, Target: spec.Service(), To: at.by, Kind: genai.KindOf(err), Elapsed: time.Duration(clock.Now() - began),
		})
		if err == nil {
			return resp, nil
		}
		next := s.movedOn(at, spec, err)
		if next == nil || ctx.Err() != nil {
			return nil, err
		}
		at = next
	}
}

// dial returns the one client for an address.
func (s *Switch) dial(service, address string) (Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.clients[address]; ok {
		return c, nil
	}
	c, err := firstOf(s.Remotes, func(r Remote) (Client, error) { return r.Dial(address) })
	if err != nil {
		e := *genai.AsError(err)
		e.Kind, e.Field, e.Started = genai.InvalidRequest, "at", genai.StartedNo
		e.Message = fmt.Sprintf("the address %q of %s: %s", address, service, e.Message)
		return nil, &e
	}
	if s.clients == nil {
		s.clients = map[string]Client{}
	}
	s.clients[address] = c
	return c, nil
}

// firstOf asks the transports one after another until one knows the address.
func firstOf[T any](remotes []Remote, ask func(Remote) (T, error)) (T, error) {
	var last T
	var err error = genai.Errorf(genai.Unsupported, "no transport to other processes was given")
	for _, r := range remotes {
		if last, err = ask(r); err == nil || !errors.Is(err, genai.Unsupported) {
			return last, err
		}
	}
	return last, err
}

// Run checks the placement, makes what lives here reachable at the address of the placement, if it has one, and waits
// until ctx ends or the process is told to stop (SIGINT, SIGTERM). Then it lets running calls finish and returns nil. A
// second signal ends the process at once.
//
// It is an error if the placement names a service to be served and nothing of it is.
func (s *Switch) Run(ctx context.Context) error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := s.checkServed(); err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	defer s.hangUp()
	if s.Placement.Listen == "" {
		<-ctx.Done()
		return nil
	}
	l, err := firstOf(s.Remotes, func(r Remote) (Listener, error) { return r.Listen(s.Placement.Listen) })
	if err != nil {
		e := *genai.AsError(err)
		if e.Field == "" {
			e.Field = "listen"
		}
		return &e
	}
	s.mu.Lock()
	for _, op := range s.served {
		l.Handle(op.spec, op.handler)
	}
	s.mu.Unlock()
	if s.Listening != nil {
		address := s.Placement.Listen
		if named, ok := l.(fmt.Stringer); ok {
			address = named.String()
		}
		s.Listening(address)
	}
	return l.Run(ctx)
}

// untilSignal returns a context that ends with ctx, or when the process is told to stop. By then nobody catches signals any
// more, so that the next one ends the process.
func untilSignal(ctx context.Context) (inner context.Context, stop func()) {
	inner, cancel := context.WithCancel(ctx)
	told, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the context, or by stop, which waits for it
		defer close(done)
		select {
		case <-told:
		case <-inner.Done():
		}
		signal.Stop(told)
		cancel()
	}()
	return inner, func() {
		cancel()
		<-done
	}
}

// hangUp closes the connections that nobody uses.
func (s *Switch) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, client := range s.clients {
		if c, ok := client.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// Check finds out whether there is a transport for every address of the placement, without connecting to any. Run does it
// too; it is for programs that only call. The error is [genai.InvalidRequest].
func (s *Switch) Check() error {
	if err := s.Placement.Check(); err != nil {
		return err
	}
	for _, service := range slices.Sorted(maps.Keys(s.Placement.At)) {
		if _, err := s.dial(service, s.Placement.At[service]); err != nil {
			return err
		}
	}
	return nil
}

// checkServed finds services that the placement wants here and the program does not have.
func (s *Switch) checkServed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, service := range s.Placement.Serve {
		if !slices.ContainsFunc(s.served, func(op served) bool { return op.spec.Service() == service }) {
			return placementError("serve", "this program serves nothing of a service called %q", service)
		}
	}
	return nil
}
