package sim_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/resilience"
)

// TestCommit cuts an answer at every byte, in every way, under the whole stack. Before the first piece the reader notices
// nothing, because another attempt is made; after it he sees the pieces of one attempt, each once, and then an error. What was cut
// never looks whole.
func TestCommit(t *testing.T) {
	pieces := []string{"It ", "is ", "now ", "twelve."}
	whole := strings.Join(pieces, "")
	for _, mishap := range []wiretest.Mishap{wiretest.Cut, wiretest.Stop, wiretest.Stall} {
		t.Run(string(mishap), func(t *testing.T) {
			repeated, broken, complete := 0, 0, 0
			for at := 0; at < 1003; at++ { // which is a few more than there are
				synctest.Test(t, func(t *testing.T) {
					model := genaitest.Script(genaitest.Pieces(pieces...), genaitest.Pieces("Another ", "answer."))
					server := &wiretest.Server{Chat: model.Chat, Faults: []wiretest.Fault{{Then: mishap, Bytes: at}}}
					client := &openai.Client{HTTP: server.Client(t), BaseURL: "http://model/v1", Key: "key", Model: "m"}
					chat := genai.With(client.Chat, &resilience.Stack{
						Deadline: &resilience.Deadline{}, Retry: &resilience.Retry{}, Hedge: &resilience.Hedge{Delay: time.Hour},
						Adaptive: &resilience.Adaptive{}, Breaker: &resilience.Breaker{}, Timeouts: &resilience.Timeouts{},
					})
					s, err := chat(t.Context(), &genai.ChatRequest{Messages: []genai.Message{genai.User("What time is it?")}})
					if err != nil {
						if mishap != wiretest.Stall { // which is Timeout, and not worth the same target's time
							t.Errorf("at byte %d: %v", at, err)
						}
						return
					}
					var text strings.Builder
					for {
						e, err := s.Next()
						if err == nil {
							text.WriteString(e.Text)
							continue
						}
						if err = check(text.String(), whole, len(model.Calls()), err); err != nil {
							t.Errorf("at byte %d: %v", at, err)
						}
						switch {
						case len(model.Calls()) == 2:
							repeated++
						case text.String() == whole && wholeEnd(s):
							complete++
						default:
							broken++
						}
						return
					}
				})
			}
			t.Logf("%d repeated, %d broken, %d complete", repeated, broken, complete)
			if complete == 0 || broken == 0 || repeated == 0 && mishap != wiretest.Stall {
				t.Error("the test proves nothing")
			}
		})
	}
}

// wholeEnd reports whether a stream that is over was complete.
func wholeEnd(s *genai.Stream[genai.ChatEvent]) bool {
	_, err := s.Next()
	return err == io.EOF
}

// check says what is wrong with an answer that ended with end, after so many attempts.
func check(text, whole string, attempts int, end error) error {
	switch {
	case attempts == 2 && (text != "Another answer." || end != io.EOF):
		return fmt.Errorf("the second attempt gave %q and ended with %w", text, end)
	case attempts == 2:
		return nil
	case end == io.EOF && text != whole:
		return fmt.Errorf("%q looks whole", text)
	case !strings.HasPrefix(whole, text):
		return fmt.Errorf("the reader saw %q", text)
	case end != io.EOF && genai.KindOf(end) == genai.Unknown:
		return fmt.Errorf("nobody has classified %w", end)
	}
	return nil
}
