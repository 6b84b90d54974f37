package sim

import (
	"context"
	"sync"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A FIFO is a server with a number of workers and a queue without an end. Its fields are set before use, but for Slowdown.
type FIFO struct {
	Workers int
	Service func() time.Duration // how long the next piece of work takes
	Stays   bool                 // work whose caller has left is done all the same, as where nobody heeds the context
	Limit   int                  // more than this waiting are refused with Overloaded; 0: nobody is

	mu       sync.Mutex
	slowdown float64
	busy     int
	queue    []*job
	count    Count
}

// Count is what a server has seen.
type Count struct {
	Asked   int // calls that came
	Served  int // pieces of work that were done
	Wasted  int // of those, for a caller who had left
	Refused int
	Most    int // calls there at once
}

type job struct {
	work time.Duration
	gone bool
	done chan struct{}
}

// Slow makes all work that begins from now on take so many times as long.
func (f *FIFO) Slow(times float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slowdown = times
}

// Count returns what the server has seen so far.
func (f *FIFO) Count() Count {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// Handle is the handler of the server.
func (f *FIFO) Handle(ctx context.Context, _ any) (any, error) {
	j := &job{work: f.Service(), done: make(chan struct{})}
	f.mu.Lock()
	f.count.Asked++
	f.count.Most = max(f.count.Most, f.busy+len(f.queue)+1)
	switch {
	case f.busy < f.Workers:
		f.busy++
		f.begin(j)
	case f.Limit > 0 && len(f.queue) >= f.Limit:
		f.count.Refused++
		f.mu.Unlock()
		return nil, genai.Errorf(genai.Overloaded, "the queue is full")
	default:
		f.queue = append(f.queue, j)
	}
	f.mu.Unlock()
	select {
	case <-j.done:
		return "done", nil
	case <-ctx.Done():
		f.mu.Lock()
		j.gone = true
		f.mu.Unlock()
		return nil, genai.ContextError(ctx)
	}
}

// begin gives j to a worker. It is called under the lock.
func (f *FIFO) begin(j *job) {
	work := j.work
	if f.slowdown > 0 {
		work = time.Duration(float64(work) * f.slowdown)
	}
	time.AfterFunc(work, func() { f.end(j) })
}

func (f *FIFO) end(j *job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count.Served++
	if j.gone {
		f.count.Wasted++
	}
	close(j.done)
	for len(f.queue) > 0 {
		next := f.queue[0]
		f.queue = f.queue[1:]
		if next.gone && !f.Stays {
			continue
		}
		f.begin(next)
		return
	}
	f.busy--
}

// A Sharing server works on everything at once, as a batching model server does: so many tokens a second in all, of which no
// answer gets more than its own share. When Slots answers are under way, others wait. Time goes by in ticks.
type Sharing struct {
	Slots  int
	Tokens int           // how long an answer is
	Rate   float64       // tokens a second, for all answers together
	Own    float64       // tokens a second that one answer gets at the most
	Tick   time.Duration // how finely it is simulated
	Stays  bool          // see FIFO

	mu       sync.Mutex
	slowdown float64
	active   []*answer
	queue    []*answer
	running  bool
	count    Count
}

type answer struct {
	left float64
	gone bool
	done chan struct{}
}

// Slow makes the server so many times as slow.
func (s *Sharing) Slow(times float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowdown = times
}

// Count returns what the server has seen so far.
func (s *Sharing) Count() Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Handle is the handler of the server.
func (s *Sharing) Handle(ctx context.Context, _ any) (any, error) {
	a := &answer{left: float64(s.Tokens), done: make(chan struct{})}
	s.mu.Lock()
	s.count.Asked++
	s.queue = append(s.queue, a)
	s.count.Most = max(s.count.Most, len(s.queue)+len(s.active))
	s.fill()
	if !s.running {
		s.running = true
		time.AfterFunc(s.Tick, s.tick)
	}
	s.mu.Unlock()
	select {
	case <-a.done:
		return "done", nil
	case <-ctx.Done():
		s.mu.Lock()
		a.gone = true
		s.mu.Unlock()
		return nil, genai.ContextError(ctx)
	}
}

// fill gives free slots to those who wait. It is called under the lock.
func (s *Sharing) fill() {
	for len(s.active) < s.Slots && len(s.queue) > 0 {
		next := s.queue[0]
		s.queue = s.queue[1:]
		if !next.gone || s.Stays {
			s.active = append(s.active, next)
		}
	}
}

// tick lets every answer grow.
func (s *Sharing) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.active) > 0 {
		rate := min(s.Rate/float64(len(s.active)), s.Own)
		if s.slowdown > 0 {
			rate /= s.slowdown
		}
		still := s.active[:0]
		for _, a := range s.active {
			a.left -= rate * s.Tick.Seconds()
			switch {
			case a.left <= 0:
				s.count.Served++
				if a.gone {
					s.count.Wasted++
				}
				close(a.done)
			case a.gone && !s.Stays:
			default:
				still = append(still, a)
			}
		}
		s.active = still
	}
	s.fill()
	if s.running = len(s.active)+len(s.queue) > 0; s.running {
		time.AfterFunc(s.Tick, s.tick)
	}
}
