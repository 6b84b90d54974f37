package httptransport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
)

// maxResend is how often a request is sent again that nobody has seen: connections that wait in a pool end together.
const maxResend = 4

// unseen reports whether package net/http failed with proof that no server has seen the request, on a connection that had
// been used before. Everything else may have started. The proofs have no types, so they are known by their text; a text that
// has changed proves nothing.
//
//   - The connection had ended, or the server had said that it would end it, when net/http began to write to it: the reader of
//     a connection that expects no answer closes it before anybody else may write.
//   - It found no connection that takes the request, or the connection that it made for it had ended before the request was written.
//   - The server does not speak HTTP/2, in which the request was written.
//   - The server of an HTTP/2 connection said that this request is beyond the last that it looks at (RFC 9113, section 6.8), or
//     refused the stream, which means the same (section 8.7). Net/http takes an error of the protocol for a refusal too; that
//     is no proof.
func unseen(err error) bool {
	if errors.Is(err, errOtherProtocol) {
		return true
	}
	text := err.Error()
	switch text {
	case "http: server closed idle connection", "net/http: cannot rewind body after connection loss", "http2: client conn could not be established":
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
func (e *endpoint) roundTrip(ctx context.Context, q *request) (*http.Response, error) {
	for n := 0; ; n++ {
		resp, err := e.via.RoundTrip(q.to(ctx, e))
		if err == nil || n == maxResend || ctx.Err() != nil || !unseen(err) {
			return resp, err
		}
		q.renew(ctx)
	}
}

// handshake returns what an error of TLS means that ends a connection before it carries anything; "" for other errors. What the
// other side thinks of our certificate may come after the request was written, but it ends the connection before that is read.
// The alerts of RFC 8446, section 6, have no types in package tls.
func handshake(err error) genai.Kind {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return genai.Unavailable // somebody else is at the address
	}
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || op.Err == nil {
		return ""
	}
	switch op.Err.Error() {
	case "tls: certificate required", "tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate",
		"tls: expired certificate", "tls: unknown certificate", "tls: unknown certificate authority":
		return genai.Unauthenticated
	case "tls: handshake failure", "tls: protocol version not supported", "tls: no application protocol":
		return genai.Unavailable
	}
	return ""
}
