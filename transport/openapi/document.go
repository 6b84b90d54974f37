package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/shape"
	"github.com/dovetail-go/dovetail/transport"
)

// A Document describes the operations that it is told of. It is the Pages of a server: one whose Pages are a [transport.Server]
// tells them what it serves. The zero value is ready; set the fields before use. It is safe for concurrent use.
//
// It answers GET /openapi.json with the document and GET /openapi with the page; so does GET / unless there are other Pages.
// Who may see them is decided by the server that they are pages of.
type Document struct {
	Title       string // of the whole; "" means the names of the services
	Description string // a few words about it, in CommonMark
	Version     string // of what is described; "" means one that changes with the contracts

	// Bearer says that callers need a token.
	Bearer bool

	// Examples are requests to show, by the names of operations such as "desk.answer". They are of the type of the request, or
	// anything else that is the same in JSON. For an operation without one, an example is made up.
	Examples map[string]any

	// Pages answers everything else; nil means that there is nothing else.
	Pages http.Handler

	mu  sync.RWMutex
	ops map[string]*operation // by name
}

// An operation is one that is described.
type operation struct {
	*shape.Op
	service  string
	maxBytes int64
}

// Handle implements [transport.Server]. It takes note of the operation and calls nobody.
func (d *Document) Handle(spec *transport.Spec, _ genai.AnyHandler) {
	op := &operation{Op: &shape.Op{}, service: spec.Service(), maxBytes: spec.MaxBytes}
	if err := json.Unmarshal(spec.Contract(), op.Op); err != nil {
		panic(fmt.Sprintf("openapi: the contract of %s cannot be understood: %v", spec.Name, err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ops == nil {
		d.ops = map[string]*operation{}
	}
	d.ops[spec.Name] = op
}

// all returns the operations in the order of their names.
func (d *Document) all() []*operation {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var ops []*operation
	for _, name := range slices.Sorted(maps.Keys(d.ops)) {
		ops = append(ops, d.ops[name])
	}
	return ops
}

// title returns what the document is about.
func (d *Document) title(ops []*operation) string {
	if d.Title != "" {
		return d.Title
	}
	var services []string
	for _, op := range ops {
		if !slices.Contains(services, op.service) {
			services = append(services, op.service)
		}
	}
	switch n := len(services); n {
	case 0:
		return "Nothing is served here"
	case 1:
		return services[0]
	default:
		return fmt.Sprintf("%s and %d more", services[0], n-1)
	}
}

// ServeHTTP implements [http.Handler].
func (d *Document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case read && r.URL.Path == "/openapi.json":
		text, err := d.MarshalJSON()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, "application/json", text)
	case read && (r.URL.Path == "/openapi" || r.URL.Path == "/" && d.Pages == nil):
		text, err := d.page(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		// There is nothing to run on the page, and nothing to be had from elsewhere.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		w.Header().Set("Referrer-Policy", "no-referrer")
		answer(w, "text/html; charset=utf-8", text)
	case d.Pages != nil:
		d.Pages.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, mediaType string, text []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store") // it changes with the program, and the page names the host that it was asked from
	_, _ = w.Write(text)               // whoever does not want it any more has left
}
