package resilience

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/clock"
	"github.com/dovetail-go/dovetail/internal/timebox"
)

// A stall is the limit on how long a consumer waits for a piece.
type stall struct {
	limit time.Duration
	err   *genai.Error
}

// An idleWatch finds out that a consumer has been waiting for one piece for too long. The consumer only counts: its
// asking makes the count odd, the piece makes it even. A slow timer looks at the count now and then, and when it finds the
// same odd number for as long as the limit, the limit is over. So a piece costs neither a timer nor a look at the clock.
type idleWatch struct {
	*stall
	count atomic.Uint64
	ctx   *timebox.Context

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	seen    uint64 // the count when the timer last came by
	since   int64  // when it found that count first
}

// watch starts the timer. It comes by eight times a limit, which is how late it may be.
func (s *stall) watch(ctx *timebox.Context) *idleWatch {
	w := &idleWatch{stall: s, ctx: ctx}
	w.mu.Lock() // until the timer is in its place
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(s.period(), w.look)
	return w
}

func (s *stall) period() time.Duration { return (s.limit + 7) / 8 }

func (w *idleWatch) asked() { w.count.Add(1) }

func (w *idleWatch) arrived(any) { w.count.Add(1) }

func (w *idleWatch) look() {
	if w.over() {
		w.ctx.Cancel(w.err)
	}
}

func (w *idleWatch) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return false
	}
	count, now := w.count.Load(), clock.Now()
	switch {
	case count != w.seen || count%2 == 0:
		w.seen, w.since = count, now
	case now-w.since >= int64(w.limit):
		return true
	}
	w.timer.Reset(w.period())
	return false
}

func (w *idleWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}
