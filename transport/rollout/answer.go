package rollout

import (
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// errTooLarge stands for an answer that was not kept.
var errTooLarge = genai.Errorf(genai.TooLarge, "the answer is too large to be kept for comparing")

// note calls done, once, with what becomes of a response: at once, or when the stream is over. The response itself is the
// caller's, who may change it, so what is noted was encoded before the caller got it.
func (c *copied) note(resp any, err error, done func(*noted)) {
	n := &noted{spec: c.spec, left: c.mirror.MaxBytes, err: err}
	if n.left == 0 {
		n.left = 1 << 20
	}
	switch {
	case err != nil:
		done(n)
	case !c.spec.Streams:
		n.add(c.spec.EncodeResponse(resp))
		done(n)
	default:
		genai.Watch(resp, nil, func(piece any) {
			if n.room() {
				n.add(c.spec.EncodePiece(piece))
			}
		})
		genai.Finally(resp, nil, func(err error) {
			n.mu.Lock()
			n.err = err
			n.mu.Unlock()
			done(n)
		})
	}
}

// A noted answer is one as it travels. A stream is read in one goroutine and may end in another.
type noted struct {
	spec    *transport.Spec
	elapsed time.Duration

	mu   sync.Mutex
	left int64
	all  []transport.Message
	err  error // what the answer ended with
	lost error // why it was not kept
}

func (n *noted) room() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost == nil
}

// pieceCost is what a piece costs that is empty.
const pieceCost = 64

func (n *noted) add(m transport.Message, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left -= m.Len() + pieceCost
	switch {
	case n.lost != nil:
	case err != nil:
		n.lost = err
	case n.left < 0:
		n.lost, n.all = errTooLarge, nil
	default:
		n.all = append(n.all, m)
	}
}

// answer returns what was noted.
func (n *noted) answer() Answer {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := Answer{Err: n.err, Elapsed: n.elapsed}
	if n.lost != nil {
		a.Err = n.lost
		return a
	}
	pieces := []any{}
	for _, m := range n.all {
		v, err := n.spec.DecodeResponse(m)
		if err != nil {
			a.Err = err
			return a
		}
		pieces = append(pieces, v)
	}
	switch {
	case n.spec.Streams && (n.err == nil || len(pieces) > 0):
		a.Value = pieces
	case len(pieces) > 0:
		a.Value = pieces[0]
	}
	return a
}
