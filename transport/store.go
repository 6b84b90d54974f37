package transport

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Store keeps what came of keyed calls, see [Keyed]. Servers share one if a call may be repeated at another of them. It is
// safe for concurrent use. With Redis, the methods are SET id mark NX GET PX keep, and SET id record PX keep or DEL id.
//
// An error of Claim fails the call, of which nothing was begun; so does a Store that does not answer. An error of Settle goes to
// the log: the mark then stands where the record should, and repetitions are refused until it is forgotten.
type Store interface {
	// Claim puts mark under id for the time of keep and returns nil, if there is nothing under id. Otherwise it changes
	// nothing and returns what is there. Of those who claim an id at the same time, one gets nil.
	Claim(ctx context.Context, id string, mark []byte, keep time.Duration) (found []byte, err error)

	// Settle puts record in the place of what is under id, for the time of keep. A record that is nil removes it.
	Settle(ctx context.Context, id string, record []byte, keep time.Duration) error
}

// The bounds of a memory.
const (
	memoryBytes = 64 << 20 // of records
	memoryIDs   = 1 << 17
)

// A memory is the Store of one process. What does not fit is cut down to its head, oldest first: enough to know that there was
// a call, and so enough not to work on it again.
type memory struct {
	mu     sync.Mutex
	byID   map[string]*list.Element
	oldest list.List // of *memorized, in the order in which they came
	fat    *list.Element
	bytes  int
}

type memorized struct {
	id      string
	record  []byte
	settled bool
	expires time.Time
}

// Claim implements [Store].
func (m *memory) Claim(_ context.Context, id string, mark []byte, keep time.Duration) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(time.Now())
	if e, ok := m.byID[id]; ok {
		return e.Value.(*memorized).record, nil
	}
	if len(m.byID) >= memoryIDs {
		return nil, &genai.Error{Kind: genai.Overloaded, Started: genai.StartedNo, RetryAfter: time.Second, Message: "too many keyed calls are remembered"}
	}
	if m.byID == nil {
		m.byID = map[string]*list.Element{}
	}
	m.byID[id] = m.oldest.PushBack(&memorized{id: id, record: mark, expires: time.Now().Add(keep)})
	m.bytes += len(mark)
	return nil, nil
}

// Settle implements [Store].
func (m *memory) Settle(_ context.Context, id string, record []byte, keep time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byID[id]; ok {
		m.remove(e)
	}
	if record == nil {
		return nil
	}
	if m.byID == nil {
		m.byID = map[string]*list.Element{}
	}
	m.byID[id] = m.oldest.PushBack(&memorized{id: id, record: record, settled: true, expires: time.Now().Add(keep)})
	m.bytes += len(record)
	m.slim()
	return nil
}

// forget removes what was kept for long enough. Operations keep for different times, so some of it stays a little longer.
func (m *memory) forget(now time.Time) {
	for e := m.oldest.Front(); e != nil && !now.Before(e.Value.(*memorized).expires); e = m.oldest.Front() {
		m.remove(e)
	}
}

func (m *memory) remove(e *list.Element) {
	kept := e.Value.(*memorized)
	if m.fat == e {
		m.fat = e.Next()
	}
	m.oldest.Remove(e)
	delete(m.byID, kept.id)
	m.bytes -= len(kept.record)
}

// slim cuts records down until they fit.
func (m *memory) slim() {
	if m.fat == nil {
		m.fat = m.oldest.Front()
	}
	for ; m.bytes > memoryBytes && m.fat != nil; m.fat = m.fat.Next() {
		kept := m.fat.Value.(*memorized)
		slim := headOf(kept.record)
		m.bytes -= len(kept.record) - len(slim)
		kept.record = slim
	}
}
