package httptransport

import (
	"net/http"
	"strings"
)

// maxResend is how often a request is sent again that nobody has seen: connections that wait in a pool end together.
const maxResend = 4

// unseen reports whether package net/http failed with proof that no server has seen the request, on a connection that had
// been used before. Everything else may have started. The proofs have no types, so they are known by their text; a text that
// has changed proves nothing.
//
//   - The connection had ended, or the server had said that it would end it, when net/http began to write to it: the reader of
//     a connection that expects no answer closes it before anybody else may write.
//   - It found no connection that takes the request.
//   - The server of an HTTP/2 connection said that this request is beyond the last that it looks at (RFC 9113, section 6.8), or
//     refused the stream, which means the same (section 8.7). Net/http takes an error of the protocol for a refusal too; that
//     is no proof.
func unseen(err error) bool {
	text := err.Error()
	switch text {
	case "http: server closed idle connection", "net/http: cannot rewind body after connection loss":
		return true
	}
	reason, ok := strings.CutPrefix(text, "http2: Transport: cannot retry err [")
	if !ok {
		return false
	}
	reason, _, _ = strings.Cut(reason, "]")
	return reason == "http2: Transport received Server's graceful shutdown GOAWAY" || reason == "http2: client conn not usable" ||
		strings.HasPrefix(reason, "stream error:") && strings.Contains(reason, "; REFUSED_STREAM")
}

// roundTrip sends a request, and sends it again only if nobody has seen it.
func (c *Client) roundTrip(hr *http.Request, sent *body) (*http.Response, error) {
	resp, err := c.via.RoundTrip(hr)
	for n := 0; err != nil && n < maxResend && hr.Context().Err() == nil && unseen(err); n++ {
		hr = hr.WithContext(hr.Context())
		hr.Body = sent.again()
		resp, err = c.via.RoundTrip(hr)
	}
	return resp, err
}
