package sdk

import (
	"strings"

	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// The differences that have a reason; README.md tells them. One that is met no longer must go.
var differences = []difference{
	{"a call that the limit has cut", func(_ recordedtest.Exchange, ours, theirs answer, err error) bool {
		return err == nil && only(ours, theirs, "Calls") && (theirs.Finish == "length" || theirs.Finish == "max_output_tokens") && len(ours.Calls) < len(theirs.Calls)
	}},
	{"usage that was sent twice", func(_ recordedtest.Exchange, ours, theirs answer, err error) bool {
		twice := ours
		twice.Input, twice.Output, twice.Cached, twice.Reasoning = 2*ours.Input, 2*ours.Output, 2*ours.Cached, 2*ours.Reasoning
		return err == nil && len(fields(twice, theirs)) == 0
	}},
	{"a chunk that the accumulator refuses", func(_ recordedtest.Exchange, ours, _ answer, err error) bool {
		return err == errAccumulator && ours.Finish != ""
	}},
	{"an empty last event", func(r recordedtest.Exchange, ours, theirs answer, err error) bool {
		return err == nil && r.API == "responses" && r.Stream && only(ours, theirs, "Text", "Calls") && theirs.Text == "" && theirs.Calls == nil
	}},
	{"a [DONE] that is not of this wire", func(r recordedtest.Exchange, ours, theirs answer, err error) bool {
		return err != nil && len(fields(ours, theirs)) == 0 && strings.Contains(r.Body, "data: [DONE]")
	}},
	{"calls without a name of their own", func(r recordedtest.Exchange, ours, theirs answer, err error) bool {
		if err != nil || r.Provider != "gemini" || !only(ours, theirs, "Calls") || len(ours.Calls) != len(theirs.Calls) {
			return false
		}
		for i := range ours.Calls {
			name, rest, _ := strings.Cut(ours.Calls[i], " ")
			_, arguments, _ := strings.Cut(rest, " ")
			if theirs.Calls[i] != name+"  "+arguments {
				return false
			}
		}
		return true
	}},
}

// only reports whether two answers differ in nothing but some fields.
func only(a, b answer, may ...string) bool {
	for _, f := range fields(a, b) {
		if !strings.Contains(strings.Join(may, " "), f) {
			return false
		}
	}
	return true
}

// unread is what the SDK of OpenAI says where a server puts a text in the place of the error, as {"error":"..."}: the status is lost.
const unread = "cannot unmarshal string into Go value"
