package httptransport

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// An Identity finds out who sends a request. [Certificates] and [Tokens] do. It is safe for concurrent use.
type Identity interface {
	// Identify returns the name of the caller, which handlers find as [transport.Caller]. It is called before anything
	// of the body is read. Its error is [genai.Unauthenticated] if nobody can be made out, and [genai.PermissionDenied] if
	// it is somebody who may not call.
	//
	// Processes that several services share have several names. Which of them calls is in the header Dovetail-Caller, where the
	// call was made in somebody's name, see [transport.Switch.As]. It is a mere claim: among the names that were proved it
	// chooses one, and otherwise it means nothing.
	Identify(r *http.Request) (caller string, err error)
}

// Certificates identifies callers by the certificates that they show: by the names of a URI or a host in them (the subject
// alternative names), URIs first. The zero value takes everybody whom the ClientCAs of the server's TLS vouch for, and that must
// ask for certificates: see [tls.Config.ClientAuth]. Set it before use.
type Certificates struct {
	Names []string // who may call; empty means everybody who has a name. Of several, the caller's is the one that it calls in, or the first
}

// Identify implements [Identity].
func (c *Certificates) Identify(r *http.Request) (string, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return "", refuse(genai.Unauthenticated, "the caller shows no certificate")
	}
	leaf := r.TLS.VerifiedChains[0][0]
	if time.Now().After(leaf.NotAfter) { // it was valid when the connection was made, which may be long ago
		return "", refuse(genai.Unauthenticated, "the certificate of the caller has expired")
	}
	var names []string
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	names = append(names, leaf.DNSNames...)
	if len(c.Names) > 0 {
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(c.Names, name) })
	}
	if len(names) == 0 {
		return "", refuse(genai.PermissionDenied, "the certificate of the caller has no name that may call")
	}
	return chosen(r, names), nil
}

// chosen returns the name that a request is made in, out of those that were proved.
func chosen(r *http.Request, proved []string) string {
	if claim := r.Header.Get(headerCaller); slices.Contains(proved, claim) {
		return claim
	}
	return proved[0]
}

// Tokens identifies callers by what they send as "Authorization: Bearer <token>". The zero value knows nobody. Tokens may be
// changed while calls run: to replace one, allow the new one, wait until the caller uses it, and revoke the old one. They are not
// kept in clear.
type Tokens struct {
	mu    sync.RWMutex
	known []token
}

type token struct {
	hash   [sha256.Size]byte
	caller string
	until  time.Time
}

// Allow lets a caller use a token until then; the zero time stands for always. Several callers may use the same token, where they
// share a process; the first is who calls if a request is made in the name of none. A token should be made of 16 random bytes or
// more, as [crypto/rand.Text] makes it. It is a panic if the token or the name of the caller is empty.
func (t *Tokens) Allow(caller, bearer string, until time.Time) {
	if caller == "" || bearer == "" {
		panic("httptransport: an empty token, or one of nobody, would let anybody in")
	}
	allowed := token{sha256.Sum256([]byte(bearer)), caller, until}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := slices.Clone(t.known) // somebody may be reading the old ones
	for i := range known {
		if known[i].hash == allowed.hash && known[i].caller == caller {
			known[i] = allowed
			t.known = known
			return
		}
	}
	t.known = append(known, allowed)
}

// Revoke makes a token useless, for the next request on and for everybody who uses it.
func (t *Tokens) Revoke(bearer string) {
	hash := sha256.Sum256([]byte(bearer))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = slices.DeleteFunc(slices.Clone(t.known), func(known token) bool { return known.hash == hash })
}

// Identify implements [Identity]. It takes the same time for every token that is not known, and compares with all that are.
func (t *Tokens) Identify(r *http.Request) (string, error) {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		return "", refuse(genai.Unauthenticated, "the caller sends no token")
	}
	hash := sha256.Sum256([]byte(bearer))
	t.mu.RLock()
	known := t.known
	t.mu.RUnlock()
	found := -1
	for i := range known {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], known[i].hash[:]), i, found)
	}
	if found < 0 {
		return "", refuse(genai.Unauthenticated, "the token of the caller is not known")
	}
	var names []string // from here on the caller knows the token, so time tells nothing
	for _, one := range known {
		if one.hash == hash && (one.until.IsZero() || time.Now().Before(one.until)) {
			names = append(names, one.caller)
		}
	}
	if len(names) == 0 {
		return "", refuse(genai.Unauthenticated, "the token of the caller has expired")
	}
	return chosen(r, names), nil
}

// identify returns who calls; "" if nobody asks.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) (string, error) {
	if s.Identity == nil {
		return "", nil
	}
	caller, err := s.Identity.Identify(r)
	if err == nil && caller == "" {
		err = refuse(genai.Unauthenticated, "the caller has no name")
	}
	if genai.KindOf(err) == genai.Unauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 wants one with a 401
	}
	return caller, err
}

// checkTLS finds what is wrong with how callers are to be identified.
func (s *Server) checkTLS() error {
	if _, ok := s.Identity.(*Certificates); ok && (s.TLS == nil || s.TLS.GetConfigForClient == nil && s.TLS.ClientAuth < tls.VerifyClientCertIfGiven) {
		return listenError(genai.Precondition, "nobody asks callers for a certificate: set ClientAuth of TLS to tls.RequireAndVerifyClientCert, and ClientCAs to those who vouch for them")
	}
	return nil
}
