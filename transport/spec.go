package transport

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Spec is an [Op] for those who move bytes. [Op.Serve] and [Op.Dial] make it; transports read it.
type Spec struct {
	Name        string
	Idempotency Idempotency
	MaxBytes    int64 // never 0
	Shared      bool
	Streams     bool          // the response arrives in pieces
	Ahead       int           // see [Op]; 0 if it does not matter
	Keep        time.Duration // see [Op]; never 0

	// Results is where a server keeps what came of keyed calls. It may be set by [Server.Handle], for the handler it is
	// given; nil means in memory.
	Results Store

	// Admit says whether a caller may call the operation, with an error if not; nil means that everybody may. It may be set by
	// [Server.Handle], before the handler is called. Transports ask it when they know who calls, before they read the request;
	// for those that do not, the handler asks once more. See [Switch.As].
	Admit func(caller string) error

	request  codec
	response codec // of a piece, if the response streams
	stream   relay // a nil stream of the response type; nil if it does not stream

	version version
}

// Service returns the first part of the name: the service that the operation belongs to.
func (s *Spec) Service() string {
	service, _, _ := strings.Cut(s.Name, ".")
	return service
}

// relay is what every *genai.Stream is for those who do not know the type of its pieces.
type relay interface {
	Pull() (any, error)
	Fill(ctx context.Context, next func(piece any) error, stop func()) (any, error)
	Close() error
}

const (
	defaultMaxBytes = 32 << 20
	defaultKeep     = 10 * time.Minute
)

func (op Op[Req, Resp]) spec() *Spec {
	s := &Spec{Name: op.Name, Idempotency: op.Idempotency, MaxBytes: op.MaxBytes, Shared: op.Shared, Ahead: op.Ahead, Keep: op.Keep}
	if !validName(op.Name) {
		panic(fmt.Sprintf("transport: %q is not the name of an operation: it must look like \"service.operation\"", op.Name))
	}
	switch {
	case op.MaxBytes < 0:
		panic(fmt.Sprintf("transport: %s: MaxBytes is negative", op.Name))
	case op.MaxBytes == 0:
		s.MaxBytes = defaultMaxBytes
	}
	switch {
	case op.Keep < 0:
		panic(fmt.Sprintf("transport: %s: Keep is negative", op.Name))
	case op.Keep == 0:
		s.Keep = defaultKeep
	}
	switch op.Idempotency {
	case Unsafe, Safe, Keyed:
	default:
		panic(fmt.Sprintf("transport: %s: Idempotency is %q", op.Name, op.Idempotency))
	}
	if op.Ahead < 0 {
		panic(fmt.Sprintf("transport: %s: Ahead is negative", op.Name))
	}
	var none Resp
	response := reflect.TypeFor[Resp]()
	if r, ok := any(none).(relay); ok {
		s.Streams, s.stream = true, r
		next, _ := response.MethodByName("Next")
		response = next.Type.Out(0)
	}
	if op.Ahead > 0 && !s.Streams {
		panic(fmt.Sprintf("transport: %s has Ahead and does not stream", op.Name))
	}
	s.request = s.codec("request", reflect.TypeFor[Req]())
	s.response = s.codec("response", response)
	return s
}

func (s *Spec) codec(what string, t reflect.Type) codec {
	c, err := newCodec(t)
	if err != nil {
		panic(fmt.Sprintf("transport: the %s of %s cannot travel: %v", what, s.Name, err))
	}
	return c
}

// validName reports whether name is two words with a point between, so that it can stand in a path and a placement.
func validName(name string) bool {
	service, operation, ok := strings.Cut(name, ".")
	return ok && validWord(service) && validWord(operation)
}

func validWord(word string) bool {
	if word == "" || word[0] == '-' || word[0] == '_' {
		return false
	}
	return onlyNameBytes(word) && !strings.Contains(word, ".")
}

// SameTypes reports whether both sides use the same Go types, so that a value may be handed over without being encoded.
func (s *Spec) SameTypes(other *Spec) bool {
	return s == other || s.request.typ == other.request.typ && s.response.typ == other.response.typ && s.Streams == other.Streams
}

// EncodeRequest returns req as it travels. It refuses what would arrive changed, or not at all, with
// [genai.InvalidRequest], and what is larger than MaxBytes with [genai.TooLarge]; nothing was sent then.
func (s *Spec) EncodeRequest(req any) (m Message, err error) {
	defer s.survive(&err, genai.StartedNo)
	m, err = s.request.encode(req)
	if err == nil {
		err = s.fits(m, "request")
	}
	return m, refused(err)
}

// DecodeRequest returns the request in m. A message that is no such request is [genai.InvalidRequest].
func (s *Spec) DecodeRequest(m Message) (req any, err error) {
	defer s.survive(&err, genai.StartedNo)
	req, err = s.request.decode(m)
	return req, refused(err)
}

// EncodeResponse returns resp, which does not stream, as it travels.
func (s *Spec) EncodeResponse(resp any) (m Message, err error) {
	defer s.survive(&err, genai.StartedYes)
	m, err = s.response.encode(resp)
	if err == nil {
		err = s.fits(m, "response")
	}
	return m, broken(err)
}

// DecodeResponse returns the response in m. A message that is no such response is [genai.Malformed].
func (s *Spec) DecodeResponse(m Message) (resp any, err error) {
	defer s.survive(&err, genai.StartedYes)
	resp, err = s.response.decode(m)
	return resp, garbled(err)
}

// NextPiece pulls the next piece out of resp, a stream, and returns it as it travels. It returns io.EOF after the last.
// A producer that panics has failed with [genai.Internal].
func (s *Spec) NextPiece(resp any) (Message, error) { return s.next(resp, &s.response) }

// NextWhole is NextPiece for receivers that take JSON only: the bytes of Blobs are in it as base64, and there are no Parts.
func (s *Spec) NextWhole(resp any) (Message, error) {
	whole := s.response
	whole.blobs = nil
	return s.next(resp, &whole)
}

func (s *Spec) next(resp any, c *codec) (m Message, err error) {
	piece, err := s.pull(resp)
	if err != nil {
		return Message{}, err
	}
	defer s.survive(&err, genai.StartedYes)
	m, err = c.encodePointer(piece)
	if err == nil {
		err = s.fits(m, "piece")
	}
	return m, broken(err)
}

// EncodePiece returns a piece as it travels; piece is a pointer to it, such as [genai.Watch] shows. [Spec.DecodeResponse] is
// the way back.
func (s *Spec) EncodePiece(piece any) (Message, error) {
	m, err := s.response.encodePointer(piece)
	return m, broken(err)
}

// Receive opens the stream whose pieces next returns, and io.EOF after the last. The rest is as with [genai.NewStream].
func (s *Spec) Receive(ctx context.Context, next func() (Message, error), stop func()) (any, error) {
	return s.stream.Fill(ctx, func(piece any) error {
		m, err := next()
		if err != nil {
			if err == io.EOF {
				return err
			}
			if over := over(ctx, err); over != nil {
				return over
			}
			return named(s, err, genai.StartedYes)
		}
		if err := s.decodePiece(m, piece); err != nil {
			return named(s, err, genai.StartedYes)
		}
		return nil
	}, stop)
}

func (s *Spec) decodePiece(m Message, piece any) (err error) {
	defer s.survive(&err, genai.StartedYes)
	return garbled(s.response.decodeInto(m, piece))
}

// CopyRequest returns what would arrive if req travelled, without encoding it. It refuses what EncodeRequest does; of its size it
// counts the bytes of texts, Blobs and lists, so what is a little larger than MaxBytes gets through.
func (s *Spec) CopyRequest(req any) (c any, err error) {
	defer s.survive(&err, genai.StartedNo)
	c, size, err := s.request.copy(req)
	if err == nil {
		err = s.light(size, "request")
	}
	if err != nil {
		return nil, refused(err)
	}
	return c, nil
}

// CopyResponse returns what would arrive if resp travelled. A stream is copied piece by piece while it is read; it ends
// with ctx, and calls stop when it is over.
func (s *Spec) CopyResponse(ctx context.Context, resp any, stop func()) (any, error) {
	if !s.Streams {
		defer stop()
		return s.copyValue(resp)
	}
	return s.hand(ctx, resp, s.copyPiece, stop)
}

func (s *Spec) copyValue(resp any) (c any, err error) {
	defer s.survive(&err, genai.StartedYes)
	c, size, err := s.response.copy(resp)
	if err == nil {
		err = s.light(size, "response")
	}
	if err != nil {
		return nil, broken(err)
	}
	return c, nil
}

func (s *Spec) copyPiece(to, from any) (err error) {
	defer s.survive(&err, genai.StartedYes)
	size, err := s.response.copyInto(to, from)
	if err == nil {
		err = s.light(size, "piece")
	}
	return broken(err)
}

// ShareResponse returns resp, a stream, as CopyResponse does, but its pieces are those of resp and no copies.
func (s *Spec) ShareResponse(ctx context.Context, resp any, stop func()) (any, error) {
	return s.hand(ctx, resp, func(to, from any) error {
		reflect.ValueOf(to).Elem().Set(reflect.ValueOf(from).Elem())
		return nil
	}, stop)
}

// hand returns another stream with the pieces of resp, for which hand puts what one pointer points to where another does.
func (s *Spec) hand(ctx context.Context, resp any, hand func(to, from any) error, stop func()) (any, error) {
	return s.stream.Fill(ctx, func(piece any) error {
		from, err := s.pull(resp)
		if err != nil {
			if err == io.EOF {
				return err
			}
			if over := over(ctx, err); over != nil {
				return over
			}
			return named(s, Crossed(err), genai.StartedYes)
		}
		if err := hand(piece, from); err != nil {
			return named(s, Crossed(err), genai.StartedYes)
		}
		return nil
	}, func() {
		genai.Discard(resp)
		stop()
	})
}

// pull is Pull that survives a producer that panics.
func (s *Spec) pull(resp any) (piece any, err error) {
	defer func() {
		if p := recover(); p != nil {
			piece, err = nil, panicked(s, "the handler", p)
		}
	}()
	return resp.(relay).Pull()
}

func (s *Spec) fits(m Message, what string) error {
	if n := m.Len(); n > s.MaxBytes {
		return &genai.Error{Kind: genai.TooLarge, Message: fmt.Sprintf("the %s has %d bytes; %s takes %d", what, n, s.Name, s.MaxBytes)}
	}
	return nil
}

// light refuses what is too large by any count.
func (s *Spec) light(size int64, what string) error {
	if size > s.MaxBytes {
		return &genai.Error{Kind: genai.TooLarge, Message: fmt.Sprintf("the %s has at least %d bytes; %s takes %d", what, size, s.Name, s.MaxBytes)}
	}
	return nil
}

// refused marks the errors of a request that never went out, or never came in.
func refused(err error) error {
	if err == nil {
		return nil
	}
	e := *genai.AsError(err)
	if e.Kind == genai.Unknown {
		e.Kind = genai.InvalidRequest
	}
	e.Started = genai.StartedNo
	return &e
}

// broken marks the errors of a handler that returned what cannot travel.
func broken(err error) error {
	if err == nil {
		return nil
	}
	e := *genai.AsError(err)
	if e.Kind != genai.TooLarge {
		e.Kind = genai.Internal
	}
	e.Started = genai.StartedYes
	e.Message = "the handler's response cannot travel: " + e.Message
	return &e
}

// garbled marks the errors of a response that cannot be understood.
func garbled(err error) error {
	if err == nil {
		return nil
	}
	e := *genai.AsError(err)
	e.Kind, e.Started = genai.Malformed, genai.StartedYes
	return &e
}
