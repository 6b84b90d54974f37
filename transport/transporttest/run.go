package transporttest

import (
	"fmt"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A Start starts a server on which serve has put its handlers, and returns how to reach it. It is called once or more in
// each subtest. What it starts ends with t.Cleanup; it calls t.Fatal if it cannot start.
type Start func(t testing.TB, serve func(transport.Server)) Link

// A Link is a client together with the server it reaches. Only Client must be set; what the others would prove is skipped.
type Link struct {
	Client transport.Client

	// Caller is by which name the server knows the client; "" if it asks nobody for one. Then handlers must find none.
	Caller string

	// Trusts says that the server takes a call for that of the service in whose name it was made, as it may where both are one
	// process: see [transport.Switch.As]. Otherwise handlers must find Caller whatever the client says.
	Trusts bool

	// Stop tells the server to let running calls finish, to take no new ones, and returns when it has ended. It may be called
	// by any goroutine, also again and while it runs.
	Stop func()

	// Again starts the server anew where it was, after Stop has returned, with the handlers that it had. It is called once.
	Again func()

	// Cut breaks every connection between client and server, as if a cable were pulled, while the server runs on. It is
	// called once.
	Cut func()

	// Join returns a client that may call this server or that of another Link, which was made in the same test and serves the
	// same operations.
	Join func(other Link) transport.Client

	// Strangers are clients that the server must turn away, by what is wrong with the credentials that they show.
	Strangers map[string]transport.Client
}

// Except names promises that a transport does not make, each with the reason, which is shown where the subtest is skipped.
// A key is the ID of a promise, or an ID and a variant of it: "V1", "C7/the handler does not heed its context".
type Except map[string]string

// Run proves the transport that start starts. Each promise in except is skipped; the list is a transport's own statement
// about where it differs.
func Run(t *testing.T, start Start, except ...Except) {
	known := map[string]bool{}
	for _, p := range promises() {
		known[p.id] = true
		for _, v := range p.variants {
			known[p.id+"/"+v.name] = true
		}
	}
	reasons := map[string]string{}
	for _, list := range except {
		for id, why := range list {
			if !known[id] {
				t.Errorf("there is no promise %q to be excepted from", id)
			}
			reasons[id] = why
		}
	}
	for _, p := range promises() {
		t.Run(p.id+" "+p.text, func(t *testing.T) {
			if why, ok := reasons[p.id]; ok {
				t.Skip(why)
			}
			for _, v := range p.variants {
				t.Run(v.name, func(t *testing.T) {
					if why, ok := reasons[p.id+"/"+v.name]; ok {
						t.Skip(why)
					}
					v.prove(t, start, patience)
				})
			}
		})
	}
}

// A promise is something that callers and handlers may rely on, wherever they are.
type promise struct {
	id       string
	text     string
	variants []variant
}

type variant struct {
	name string
	run  func(e *env)
}

// promises returns the suite, in the order in which it runs.
func promises() []promise {
	var all []promise
	for _, part := range [][]promise{values(), registration(), contexts(), cancellation(), failures(), panics(), streams(), load(), onceOnly(), keyed(), versions(), callers(), endings(), places()} {
		all = append(all, part...)
	}
	return all
}

// prove runs the variant and waits until everything that it started has ended.
func (v variant) prove(t testing.TB, start Start, patience time.Duration) {
	before := takeCensus()
	t.Cleanup(func() { // registered first, so run last: after the server has ended
		if !t.Failed() {
			before.wait(t, patience)
		}
	})
	v.run(&env{TB: t, start: start, patience: patience})
}

// patience is how long something may take that must happen. It is no measure of speed: the machine may be busy with other things.
const patience = time.Minute

// An env is what a variant has to work with.
type env struct {
	testing.TB
	start    Start
	patience time.Duration
}

// link starts a server.
func (e *env) link(serve func(transport.Server)) Link {
	e.Helper()
	return e.start(e.TB, serve)
}

// place serves h and returns the handler that reaches it over the transport.
func place[Req, Resp any](e *env, op transport.Op[Req, Resp], h genai.Handler[Req, Resp]) genai.Handler[Req, Resp] {
	e.Helper()
	return op.Dial(e.link(func(s transport.Server) { op.Serve(s, h) }).Client)
}

// await returns what comes out of c, or fails the test.
func await[T any](e *env, c <-chan T, what string) T {
	e.Helper()
	timer := time.NewTimer(e.patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		e.Fatalf("it did not happen: %s", what)
		panic("unreachable")
	}
}

// An outcome is what a call has returned.
type outcome[T any] struct {
	value T
	err   error
}

// async makes a call that is expected to wait for something. A transport that lets a panic through has failed.
func async[T any](f func() (T, error)) <-chan outcome[T] {
	c := make(chan outcome[T], 1)
	go func() { // ends with f, whose result the test awaits
		var o outcome[T]
		defer func() {
			if p := recover(); p != nil {
				c <- outcome[T]{err: fmt.Errorf("it panicked: %v", p)}
			}
		}()
		o.value, o.err = f()
		c <- o
	}()
	return c
}

// must returns the value of a call that has to succeed.
func must[T any](e *env) func(v T, err error) T {
	return func(v T, err error) T {
		e.Helper()
		if err != nil {
			e.Fatalf("the call failed: %v", err)
		}
		return v
	}
}
