package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/shape"
	"github.com/dovetail-go/dovetail/transport"
)

// A Contract is what a program serves: its operations, and the fields of their messages. It is a [transport.Server] that only
// takes notes, so it learns what would be served by the function that does. The zero value is ready. It is safe for concurrent use.
type Contract struct {
	mu  sync.Mutex
	ops map[string]*shape.Op
}

// A Change is how a program differs from what was stored.
type Change struct {
	Op       string // the operation
	Where    string // what has changed of it, such as "request.messages[].text"; "" is all of it
	What     string // in words
	Breaking bool   // callers of the stored version may fail, or miss something, with the new one
}

// String returns the change on one line.
func (c Change) String() string {
	text := c.Op
	if c.Where != "" {
		text += ", " + c.Where
	}
	text += ": " + c.What
	if c.Breaking {
		text += " (breaking)"
	}
	return text
}

// Handle implements [transport.Server].
func (c *Contract) Handle(spec *transport.Spec, _ genai.AnyHandler) {
	op := &shape.Op{}
	if err := json.Unmarshal(spec.Contract(), op); err != nil {
		panic(err) // it was written a moment ago
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.ops[op.Name]; taken {
		panic(fmt.Sprintf("contract: %s has a handler already", op.Name))
	}
	if c.ops == nil {
		c.ops = map[string]*shape.Op{}
	}
	c.ops[op.Name] = op
}

// MarshalJSON returns the contract as it is stored: always the same text for the same contract.
func (c *Contract) MarshalJSON() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*shape.Op, 0, len(c.ops))
	for _, name := range slices.Sorted(maps.Keys(c.ops)) {
		all = append(all, c.ops[name])
	}
	return json.Marshal(all)
}

// Compare returns how the contract differs from one that was stored, in the order of the operations' names. Text that is no
// contract is [genai.InvalidRequest].
func (c *Contract) Compare(stored []byte) ([]Change, error) {
	var all []*shape.Op
	d := json.NewDecoder(bytes.NewReader(stored))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return nil, genai.Errorf(genai.InvalidRequest, "the stored contract cannot be understood: %w", err)
	}
	before := map[string]*shape.Op{}
	for i, op := range all {
		if op == nil || op.Name == "" || op.Request == "" || op.Response == "" {
			return nil, genai.Errorf(genai.InvalidRequest, "operation %d of the stored contract is incomplete", i)
		}
		if before[op.Name] != nil {
			return nil, genai.Errorf(genai.InvalidRequest, "the stored contract has %s twice", op.Name)
		}
		before[op.Name] = op
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	names := maps.Clone(before)
	maps.Copy(names, c.ops)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is := before[name], c.ops[name]
		switch {
		case was == nil:
			changes = append(changes, Change{Op: name, What: "it is new"})
		case is == nil:
			changes = append(changes, Change{Op: name, What: "it is gone", Breaking: true})
		default:
			for _, d := range shape.Compare(was, is) {
				changes = append(changes, Change{name, d.Where, d.What, d.Breaking})
			}
		}
	}
	return changes, nil
}
