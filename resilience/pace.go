package resilience

import (
	"fmt"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/timebox"
)

// A sample is the beginning of a stream by which its pace is judged.
type sample struct {
	pieces int
	within time.Duration
	err    *genai.Error
}

func newSample(pieces int, pace float64) *sample {
	within := time.Duration(float64(pieces) / pace * float64(time.Second))
	return &sample{pieces, within, &genai.Error{
		Kind: genai.Timeout, Field: "Timeouts.Pace", Started: genai.StartedYes,
		Message: fmt.Sprintf("fewer than %d pieces within %v", pieces, within),
	}}
}

// hold waits for the sample, and returns why there will be none. The first piece is there already.
func (s *sample) hold(c *timebox.Context, resp any) error {
	timer := time.AfterFunc(s.within, func() {
		c.Cancel(s.err)
		genai.Discard(resp)
	})
	err := resp.(interface{ Ahead(n int) error }).Ahead(s.pieces)
	if !timer.Stop() {
		return s.err // the stream has ended, even if its end has not arrived everywhere
	}
	return err
}
