package fanout

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dovetail-go/dovetail/genai"
)

// Map makes a handler of lists: it asks h each request of the list, at most limit of them at the same time, and returns
// the answers in the order of the requests. A limit below 1 counts as 1.
//
// The first failure ends the call: the other branches are cancelled and waited for, what they answered is discarded, and
// the requests that were not begun never are. The error is that of the branch, with the place of its request in Field:
// "[3]" is the fourth. Where partial answers are of use, let h return them as values, or use [All].
//
// Answers that are streams belong to the caller, all of them, and count towards limit until their first piece only.
func Map[Req, Resp any](h genai.Handler[Req, Resp], limit int) genai.Handler[[]Req, []Resp] {
	return func(ctx context.Context, reqs []Req) ([]Resp, error) {
		if len(reqs) == 0 {
			return []Resp{}, nil
		}
		inner, cancel := context.WithCancelCause(ctx)
		m := &mapping[Req, Resp]{reqs: reqs, resps: make([]Resp, len(reqs)), done: make([]bool, len(reqs)), cancel: cancel}
		g := group{abort: func(err *genai.Error) { m.fail(err) }}
		complete := false
		defer func() {
			if !complete {
				m.discard()
			}
		}()
		g.run(min(max(limit, 1), len(reqs)), func(int) { m.work(inner, h) })
		if err := m.outcome(ctx); err != nil {
			return nil, err
		}
		complete = true
		m.release()
		return m.resps, nil
	}
}

// A mapping is one call of a handler that Map made.
type mapping[Req, Resp any] struct {
	reqs   []Req
	resps  []Resp
	done   []bool // which answers are there
	cancel context.CancelCauseFunc
	next   atomic.Int64 // the number of requests that were begun

	mu  sync.Mutex
	err error // the first failure
}

// work asks one request after the other while there are any and nothing failed.
func (m *mapping[Req, Resp]) work(ctx context.Context, h genai.Handler[Req, Resp]) {
	for ctx.Err() == nil {
		i := int(m.next.Add(1)) - 1
		if i >= len(m.reqs) {
			return
		}
		resp, err := h(ctx, m.reqs[i])
		if err != nil {
			m.fail(placed(err, i))
			return
		}
		m.resps[i], m.done[i] = resp, true
	}
}

func (m *mapping[Req, Resp]) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
		m.cancel(&genai.Error{Kind: genai.Cancelled, Message: "another branch failed", Err: err})
	}
}

// outcome returns why the call failed, or nil. What branches report after ctx ended is a consequence of that.
func (m *mapping[Req, Resp]) outcome(ctx context.Context) error {
	if m.err == nil && !slices.Contains(m.done, false) {
		return nil
	}
	if over := genai.ContextError(ctx); over != nil {
		return over
	}
	if m.err == nil {
		return errExited // nothing else keeps a request from being answered
	}
	return m.err
}

func (m *mapping[Req, Resp]) discard() {
	m.cancel(nil)
	for i, done := range m.done {
		if done {
			genai.Discard(m.resps[i])
		}
	}
}

// release ends the context of the branches when the last answer is over.
func (m *mapping[Req, Resp]) release() {
	if !anyArriving(m.resps) {
		m.cancel(nil)
		return
	}
	var left atomic.Int64
	left.Store(int64(len(m.resps)))
	for _, resp := range m.resps {
		genai.Finally(resp, nil, func(error) {
			if left.Add(-1) == 0 {
				m.cancel(nil)
			}
		})
	}
}

func anyArriving[Resp any](resps []Resp) bool {
	for _, resp := range resps {
		if genai.Arriving(resp) {
			return true
		}
	}
	return false
}

// placed returns err as the failure of request i.
func placed(err error, i int) error {
	e := *genai.AsError(err)
	switch {
	case e.Field == "" || e.Field[0] == '[':
		e.Field = fmt.Sprintf("[%d]%s", i, e.Field)
	default:
		e.Field = fmt.Sprintf("[%d].%s", i, e.Field)
	}
	e.Err = err
	return &e
}
