package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// towns are other processes, by their addresses.
type towns map[string]*inproc.Network

func (n towns) Dial(address string) (transport.Client, error) {
	if c, ok := n[address]; ok {
		return c, nil
	}
	return nil, genai.Errorf(genai.Unsupported, "%q is nowhere", address)
}

func (n towns) Listen(address string) (transport.Listener, error) {
	return nil, genai.Errorf(genai.Unsupported, "nobody listens at %q", address)
}

// A checker is an ethics check that counts.
type checker struct {
	calls atomic.Int64
	flag  bool
	err   error
}

func (c *checker) check(context.Context, *genai.ModerationRequest) (*genai.Verdict, error) {
	c.calls.Add(1)
	if c.err != nil {
		return nil, c.err
	}
	return &genai.Verdict{Flagged: c.flag}, nil
}

// TestSteering: the orders that a running desk takes, besides those that TestMoveModeration gives.
func TestSteering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, good, bad, odd := &checker{}, &checker{}, &checker{err: genai.Errorf(genai.ServerError, "ill")}, &checker{flag: true}
		there := towns{"town:good": {}, "town:bad": {}, "town:odd": {}}
		contract.Moderate.Serve(there["town:good"], good.check)
		contract.Moderate.Serve(there["town:bad"], bad.check)
		contract.Moderate.Serve(there["town:odd"], odd.check)
		sw := &transport.Switch{Local: &inproc.Network{}, Remotes: []transport.Remote{there}}
		contract.Moderate.Serve(sw, here.check)
		check := contract.Moderate.Dial(sw.As("desk"))
		ask := func(n int) (failed int) {
			t.Helper()
			for i := range n {
				if _, err := check(t.Context(), &genai.ModerationRequest{Text: fmt.Sprint("question ", i)}); err != nil {
					failed++
				}
			}
			return failed
		}

		in, orders := io.Pipe()
		var out lockedBuffer
		ended := make(chan struct{})
		go func() { // ends when the orders end
			defer close(ended)
			steer(t.Context(), in, &out, sw)
		}()
		say := func(order string, want ...string) {
			t.Helper()
			before := len(out.String())
			fmt.Fprintln(orders, order)
			synctest.Wait()
			for _, w := range want {
				if said := out.String()[before:]; !strings.Contains(said, w) {
					t.Errorf("%q is answered %q, want %q", order, said, w)
				}
			}
		}
		share := func(c *checker, least, most int64) {
			t.Helper()
			before := c.calls.Load()
			if failed := ask(1000); failed > 0 {
				t.Errorf("%d calls have failed", failed)
			}
			synctest.Wait()
			if n := c.calls.Load() - before; n < least || n > most {
				t.Errorf("%d of 1000 calls went there, want %d to %d", n, least, most)
			}
		}
		say("edges", "desk -> moderation.check")
		say("split moderation town:good 10", "10 % of the calls of moderation go to town:good, the others to inproc")
		share(good, 50, 150)
		say("split moderation town:good 50%", "50 % of")
		share(good, 400, 600)
		say("where", "moderation split:town:good")
		say("split moderation town:good much", "no percentage")
		say("split moderation nowhere 5", "nowhere")
		say("move moderation here", "moderation is now at inproc")
		share(good, 0, 0)

		say("mirror moderation town:odd", "town:odd gets copies")
		share(here, 1000, 1000)
		if odd.calls.Load() == 0 || !strings.Contains(out.String(), "moderation.check: another verdict") {
			t.Errorf("the copies say nothing: %d were made", odd.calls.Load())
		}
		say("mirror moderation town:bad", fmt.Sprintf("%d copies of calls of moderation were compared, of which %[1]d differ", odd.calls.Load()))
		share(here, 1000, 1000)
		if !strings.Contains(out.String(), "moderation.check: server_error instead of an answer") {
			t.Error("a copy that fails says nothing")
		}
		say("move moderation here", "copies of calls")

		// Somebody asks all the time.
		ctx, cancel := context.WithCancel(t.Context())
		var people sync.WaitGroup
		for range 2 {
			people.Go(func() { // ends with ctx
				for ctx.Err() == nil {
					ask(1)
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		say("rollout moderation town:bad 10s", "step by step")
		time.Sleep(time.Minute)
		say("where", "moderation inproc")
		if text := out.String(); !strings.Contains(text, "the service is back: at town:bad, with copies of the calls") {
			t.Errorf("a rollout to an ill place: %s", text)
		}
		say("rollout moderation town:good soon", "no time")
		say("rollout moderation town:good 10s", "step by step")
		time.Sleep(25 * time.Second)
		say("move moderation here", "moderation is now at inproc") // somebody has changed their mind
		say("rollout moderation town:good 10s", "step by step")
		time.Sleep(2 * time.Minute)
		say("where", "moderation town:good")
		for _, step := range []string{"copies", "1 %", "10 %", "50 %", "100 %"} {
			if want := step + " of the calls of moderation: there"; !strings.Contains(out.String(), want) {
				t.Errorf("the rollout does not say %q", want)
			}
		}
		before := good.calls.Load()
		time.Sleep(time.Second)
		if good.calls.Load() == before {
			t.Error("nobody is checked there")
		}
		cancel()
		people.Wait()
		say("go away", "I understand")
		orders.Close()
		<-ended
	})
}
