package transport

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// A Placement says which services live in this process and where the others are. The zero value is the monolith: all of
// them live here, and nobody else can reach them. It is a plain value: build one, or take it from flags, environment and
// file with [PlacementFlags].
type Placement struct {
	// Serve names the services that live here. If it is empty, all those do that At does not name.
	Serve []string `json:"serve,omitzero"`

	// Listen is the address where others reach the services that live here, such as "127.0.0.1:8081" or
	// "unix:/run/desk.sock"; "" means that nobody does. Port 0 takes a free one.
	Listen string `json:"listen,omitzero"`

	// At says where other services are: name to address, such as "http://127.0.0.1:8081". Transports may take several addresses,
	// or all servers of a name: see the Client of package httptransport.
	At map[string]string `json:"at,omitzero"`
}

// Hosts reports whether a service lives in this process.
func (p Placement) Hosts(service string) bool {
	if len(p.Serve) > 0 {
		return slices.Contains(p.Serve, service)
	}
	_, elsewhere := p.At[service]
	return !elsewhere
}

// Check finds what is wrong with a placement: services that are none of those given (all names are taken if none is
// given), services that are at two places, and addresses that are missing. The error is [genai.InvalidRequest], its Field is "serve" or "at".
func (p Placement) Check(services ...string) error {
	known := func(field, name string) error {
		switch {
		case name == "":
			return placementError(field, "the name of a service is missing")
		case len(services) > 0 && !slices.Contains(services, name):
			return placementError(field, "there is no service %q; there are %s", name, strings.Join(services, ", "))
		}
		return nil
	}
	for _, name := range p.Serve {
		if err := known("serve", name); err != nil {
			return err
		}
		if _, both := p.At[name]; both {
			return placementError("at", "%s is to be served here and to be somewhere else; it can be at one place", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.At)) {
		if err := known("at", name); err != nil {
			return err
		}
		if p.At[name] == "" {
			return placementError("at", "the address of %s is missing", name)
		}
	}
	return nil
}

func placementError(field, format string, args ...any) *genai.Error {
	return &genai.Error{Kind: genai.InvalidRequest, Field: field, Message: fmt.Sprintf(format, args...)}
}
