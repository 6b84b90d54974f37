package wiretest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Server speaks as a model provider. Which one, the path of each request says, whatever stands before it:
//
//	.../chat/completions, .../embeddings     OpenAI, and all who took its interface over
//	.../responses                            OpenAI, in its newer interface
//	.../messages                             Anthropic
//	.../models/NAME:generateContent          Gemini, and the other methods of its models
//	.../api/chat, .../api/embed              Ollama, in its own interface
//
// It asks its models for each answer, usually those of a [genaitest.Model], and is an [http.Handler] for a server of
// one's own. The zero value refuses everything, as a provider that has no such operation does. It is safe for
// concurrent use.
//
// What else a provider offers, pictures and moderation and files, a [Fault] with a Body answers.
//
// A failure of the model becomes what the provider would send: a status and a document before the first piece, an event
// behind it. [genai.Unavailable] and [genai.Truncated] are what a client makes of a connection that is lost, so the
// server loses it. [genai.Malformed] is something that is not the protocol.
//
// [genaitest.Model]: https://pkg.go.dev/github.com/dovetail-go/dovetail/genai/genaitest#Model
type Server struct {
	Chat     genai.Chat      // answers streams
	Complete genai.Completer // answers whole; nil: Chat does, and is folded
	Embed    genai.Embedder  // nil: there are no embeddings

	// Faults are for one request each, in the order in which they come. Further requests have none.
	Faults []Fault

	// Key is what clients must know; empty: anything will do.
	Key string

	requests atomic.Int64
}

// Start serves over a socket of this machine until t is over, and returns the URL without a path. A Server must be
// started once.
func (s *Server) Start(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections() // or Close would wait for those that hang
		server.Close()
	})
	return server.URL
}

// maxBody bounds a request.
const maxBody = 64 << 20

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	if n := int(s.requests.Add(1)); n <= len(s.Faults) {
		fault = s.Faults[n-1]
	}
	x := &exchange{output: newOutput(w, r, fault), server: s, ctx: r.Context(), dialect: &openAI}
	x.garbage = openAI.garbage
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		x.refuse(&genai.Error{Kind: genai.TooLarge, Message: "the request cannot be read to its end"})
		return
	}
	op, model, ok := x.find()
	if !x.wait() {
		return
	}
	switch {
	case fault.Status != 0 || fault.Body != "":
		x.replace()
	case !ok:
		x.refuse(&genai.Error{Kind: genai.NotFound, Message: r.Method + " " + r.URL.Path + " is nothing that this server knows"})
	case s.Key != "" && x.dialect.key(r.Header) != s.Key:
		x.refuse(&genai.Error{Kind: genai.Unauthenticated, Message: "the key is not the right one"})
	case op == opEmbed:
		x.embed(model, body)
	default:
		x.chat(op, model, body)
	}
}

// An exchange is one request and what becomes of it.
type exchange struct {
	*output
	server  *Server
	ctx     context.Context
	dialect *dialect

	streaming bool // a stream was asked for
	array     bool // as one JSON document, in which a failure has no place
}

// find finds the dialect of the request.
func (x *exchange) find() (op operation, model string, ok bool) {
	for _, d := range dialects {
		if op, model, ok = d.route(x.r); ok {
			x.dialect = d
			x.garbage = d.garbage
			return op, model, true
		}
	}
	return 0, "", false
}

// replace sends what the fault has instead of an answer.
func (x *exchange) replace() {
	status, body := x.fault.Status, []byte(x.fault.Body)
	if status == 0 {
		status = http.StatusOK
	}
	if len(body) == 0 {
		e := &genai.Error{Kind: kindOfStatus(status), Status: status, Message: http.StatusText(status)}
		body = document(x.dialect.problem(e, x.dialect.problemOf(e), false))
	}
	x.whole(status, "application/json", body)
}

// refuse reports a failure before anything else was sent.
func (x *exchange) refuse(err error) {
	if severs(err) {
		x.cut()
	}
	e := genai.AsError(err)
	if e.Kind == genai.Malformed && e.Status == 0 {
		x.whole(http.StatusOK, x.dialect.stream, []byte(x.garbage))
		return
	}
	p := x.dialect.problemOf(e)
	retryAfter(e, x.w.Header())
	if x.dialect.header != nil {
		x.dialect.header(e, x.w.Header())
	}
	if x.streaming && p.status == http.StatusOK { // a refusal that is no failure to its provider
		x.whole(p.status, x.dialect.stream, x.dialect.problem(e, p, true).([]byte))
		return
	}
	x.whole(p.status, "application/json", document(x.dialect.problem(e, p, false)))
}

func (x *exchange) chat(op operation, model string, body []byte) {
	c := &call{op: op, req: &genai.ChatRequest{Model: model}, stream: op == opStream, began: time.Now(), query: x.r.URL.Query()}
	if !json.Valid(body) {
		x.refuse(errBadRequest("", "the body is not JSON"))
		return
	}
	if err := x.dialect.chat(body, c); err != nil {
		x.refuse(err)
		return
	}
	x.streaming = c.stream
	switch {
	case c.stream && x.server.Chat != nil:
		x.pieces(c)
	case !c.stream && x.server.Complete != nil:
		x.document(c, x.server.Complete)
	case !c.stream && x.server.Chat != nil:
		x.document(c, genai.Whole(x.server.Chat))
	default:
		x.refuse(&genai.Error{Kind: genai.NotFound, Message: "there is no such model"})
	}
}

// document sends a whole answer.
func (x *exchange) document(c *call, complete genai.Completer) {
	resp, err := complete(x.ctx, c.req)
	if err != nil {
		x.refuse(err)
		return
	}
	x.whole(http.StatusOK, "application/json", document(x.dialect.encoder(c).whole(resp)))
}

// pieces sends an answer as it arrives.
func (x *exchange) pieces(c *call) {
	contentType := x.dialect.stream
	enc := x.dialect.encoder(c)
	if g, ok := enc.(*geminiEncoder); ok && g.array {
		contentType, x.array = "application/json", true
	}
	if x.fault.Early {
		x.header(http.StatusOK, contentType)
	}
	stream, err := x.server.Chat(x.ctx, c.req)
	if err != nil {
		if x.begun {
			x.fail(err)
			return
		}
		x.refuse(err)
		return
	}
	defer stream.Close()
	x.header(http.StatusOK, contentType)
	for {
		e, err := stream.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			x.fail(err)
			return
		}
		if e.ToolCall != nil && e.ToolCall.Handled {
			e.ToolCall, e.Opaque = nil, nil // no provider shows what it runs itself in this way
		}
		if frame, piece := enc.event(e); frame != nil && !x.send(frame, piece) {
			return
		}
	}
	if frame := enc.end(); frame != nil && !x.send(frame, false) {
		return
	}
	x.end()
}

// fail reports a failure in the middle of a stream.
func (x *exchange) fail(err error) {
	e := genai.AsError(err)
	switch {
	case severs(err) || x.array:
		x.cut()
	case e.Kind == genai.Malformed:
		x.send([]byte(x.garbage), false)
		return
	}
	doc := x.dialect.problem(e, x.dialect.problemOf(e), true)
	if x.send(doc.([]byte), false) {
		x.end()
	}
}

func (x *exchange) embed(model string, body []byte) {
	c := &call{op: opEmbed, embed: &genai.EmbedRequest{Model: model}, began: time.Now(), query: x.r.URL.Query()}
	if x.server.Embed == nil || x.dialect.embed == nil {
		x.refuse(&genai.Error{Kind: genai.NotFound, Message: "there is no such model"})
		return
	}
	if err := x.dialect.embed(body, c); err != nil {
		if _, ok := errors.AsType[*genai.Error](err); !ok {
			err = errBadRequest("", "the body is not what this operation takes")
		}
		x.refuse(err)
		return
	}
	resp, err := x.server.Embed(x.ctx, c.embed)
	if err != nil {
		x.refuse(err)
		return
	}
	x.output.whole(http.StatusOK, "application/json", document(x.dialect.vectors(c, resp)))
}
