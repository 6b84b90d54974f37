package ndjson

import (
	"bytes"
	"io"

	"github.com/dovetail-go/dovetail/genai"
)

// DefaultMax is how many bytes a line may have unless its Reader was told otherwise.
const DefaultMax = 32 << 20

const (
	firstBuffer = 4 << 10
	patience    = 100 // how often a source may return nothing at all
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// A Reader reads lines. It belongs to one goroutine.
type Reader struct {
	src  io.Reader
	max  int
	err  error // what src reported; sticky
	fail error // why no line can follow; sticky

	buf   []byte // buf[next:] is not read yet
	next  int
	seen  int // there is no line end in buf[next:seen]
	begun bool
}

// NewReader returns a Reader of src. max is the most bytes that a line may have; 0 means DefaultMax.
func NewReader(src io.Reader, max int) *Reader {
	if max <= 0 {
		max = DefaultMax
	}
	return &Reader{src: src, max: max}
}

// Next returns the next line that is not empty, without its end and the space around it. At the end of the input it
// returns io.EOF. A line that is too long fails as TooLarge, and so does every call after it.
func (r *Reader) Next() ([]byte, error) {
	for r.fail == nil {
		line, err := r.line()
		if err != nil {
			r.fail = err
			break
		}
		if !r.begun {
			r.begun = true
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if line = bytes.Trim(line, " \t\r"); len(line) > 0 {
			return line, nil
		}
	}
	return nil, r.fail
}

func (r *Reader) line() ([]byte, error) {
	for {
		r.seen = max(r.seen, r.next)
		end := bytes.IndexByte(r.buf[r.seen:], '\n')
		if end < 0 {
			r.seen = len(r.buf)
		} else {
			r.seen += end
		}
		line := r.buf[r.next:r.seen]
		if len(line) > r.max {
			return nil, genai.Errorf(genai.TooLarge, "a line of the answer has more than %d bytes", r.max)
		}
		if end >= 0 {
			r.next = r.seen + 1
			return line, nil
		}
		if r.err != nil {
			if r.err != io.EOF || len(line) == 0 {
				return nil, r.err
			}
			r.next = len(r.buf)
			return line, nil
		}
		r.fill()
	}
}

// fill reads more, behind what is not read yet.
func (r *Reader) fill() {
	if r.next > 0 {
		r.seen -= r.next
		r.buf = r.buf[:copy(r.buf, r.buf[r.next:])]
		r.next = 0
	}
	if len(r.buf) == cap(r.buf) {
		grown := make([]byte, len(r.buf), max(firstBuffer, 2*cap(r.buf)))
		copy(grown, r.buf)
		r.buf = grown
	}
	for range patience {
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		r.err = err
		if n > 0 || err != nil {
			return
		}
	}
	r.err = io.ErrNoProgress
}
