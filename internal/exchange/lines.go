package exchange

import (
	"context"
	"io"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/jsonscan"
	"github.com/dovetail-go/dovetail/internal/ndjson"
)

// Lines makes r read its answer as one document a line. take decodes one, and returns nil if the answer goes on, io.EOF
// if it is complete with this, and any other error if there is none.
func (r *Reply) Lines(take func(line []byte) error) {
	reader := ndjson.NewReader(r.x.Resp.Body, r.x.Max())
	begun := false
	r.Read = func() error {
		line, err := reader.Next()
		if err != nil {
			return r.x.Cut(r.ctx, Ended(err, begun))
		}
		if !begun && line[0] == '<' {
			return r.x.WebPage()
		}
		begun = true
		switch err := take(line); err {
		case nil:
			return nil
		case io.EOF:
			r.Drain()
			return io.EOF
		default:
			return r.x.Cut(r.ctx, err)
		}
	}
}

// Ended says what the end of a body means before the end of the answer. Other errors stay as they are.
func Ended(err error, begun bool) error {
	switch {
	case err != io.EOF:
		return err
	case begun:
		return genai.Errorf(genai.Truncated, "the stream ended before the answer did")
	}
	return genai.Errorf(genai.Truncated, "the answer ended before it began")
}

// WebPage makes an Error of an answer in HTML.
func (x *Exchange) WebPage() error {
	return x.Fail(genai.Malformed, "the answer is a web page: something else than a model server answers at BaseURL")
}

// EachLine reads the response as a file with one document a line, and closes it. It calls take with each, until that returns
// an error. A line is valid during the call. That the file ends does not mean that it is all there: the connection may have
// no way to tell, so those who know how many lines there should be have to count.
func (x *Exchange) EachLine(ctx context.Context, take func(line []byte) error) error {
	defer x.Resp.Body.Close()
	reader := ndjson.NewReader(x.Resp.Body, x.Max())
	for {
		line, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return x.Cut(ctx, err)
		}
		s := jsonscan.New(line)
		s.Skip()
		if err := s.End(); err != nil {
			return x.Cut(ctx, err)
		}
		if err := take(line); err != nil {
			return err
		}
	}
}
