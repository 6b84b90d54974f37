package exchange

import (
	"bytes"
	"io"

	"github.com/dovetail-go/dovetail/genai"
)

// ReadAll reads a document of at most max bytes. size is how long it is said to be, or negative.
func ReadAll(r io.Reader, size int64, max int) ([]byte, error) {
	var b bytes.Buffer
	if size > 0 && size <= int64(min(max, 1<<20)) { // what is only said is believed up to here
		b.Grow(int(size) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r, int64(max)+1))
	if err != nil {
		return nil, err
	}
	if n > int64(max) {
		return nil, genai.Errorf(genai.TooLarge, "the answer has more than %d bytes", max)
	}
	return b.Bytes(), nil
}
