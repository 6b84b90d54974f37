package transport

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
)

// The limits of metadata: it is for what describes a call, and a header of HTTP must be able to hold it.
const (
	maxMetadata = 8 << 10 // bytes of all names and values, but for the baggage
	maxBaggage  = 8 << 10 // bytes of that, which everybody has to pass on who passes baggage on at all (W3C Baggage)
	reserved    = "dovetail-"
)

// Names of metadata that mean something to transports. They stay with one call: a handler finds them with [Metadata], and the
// calls that it makes do not carry them on.
const (
	// Key is the caller's own name for a request to an operation that is Keyed, see [Idempotency], such as the number of an
	// order. It is set with [WithMetadata] and has at most 256 bytes.
	Key = "dovetail-key"

	// Caller is who calls, as far as the server has made sure of it: a name that a certificate or a token stands for, or, in
	// one process, the name that was declared, see [Switch.As]. Nobody can set it.
	Caller = "dovetail-caller"
)

const maxKey = 256 // bytes

type metadataKey struct{}

// metadata is what a context holds; it is never changed.
type metadata struct {
	pairs map[string]string
	size  int
	err   error // the first pair that was wrong

	key    string   // for the calls that are made
	caller string   // of the calls that are made, see Switch.As; it is for one call
	served *session // of the call that a handler serves; nil if there is none
}

// A session is what stays with one call.
type session struct{ key, caller string }

// withCaller returns a context for one call, which is made in the name of a service.
func withCaller(ctx context.Context, name string) context.Context {
	next := &metadata{}
	if m := metadataOf(ctx); m != nil {
		*next = *m
	}
	next.caller = name
	return context.WithValue(ctx, metadataKey{}, next)
}

func metadataOf(ctx context.Context) *metadata {
	m, _ := ctx.Value(metadataKey{}).(*metadata)
	return m
}

// WithMetadata returns a context under which every call carries the pair, over any number of services: what a handler was
// called with goes on with the calls that it makes under its context. A later value of the same name replaces an
// earlier one.
//
// Names are made of lower case letters, digits, "-", "_" and ".", and do not begin with "dovetail-". Values are printable
// ASCII. All of it together is at most 8 KiB; "baggage", which is that of W3C, has 8 KiB of its own. A call under a context that breaks these rules fails with
// [genai.InvalidRequest], whose Field names the pair.
func WithMetadata(ctx context.Context, name, value string) context.Context {
	next := &metadata{pairs: map[string]string{}}
	if m := metadataOf(ctx); m != nil {
		maps.Copy(next.pairs, m.pairs)
		next.size, next.err, next.key, next.caller, next.served = m.size, m.err, m.key, m.caller, m.served
	}
	if name == Key {
		next.key = value
		if next.err == nil {
			next.err = checkKey(value)
		}
		return context.WithValue(ctx, metadataKey{}, next)
	}
	if old, ok := next.pairs[name]; ok {
		next.size -= counted(name, old)
	}
	next.pairs[name] = value
	next.size += counted(name, value)
	if next.err == nil {
		next.err = checkPair(name, value, next.size)
	}
	return context.WithValue(ctx, metadataKey{}, next)
}

// Metadata returns the value that the call was made with, or "".
func Metadata(ctx context.Context, name string) string {
	m := metadataOf(ctx)
	switch {
	case m == nil:
		return ""
	case name == Key && m.key != "":
		return m.key
	case name == Key && m.served != nil:
		return m.served.key
	case name == Caller && m.served != nil:
		return m.served.caller
	}
	return m.pairs[name]
}

func checkKey(key string) error {
	if len(key) > maxKey {
		return &genai.Error{Kind: genai.InvalidRequest, Field: "metadata." + Key, Started: genai.StartedNo, Message: fmt.Sprintf("the key has %d bytes; it may have %d", len(key), maxKey)}
	}
	return checkValue(Key, key)
}

func metadataError(ctx context.Context) error {
	if m := metadataOf(ctx); m != nil && m.err != nil {
		return m.err
	}
	return nil
}

const baggage = "baggage"

// counted is how much a pair counts towards maxMetadata.
func counted(name, value string) int {
	if name == baggage {
		return 0
	}
	return len(name) + len(value)
}

func checkPair(name, value string, size int) error {
	wrong := func(format string, args ...any) error {
		return &genai.Error{Kind: genai.InvalidRequest, Field: "metadata." + name, Message: fmt.Sprintf(format, args...)}
	}
	if name == "" || !onlyNameBytes(name) {
		return wrong("a name of metadata is made of lower case letters, digits, \"-\", \"_\" and \".\"")
	}
	if strings.HasPrefix(name, reserved) {
		return wrong("names that begin with %q are the transport's own", reserved)
	}
	if err := checkValue(name, value); err != nil {
		return err
	}
	if name == baggage && len(value) > maxBaggage {
		return wrong("the baggage has %d bytes; it may have %d", len(value), maxBaggage)
	}
	if size > maxMetadata {
		return wrong("the metadata has %d bytes; it may have %d", size, maxMetadata)
	}
	return nil
}

func checkValue(name, value string) error {
	wrong := func(message string) error {
		return &genai.Error{Kind: genai.InvalidRequest, Field: "metadata." + name, Message: message}
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return wrong("a value of metadata is printable ASCII")
		}
	}
	if strings.TrimSpace(value) != value {
		return wrong("a value of metadata neither begins nor ends with a space")
	}
	return nil
}

func onlyNameBytes(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// A Reply is the metadata that comes back: with the response, and once more when a stream has ended. A handler sets it,
// for example to what a call has cost; the caller gets it. All methods work on a nil Reply, and are safe for concurrent use.
type Reply struct {
	mu    sync.Mutex
	pairs map[string]string
	tried *genai.Ledger
}

// The Reply that a handler sets is not the one in which the calls that it makes collect theirs.
type (
	replyKey    struct{} // the caller's
	ownReplyKey struct{} // the handler's
)

// WithReply returns a context whose Reply collects what the calls made under it bring back. Handlers further in do not
// see it: a reply goes back one call.
func WithReply(ctx context.Context) (context.Context, *Reply) {
	r := &Reply{tried: &genai.Ledger{Context: ctx}}
	return context.WithValue(r.tried, replyKey{}, r), r
}

// Attempts returns what was tried for the calls, by whatever repeated them on either side: see [genai.Ledger].
func (r *Reply) Attempts() []genai.Attempt {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	tried := r.tried
	r.mu.Unlock()
	return tried.Attempts()
}

// ReplyOf returns the Reply that a handler sets, or nil if nobody wants one.
func ReplyOf(ctx context.Context) *Reply {
	if r, ok := ctx.Value(ownReplyKey{}).(*Reply); ok {
		return r
	}
	return replyTo(ctx) // the handler was called without a transport between
}

// replyTo returns the Reply in which calls made under ctx collect what they bring back, or nil.
func replyTo(ctx context.Context) *Reply {
	r, _ := ctx.Value(replyKey{}).(*Reply)
	return r
}

// Set adds a pair. The rules are those of [WithMetadata]; what breaks them is refused with an error.
func (r *Reply) Set(name, value string) error {
	if r == nil {
		return checkPair(name, value, counted(name, value))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	size := counted(name, value)
	for n, v := range r.pairs {
		size += counted(n, v)
	}
	if old, ok := r.pairs[name]; ok {
		size -= counted(name, old)
	}
	if err := checkPair(name, value, size); err != nil {
		return err
	}
	if r.pairs == nil {
		r.pairs = map[string]string{}
	}
	r.pairs[name] = value
	return nil
}

// Get returns the value of a name, or "".
func (r *Reply) Get(name string) string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pairs[name]
}

// All returns a copy of all pairs; nil if there are none.
func (r *Reply) All() map[string]string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.pairs)
}
