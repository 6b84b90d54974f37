package exchange

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
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

// Document reads the response as one document of JSON, and closes it.
func (x *Exchange) Document(ctx context.Context) ([]byte, error) {
	defer x.Resp.Body.Close()
	data, err := ReadAll(x.Resp.Body, x.Resp.ContentLength, x.Max())
	if err != nil {
		return nil, x.Cut(ctx, err)
	}
	return data, nil
}

// Misread makes an Error of a document that encoding/json could not decode: it was cut, or is something else.
func (x *Exchange) Misread(data []byte) error {
	s := jsonscan.New(data)
	s.Skip()
	if s.End() == jsonscan.ErrCut {
		return x.Fail(genai.Truncated, "the answer ends inside of a JSON document")
	}
	return x.Fail(genai.Malformed, "the answer has something else in it than the JSON of this interface")
}

// Vectors checks that an answer has one vector for each of so many texts, all of one length: the one that was asked for,
// if one was.
func (x *Exchange) Vectors(vectors [][]float32, texts int, dimensions *int) error {
	switch {
	case len(vectors) == 0:
		return x.Fail(genai.Empty, "the answer has no vector")
	case len(vectors) != texts:
		return x.Fail(genai.Malformed, fmt.Sprintf("the answer has %d vectors for %d texts", len(vectors), texts))
	}
	width := len(vectors[0])
	for _, v := range vectors {
		if len(v) != width || width == 0 {
			return x.Fail(genai.Malformed, "the vectors of the answer differ in length, or have none")
		}
	}
	if dimensions != nil && *dimensions != width {
		e := x.Fail(genai.Unsupported, fmt.Sprintf("the model makes vectors of %d numbers and not of %d", width, *dimensions))
		e.Field = "dimensions"
		return e
	}
	return nil
}
