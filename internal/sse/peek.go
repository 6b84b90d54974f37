package sse

import (
	"bytes"
	"io"
)

// Peek returns the first byte of the next line that is not empty, so that a body which is no event stream at all, such
// as a JSON document, can be told from one before it is read. It passes over empty lines and a byte order mark, and
// waits for that one byte. It is for use before the first Next.
func (r *Reader) Peek() (byte, error) {
	if !r.begun {
		if err := r.begin(); err != nil {
			return 0, err
		}
	}
	for {
		for r.next < len(r.buf) {
			if c := r.buf[r.next]; c != '\n' && c != '\r' {
				return c, nil
			}
			r.next++
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
}

// Rest returns what Next has not read yet, for a body that turned out to be something else. The Reader must not be used
// afterwards.
func (r *Reader) Rest() io.Reader {
	rest := bytes.NewReader(r.buf[r.next:])
	if r.err != nil {
		return io.MultiReader(rest, failed{r.err})
	}
	return io.MultiReader(rest, r.src)
}

// failed is a source that reported its error already.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
