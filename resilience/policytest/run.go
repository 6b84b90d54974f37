package policytest

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/dovetail-go/dovetail/genai"
)

// Run checks the policies that make returns, each of which must be a new one, in subtests of t. The handlers they guard
// succeed unless a check says otherwise, so make returns policies that let such calls pass.
func Run(t *testing.T, make func() genai.Policy) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.in(t, make()) })
	}
	t.Run("zero value", func(t *testing.T) {
		kind := reflect.TypeOf(make())
		if kind.Kind() != reflect.Pointer || kind.Elem().Kind() != reflect.Struct {
			t.Skipf("a %v has no fields to be left at zero", kind)
		}
		zero, ok := reflect.New(kind.Elem()).Interface().(genai.Policy)
		if !ok {
			t.Fatalf("a pointer to the zero value of %v is no policy", kind.Elem())
		}
		check{run: passesValues}.in(t, zero)
	})
}

// A check returns what is wrong with a policy, or nil. It runs in a bubble.
type check struct {
	name string
	run  func(context.Context, genai.Policy) error
}

func (c check) in(t *testing.T, p genai.Policy) {
	synctest.Test(t, func(t *testing.T) {
		if err := c.run(t.Context(), p); err != nil {
			t.Error(err)
		}
	})
}

var checks = []check{
	{"value", passesValues},
	{"failure", passesFailures},
	{"failure that may pass", passesLastFailure},
	{"values of the context", passesContext},
	{"caller leaves", passesCancel},
	{"deadline of the caller", passesDeadline},
	{"stream", passesStreams},
	{"stream that is read slowly", keepsSlowStreams},
	{"stream that breaks", passesBreaks},
	{"stream that is closed early", closesStreams},
	{"stream whose caller leaves", cancelsStreams},
	{"panic", passesPanics},
	{"end of the goroutine", passesGoexit},
	{"nothing stays held", releases},
	{"another chance", recovers},
	{"many calls at once", servesMany},
	{"many handlers", guardsMany},
}
