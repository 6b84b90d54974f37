package exchange

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/internal/jsonscan"
	"github.com/dovetail-go/dovetail/internal/sse"
)

// Events reads a reply that is a stream of events, or one document from servers that do not stream, or do not want to.
type Events struct {
	// Take decodes one event, and returns nil if the answer goes on, io.EOF if it is complete with this, and any other
	// error if there is none. kind is the type of the event, often empty.
	Take func(kind, data []byte) error

	// Whole decodes a document that is the whole answer. It returns as Take does, but never nil.
	Whole func(data []byte) error

	// Finished reports whether an answer that just stops may count as complete.
	Finished func() bool

	// End tells the end of an answer that just stopped, and counts as complete; nil: it was told.
	End func()

	reply  *Reply
	reader *sse.Reader
}

// Events makes e the Read of r.
func (r *Reply) Events(e *Events) {
	e.reply = r
	r.Read = e.begin
}

// begin finds out what the body is. The first byte says it better than the headers: some servers call everything an
// event stream, and some say nothing.
func (e *Events) begin() error {
	r := e.reply
	r.Read = e.advance
	contentType := r.x.Resp.Header.Get("Content-Type")
	if strings.HasPrefix(contentType, "application/json") {
		data, err := ReadAll(r.x.Resp.Body, r.x.Resp.ContentLength, r.x.Max())
		if err != nil {
			return r.x.Cut(r.ctx, err)
		}
		if data = bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), "\r\n"); len(data) == 0 {
			return r.x.Cut(r.ctx, Ended(io.EOF, false))
		}
		return e.judge(e.Whole(data))
	}
	e.reader = sse.NewReader(r.x.Resp.Body, r.x.Max())
	first, err := e.reader.Peek()
	switch {
	case err != nil:
		return r.x.Cut(r.ctx, Ended(err, false))
	case first == '{' || first == '[' || strings.Contains(contentType, "json"):
		data, err := ReadAll(e.reader.Rest(), r.x.Resp.ContentLength, r.x.Max())
		if err != nil {
			return r.x.Cut(r.ctx, err)
		}
		return e.judge(e.Whole(data))
	case first == '<' || strings.HasPrefix(contentType, "text/html"):
		return r.x.WebPage()
	}
	return nil
}

// silence is how long an answer that may count as complete waits for the rest: its usage, a sentinel, the end of the body. Some
// servers say nothing more, and leave the connection open.
const silence = 5 * time.Second

// next reads an event, if there is one. silent says that nothing more is coming behind an answer that may count as complete.
func (e *Events) next() (event sse.Event, err error, silent bool) {
	if !e.Finished() {
		event, err = e.reader.Next()
		return event, err, false
	}
	r := e.reply
	timer := time.AfterFunc(silence, r.cancel)
	event, err = e.reader.Next()
	if !timer.Stop() && err != nil && r.parent.Err() == nil {
		return event, nil, true
	}
	return event, err, false
}

// advance reads the next event of the stream.
func (e *Events) advance() error {
	r := e.reply
	event, err, silent := e.next()
	if silent {
		return e.end()
	}
	if err == nil {
		if err = e.Take(event.Type, event.Data); err == io.EOF {
			r.Drain()
		}
		return e.judge(err)
	}
	if err != io.EOF {
		return r.x.Cut(r.ctx, err)
	}
	// Some servers forget the empty line behind the last event. One that is complete counts.
	pending, begun := e.reader.Pending()
	if begun && complete(pending.Data) {
		if err := e.Take(pending.Type, pending.Data); err != nil {
			return e.judge(err)
		}
		begun = false
	}
	if !begun && e.Finished() {
		return e.end()
	}
	return r.x.Cut(r.ctx, Ended(err, true))
}

func (e *Events) end() error {
	if e.End != nil {
		e.End()
	}
	return io.EOF
}

// judge makes an Error of this exchange out of any error but io.EOF.
func (e *Events) judge(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return e.reply.x.Cut(e.reply.ctx, err)
}

// complete reports whether the data of an event that was not ended by an empty line is all there.
func complete(data []byte) bool {
	if IsDone(data) {
		return true
	}
	s := jsonscan.New(data)
	if s.Next() != '{' {
		return false
	}
	s.Skip()
	return s.End() == nil
}

// IsDone recognises the sentinel that some servers send behind the last event.
func IsDone(data []byte) bool {
	for len(data) > 0 && (data[len(data)-1] == ' ' || data[len(data)-1] == '\t') {
		data = data[:len(data)-1]
	}
	for len(data) > 0 && (data[0] == ' ' || data[0] == '\t') {
		data = data[1:]
	}
	return string(data) == "[DONE]"
}
