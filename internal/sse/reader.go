package sse

import (
	"bytes"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// DefaultMax is how many bytes of data an event may have unless its Reader was told otherwise. It leaves room for a
// picture in base64.
const DefaultMax = 32 << 20

const (
	firstBuffer = 4 << 10
	fieldRoom   = 16 // for the longest name of a field with its colon and space
	patience    = 100
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// An Event is one event of a stream.
type Event struct {
	Type []byte // empty for the standard's default, "message"
	Data []byte // its lines joined by a line feed
	ID   []byte // the last id that the stream named, with this event or one before
}

// A Reader reads events. It belongs to one goroutine.
type Reader struct {
	src  io.Reader
	max  int
	err  error // what src reported; sticky
	fail error // why no event can follow those that were handed out; sticky

	buf    []byte // buf[next:] is not read yet
	next   int
	lf, cr cursor
	skipLF bool // the last line ended with CR: an LF right behind belongs to it
	begun  bool // the byte order mark was looked for
	drop   bool // inside a comment longer than the buffer

	fields  bool   // the event has a field that is worth something
	hasData bool   // there was a data line, be it empty
	data    []byte // of the event so far; a part of buf, or of joined
	inPlace bool   // data is a part of buf
	joined  []byte
	typ, id []byte
	fresh   bool // the last event was handed out, and is to be forgotten

	retry    time.Duration
	retrySet bool
}

// NewReader returns a Reader of src. max is the most bytes of data that an event may have, and about as many that a
// line may have; 0 means DefaultMax.
func NewReader(src io.Reader, max int) *Reader {
	if max <= 0 || max > math.MaxInt-fieldRoom {
		max = DefaultMax
	}
	return &Reader{src: src, max: max, lf: cursor{b: '\n'}, cr: cursor{b: '\r'}}
}

// Next returns the next event. Its slices are valid until the next call. At the end of the input it returns io.EOF, and
// drops an event whose empty line has not come; see [Reader.Pending].
func (r *Reader) Next() (Event, error) {
	if r.fail != nil {
		return Event{}, r.fail
	}
	if r.fresh {
		r.forget()
	}
	for {
		line, err := r.line()
		if err == nil && len(line) > 0 {
			if err = r.field(line); err == nil {
				continue
			}
		}
		if err != nil {
			r.fail = err
			return Event{}, err
		}
		if r.hasData {
			r.fresh = true
			return Event{Type: r.typ, Data: r.data, ID: r.id}, nil
		}
		r.forget()
	}
}

// Pending is for use after Next returned io.EOF. It returns the event that was not ended by an empty line, which has no data if none
// came, and whether an event had begun at all, be it with a part of a line.
func (r *Reader) Pending() (e Event, begun bool) {
	if r.fail != io.EOF {
		return Event{}, false
	}
	if rest := r.buf[r.next:]; len(rest) > 0 && !r.drop && rest[0] != ':' {
		r.next = len(r.buf)
		r.fields = true
		if err := r.field(rest); err != nil {
			return Event{}, true
		}
	}
	return Event{Type: r.typ, Data: r.data, ID: r.id}, r.fields
}

// Retry returns the last reconnection time that the stream asked for, and whether it asked.
func (r *Reader) Retry() (time.Duration, bool) { return r.retry, r.retrySet }

// forget prepares for the next event. The id stays: it belongs to the stream.
func (r *Reader) forget() {
	r.fresh, r.fields, r.hasData, r.inPlace = false, false, false, false
	r.data, r.typ = nil, r.typ[:0]
}

// field takes one line that is not empty.
func (r *Reader) field(line []byte) error {
	name, value, colon := bytes.Cut(line, []byte{':'})
	if colon && len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		r.fields = true
		return r.addData(value)
	case "event":
		r.fields = true
		r.typ = append(r.typ[:0], value...)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			r.id = append(r.id[:0], value...)
		}
	case "retry":
		r.setRetry(value)
	}
	return nil
}

// addData appends a line of data. A single line stays where it is, in the buffer, until that is needed for others.
func (r *Reader) addData(value []byte) error {
	if !r.hasData {
		r.hasData, r.inPlace, r.data = true, true, value
	} else {
		r.moveData()
		r.joined = append(append(r.joined, '\n'), value...)
		r.data = r.joined
	}
	if len(r.data) > r.max {
		return tooLarge(r.max)
	}
	return nil
}

// moveData copies the data out of the buffer.
func (r *Reader) moveData() {
	if r.inPlace {
		r.joined = append(r.joined[:0], r.data...)
		r.data, r.inPlace = r.joined, false
	}
}

func (r *Reader) setRetry(value []byte) {
	if len(value) == 0 {
		return
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return
		}
	}
	ms, _ := strconv.ParseInt(string(value), 10, 64) // too many digits give the largest number
	const most = math.MaxInt64 / int64(time.Millisecond)
	r.retry, r.retrySet = time.Duration(min(ms, most))*time.Millisecond, true
}

func tooLarge(max int) error {
	return genai.Errorf(genai.TooLarge, "an event of the stream has more than %d bytes", max)
}
