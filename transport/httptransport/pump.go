package httptransport

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A pump writes the pieces of a stream. The first is written at once. Those after it go to a goroutine of the pump, which
// writes and flushes whatever there is, so that a piece goes out as soon as the producer takes time for the next one, and
// pieces of a producer that is faster than the connection go out together.
//
// One goroutine at a time uses a pump. Nobody else writes to the response until it was joined.
type pump struct {
	rc     *http.ResponseController
	cancel context.CancelCauseFunc // ends the call when nobody takes its pieces any more
	watch  *watch                  // over those who take them too slowly

	first bool // the first piece was written
	done  chan struct{}

	mu     sync.Mutex
	change sync.Cond // of what follows
	buf    []byte    // to be written
	spare  []byte    // the other buffer, while it is not being written
	over   bool      // no more is to come, and the goroutine shall end
	failed bool      // the connection is lost
}

// maxAhead is how many bytes may wait in a pump before the producer does.
const maxAhead = 64 << 10

// keepBuffer is how large a buffer may be that waits for the next piece: a burst must not cost memory for as long as the
// stream lasts.
const keepBuffer = 8 << 10

func newPump(w http.ResponseWriter, cancel context.CancelCauseFunc, stall time.Duration, spare *spare) *pump {
	p := &pump{rc: http.NewResponseController(w), cancel: cancel, watch: watchWriting(w, stall, spare)}
	p.change.L = &p.mu
	return p
}

// send writes what add appends to a buffer. It reports false if nobody takes it any more.
func (p *pump) send(add func([]byte) []byte) bool {
	if !p.first {
		p.first = true
		p.buf = add(p.buf)
		ok := p.write(p.buf)
		p.buf = p.buf[:0]
		return ok
	}
	if p.done == nil {
		p.done = make(chan struct{})
		go p.run() // ends with join
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.buf) >= maxAhead && !p.failed {
		p.change.Wait()
	}
	if p.failed {
		return false
	}
	p.buf = add(p.buf)
	p.change.Signal()
	return true
}

// sendRaw writes slices that are too large to be copied.
func (p *pump) sendRaw(slices [][]byte) bool {
	p.join()
	if p.failed {
		return false
	}
	p.first = true
	slices[0] = append(p.buf, slices[0]...)
	p.buf = nil
	return p.write(slices...)
}

// finish writes the last of it. It is not flushed, so that it goes out with the end of the response.
func (p *pump) finish(last []byte) {
	p.join()
	if !p.failed {
		_ = p.watch.writeAll([][]byte{append(p.buf, last...)}, nil) // whoever does not want it any more has left
		p.buf = nil
	}
}

// join ends the goroutine. What it has not begun to write is left in buf.
func (p *pump) join() {
	if p.done == nil {
		return
	}
	p.mu.Lock()
	p.over = true
	p.change.Signal()
	p.mu.Unlock()
	<-p.done
	p.done, p.over = nil, false
}

// run writes until there is no more.
func (p *pump) run() {
	defer close(p.done)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for len(p.buf) == 0 && !p.over {
			p.change.Wait()
		}
		if p.over {
			return
		}
		out := p.buf
		p.buf = p.spare[:0]
		if len(out) >= maxAhead {
			p.change.Signal() // the producer waits for this
		}
		p.mu.Unlock()
		ok := p.write(out)
		p.mu.Lock()
		if p.spare = out; cap(out) > keepBuffer {
			p.spare = nil
		}
		if !ok {
			p.failed = true
			p.change.Signal()
			return
		}
	}
}

// write writes and flushes.
func (p *pump) write(slices ...[]byte) bool {
	err := p.watch.writeAll(slices, p.rc.Flush)
	if err != nil {
		p.cancel(nil)
	}
	return err == nil
}
