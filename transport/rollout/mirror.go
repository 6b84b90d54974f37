package rollout

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/transport"
)

// A Mirror is a client that calls Client, and sends copies of some of the calls to Shadow, whose answers nobody gets: they are
// compared with those of Client. Nothing that happens there reaches the caller. Set the fields before use. It is safe for
// concurrent use.
//
// What is copied is done twice, and paid for twice. Mirror nothing that must not be done twice.
//
// Copies run in goroutines of the Mirror, at most MaxInFlight of them, with the metadata of the call and nothing else of its
// context, and are [genai.Sheddable]. A call for which there is no room is not copied. A copied call costs its caller the copying of the request and of
// the answer.
type Mirror struct {
	Client transport.Client
	Shadow transport.Client

	Percent     float64       // how many of the calls are copied; 0 means 100
	MaxInFlight int           // how many copies may run at a time; 0 means 16
	MaxBytes    int64         // of an answer, as it travels, that is kept for comparing; 0 means 1 MiB; larger ones are not compared
	Timeout     time.Duration // how long a copy may run and wait for the answer of Client; 0 means 1 minute

	// Differ says in a few words what differs between two answers to the same request that ought to be alike, and ""
	// if nothing does. The words stand in a report: no text of prompts or answers belongs in them. If it is nil, answers
	// differ if one of them is an error and the other is none, or one of another Kind.
	Differ func(op string, client, shadow Answer) string

	// Report is told about each pair of answers, one after another for each goroutine of a copy. nil means nobody.
	Report func(Comparison)

	mu      sync.Mutex
	running int
	closed  bool
	ctx     context.Context // of all copies
	cancel  context.CancelFunc
	copies  sync.WaitGroup

	panicked sync.Once
}

// An Answer is what came of a call.
type Answer struct {
	Value   any           // the response, of the operation's type; if that is a stream, its pieces as a []any; nil if the call failed
	Err     error         // nil if it did not; of a stream that was cut there are pieces as well
	Elapsed time.Duration // until there was a response, for a stream its first piece
}

// A Comparison is what a [Mirror] has found out about one call.
type Comparison struct {
	Op      string
	Differs string // "" if nothing does
	Client  Answer
	Shadow  Answer
}

// Call implements [transport.Client].
func (m *Mirror) Call(ctx context.Context, spec *transport.Spec, req any) (any, error) {
	c := m.begin(ctx, spec, req)
	if c == nil {
		return m.Client.Call(ctx, spec, req)
	}
	began := clock.Now()
	resp, err := m.Client.Call(ctx, spec, req)
	elapsed := time.Duration(clock.Now() - began)
	c.note(resp, err, func(n *noted) {
		n.elapsed = elapsed
		c.client <- n
	})
	return resp, err
}

// Close ends the copies that run and waits for them. Calls after it are not copied.
func (m *Mirror) Close() error {
	m.mu.Lock()
	m.closed = true
	if m.cancel != nil {
		m.cancel()
	}
	m.mu.Unlock()
	m.copies.Wait()
	return nil
}

// A copied call.
type copied struct {
	mirror *Mirror
	spec   *transport.Spec
	client chan *noted // what the caller got, once
}

// begin copies a call, or returns nil.
func (m *Mirror) begin(ctx context.Context, spec *transport.Spec, req any) *copied {
	if m.Percent > 0 && rand.Float64()*100 >= m.Percent || !m.enter() {
		return nil
	}
	c := &copied{mirror: m, spec: spec, client: make(chan *noted, 1)}
	own, err := spec.CopyRequest(req)
	e := transport.Envelope{Metadata: transport.EnvelopeOf(ctx).Metadata, Priority: genai.Sheddable}
	var inner context.Context
	if err == nil {
		inner, err = e.Open(m.ctx)
	}
	if err != nil {
		m.leave() // Client will say the same
		return nil
	}
	go c.run(inner, own) // ends with the timeout or with Close, which waits for it
	return c
}

// enter takes a place, if there is one.
func (m *Mirror) enter() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	limit := m.MaxInFlight
	if limit == 0 {
		limit = 16
	}
	if m.closed || m.running >= limit {
		return false
	}
	if m.ctx == nil {
		m.ctx, m.cancel = context.WithCancel(context.Background())
	}
	m.running++
	m.copies.Add(1)
	return true
}

func (m *Mirror) leave() {
	m.mu.Lock()
	m.running--
	m.mu.Unlock()
	m.copies.Done()
}

// run makes the copy of the call and compares. It survives whatever the functions of the user do.
func (c *copied) run(ctx context.Context, req any) {
	defer c.mirror.leave()
	defer func() {
		if p := recover(); p != nil {
			c.mirror.panicked.Do(func() { // the first says what the others would
				slog.Error("a mirror panicked", "op", c.spec.Name, "panic", p, "stack", string(debug.Stack()))
			})
		}
	}()
	timeout := c.mirror.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	shadow := c.shadow(ctx, req)
	select {
	case client := <-c.client:
		c.compare(client.answer(), shadow.answer())
	case <-ctx.Done(): // the caller still reads, and may go on doing so
	}
}

// shadow calls and reads the answer to its end.
func (c *copied) shadow(ctx context.Context, req any) *noted {
	began := clock.Now()
	resp, err := c.mirror.Shadow.Call(ctx, c.spec, req)
	elapsed := time.Duration(clock.Now() - began)
	answer := make(chan *noted, 1)
	c.note(resp, err, func(n *noted) { answer <- n })
	if s, ok := resp.(puller); ok && err == nil {
		for err == nil {
			_, err = s.Pull() // ends with ctx, and its end is noted
		}
	}
	n := <-answer
	n.elapsed = elapsed
	return n
}

// puller is what a stream is for those who do not know its pieces.
type puller interface{ Pull() (any, error) }

// compare reports. A call that its caller has left says nothing, nor does one whose answer was too large to be kept.
func (c *copied) compare(client, shadow Answer) {
	switch genai.KindOf(client.Err) {
	case genai.Cancelled, genai.DeadlineExceeded:
		return
	}
	if client.Err == errTooLarge || shadow.Err == errTooLarge || c.mirror.ctx.Err() != nil {
		return
	}
	differ := c.mirror.Differ
	if differ == nil {
		differ = differentEnds
	}
	r := Comparison{Op: c.spec.Name, Client: client, Shadow: shadow, Differs: differ(c.spec.Name, client, shadow)}
	if c.mirror.Report != nil {
		c.mirror.Report(r)
	}
}

func differentEnds(_ string, client, shadow Answer) string {
	a, b := genai.KindOf(client.Err), genai.KindOf(shadow.Err)
	switch {
	case a == b:
		return ""
	case a == "":
		return "fails with " + string(b)
	case b == "":
		return "succeeds where the other fails with " + string(a)
	}
	return "fails with " + string(b) + " where the other fails with " + string(a)
}
