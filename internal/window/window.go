// Package window counts what happened of late.
package window

import (
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	buckets = 16 // a window is forgotten in sixteenths
	stripes = 16 // successes are counted in several places, so that cores do not wait for each other
)

// A Window counts successes and failures by the time at which they are reported. It covers between 15/16 of its span and
// all of it. It is safe for concurrent use once Init has been called.
//
// Successes are many and reported from everywhere, so they are striped. Failures are few, and kept in one place.
type Window struct {
	width  int64
	_      [64]byte // what everybody reads, here and before, lies apart from what is written
	ok     [stripes]ring
	failed ring
}

// A ring holds a count a bucket: the number of the bucket since the start of time in the upper half, the count in the
// lower. A bucket whose number is old is empty. It is as large as two cache lines.
type ring [buckets]atomic.Uint64

// Init sets the length of the window.
func (w *Window) Init(span time.Duration) {
	w.width = max(int64(span)/buckets, 1)
}

// Succeeded counts a success at now, a reading of package clock.
func (w *Window) Succeeded(now int64) { w.ok[stripe()].add(now / w.width) }

// Failed counts a failure.
func (w *Window) Failed(now int64) { w.failed.add(now / w.width) }

// Sum returns what the window holds at now.
func (w *Window) Sum(now int64) (ok, failed int) {
	tick := now / w.width
	for i := range w.ok {
		ok += w.ok[i].sum(tick)
	}
	return ok, w.failed.sum(tick)
}

// Failures returns only the failures that the window holds at now, which costs less than Sum.
func (w *Window) Failures(now int64) int { return w.failed.sum(now / w.width) }

// Clear forgets everything.
func (w *Window) Clear() {
	for i := range w.ok {
		w.ok[i].clear()
	}
	w.failed.clear()
}

func (r *ring) add(tick int64) {
	b := &r[uint64(tick)%buckets]
	for {
		old := b.Load()
		next := uint64(uint32(tick)) << 32
		if old>>32 == uint64(uint32(tick)) {
			next = old
		}
		if b.CompareAndSwap(old, next+1) {
			return
		}
	}
}

func (r *ring) sum(tick int64) int {
	n := 0
	for i := range r {
		v := r[i].Load()
		if uint32(tick)-uint32(v>>32) < buckets { // also right when the number of the bucket wraps around
			n += int(uint32(v))
		}
	}
	return n
}

func (r *ring) clear() {
	for i := range r {
		r[i].Store(0)
	}
}

// stripe picks a place to count in by where the stack of the calling goroutine lies. A goroutine mostly finds the same
// one, and finds it in the cache of its core.
func stripe() int {
	var here byte
	return int(uint64(uintptr(unsafe.Pointer(&here))>>11)*0x9e3779b97f4a7c15>>32) % stripes
}

// A Counter counts one thing by the time at which it is reported, over the same span as a Window. It is safe for concurrent
// use once Init has been called.
type Counter struct {
	width int64
	ring  ring
}

// Init sets the length of the window.
func (c *Counter) Init(span time.Duration) { c.width = max(int64(span)/buckets, 1) }

// Add counts one at now, a reading of package clock.
func (c *Counter) Add(now int64) { c.ring.add(now / c.width) }

// Sum returns how many were counted in the window that ends at now.
func (c *Counter) Sum(now int64) int { return c.ring.sum(now / c.width) }
