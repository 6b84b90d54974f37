package sse

import (
	"bytes"
	"io"
)

// A cursor finds the next occurrence of a byte. It never looks twice at the same place, so finding stays linear however
// the bytes are cut, and whichever line end a stream uses.
type cursor struct {
	b  byte
	at int // b is not in buf[next:at]
}

// find returns the place of the next occurrence in buf at or behind from; len(buf) if there is none yet.
func (c *cursor) find(buf []byte, from int) int {
	c.at = max(c.at, from)
	if c.at < len(buf) && buf[c.at] != c.b {
		if i := bytes.IndexByte(buf[c.at:], c.b); i >= 0 {
			c.at += i
		} else {
			c.at = len(buf)
		}
	}
	return c.at
}

// line returns the next line that has an end, without it. Comments are passed over, and need no room however long they
// are.
func (r *Reader) line() ([]byte, error) {
	for {
		if !r.begun {
			if err := r.begin(); err != nil {
				return nil, err
			}
		}
		if r.skipLF && r.next < len(r.buf) {
			r.skipLF = false
			if r.buf[r.next] == '\n' {
				r.next++
			}
		}
		end := min(r.lf.find(r.buf, r.next), r.cr.find(r.buf, r.next))
		line := r.buf[r.next:end]
		if len(line) > 0 && line[0] == ':' {
			r.drop = true
		}
		if len(line) > r.max+fieldRoom && !r.drop {
			return nil, tooLarge(r.max)
		}
		if end < len(r.buf) {
			r.next = end + 1
			r.skipLF = r.buf[end] == '\r'
			if r.drop {
				r.drop = false
				continue
			}
			return line, nil
		}
		if r.drop {
			r.next = end
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// begin skips one byte order mark at the start of the stream.
func (r *Reader) begin() error {
	for len(r.buf) < len(byteOrderMark) && bytes.HasPrefix(byteOrderMark, r.buf) {
		if err := r.fill(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if bytes.HasPrefix(r.buf, byteOrderMark) {
		r.next = len(byteOrderMark)
	}
	r.begun = true
	return nil
}

// fill reads more, behind what is not read yet.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	r.makeRoom()
	for range patience {
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		r.err = err
		if n > 0 {
			return nil // an error that came with bytes is for the next call
		}
		if err != nil {
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}

// makeRoom moves what is not read yet to the front, and doubles the buffer if that is full.
func (r *Reader) makeRoom() {
	if r.next < len(r.buf) && len(r.buf) < cap(r.buf) {
		return
	}
	r.moveData()
	rest := r.buf[r.next:]
	r.lf.at, r.cr.at = max(r.lf.at-r.next, 0), max(r.cr.at-r.next, 0)
	r.next = 0
	if len(rest) > cap(r.buf)/2 || cap(r.buf) == 0 {
		grown := make([]byte, len(rest), max(firstBuffer, 2*cap(r.buf)))
		copy(grown, rest)
		r.buf = grown
		return
	}
	r.buf = r.buf[:copy(r.buf[:cap(r.buf)], rest)]
}
