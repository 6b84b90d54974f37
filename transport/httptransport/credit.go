package httptransport

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"sync"
	"time"
)

// A granter is the body of a request whose response comes as fast as its reader takes it: the message, and then credit for more
// pieces, until the response has ended.
type granter struct {
	message io.ReadCloser

	mu     sync.Mutex
	change sync.Cond
	more   int64 // to be granted
	over   bool
	frame  []byte // what is left of one
}

func newGranter(message io.ReadCloser) *granter {
	g := &granter{message: message}
	g.change.L = &g.mu
	return g
}

// grant lets n more pieces come.
func (g *granter) grant(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.more += n
	g.change.Signal()
}

// Read implements [io.Reader].
func (g *granter) Read(p []byte) (int, error) {
	if g.message != nil {
		n, err := g.message.Read(p)
		if err != io.EOF {
			return n, err
		}
		if g.message = nil; n > 0 {
			return n, nil
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.frame) == 0 {
		switch {
		case g.over:
			return 0, io.EOF
		case g.more > 0:
			n := min(g.more, math.MaxInt32)
			g.more -= n
			g.frame = binary.BigEndian.AppendUint32(appendFrameHeader(nil, frameCredit, 4), uint32(n))
		default:
			g.change.Wait()
		}
	}
	n := copy(p, g.frame)
	g.frame = g.frame[n:]
	return n, nil
}

// Close implements [io.Closer]. It ends the request.
func (g *granter) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	g.change.Broadcast()
	return nil
}

// A credit is how many more pieces a caller takes.
type credit struct {
	mu     sync.Mutex
	left   int64
	all    bool          // it takes whatever comes: its request has ended
	change chan struct{} // closed when one of them changes; nil if nobody waits
	ended  chan struct{} // closed when nothing more is read of the request
}

// readCredit reads what the caller grants, to the end of its request; leave is called if the request does not end as it should, since
// over HTTP/1.1 nobody else sees a caller leave who has not sent all of it. It must be finished.
func readCredit(body io.Reader, first int64, leave func()) *credit {
	c := &credit{left: first, ended: make(chan struct{})}
	go func() { // ends with the request, for which finish waits
		defer close(c.ended)
		frame := make([]byte, frameHeader+4)
		for {
			_, err := io.ReadFull(body, frame)
			switch {
			case err == io.EOF:
				c.add(0, true)
				return
			case err != nil || frame[0] != frameCredit || binary.BigEndian.Uint32(frame[1:]) != 4:
				leave()
				return
			}
			c.add(int64(binary.BigEndian.Uint32(frame[frameHeader:])), false)
		}
	}()
	return c
}

func (c *credit) add(n int64, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = min(c.left+n, math.MaxInt64/2)
	c.all = c.all || all
	if c.change != nil {
		close(c.change)
		c.change = nil
	}
}

// take waits until there is credit for one more piece, or ctx ends.
func (c *credit) take(ctx context.Context) {
	for {
		c.mu.Lock()
		if c.all || c.left > 0 {
			c.left--
			c.mu.Unlock()
			return
		}
		if c.change == nil {
			c.change = make(chan struct{})
		}
		change := c.change
		c.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return
		}
	}
}

// finish waits until the caller has read the end of the response and ends its request, so that the connection can be used again.
func (c *credit) finish(w http.ResponseWriter) {
	rc := http.NewResponseController(w)
	_ = rc.Flush()
	if !within(c.ended, creditTime) {
		_ = rc.SetReadDeadline(time.Unix(1, 0)) // which costs the connection
		<-c.ended
	}
}

// creditTime is how long a caller may take to end a request after the response has come to its end.
const creditTime = time.Second

// readOne reads the one message that a request with credit begins with.
func readOne(r io.Reader, max int64) (body []byte, err error) {
	left := max + frameRoom
	if left < max {
		left = math.MaxInt64
	}
	for {
		begin := len(body)
		if body, err = readN(r, body, frameHeader); err != nil {
			return nil, cutBody("request", err)
		}
		kind, length := body[begin], int64(binary.BigEndian.Uint32(body[begin+1:]))
		if kind != framePart && kind != frameMessage {
			return nil, garbledFrames("there is a frame of an unknown kind")
		}
		if left -= frameHeader + length; left < 0 {
			return nil, tooLarge("request", max+frameRoom-left, max)
		}
		if body, err = readN(r, body, length); err != nil {
			return nil, cutBody("request", err)
		}
		if kind == frameMessage {
			return body, nil
		}
	}
}

// grants counts the pieces that a reader has taken, and grants more.
type grants struct {
	to    *granter
	ahead int64
	taken int64 // since more was granted
}

// took grants more when half of what was granted is taken, so that few frames go back and the producer need not wait.
func (g *grants) took() {
	if g.to == nil {
		return
	}
	if g.taken++; 2*g.taken >= g.ahead {
		g.to.grant(g.taken)
		g.taken = 0
	}
}

// end ends the request.
func (g *grants) end() {
	if g.to != nil {
		_ = g.to.Close()
	}
}
