package wiretest

import (
	"net"
	"net/http"
	"time"
)

// An output is a response on its way through a fault.
type output struct {
	w       http.ResponseWriter
	r       *http.Request
	fault   Fault
	garbage string // what the protocol does not allow
	begun   bool   // the headers are out
	due     bool   // enough pieces are out: left counts
	pieces  int
	left    int
	done    bool // the mishap happened
}

func newOutput(w http.ResponseWriter, r *http.Request, fault Fault) *output {
	o := &output{w: w, r: r, fault: fault, left: fault.Bytes}
	o.due = fault.After == 0
	return o
}

// wait holds the response back for as long as the fault says. It reports false if the client left.
func (o *output) wait() bool {
	if o.fault.Late <= 0 {
		return true
	}
	timer := time.NewTimer(o.fault.Late)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-o.r.Context().Done():
		return false
	}
}

// header sends the status and the headers.
func (o *output) header(status int, contentType string) {
	if o.begun {
		return
	}
	o.begun = true
	h := o.w.Header()
	h.Set("Content-Type", contentType)
	for name, values := range o.fault.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	o.w.WriteHeader(status)
	o.flush()
}

// send sends a part of the body. It reports false if the response is over.
func (o *output) send(frame []byte, piece bool) bool {
	if !o.write(frame) {
		return false
	}
	if piece {
		o.pieces++
		if o.pieces == o.fault.After {
			o.due = true
			if o.left == 0 {
				return o.happen()
			}
		}
	}
	return true
}

// end is called behind the last part of the body.
func (o *output) end() {
	o.due = true
	o.happen()
}

// write sends bytes up to where the mishap is, lets it happen, and goes on if it lets them.
func (o *output) write(frame []byte) bool {
	if !o.due || o.done || o.fault.Then == "" {
		return o.slices(frame)
	}
	n := min(o.left, len(frame))
	o.left -= n
	if !o.slices(frame[:n]) {
		return false
	}
	if n == len(frame) && n > 0 && o.left > 0 {
		return true
	}
	return o.happen() && o.slices(frame[n:])
}

// slices writes in the pieces that the fault asks for.
func (o *output) slices(text []byte) bool {
	size := o.fault.Slice
	if size <= 0 {
		size = len(text)
	}
	for len(text) > 0 {
		n := min(size, len(text))
		if _, err := o.w.Write(text[:n]); err != nil {
			return false // the client left
		}
		o.flush()
		text = text[n:]
	}
	return true
}

func (o *output) flush() {
	_ = http.NewResponseController(o.w).Flush() // a writer that cannot flush sends everything at the end
}

// happen lets the mishap happen, once. It reports whether the response goes on.
func (o *output) happen() bool {
	if o.done {
		return true
	}
	o.done = true
	switch o.fault.Then {
	case Cut:
		o.cut()
	case Reset:
		o.reset()
	case Stall:
		<-o.r.Context().Done()
		return false
	case Stop:
		return false
	case Garbage:
		return o.slices([]byte(o.garbage))
	}
	return true
}

// cut closes the connection in the middle of the response, which is what net/http makes of this panic.
func (o *output) cut() {
	panic(http.ErrAbortHandler)
}

// reset closes the connection without the farewell of TCP.
func (o *output) reset() {
	conn, _, err := http.NewResponseController(o.w).Hijack()
	if err != nil {
		o.cut()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only if the connection is gone already
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}

// whole sends a body that is one document.
func (o *output) whole(status int, contentType string, body []byte) {
	o.due = true
	o.header(status, contentType)
	if o.send(body, false) {
		o.end()
	}
}
