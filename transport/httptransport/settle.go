package httptransport

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A settler is a listener that is closed only when nobody has come for a while. A connection that the system has accepted and we
// have not is reset when its listener is closed, and whoever sent a request on it cannot know that nobody has seen it.
type settler struct {
	net.Listener
	mu    sync.Mutex
	quiet chan struct{} // closed when nobody has come for settleTime; nil until the end begins
	due   time.Time     // when that will be
	last  bool          // that time is over, and whoever came at its end is still let in
	done  bool
}

// How long nobody must have come, and how long that is waited for.
const (
	settleTime = 50 * time.Millisecond
	lastTime   = time.Millisecond
	settleMost = time.Second
)

type deadliner interface{ SetDeadline(time.Time) error }

// Accept implements [net.Listener].
func (s *settler) Accept() (net.Conn, error) {
	for {
		conn, err := s.Listener.Accept()
		if !s.goOn(err) {
			return conn, err
		}
	}
}

// goOn reports whether err means only that nobody has come for a while.
func (s *settler) goOn(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quiet == nil || s.done {
		return false
	}
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if late && time.Since(s.due) > settleTime/2 { // the machine is so busy that those who come are late as well
		s.last = false
		s.wait(settleTime)
		return true
	}
	if late && !s.last { // it may have come to its end without asking the system who is waiting
		s.last = true
		s.wait(lastTime)
		return true
	}
	if err != nil {
		s.done = true
		close(s.quiet)
		_ = s.Listener.(deadliner).SetDeadline(time.Time{}) // whoever comes until it is closed is still let in
		return late
	}
	s.last = false
	s.wait(settleTime)
	return false
}

// wait lets Accept wait for so long. It must be called with the lock held.
func (s *settler) wait(d time.Duration) {
	s.due = time.Now().Add(d)
	_ = s.Listener.(deadliner).SetDeadline(s.due)
}

// settle waits until nobody comes any longer.
func (s *settler) settle() {
	if _, ok := s.Listener.(deadliner); !ok {
		time.Sleep(settleTime)
		return
	}
	quiet := make(chan struct{})
	s.mu.Lock()
	s.quiet = quiet
	s.wait(settleTime)
	s.mu.Unlock()
	within(quiet, settleMost)
}
