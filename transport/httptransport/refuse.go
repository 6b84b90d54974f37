package httptransport

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A mediaError is a request of a media type that we do not take.
type mediaError struct{ mediaType string }

func (e *mediaError) Error() string {
	return fmt.Sprintf("a request is %s, not %q", typeJSON, short(e.mediaType))
}

// refused answers a request that is none.
func (c *call) refused(r *http.Request, err error) {
	e := *genai.AsError(err)
	e.Started = genai.StartedNo
	status := 0
	switch wrong, media := err.(*mediaError); {
	case media:
		e = genai.Error{Kind: genai.InvalidRequest, Field: "content-type", Started: genai.StartedNo, Message: wrong.Error()}
		status = http.StatusUnsupportedMediaType
	case e.Kind == genai.Unavailable:
		status = http.StatusBadRequest // it was cut: by its sender, or on the way if the sender knows that all of it was sent
	case e.Kind == genai.Malformed || e.Kind == genai.Unknown:
		e.Kind = genai.InvalidRequest
	case e.Kind == genai.Timeout:
		status = http.StatusRequestTimeout
	}
	e.Op = c.op.spec.Name
	turnAwayUnread(c.w, r, &e, status)
}

// turnAway answers a request that no handler will see. status is that of HTTP, or 0 for the one that belongs to the kind.
func turnAway(w http.ResponseWriter, err error, status int) {
	p := transport.ProblemOf(err)
	p.Refused = true
	if status != 0 {
		p.Status = status
	}
	writeProblem(w, p)
}

// turnAwayUnread is turnAway for a request whose body was not read to its end.
func turnAwayUnread(w http.ResponseWriter, r *http.Request, err error, status int) {
	if r.ProtoMajor < 2 && r.ContentLength != 0 {
		w.Header().Set("Connection", "close") // or package net/http waits for the body before it answers
	}
	p := transport.ProblemOf(err)
	p.Refused = true
	if status != 0 {
		p.Status = status
	}
	writeUnread(w, r, p)
}

// writeUnread answers a request whose body was not read to its end. Over HTTP/1.1 that may cost the connection. One that is closed
// while the other side still writes is reset, and then the answer may be lost, so a part of the rest is read after it.
func writeUnread(w http.ResponseWriter, r *http.Request, p *transport.Problem) {
	closes := w.Header().Get("Connection") == "close" || r.ContentLength > readAnyway || r.ContentLength < 0
	if r.ProtoMajor >= 2 || r.ContentLength == 0 || !closes {
		writeProblem(w, p)
		return
	}
	w.Header().Set("Connection", "close")
	writeProblem(w, p)
	rc := http.NewResponseController(w)
	if rc.SetReadDeadline(time.Now().Add(lingerTime)) == nil && rc.Flush() == nil {
		_, _ = io.CopyN(io.Discard, r.Body, lingerBytes) // whatever becomes of it
	}
}

// How much of what nobody wants is read, and for how long.
const (
	readAnyway  = 256 << 10 // by package net/http, before it answers
	lingerBytes = 8 << 20
	lingerTime  = time.Second
)

// writeProblem answers with an error.
func writeProblem(w http.ResponseWriter, p *transport.Problem) {
	body, failed := json.Marshal(p)
	if failed != nil {
		body = []byte(`{"kind":"internal","detail":"an error cannot travel"}`)
	}
	h := w.Header()
	h["Content-Type"] = headerValue(typeProblem)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if p.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.FormatInt((p.RetryAfter+999)/1000, 10)}
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // whoever does not want it any more has left
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
