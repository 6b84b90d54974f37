package httptransport

import (
	"encoding/json"
	"io"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// stream sends the pieces of resp while it pulls them. The headers wait for the first piece, so that an error in its
// place is an ordinary answer.
func (c *call) stream(resp any) {
	defer genai.Discard(resp)
	for {
		if c.credit != nil {
			c.credit.take(c.inner) // if that ends, so does the stream
		}
		m, err := c.piece(resp)
		if err == io.EOF {
			c.start()
			c.pump.finish(c.trailer(frameEnd, eventEnd, trailer{Metadata: c.reply.Last()}))
			return
		}
		if err != nil {
			c.fail(c.because(err))
			return
		}
		c.start()
		if !c.send(m) {
			return
		}
	}
}

// piece returns the next piece, with its Blobs inside the JSON if the caller does not take frames.
func (c *call) piece(resp any) (transport.Message, error) {
	if c.frames {
		return c.op.spec.NextPiece(resp)
	}
	return c.op.spec.NextWhole(resp)
}

// start sends the headers.
func (c *call) start() {
	if c.pump != nil {
		return
	}
	h := c.w.Header()
	setMetadata(h, c.reply.All())
	contentType := typeEvents
	if c.frames {
		contentType = typeFrames
	}
	h["Content-Type"] = headerValue(contentType)
	h["Cache-Control"] = []string{"no-store"}
	h["X-Accel-Buffering"] = []string{"no"} // or nginx holds pieces back
	c.begun = true
	c.pump = newPump(c.w, c.cancel, c.limits.Stall, c.spare)
}

// send sends a piece. It reports false if nobody takes it any more.
func (c *call) send(m transport.Message) bool {
	if !c.frames {
		return c.pump.send(func(buf []byte) []byte { return appendEvent(buf, "", m.Head) })
	}
	if len(m.Parts) == 0 {
		return c.pump.send(func(buf []byte) []byte { return appendFrame(buf, frameMessage, m.Head) })
	}
	slices, err := framed(m)
	if err != nil {
		c.fail(err)
		return false
	}
	return c.pump.sendRaw(slices)
}

// trailer encodes what a stream ends with.
func (c *call) trailer(kind byte, event string, t trailer) []byte {
	text, err := json.Marshal(t)
	if err != nil {
		text = []byte(`{}`) // a Problem and a map of strings can be encoded
	}
	if c.frames {
		return appendFrame(nil, kind, text)
	}
	return appendEvent(nil, event, text)
}

// appendEvent appends an event whose data is JSON as package json writes it, on one line.
func appendEvent(dst []byte, event string, data []byte) []byte {
	if event != "" {
		dst = append(append(append(dst, "event: "...), event...), '\n')
	}
	dst = append(append(dst, "data: "...), data...)
	return append(dst, '\n', '\n')
}
