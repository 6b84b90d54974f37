package job

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A Service does work that takes longer than a call may last. It is safe for concurrent use; its fields must not be changed
// while it is used. A provider's client makes it, and whoever wants policies around one of the handlers replaces that.
type Service[Req, Resp any] struct {
	Submit genai.Handler[Req, *Status]  // accepts the work. It must not be repeated blindly: a job may be running already
	Look   genai.Handler[*Ref, *Status] // tells how a job is
	Cancel genai.Handler[*Ref, *Status] // asks for a job to end early, which may take a while, or come too late
	Result genai.Handler[*Ref, Resp]    // fetches what a job that is over has come to; Precondition if it is not over

	// Every is the wait between the first two looks; 0 means 5 seconds. Each further one is half as long again, up to
	// twelve times as long, and up to a quarter longer by chance, so that those who wait do not come all at once. A server
	// that asks for a longer wait gets it.
	Every time.Duration

	// Patience is how many looks in a row may fail for a reason that passes, before Wait gives up; 0 means 10.
	Patience int
}

const (
	firstWait = 5 * time.Second
	growth    = 12                        // how many times the first wait the longest is
	forever   = 1 << 62 * time.Nanosecond // longer than anybody waits, with room for the quarter by chance
	patience  = 10
	farewell  = 2 * time.Second // how long Do tries to cancel a job for which nobody waits any more
)

// Wait looks at a job from time to time and returns what it sees, whenever there is something new. The first piece is how
// the job is now, the last one how it has ended. The stream is complete if the job has succeeded; otherwise it ends with
// [Status.Failure], behind the last piece.
//
// A look that fails for a reason that passes, such as RateLimited, is an [genai.Event] called "look" and nothing else, until
// Patience ends. Leaving the stream leaves the job alone. Wait is a Handler, too.
func (s *Service[Req, Resp]) Wait(ctx context.Context, ref *Ref) (*genai.Stream[Status], error) {
	return genai.Open(ctx, func(ctx context.Context, yield func(Status) bool) error {
		end, err := s.watch(ctx, ref, yield)
		if err != nil {
			return err
		}
		return end.Failure()
	})
}

// errLeft is what watch returns when nobody listens any more.
var errLeft = errors.New("the consumer left")

// watch looks at a job until it is over, and returns how it has ended. tell is called with what is new.
func (s *Service[Req, Resp]) watch(ctx context.Context, ref *Ref, tell func(Status) bool) (*Status, error) {
	wait := s.Every
	if wait <= 0 {
		wait = firstWait
	}
	wait = min(wait, forever/growth)
	longest := growth * wait
	limit := s.Patience
	if limit <= 0 {
		limit = patience
	}
	var known Status
	failed := 0
	for {
		status, err := s.Look(ctx, ref)
		if ended := genai.ContextError(ctx); ended != nil {
			return nil, ended
		}
		var asked time.Duration
		if err == nil {
			failed, asked = 0, status.RetryAfter
			if status.news(known) && !tell(*status) {
				return nil, errLeft
			}
			if known = *status; known.State.Over() {
				return &known, nil
			}
		} else {
			if failed++; failed >= limit || !passes(err) {
				return nil, err
			}
			asked = genai.AsError(err).RetryAfter
		}
		pause := min(max(wait, asked), forever)
		pause += rand.N(pause/4 + 1)
		if err != nil {
			genai.Emit(ctx, genai.Event{Name: "look", Kind: genai.KindOf(err), Attempt: failed, Delay: pause})
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		wait = min(wait+wait/2, longest)
	}
}

// passes reports whether another look may succeed where this one failed. It does not heed that an error is Final: a look is
// no repetition of the one before, since it asks about another moment.
func passes(err error) bool {
	switch kind := genai.KindOf(err); kind {
	case genai.Timeout, genai.BreakerOpen, genai.LimitReached:
		return true
	default:
		return kind.Retryable()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return genai.ContextError(ctx)
	}
}

// Do submits work, waits until it is over and returns what it has come to: a job as a Handler. What a job that did not
// succeed has come to is up to Result.
//
// If ctx ends before the job does, Do asks for the job to be cancelled, since nobody else knows of it. If it fails in another
// way the job goes on. The error names the ID in both cases. Work that must outlive the process is submitted with
// Submit and waited for with Wait.
func (s *Service[Req, Resp]) Do(ctx context.Context, req Req) (Resp, error) {
	var zero Resp
	status, err := s.Submit(ctx, req)
	if err != nil {
		return zero, err
	}
	ref := status.Ref()
	if !status.State.Over() {
		if _, err := s.watch(ctx, ref, func(Status) bool { return true }); err != nil {
			if genai.ContextError(ctx) == nil {
				return zero, named(err, "job "+ref.ID+" goes on, and how it is could not be seen")
			}
			short, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
			defer cancel()
			if _, failed := s.Cancel(short, ref); failed != nil {
				return zero, named(err, "job "+ref.ID+" could not be cancelled, and goes on")
			}
			return zero, named(err, "job "+ref.ID+" was cancelled")
		}
	}
	resp, err := s.Result(ctx, ref)
	if err != nil {
		return zero, named(err, "the result of job "+ref.ID)
	}
	return resp, nil
}

// named returns err with a note on the job that it is about. The error itself may be somebody else's, too.
func named(err error, note string) error {
	e := *genai.AsError(err)
	if e.Message == "" {
		e.Message = note
	} else {
		e.Message = note + ": " + e.Message
	}
	e.Err = err
	return &e
}
