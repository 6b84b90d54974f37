package genai_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

// TestErrorAsData: an error that is a part of a message says the same afterwards, but for its cause.
func TestErrorAsData(t *testing.T) {
	full := genai.Error{
		Kind: genai.RateLimited, Op: "chat", Target: "a", Reason: "r", Message: "m", Field: "f", Status: 429, Code: "c",
		RequestID: "id", RetryAfter: 2 * time.Second, Started: genai.StartedNo, Final: true, Remote: true,
		Attempts: []genai.Attempt{{Target: "a", Kind: genai.Timeout}},
	}
	cases := []struct {
		name     string
		in, want genai.Error
	}{
		{"everything", full, full},
		{"a cause", genai.Error{Kind: genai.Unavailable, Err: errors.New("no route")}, genai.Error{Kind: genai.Unavailable, Message: "no route", Remote: true}},
		{"a new kind", genai.Error{Kind: "moonphase"}, genai.Error{Kind: genai.Unknown, Remote: true}},
		{"a short wait", genai.Error{Kind: genai.Overloaded, RetryAfter: 1}, genai.Error{Kind: genai.Overloaded, RetryAfter: time.Millisecond, Remote: true}},
		{"an endless wait", genai.Error{Kind: genai.Overloaded, RetryAfter: math.MaxInt64},
			genai.Error{Kind: genai.Overloaded, RetryAfter: time.Duration(math.MaxInt64).Truncate(time.Millisecond), Remote: true}},
		{"nonsense", genai.Error{Kind: genai.Empty, Started: "maybe", RetryAfter: -5}, genai.Error{Kind: genai.Empty, Remote: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			type message struct{ Err *genai.Error }
			text, err := json.Marshal(message{&c.in})
			if err != nil {
				t.Fatal(err)
			}
			var got message
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got.Err, c.want) {
				t.Errorf("%s is %+v, want %+v", text, *got.Err, c.want)
			}
		})
	}
	var e genai.Error
	if e.UnmarshalJSON([]byte(`{"kind":5}`)) == nil {
		t.Error("a kind that is no text passes")
	}
}
