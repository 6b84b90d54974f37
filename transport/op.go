package transport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// An Op is an operation's name and types. Declare it once, as a variable of a package that both sides import. Whether it
// streams is decided by its response type: a [genai.Stream] does.
//
// Requests, responses and pieces are structs, or pointers to structs, that travel as JSON: exported fields under the names
// of their json tags. A [genai.Blob] anywhere in them travels as raw bytes.
type Op[Req, Resp any] struct {
	Name        string      // "service.operation", in lower case letters, digits, "-" and "_"
	Idempotency Idempotency // what repeating a call does; the zero value means that it may do harm or cost money
	MaxBytes    int64       // the largest request, response or piece, in bytes on a wire; 0 means 32 MiB

	// Keep is how long what came of a keyed call is remembered, see [Keyed]; 0 means 10 minutes.
	Keep time.Duration

	// Ahead is how many pieces of a stream may have been made that the reader has not taken, for streams whose pieces are worth waiting
	// for, such as pictures or the steps of an agent: the producer then waits for its reader, over a network too. Between
	// two processes it costs a little for each piece, and no proxy may wait for the end of a request before it passes it on. 0 means as
	// many as buffers hold on the way: none in a process, some hundred kB to some MB between two. A [Keyed] handler goes on without readers.
	Ahead int

	// Shared hands values over without copying where both sides are in one process. Declare it for messages that
	// nobody changes after they were sent, where the copy would cost too much; the handler then runs in the
	// goroutine of the caller. It changes nothing between processes.
	Shared bool
}

// Idempotency says what repeating a call does.
type Idempotency string

// The zero value says that nobody may repeat a call unasked.
const (
	Unsafe Idempotency = ""     // repeating may do harm, or costs money
	Safe   Idempotency = "safe" // repeating changes nothing and costs next to nothing, like a look at something

	// Keyed calls may be repeated under the same [Key]: the server works on them once. A repetition joins the call that is
	// running, and gets what came of it when it is over, pieces of a stream included. A call without a Key is Unsafe.
	//
	// The caller of a keyed call may leave, and come back: the work goes on for a minute without anybody who waits for it,
	// whatever the deadline of the caller was, before its context ends. What the handler returned is kept for the Keep of
	// the operation, with an error that is not worth repeating (see [genai.Kind.Retryable]). After one that is, or if the
	// work was given up, the next call begins anew.
	//
	// A Key belongs to one request of one caller: under it, another request is [genai.InvalidRequest]. What cannot be given
	// again because it was too large, and what another process works on or has left behind, is [genai.Conflict]; nothing is
	// done twice then. Where results are kept is the server's choice, see [Store]; a repetition that goes to another place, say
	// because the service has moved, finds them if both places share one.
	Keyed Idempotency = "keyed"
)

// Serve makes h the handler of the operation on s. It panics if the name is malformed or taken, or if a type of the
// operation cannot travel; the message names the field.
//
// If h panics, the call fails with [genai.Internal] and the stack goes to the log of package log/slog.
func (op Op[Req, Resp]) Serve(s Server, h genai.Handler[Req, Resp]) {
	spec := op.spec()
	contained := contain(spec, genai.Erase(h))
	if op.Idempotency == Keyed {
		contained = (&ledger{spec: spec, next: contained}).handle
	}
	s.Handle(spec, guard(spec, contained))
}

// Dial returns the handler of the operation as c reaches it. It connects to nobody: errors come from calls, with the
// operation and its service in Op and Target. It panics like Serve.
func (op Op[Req, Resp]) Dial(c Client) genai.Handler[Req, Resp] {
	spec := op.spec()
	if named, ok := c.(interface{ Dialled(*Spec) }); ok {
		named.Dialled(spec)
	}
	return func(ctx context.Context, req Req) (Resp, error) {
		resp, err := call(ctx, c, spec, req)
		if err != nil {
			var zero Resp
			return zero, err
		}
		typed, ok := resp.(Resp)
		if !ok {
			genai.Discard(resp)
			return typed, &genai.Error{Kind: genai.Internal, Op: spec.Name, Target: spec.Service(), Message: fmt.Sprintf("the transport returned a %T instead of a %T", resp, typed)}
		}
		return typed, nil
	}
}

func call(ctx context.Context, c Client, spec *Spec, req any) (any, error) {
	err := genai.ContextError(ctx)
	if err == nil {
		err = metadataError(ctx)
	}
	if err != nil {
		return nil, named(spec, err, genai.StartedNo)
	}
	resp, err := c.Call(ctx, spec, req)
	if err != nil {
		spend(ctx, err)
		if over := over(ctx, err); over != nil { // the rest is a consequence
			err = over
		}
		return nil, named(spec, err, genai.StartedUnknown)
	}
	if over := genai.ContextError(ctx); over != nil { // whoever has left is told so, even if the response was faster
		genai.Discard(resp)
		return nil, named(spec, over, genai.StartedYes)
	}
	return resp, nil
}

// over returns the error of a context that has ended. Where err says that the time was up, and it is, the other side may have been the
// first to notice; why the time was up, only the caller's context knows.
func over(ctx context.Context, err error) error {
	if end := genai.ContextError(ctx); end != nil || genai.KindOf(err) != genai.DeadlineExceeded {
		return end
	}
	deadline, ok := ctx.Deadline()
	if !ok || time.Now().Before(deadline) {
		return nil
	}
	<-ctx.Done() // it is due
	return genai.ContextError(ctx)
}

// named puts the name of the operation on err, unless it has one from further in. started is for errors that do not know.
func named(spec *Spec, err error, started genai.Started) error {
	var e genai.Error
	if own, ok := errors.AsType[*genai.Error](err); ok {
		if own.Op != "" && own.Target != "" && own.Started != "" && own == err {
			return err
		}
		e = *own
		if own != err { // somebody has wrapped it in words
			e.Message, e.Err = err.Error(), err
		}
	} else {
		e = *genai.AsError(err)
	}
	if e.Op == "" {
		e.Op = spec.Name
	}
	if e.Target == "" {
		e.Target = spec.Service()
	}
	if e.Started == "" {
		e.Started = started
	}
	return &e
}
