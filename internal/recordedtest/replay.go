package recordedtest

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
)

// A Replay is an http.RoundTripper that answers every request with one body.
type Replay struct {
	Status  int // 0 means 200
	Headers map[string]string
	Body    string
	Pieces  *rand.Rand // not nil: in pieces of a random size
	Bytes   bool       // byte by byte
	Open    bool       // the body never ends, until the request does

	Request string // the body of the last request
}

// Replay returns the answer of the exchange, as it was.
func (e Exchange) Replay() *Replay {
	return &Replay{Status: e.Status, Headers: e.Headers, Body: e.Body}
}

// RoundTrip answers req.
func (r *Replay) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		text, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		r.Request = string(text)
		_ = req.Body.Close()
	}
	h := http.Header{}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	var body io.Reader = strings.NewReader(r.Body)
	if r.Pieces != nil || r.Bytes {
		body = &dripping{body, r.Pieces}
	}
	if r.Open {
		body = io.MultiReader(body, waiting{req.Context().Done()})
	}
	status := r.Status
	if status == 0 {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(body), ContentLength: -1, Request: req}, nil
}

// Client returns an HTTP client that asks r.
func (r *Replay) Client() *http.Client { return &http.Client{Transport: r} }

type dripping struct {
	r   io.Reader
	rnd *rand.Rand
}

func (d *dripping) Read(b []byte) (int, error) {
	n := 1
	if d.rnd != nil {
		n += d.rnd.IntN(40)
	}
	return d.r.Read(b[:min(len(b), n)])
}

// waiting is a body that hangs until its request is over.
type waiting struct{ over <-chan struct{} }

func (w waiting) Read([]byte) (int, error) { <-w.over; return 0, errors.New("closed") }
