package httptransport

import (
	"math"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// The headers of our own, in the form in which package net/http keeps them.
const (
	headerTimeout  = "Dovetail-Timeout-Ms"
	headerAttempt  = "Dovetail-Attempt"
	headerKey      = "Dovetail-Key"
	headerContract = "Dovetail-Contract"
	headerPriority = "Dovetail-Priority"
	headerCaller   = "Dovetail-Caller"
	headerCredit   = "Dovetail-Credit"
	headerMetadata = "Dovetail-Md-"
)

// The media types.
const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeEvents  = "text/event-stream"
	typeFrames  = "application/vnd.dovetail.frames"
)

// What a client accepts.
const (
	acceptValue  = typeJSON + ", " + typeFrames
	acceptPieces = typeFrames + ", " + typeEvents
)

// What ends a stream has these names, as an event.
const (
	eventEnd   = "end"
	eventError = "error"
)

// maxTrailer bounds what is not a message: problems, and the ends of streams.
const maxTrailer = 1 << 20

// standard are the pairs of metadata that have a header of their own, since others know them too.
var standard = map[string]string{
	"traceparent": "Traceparent",
	"tracestate":  "Tracestate",
	"baggage":     "Baggage",
}

// constant are the values of headers that are the same for every call, as package net/http wants them. Nobody changes them.
var constant = map[string][]string{
	typeJSON: {typeJSON}, typeProblem: {typeProblem}, typeEvents: {typeEvents}, typeFrames: {typeFrames},
	acceptValue: {acceptValue}, acceptPieces: {acceptPieces},
}

// headerValue returns the value of a header.
func headerValue(text string) []string {
	if v, ok := constant[text]; ok {
		return v
	}
	return []string{text}
}

// setMetadata puts the pairs into the headers.
func setMetadata(h http.Header, pairs map[string]string) {
	for name, value := range pairs {
		key, ok := standard[name]
		if !ok {
			key = textproto.CanonicalMIMEHeaderKey(headerMetadata + name)
		}
		h[key] = []string{value}
	}
}

// metadataIn returns the pairs that are in the headers; nil if there are none.
func metadataIn(h http.Header) map[string]string {
	var pairs map[string]string
	add := func(name string, values []string) {
		if pairs == nil {
			pairs = map[string]string{}
		}
		pairs[name] = strings.Join(values, ",")
	}
	for key, values := range h {
		if name, ok := strings.CutPrefix(key, headerMetadata); ok {
			add(strings.ToLower(name), values)
		}
	}
	for name, key := range standard {
		if values := h[key]; len(values) > 0 {
			add(name, values)
		}
	}
	return pairs
}

// timeLeft returns how long the caller still waits; ok is false if it did not say.
func timeLeft(h http.Header) (left time.Duration, ok bool, err error) {
	text := h.Get(headerTimeout)
	if text == "" {
		return 0, false, nil
	}
	ms, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(text) > 19 {
		return 0, false, wrongHeader(headerTimeout, "the time that is left is a whole number of milliseconds")
	}
	const most = math.MaxInt64 / uint64(time.Millisecond)
	return time.Duration(min(ms, most)) * time.Millisecond, true, nil
}

// setTimeLeft tells the server how long the caller still waits, in whole milliseconds, rounded up: it is the caller whose time is up
// first, and who knows why.
func setTimeLeft(h http.Header, left time.Duration) {
	n := left.Milliseconds()
	if left%time.Millisecond > 0 {
		n++
	}
	h[headerTimeout] = []string{strconv.FormatInt(max(n, 1), 10)}
}

// attemptIn returns the number of the attempt.
func attemptIn(h http.Header) (int, error) {
	text := h.Get(headerAttempt)
	if text == "" {
		return 1, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, wrongHeader(headerAttempt, "an attempt is a whole number from 1")
	}
	return int(n), nil
}

// creditIn returns how many pieces the caller takes before it says more; 0 if it takes all.
func creditIn(h http.Header) (int64, error) {
	text := h.Get(headerCredit)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, wrongHeader(headerCredit, "a credit is a whole number from 1")
	}
	return n, nil
}

// priorityIn returns the priority. One that we do not know, from a newer peer, counts as none.
func priorityIn(h http.Header) genai.Priority {
	switch p := genai.Priority(h.Get(headerPriority)); p {
	case genai.CriticalPlus, genai.SheddablePlus, genai.Sheddable:
		return p
	}
	return genai.Critical
}

func wrongHeader(name, message string) error {
	return &genai.Error{Kind: genai.InvalidRequest, Field: strings.ToLower(name), Started: genai.StartedNo, Message: message}
}

// mediaType returns the media type of a Content-Type without its parameters.
func mediaType(header string) string {
	t, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// A trailer is what a stream ends with: the metadata that comes back and, if it ended badly, the problem.
type trailer struct {
	*transport.Problem
	Metadata map[string]string `json:"metadata,omitzero"`
}
