package wiretest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// Replay is an [http.RoundTripper] that repeats what [Record] wrote, without any network. A request is answered with the
// first exchange left that was for the same one: same method, same path and query, same JSON in the body. The host does
// not matter, nor do headers. A request that was not recorded fails, and nothing is sent.
//
// The body comes in the pieces in which it came, breaks off where it did, and takes no time unless Timing is set. A
// Replay must not be copied; it is safe for concurrent use.
type Replay struct {
	File string

	// Timing repeats how long the response took as well. The waits are ordinary timers: in a bubble of package
	// testing/synctest they take no time and are still exact.
	Timing bool

	// Secrets are those that the Record was given.
	Secrets []string

	mu      sync.Mutex
	read    bool
	failure error
	left    []*tape
	strange []string // requests that were not recorded
}

// load reads the file, once.
func (r *Replay) load() error {
	if r.read {
		return r.failure
	}
	r.read = true
	f, err := os.Open(r.File)
	if err != nil {
		r.failure = &genai.Error{Kind: genai.Internal, Field: "File", Message: "there is nothing to replay: " + err.Error(), Err: err}
		return r.failure
	}
	defer f.Close()
	for lines, n := bufio.NewReader(f), 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			t := new(tape)
			if err := json.Unmarshal(line, t); err != nil {
				r.failure = &genai.Error{Kind: genai.Internal, Field: "File", Message: fmt.Sprintf("line %d of the recording cannot be read: %v", n, err), Err: err}
				return r.failure
			}
			r.left = append(r.left, t)
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			r.failure = &genai.Error{Kind: genai.Internal, Field: "File", Message: "the recording cannot be read", Err: err}
			return r.failure
		}
	}
}

// RoundTrip answers a request with what was recorded for it.
func (r *Replay) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := drain(req)
	if err != nil {
		return nil, err
	}
	t, err := r.take(begin(req, body, scrubberOf(req, r.Secrets)))
	if err != nil {
		return nil, err
	}
	ctx := req.Context()
	if t.Status == 0 && t.Left { // there was no response when the client left, and what it would have been nobody knows
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if r.Timing {
		if err := sleep(ctx, duration(t.Wait)); err != nil {
			return nil, err
		}
	}
	if t.Failure != "" || t.Status == 0 {
		return nil, &genai.Error{Kind: genai.Unavailable, Message: "as recorded: " + t.Failure}
	}
	header := http.Header{}
	for name, value := range t.Headers {
		header.Set(name, value)
	}
	if t.Chunks == nil {
		t.Chunks = []tapeChunk{{Text: t.Body, B64: t.BodyB64}}
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", t.Status, http.StatusText(t.Status)), StatusCode: t.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: -1, Request: req,
		Body: newReplayedBody(ctx, t, r.Timing),
	}, nil
}

// take finds the exchange for a request.
func (r *Replay) take(asked *tape) (*tape, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return nil, err
	}
	near := false
	for i, t := range r.left {
		if asked.same(t) {
			r.left = append(r.left[:i], r.left[i+1:]...)
			return t, nil
		}
		near = near || t.Method == asked.Method && t.Path == asked.Path
	}
	message := "nothing that is left of the recording was for " + asked.name()
	if near {
		message = "what is left of the recording for " + asked.name() + " was asked with another body"
	}
	r.strange = append(r.strange, message)
	return nil, &genai.Error{Kind: genai.Internal, Reason: "not_recorded", Message: message, Started: genai.StartedNo}
}

// Verify fails the test if something was asked that was not recorded, or recorded and not asked.
func (r *Replay) Verify(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		t.Errorf("wiretest: %v", err)
	}
	for _, message := range r.strange {
		t.Errorf("wiretest: %s", message)
	}
	for _, left := range r.left {
		t.Errorf("wiretest: nobody asked again for the recorded %s", left.name())
	}
}

func duration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// sleep waits, but not for longer than ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A replayedBody gives back the chunks of a tape, one a read.
type replayedBody struct {
	ctx    context.Context // ends with the request, or when the body is closed
	cancel context.CancelFunc
	tape   *tape
	began  time.Time // zero: without waiting
	rest   []byte
	next   int
}

func newReplayedBody(ctx context.Context, t *tape, timing bool) *replayedBody {
	b := &replayedBody{tape: t}
	b.ctx, b.cancel = context.WithCancel(ctx)
	if timing {
		b.began = time.Now()
	}
	return b
}

func (b *replayedBody) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if err := b.ctx.Err(); err != nil {
			return 0, context.Cause(b.ctx)
		}
		switch {
		case b.next < len(b.tape.Chunks):
			c := b.tape.Chunks[b.next]
			b.next++
			if err := b.wait(c.At); err != nil {
				return 0, err
			}
			b.rest = c.bytes()
			continue
		case b.tape.Left: // what would have come nobody knows
			<-b.ctx.Done()
			return 0, context.Cause(b.ctx)
		}
		if err := b.wait(b.tape.End); err != nil {
			return 0, err
		}
		if b.tape.Cut {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// wait waits until something is due.
func (b *replayedBody) wait(at float64) error {
	if b.began.IsZero() {
		return nil
	}
	return sleep(b.ctx, duration(at)-time.Since(b.began))
}

// Close lets go of a read that waits.
func (b *replayedBody) Close() error {
	b.cancel()
	return nil
}
