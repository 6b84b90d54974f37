package httptransport

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// Limits are how long a [Server] waits for its callers, and what single operations may take. The zero value is ready. Zero
// durations stand for what is said with them, negative ones for no limit. None of them bounds how long a response or a stream may
// take as a whole: a model takes the time that it takes.
type Limits struct {
	Header time.Duration // for the headers of a request, and for the handshake of TLS before them; 0 means 10 seconds
	Body   time.Duration // for each 64 KiB of the body of a request, or the rest of it; 0 means 30 seconds
	Idle   time.Duration // for the next request on a connection; 0 means 3 minutes, which is longer than a Client waits
	Stall  time.Duration // for the caller to take each MiB of a response; 0 means 5 minutes

	// Methods are limits of single operations, by their names, such as "desk.answer".
	Methods map[string]Method
}

// A Method is what one operation may take of a [Server].
type Method struct {
	// MaxInFlight is how many calls of the operation may run at a time; 0 means that only the limit of the Server counts. A
	// call beyond it is refused at once with [genai.Overloaded].
	MaxInFlight int

	// MaxTime is how long a call may take, its stream included, whatever deadline its caller has; 0 means as long as the caller
	// waits. The context of the handler then ends, and the error of the call is [genai.Timeout].
	MaxTime time.Duration
}

const (
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	idleTime   = 3 * time.Minute // longer than clients keep an idle connection, so that it is they who close it
	stallTime  = 5 * time.Minute
)

// orElse returns a limit, or 0 if there is none.
func orElse(limit, otherwise time.Duration) time.Duration {
	switch {
	case limit < 0:
		return 0
	case limit == 0:
		return otherwise
	}
	return limit
}

// How much has to get through in the time of Body, and of Stall.
const (
	readStride  = 64 << 10
	writeStride = 1 << 20
)

// A watch breaks off reading or writing that takes too long. It sets a deadline only then: to set one each time would cost
// more than many a call does.
type watch struct {
	w     http.ResponseWriter
	limit time.Duration // 0: none
	set   func(*http.ResponseController, time.Time) error
	timer *time.Timer
	runs  bool          // the timer
	late  bool          // it has run out
	ended chan struct{} // closed when the deadline was set
	from  *spare
}

// A spare is a watch that was never late, to be used again. Each connection has one: a pool of all would carry timers from one bubble of
// package synctest to the next, where they must not be used.
type spare struct{ atomic.Pointer[watch] }

func (s *spare) take() *watch {
	if s != nil {
		if one := s.Swap(nil); one != nil {
			return one
		}
	}
	return &watch{ended: make(chan struct{}), from: s}
}

// watchReading returns a watch over what the caller sends. It must be released. spare may be nil.
func watchReading(w http.ResponseWriter, limit time.Duration, s *spare) *watch {
	one := s.take()
	one.w, one.limit, one.set = w, orElse(limit, bodyTime), (*http.ResponseController).SetReadDeadline
	return one
}

// watchWriting returns a watch over what the caller is sent. It must be released. spare may be nil.
func watchWriting(w http.ResponseWriter, limit time.Duration, s *spare) *watch {
	one := s.take()
	one.w, one.limit, one.set = w, orElse(limit, stallTime), (*http.ResponseController).SetWriteDeadline
	return one
}

func (w *watch) release() {
	if w.stop() && w.from != nil {
		w.w = nil
		w.from.Store(w)
	}
}

// start begins to count, anew if it was begun before. It must be stopped in between.
func (w *watch) start() {
	if w.limit == 0 || w.late {
		return
	}
	if w.runs = true; w.timer == nil {
		w.timer = time.AfterFunc(w.limit, w.fire)
		return
	}
	w.timer.Reset(w.limit)
}

// fire breaks off what is going on. Where there are no deadlines, nothing can be broken off.
func (w *watch) fire() {
	_ = w.set(http.NewResponseController(w.w), time.Unix(1, 0))
	close(w.ended)
}

// stop ends the count and reports whether it was in time.
func (w *watch) stop() bool {
	if w.runs && !w.timer.Stop() {
		<-w.ended
		w.late = true
	}
	w.runs = false
	return !w.late
}

// A watchedReader is the body of a request whose sender must not be too slow.
type watchedReader struct {
	io.Reader
	watch *watch
	n     int // since the watch began
}

// Read implements [io.Reader].
func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.n += n; r.n >= readStride && err == nil && r.watch.stop() {
		r.n = 0
		r.watch.start()
	}
	return n, err
}

// inTime is called when nothing more is to be read. err is why; it returns a better reason if there is one.
func (w *watch) inTime(err error) error {
	if w.stop() {
		return err
	}
	if err == nil {
		_ = w.set(http.NewResponseController(w.w), time.Time{}) // it was complete after all, and the connection goes on
		return nil
	}
	return refuse(genai.Timeout, "the request did not arrive in time: each %d bytes of it, or the rest, may take %v", readStride, w.limit)
}

// writeAll writes slices while somebody takes them, and flushes them if that is wanted.
func (w *watch) writeAll(slices [][]byte, flush func() error) error {
	for _, b := range slices {
		for len(b) > 0 {
			step := b[:min(len(b), writeStride)]
			b = b[len(step):]
			w.start()
			_, err := w.w.Write(step)
			w.stop()
			if err != nil {
				return err
			}
		}
	}
	if flush == nil {
		return nil
	}
	w.start()
	defer w.stop()
	return flush()
}
