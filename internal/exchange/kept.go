package exchange

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// A Draft is a transport that sends nothing: it keeps the body of the request. With it a client writes what goes into a
// batch by the same code that writes what it sends.
type Draft struct {
	Body []byte // nil: nothing was to be sent
}

var errDraft = errors.New("a draft is not sent")

// RoundTrip keeps the body and fails.
func (d *Draft) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return nil, errDraft
	}
	defer req.Body.Close()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	d.Body = body
	return nil, errDraft
}

// A Kept is a transport with one answer, which has waited in a file. With it a client understands what comes out of a batch
// by the same code that understands what a server answers.
type Kept struct {
	Status int
	Header http.Header
	Body   []byte
}

// RoundTrip answers.
func (k *Kept) RoundTrip(req *http.Request) (*http.Response, error) {
	h := k.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", "application/json")
	if req.Body != nil {
		defer req.Body.Close()
	}
	return &http.Response{
		StatusCode: k.Status, Header: h, Body: io.NopCloser(bytes.NewReader(k.Body)), ContentLength: int64(len(k.Body)),
		Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}
