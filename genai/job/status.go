package job

import (
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// A State is how far a job is, in the words that all providers share.
type State string

// The states. A job of one of the last four is over, and stays as it is.
const (
	Queued     State = "queued"     // accepted, or being checked; nothing is done yet
	Running    State = "running"    // being worked on; a state that we do not know counts as this one
	Cancelling State = "cancelling" // somebody cancelled it, and what is under way is still coming in
	Succeeded  State = "succeeded"  // done, which for a batch does not mean that each of its requests was answered
	Failed     State = "failed"     // given up by the provider: Err says why
	Cancelled  State = "cancelled"  // given up because somebody wanted it so
	Expired    State = "expired"    // given up because the time that the provider allows a job was over
)

// Over reports whether nothing changes any more.
func (s State) Over() bool {
	switch s {
	case Succeeded, Failed, Cancelled, Expired:
		return true
	}
	return false
}

// A Ref names a job.
type Ref struct {
	ID string `json:"id"`
}

// A Status is how a job is at a moment.
type Status struct {
	ID      string    `json:"id"` // the provider's name for the job: all that is needed to come back to it
	State   State     `json:"state"`
	Raw     string    `json:"raw,omitzero"`     // the provider's own word for the state
	Message string    `json:"message,omitzero"` // what the job is doing, for people
	Total   int       `json:"total,omitzero"`   // pieces of work in it, such as requests; 0: the provider did not say
	Done    int       `json:"done,omitzero"`    // how many of them have succeeded
	Failed  int       `json:"failed,omitzero"`  // how many of them have not, and will not
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // when the provider gives up; zero: it did not say
	Ended   time.Time `json:"ended,omitzero"`   // zero: the job is not over, or the provider did not say

	// Err is what the provider says about a job that failed. See [Status.Failure].
	Err *genai.Error `json:"error,omitzero"`

	// RetryAfter is how long the server asks us to wait before the next look; 0 if it did not say.
	RetryAfter time.Duration `json:"retry_after,omitzero"`
}

// Ref returns the name of the job, for the handlers of the [Service] that it is with.
func (s *Status) Ref() *Ref { return &Ref{s.ID} }

// Failure returns nil unless the job is over and has not succeeded. Otherwise it returns a [*genai.Error]: what the
// provider says about a job that failed, Cancelled for one that was cancelled, and Timeout for one that expired.
func (s *Status) Failure() error {
	switch {
	case s.State == Failed && s.Err != nil:
		return s.Err
	case s.State == Failed:
		return genai.Errorf(genai.ServerError, "job %s failed, and nobody said why", s.ID)
	case s.State == Cancelled:
		return genai.Errorf(genai.Cancelled, "job %s was cancelled", s.ID)
	case s.State == Expired:
		return genai.Errorf(genai.Timeout, "job %s was not done in the time that the provider allows", s.ID)
	}
	return nil
}

// news reports whether s says something that before did not.
func (s Status) news(before Status) bool {
	s.Err, before.Err = nil, nil
	s.RetryAfter, before.RetryAfter = 0, 0
	return s != before
}
