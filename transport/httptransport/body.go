package httptransport

import (
	"fmt"
	"io"
	"math"

	"github.com/dovetail-go/dovetail/genai"
)

// readBody reads a body to its end. announced is its length, or -1; max bounds the message in it.
func readBody(r io.Reader, announced, max int64, framed bool, what string) ([]byte, error) {
	limit := max
	if framed {
		limit = int64(math.MaxInt64)
		if max < limit-frameRoom {
			limit = max + frameRoom
		}
	}
	if announced > limit {
		return nil, tooLarge(what, announced, max)
	}
	if announced >= 0 {
		return readAnnounced(r, announced, what)
	}
	body, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, cutBody(what, err)
	}
	switch n, err := io.CopyN(io.Discard, r, 1); {
	case n > 0:
		return nil, &genai.Error{Kind: genai.TooLarge, Message: fmt.Sprintf("the %s has more than %d bytes; it may have %d", what, limit, max)}
	case err != io.EOF:
		return nil, cutBody(what, err)
	}
	return body, nil
}

// readAnnounced reads a body of n bytes, and sees its end: only then is the connection free for what comes next.
func readAnnounced(r io.Reader, n int64, what string) ([]byte, error) {
	if n >= atOnce {
		body, err := readN(r, make([]byte, 0, atOnce), n)
		if err == nil {
			if _, err = io.CopyN(io.Discard, r, 1); err == io.EOF {
				return body, nil
			}
		}
		return nil, cutBody(what, err)
	}
	body, got := make([]byte, n+1), 0 // one more, to be told of the end
	for got <= int(n) {
		m, err := r.Read(body[got:])
		got += m
		switch {
		case err == io.EOF && got == int(n):
			return body[:n], nil
		case err == io.EOF:
			return nil, cutBody(what, io.ErrUnexpectedEOF)
		case err != nil:
			return nil, cutBody(what, err)
		}
	}
	return nil, cutBody(what, nil)
}

// cutBody is the error of a body that did not arrive as it was announced.
func cutBody(what string, err error) error {
	if err == nil {
		err = io.ErrShortBuffer // there is more than was announced, which net/http does not let through
	}
	return &genai.Error{Kind: genai.Unavailable, Message: fmt.Sprintf("the %s was cut: %v", what, err), Err: err}
}
