package transport

import (
	"context"

	"github.com/dovetail-go/dovetail/genai"
)

// An Envelope is what travels beside a request, for those who write transports. The deadline travels too; transports
// send it as the time that is left.
type Envelope struct {
	Metadata map[string]string // not to be changed; pairs of the transport's own are among them
	Attempt  int               // see [genai.AttemptOf]
	Key      string            // see [Key]
	Caller   string            // see [Caller]; what a client says, a server believes only as far as it can make sure of it
	Priority genai.Priority    // see [genai.PriorityOf]

	// Reply is what comes back. For a client it is where the caller wants it, or nil; a server sets a new one, which
	// the handler fills.
	Reply *Reply
}

// EnvelopeOf returns what a call under ctx carries.
func EnvelopeOf(ctx context.Context) Envelope {
	e := Envelope{Attempt: genai.AttemptOf(ctx), Priority: genai.PriorityOf(ctx)}
	if tried := genai.LedgerOf(ctx); tried != nil { // every Reply has one
		if e.Reply = replyTo(ctx); e.Reply == nil {
			e.Reply = &Reply{tried: tried} // nobody wants metadata, but somebody further out wants to know what was tried
		}
	}
	if m := metadataOf(ctx); m != nil {
		e.Metadata, e.Key, e.Caller = m.pairs, m.key, m.caller
	}
	if left, limited := genai.TrailOf(ctx).Left(); limited {
		e.Metadata = withFurther(e.Metadata, left)
	}
	return e
}

// Open returns the context of the handler, made from one of the transport that has no values of the caller. Metadata
// that breaks the rules of [WithMetadata] is an error.
func (e Envelope) Open(ctx context.Context) (context.Context, error) {
	if e.Attempt > 1 {
		ctx = genai.WithAttempt(ctx, e.Attempt)
	}
	if e.Priority != genai.Critical {
		ctx = genai.WithPriority(ctx, e.Priority)
	}
	ctx, pairs, err := withoutFurther(ctx, e.Metadata)
	if err != nil {
		return nil, err
	}
	if e.Reply != nil {
		ctx = context.WithValue(e.Reply.note(ctx), ownReplyKey{}, e.Reply)
	}
	if len(pairs) == 0 && e.Key == "" && e.Caller == "" {
		return ctx, nil
	}
	m := &metadata{pairs: pairs}
	if e.Key != "" || e.Caller != "" {
		if err := checkKey(e.Key); err != nil {
			return nil, err
		}
		m.served = &session{e.Key, e.Caller}
	}
	for name, value := range pairs {
		m.size += counted(name, value)
		if err := checkPair(name, value, m.size); err != nil {
			return nil, err
		}
	}
	return context.WithValue(ctx, metadataKey{}, m), nil
}
