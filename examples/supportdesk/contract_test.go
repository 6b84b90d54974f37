package main

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"testing"

	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/contract"
)

var update = flag.Bool("update", false, "write testdata/contract.json anew, because the contract is meant to change")

// notes is a network that only takes notes of what is served.
type notes struct {
	*contract.Contract
	transport.Client
}

// TestContract: what the services serve goes together with what was stored, so that they can be replaced one by one. Changes that go
// together are written down as well, with -update.
func TestContract(t *testing.T) {
	now := &contract.Contract{}
	sw := &transport.Switch{Local: notes{now, nil}}
	if _, err := (&system{Switch: sw, getenv: func(string) string { return "" }, progress: io.Discard}).serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/contract.json"
	if *update {
		text, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := now.Compare(stored)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		t.Errorf("%v", c)
	}
}
