package transport

import (
	"context"

	"github.com/dovetail-go/dovetail/genai"
)

// A Server makes handlers reachable. [Op.Serve] calls it; programs do not.
type Server interface {
	// Handle makes h the handler of the operation. h takes and returns values of the operation's types, and neither
	// panics nor returns nil with no error. Its errors are of any type; [ProblemOf] and [Crossed] say how they travel.
	// Handle panics if the operation has a handler already.
	Handle(spec *Spec, h genai.AnyHandler)
}

// A Client calls what is served elsewhere. [Op.Dial] calls it; programs do not. One that has a method Dialled(*Spec) is told by
// it what was dialled.
type Client interface {
	// Call sends req, a value of the operation's request type, and returns one of its response type. It keeps to ctx
	// itself: it returns as soon as ctx ends, and so does the stream that it returned.
	Call(ctx context.Context, spec *Spec, req any) (any, error)
}

// A Network is both sides.
type Network interface {
	Server
	Client
}
