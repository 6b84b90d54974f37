package transport

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/dovetail-go/dovetail/genai"
)

// edges are the operations that each caller has dialled. They are never changed, only replaced.
type edges map[string]map[string]bool

// As returns the network as one service sees it. What a service is made of dials through it, and that is all it may call:
//
//	desk := sw.As("desk")
//	moderate := Moderate.Dial(desk) // now desk may call moderation.check
//	if sw.Hosts("desk") {
//		Answer.Serve(sw, NewDesk(moderate))
//	}
//
// So who may call what need not be written down anywhere, and cannot be forgotten when it changes; [Switch.Edges] lists it. A
// call that the one who makes it has not dialled fails with [genai.PermissionDenied] before a handler sees it, in this process
// and, where a server makes sure of who calls (see [Caller]), from others. A process that serves an operation must know the
// edges to it: dial for all services in every process, as above, and only serve what is hosted. Dialling connects to nobody.
// Callers that are no part of the composition are let in the same way, by dialling for them.
//
// While As was never called, everybody may call everything. A caller without a name is never refused: it is this program
// itself, calling through the Switch as it is, or somebody at a server that asks nobody for a name. The name is the one that
// the certificate or the token of the caller stands for. It is printable ASCII; As panics if it is not, or empty.
func (s *Switch) As(service string) Network {
	if service == "" || checkValue(Caller, service) != nil {
		panic(fmt.Sprintf("transport: %q cannot be the name of a caller", service))
	}
	s.connect(service, "")
	return &view{s, service}
}

// Edges yields who may call what, ordered by caller and operation, for somebody who reviews it:
//
//	for caller, op := range sw.Edges() {
//		fmt.Println(caller, "->", op)
//	}
func (s *Switch) Edges() iter.Seq2[string, string] {
	return func(yield func(caller, op string) bool) {
		known := s.edges.Load()
		if known == nil {
			return
		}
		for _, caller := range slices.Sorted(maps.Keys(*known)) {
			for _, op := range slices.Sorted(maps.Keys((*known)[caller])) {
				if !yield(caller, op) {
					return
				}
			}
		}
	}
}

// connect lets a caller call an operation, or makes it known as a caller if op is "".
func (s *Switch) connect(caller, op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := edges{}
	if known := s.edges.Load(); known != nil {
		next = maps.Clone(*known)
	}
	ops := map[string]bool{}
	maps.Copy(ops, next[caller])
	if op != "" {
		ops[op] = true
	}
	next[caller] = ops
	s.edges.Store(&next)
}

// admits returns what an operation asks: whether the composition has an edge, and whoever else has to be asked.
func (s *Switch) admits(spec *Spec) func(caller string) error {
	also := spec.Admit
	return func(caller string) error {
		if err := s.admit(caller, spec.Name); err != nil || also == nil {
			return err
		}
		return also(caller)
	}
}

// admit finds out whether the composition has an edge.
func (s *Switch) admit(caller, op string) error {
	known := s.edges.Load()
	if known == nil || caller == "" || (*known)[caller][op] {
		return nil
	}
	return &genai.Error{Kind: genai.PermissionDenied, Started: genai.StartedNo,
		Message: fmt.Sprintf("%s may not call %s: nothing here was composed that dials it as %[1]s", caller, op)}
}

// A view is a Switch as one service sees it.
type view struct {
	*Switch
	name string
}

// Dialled is called by [Op.Dial].
func (v *view) Dialled(spec *Spec) { v.connect(v.name, spec.Name) }

// Call implements [Client].
func (v *view) Call(ctx context.Context, spec *Spec, req any) (any, error) {
	return v.Switch.Call(withCaller(ctx, v.name), spec, req)
}

// guard refuses the calls that a Spec does not admit, where a transport has not asked.
func guard(spec *Spec, h genai.AnyHandler) genai.AnyHandler {
	return func(ctx context.Context, req any) (any, error) {
		if spec.Admit != nil {
			if err := spec.Admit(Metadata(ctx, Caller)); err != nil {
				return nil, err
			}
		}
		return h(ctx, req)
	}
}
