package httptransport

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/sse"
	"github.com/dovetail-go/dovetail/transport"
)

// stream makes a call whose response arrives in pieces.
func (c *Client) stream(ctx context.Context, q *request) (any, error) {
	inner, cancel := context.WithCancel(ctx)
	resp, at, err := c.exchange(inner, q)
	if err != nil {
		cancel()
		return nil, err
	}
	spec := q.spec
	r := &receiver{at: at, grants: grants{to: q.grants, ahead: int64(q.spec.Ahead)}, body: resp.Body, cancel: cancel, reply: transport.EnvelopeOf(ctx).Reply, max: spec.MaxBytes}
	var next func() (transport.Message, error)
	switch t := mediaType(resp.Header.Get("Content-Type")); t {
	case typeFrames:
		r.src = bufio.NewReader(resp.Body)
		next = r.nextFrame
	case typeEvents:
		r.events = sse.NewReader(resp.Body, int(min(max(spec.MaxBytes, maxTrailer), 1<<40)))
		next = r.nextEvent
	default:
		r.stop()
		return nil, foreign(resp, t)
	}
	return spec.Receive(ctx, next, r.stop)
}

// A receiver reads a stream.
type receiver struct {
	at     *endpoint
	grants grants
	gone   atomic.Bool // the endpoint was left
	body   io.ReadCloser
	cancel context.CancelFunc
	reply  *transport.Reply
	max    int64 // bytes of a piece

	src    *bufio.Reader // of frames
	buffer []byte
	events *sse.Reader
}

// stop ends the exchange. The connection is used again if the stream was read to its end.
func (r *receiver) stop() {
	r.grants.end()
	r.cancel()
	_ = r.body.Close()
	if !r.gone.Swap(true) {
		r.at.leave()
	}
}

func (r *receiver) nextFrame() (transport.Message, error) {
	kind, m, err := readFrames(r.src, &r.buffer, r.max)
	switch {
	case err != nil:
		return transport.Message{}, r.cut(err)
	case kind == frameMessage:
		r.grants.took()
		return m, nil
	case len(m.Parts) > 0:
		return transport.Message{}, garbledFrames("a stream ends with a part of no message")
	}
	return transport.Message{}, r.end(m.Head, kind == frameError)
}

func (r *receiver) nextEvent() (transport.Message, error) {
	for {
		e, err := r.events.Next()
		if err != nil {
			return transport.Message{}, r.cut(err)
		}
		switch string(e.Type) {
		case "", "message":
			if n := int64(len(e.Data)); n > r.max {
				return transport.Message{}, tooLarge("piece", n, r.max)
			}
			return transport.Message{Head: e.Data}, nil
		case eventEnd, eventError:
			return transport.Message{}, r.end(e.Data, string(e.Type) == eventError)
		}
		// An event of a newer peer says nothing that a reader of pieces must know.
	}
}

// cut makes an error of a stream that has stopped before its end.
func (r *receiver) cut(err error) error {
	if own, ok := errors.AsType[*genai.Error](err); ok {
		return own
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &genai.Error{Kind: genai.Unavailable, Started: genai.StartedYes, Message: fmt.Sprintf("the stream was cut before its end: %v", err), Err: err}
}

// end takes what the stream ends with.
func (r *receiver) end(text []byte, failed bool) error {
	t := trailer{}
	if failed {
		t.Problem = &transport.Problem{}
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return genai.Errorf(genai.Malformed, "the end of the stream cannot be understood")
	}
	r.reply.Arrive(t.Metadata)
	r.grants.end()
	r.drain()
	if failed {
		return t.Problem.Err()
	}
	return io.EOF
}

// drainTimeout is how long an exchange may take to end after its last event, for its connection to be used again.
const drainTimeout = time.Second

// drain reads the end of the body, which comes with the last event as a rule.
func (r *receiver) drain() {
	timer := time.AfterFunc(drainTimeout, r.cancel)
	defer timer.Stop()
	rest := io.Reader(r.body)
	if r.src != nil {
		rest = r.src
	} else if r.events != nil {
		rest = r.events.Rest()
	}
	_, _ = io.CopyN(io.Discard, rest, 1)
}
