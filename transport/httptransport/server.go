package httptransport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A Server makes handlers callable over HTTP: service.operation at POST /service/operation. The zero value is ready; set
// the fields before use. It is safe for concurrent use.
//
// A Server is an [http.Handler], to be mounted where a program has its own server, at the root of a host. [Server.Serve]
// is a server complete with limits and an orderly end. Whichever it is, GET /livez answers as long as the process does, and
// GET /readyz answers 503 once the Server takes no more calls. GET /readyz/service answers for one service, with 404 if it is
// not here.
type Server struct {
	// TLS is what Serve encrypts with, over HTTP/2 and HTTP/1.1; nil means that it does not, nor does it on a unix socket. Its
	// functions may hand out new certificates while the server runs.
	TLS *tls.Config

	// Identity finds out who sends a request; nil means that nobody asks. Only /livez and /readyz answer everybody.
	Identity Identity

	// Insecure lets Serve listen where other machines can reach it without TLS and Identity. Anybody who can is then
	// allowed to call, and anybody between may listen: declare it where the network, or a proxy in front, sees to that.
	Insecure bool

	// Hosts are further names by which this server is called over the loopback interface, such as those that a proxy on
	// this machine passes on. "localhost" and addresses need no mention. Other names are refused there: a page in a
	// browser could have bent them to this machine.
	Hosts []string

	// Pages answers GET requests for everything else; nil means that there is nothing else. Pages that are a [transport.Server]
	// are told of every operation that is served, such as those of package openapi.
	Pages http.Handler

	// DrainGrace is how long calls may go on after Serve was told to end; 0 means 15 seconds.
	DrainGrace time.Duration

	// MaxInFlight is how many calls may run at a time; 0 means that there is no limit. A call beyond it is refused at
	// once with [genai.Overloaded]; nothing is queued.
	MaxInFlight int

	// Limits are how long the server waits for callers, and the limits of single operations.
	Limits Limits

	// Results keeps what came of keyed calls, see [transport.Keyed]; nil means in memory.
	Results transport.Store

	origin http.CrossOriginProtection

	opsMu sync.RWMutex
	ops   map[string]*operation // by path

	mu       sync.Mutex
	running  map[*call]struct{}
	draining bool
	idle     chan struct{} // closed when draining and nothing runs
	busy     bool          // calls came, or ran, while draining
}

// An operation is what is at a path.
type operation struct {
	spec    *transport.Spec
	handler genai.AnyHandler
	running int // calls; guarded by the mutex of the server
}

const defaultDrainGrace = 15 * time.Second

// Handle implements [transport.Server].
func (s *Server) Handle(spec *transport.Spec, h genai.AnyHandler) {
	path := pathOf(spec)
	s.opsMu.Lock()
	defer s.opsMu.Unlock()
	if _, taken := s.ops[path]; taken {
		panic(fmt.Sprintf("httptransport: %s has a handler already", spec.Name))
	}
	if s.ops == nil {
		s.ops = map[string]*operation{}
	}
	if s.Results != nil {
		spec.Results = s.Results
	}
	s.ops[path] = &operation{spec: spec, handler: h}
	if pages, ok := s.Pages.(transport.Server); ok {
		pages.Handle(spec, h)
	}
}

func pathOf(spec *transport.Spec) string {
	service, operation, _ := strings.Cut(spec.Name, ".")
	return "/" + service + "/" + operation
}

// at returns the operation at a path; nil if there is none. It has one spelling: a proxy in front that lets some paths through and
// others not must not be able to read another one out of it.
func (s *Server) at(u *url.URL) *operation {
	if u.RawPath != "" { // there is something encoded in it that need not be
		return nil
	}
	s.opsMu.RLock()
	defer s.opsMu.RUnlock()
	return s.ops[u.Path]
}

// admits refuses callers who are known and may not call.
func (o *operation) admits(caller string) error {
	if o.spec.Admit == nil {
		return nil
	}
	err := o.spec.Admit(caller)
	if err == nil {
		return nil
	}
	e := *genai.AsError(err)
	e.Op = o.spec.Name
	return &e
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	spare := seen(r)
	if err := s.foreign(r); err != nil {
		turnAwayUnread(w, r, err, http.StatusForbidden)
		return
	}
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case get && r.URL.Path == "/livez":
		writeText(w, http.StatusOK, "alive\n")
		return
	case get && r.URL.Path == "/readyz":
		s.ready(w, "")
		return
	case get && strings.HasPrefix(r.URL.Path, "/readyz/"):
		s.ready(w, strings.TrimPrefix(r.URL.Path, "/readyz/"))
		return
	}
	caller, err := s.identify(w, r)
	if err != nil {
		turnAwayUnread(w, r, err, 0)
		return
	}
	op := s.at(r.URL)
	if op != nil {
		if err := op.admits(caller); err != nil {
			turnAwayUnread(w, r, err, 0)
			return
		}
	}
	switch {
	case op != nil && r.Method == http.MethodPost:
		s.call(w, r, op, caller, spare)
	case op != nil:
		w.Header().Set("Allow", http.MethodPost)
		turnAway(w, refuse(genai.Unimplemented, "%s is called with POST", op.spec.Name), http.StatusMethodNotAllowed)
	case get && s.Pages != nil:
		s.Pages.ServeHTTP(w, r)
	case get:
		turnAway(w, refuse(genai.NotFound, "there is no page here"), 0)
	default:
		turnAwayUnread(w, r, refuse(genai.Unimplemented, "nobody serves %q here", short(r.URL.Path)), 0)
	}
}

// short returns as much of a text of the caller's as an error may repeat.
func short(text string) string {
	const most = 100
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// foreign finds requests that a browser makes on behalf of a page that is not ours.
func (s *Server) foreign(r *http.Request) error {
	if err := s.origin.Check(r); err != nil {
		return refuse(genai.PermissionDenied, "the request comes from a page of another site")
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if tcp, ok := local.(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() || s.knows(r.Host) {
		return nil
	}
	return refuse(genai.PermissionDenied, "%q is no name of this server; add it to Hosts if it should be", short(r.Host))
}

// knows reports whether a Host header names this server, where only this machine can reach it.
func (s *Server) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "" || strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil {
		return true
	}
	for _, known := range s.Hosts {
		if strings.EqualFold(host, known) {
			return true
		}
	}
	return false
}

// ready says whether calls are taken, of one service or of any.
func (s *Server) ready(w http.ResponseWriter, service string) {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	switch {
	case service != "" && !s.serves(service):
		writeText(w, http.StatusNotFound, "not here\n")
	case draining:
		writeText(w, http.StatusServiceUnavailable, "ending\n")
	default:
		writeText(w, http.StatusOK, "ready\n")
	}
}

// serves reports whether there is an operation of a service.
func (s *Server) serves(service string) bool {
	s.opsMu.RLock()
	defer s.opsMu.RUnlock()
	for _, op := range s.ops {
		if op.spec.Service() == service {
			return true
		}
	}
	return false
}

// begin lets a call in, or says why not.
func (s *Server) begin(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		s.busy = true
		return errEnding
	}
	if s.MaxInFlight > 0 && len(s.running) >= s.MaxInFlight {
		e := refuse(genai.Overloaded, "%d calls are running, which is the limit", s.MaxInFlight)
		e.RetryAfter = time.Second
		return e
	}
	if most := c.method.MaxInFlight; most > 0 && c.op.running >= most {
		e := refuse(genai.Overloaded, "%d calls of %s are running, which is the limit", most, c.op.spec.Name)
		e.RetryAfter = time.Second
		return e
	}
	c.op.running++
	if s.running == nil {
		s.running = map[*call]struct{}{}
	}
	s.running[c] = struct{}{}
	return nil
}

func (s *Server) end(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, c)
	c.op.running--
	if s.draining && len(s.running) == 0 {
		close(s.idle)
	}
}

// drain lets no more calls in, and returns a channel that is closed when none is running any more.
func (s *Server) drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.draining, s.idle, s.busy = true, make(chan struct{}), len(s.running) > 0
		if len(s.running) == 0 {
			close(s.idle)
		}
	}
	return s.idle
}

// called reports whether anybody called, or was being answered, since the server began to end.
func (s *Server) called() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// cancelAll ends the contexts of all calls, and returns the names of their operations. Callers who do not read what they
// asked for, or do not send all of it, hold up nothing any more.
func (s *Server) cancelAll(cause error) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.running {
		names = append(names, c.op.spec.Name)
		c.cancel(cause)
		rc := http.NewResponseController(c.w)
		_ = rc.SetReadDeadline(time.Now()) // not every writer can
		_ = rc.SetWriteDeadline(time.Now().Add(drainTime / 2))
	}
	return names
}

// refuse makes an error of a call that has not started.
func refuse(kind genai.Kind, format string, args ...any) *genai.Error {
	return &genai.Error{Kind: kind, Started: genai.StartedNo, Message: fmt.Sprintf(format, args...)}
}

// errShutdown is the cause that calls are cancelled with whose grace is over.
var errShutdown = &genai.Error{Kind: genai.Unavailable, Started: genai.StartedYes, Message: "the server ended before the call did"}

// errLeft is what becomes of a call whose caller was seen to leave.
var errLeft = &genai.Error{Kind: genai.Unavailable, Started: genai.StartedYes, Message: "the connection ended on the way to the server, as if the caller had left"}

// A bare context ends with another and has none of its values: what package net/http puts there is nothing that a
// handler could have in another place.
type bare struct{ context.Context }

// Value returns nothing.
func (b *bare) Value(any) any { return nil }

// AfterFunc lets package context derive from a bare context without a goroutine.
func (b *bare) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(b.Context, f) }
