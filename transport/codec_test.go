package transport_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// TestRoundTrip: every response type of the vocabulary arrives as it was sent.
func TestRoundTrip(t *testing.T) {
	score := 0.5
	for _, sent := range []any{
		&genai.ChatRequest{Messages: []genai.Message{genai.User("hi"), {Role: genai.RoleUser, Parts: []genai.Part{{Image: new(picture("p"))}, {File: &genai.File{Name: "f", Blob: picture("f")}}}}},
			Tools: []genai.Tool{{Name: "t", Parameters: json.RawMessage(`{"type":"object"}`)}}, Extra: map[string]json.RawMessage{"x": json.RawMessage(`[1]`)}},
		&genai.ChatResponse{ID: "1", Message: genai.Assistant("yes"), Usage: &genai.Usage{Input: 1}},
		&genai.Verdict{Flagged: true, Categories: []genai.Category{{Name: "c", Score: &score}}},
		&genai.SpeechRequest{Text: "speak"},
	} {
		var spec *transport.Spec
		switch sent.(type) {
		case *genai.ChatRequest:
			spec = specOf(transport.Op[*genai.ChatRequest, *genai.ChatRequest]{Name: "desk.op"})
		case *genai.ChatResponse:
			spec = specOf(transport.Op[*genai.ChatResponse, *genai.ChatResponse]{Name: "desk.op"})
		case *genai.Verdict:
			spec = specOf(transport.Op[*genai.Verdict, *genai.Verdict]{Name: "desk.op"})
		case *genai.SpeechRequest:
			spec = specOf(transport.Op[*genai.SpeechRequest, *genai.SpeechRequest]{Name: "desk.op"})
		}
		m, err := spec.EncodeRequest(sent)
		if err != nil {
			t.Errorf("%T: %v", sent, err)
			continue
		}
		got, err := spec.DecodeRequest(m)
		if err != nil || !reflect.DeepEqual(got, sent) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, sent)
		}
		copied, err := spec.CopyRequest(sent)
		if err != nil || !reflect.DeepEqual(copied, got) {
			t.Errorf("a copy is %+v, %v, and what travelled is %+v", copied, err, got)
		}
	}
}

func TestMessagesThatAreNone(t *testing.T) {
	type page struct {
		Text  string `json:"text"`
		Count int    `json:"count"`
	}
	for _, spec := range []*transport.Spec{
		specOf(transport.Op[*page, *page]{Name: "desk.op"}),
		specOf(transport.Op[page, page]{Name: "desk.op"}),
	} {
		for name, c := range map[string]struct{ head, field, says string }{
			"nothing":       {"", "", "not a JSON object"},
			"space":         {" \n", "", "not a JSON object"},
			"null":          {"null", "", "not a JSON object"},
			"array":         {`[{"text":"a"}]`, "", "not a JSON object"},
			"text":          {`"text"`, "", "not a JSON object"},
			"open":          {`{"text":"a"`, "", "not JSON"},
			"more":          {`{"text":"a"} {}`, "", "not JSON"},
			"wrong type":    {`{"count":"secret"}`, "count", "string cannot be a int"},
			"not UTF-8":     {"{\"text\":\"\xff\"}", "", "not UTF-8"},
			"beyond an int": {`{"count":9999999999999999999}`, "count", ""},
		} {
			_, err := spec.DecodeRequest(transport.Message{Head: []byte(c.head)})
			own := genai.AsError(err)
			if own == nil || own.Kind != genai.InvalidRequest || own.Started != genai.StartedNo || own.Field != c.field || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %+v", name, own)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the error tells the text of the message: %v", name, err)
			}
			if _, err := spec.DecodeResponse(transport.Message{Head: []byte(c.head)}); genai.KindOf(err) != genai.Malformed || genai.AsError(err).Started != genai.StartedYes {
				t.Errorf("%s: as a response: %v", name, err)
			}
		}
	}
	free := specOf(transport.Op[*struct{ Any any }, note]{Name: "desk.op"})
	for _, head := range []string{`{"Any":1} {}`, `{"Any":1} x`, `{"Any":`} {
		if _, err := free.DecodeRequest(transport.Message{Head: []byte(head)}); genai.KindOf(err) != genai.InvalidRequest {
			t.Errorf("%s: %v", head, err)
		}
	}
}

func TestSizes(t *testing.T) {
	const max = 100
	spec := specOf(transport.Op[*album, *album]{Name: "desk.op", MaxBytes: max})
	stream := specOf(transport.Op[*album, *genai.Stream[*album]]{Name: "desk.op", MaxBytes: max})
	head, err := spec.EncodeRequest(&album{Cover: picture("x")})
	if err != nil {
		t.Fatal(err)
	}
	room := max - int(head.Len()) + 1
	for _, size := range []int{room, room + 1} {
		a := &album{Cover: picture(strings.Repeat("x", size))}
		wants := func(what string, err error, started genai.Started) {
			t.Helper()
			if size == room {
				if err != nil {
					t.Errorf("%s: what just fits: %v", what, err)
				}
				return
			}
			own := genai.AsError(err)
			if own == nil || own.Kind != genai.TooLarge || own.Started != started || !strings.Contains(own.Message, "101 bytes") || !strings.Contains(own.Message, "100") {
				t.Errorf("%s: %+v", what, own)
			}
		}
		_, err := spec.EncodeRequest(a)
		wants("request", err, genai.StartedNo)
		_, err = spec.EncodeResponse(a)
		wants("response", err, genai.StartedYes)
		s, err := genai.NewStream(t.Context(), func() (*album, error) { return a, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.NextPiece(s)
		wants("piece", err, genai.StartedYes)
		s.Close()
	}
}

// TestWrongValues: what cannot be sent is told to whoever sends it.
func TestWrongValues(t *testing.T) {
	spec := specOf(ask)
	for name, v := range map[string]any{"nil": nil, "another type": "text", "a value for a pointer": note{}} {
		for what, f := range map[string]func() error{
			"encode":        func() error { _, err := spec.EncodeRequest(v); return err },
			"copy":          func() error { _, err := spec.CopyRequest(v); return err },
			"response":      func() error { _, err := spec.EncodeResponse(v); return err },
			"copy response": func() error { _, err := spec.CopyResponse(t.Context(), v, func() {}); return err },
		} {
			if err := f(); genai.KindOf(err) != genai.Internal {
				t.Errorf("%s %s: %v", what, name, err)
			}
		}
	}
	for what, f := range map[string]func(v any) error{
		"encode": func(v any) error { _, err := spec.EncodeRequest(v); return err },
		"copy":   func(v any) error { _, err := spec.CopyRequest(v); return err },
	} {
		if err := f((*note)(nil)); genai.KindOf(err) != genai.InvalidRequest || genai.AsError(err).Message != "the message is nil" {
			t.Errorf("%s a nil pointer: %v", what, err)
		}
	}
	bad := &note{"\xff"}
	if _, err := spec.EncodeRequest(bad); genai.KindOf(err) != genai.InvalidRequest || genai.AsError(err).Started != genai.StartedNo || genai.AsError(err).Field == "" {
		t.Errorf("text that is not UTF-8, in a request: %v", err)
	}
	if _, err := spec.EncodeResponse(bad); genai.KindOf(err) != genai.Internal || genai.AsError(err).Started != genai.StartedYes {
		t.Errorf("text that is not UTF-8, in a response: %v", err)
	}
}

// TestNumbers: a number without a type keeps all its digits.
func TestNumbers(t *testing.T) {
	type free struct {
		Any any            `json:"any"`
		By  map[string]any `json:"by"`
	}
	spec := specOf(transport.Op[*free, *note]{Name: "desk.free"})
	req, err := spec.DecodeRequest(transport.Message{Head: []byte(`{"any":[9007199254740993],"by":{"x":1.10}}`)})
	if err != nil {
		t.Fatal(err)
	}
	got := req.(*free)
	if n := got.Any.([]any)[0]; n != json.Number("9007199254740993") || got.By["x"] != json.Number("1.10") {
		t.Errorf("got %#v", got)
	}
	copied, err := spec.CopyRequest(&free{Any: []any{int64(9007199254740993)}})
	if err != nil || copied.(*free).Any.([]any)[0] != json.Number("9007199254740993") {
		t.Errorf("a copy is %#v, %v", copied, err)
	}
}

func TestSameTypes(t *testing.T) {
	spec := specOf(ask)
	for _, c := range []struct {
		name  string
		other *transport.Spec
		want  bool
	}{
		{"itself", spec, true},
		{"the same types", specOf(transport.Op[*note, *note]{Name: "desk.other"}), true},
		{"another request", specOf(transport.Op[note, *note]{Name: "desk.ask"}), false},
		{"another response", specOf(transport.Op[*note, note]{Name: "desk.ask"}), false},
		{"a stream", specOf(transport.Op[*note, *genai.Stream[*note]]{Name: "desk.ask"}), false},
	} {
		if spec.SameTypes(c.other) != c.want || c.other.SameTypes(spec) != c.want {
			t.Errorf("%s: the same is %v", c.name, !c.want)
		}
	}
}

// TestCopiedStream: the copy of a stream ends when its reader leaves, and so does the original.
func TestCopiedStream(t *testing.T) {
	spec := specOf(transport.Op[*note, *genai.Stream[note]]{Name: "desk.tell"})
	ctx, cancel := context.WithCancel(t.Context())
	closed, stopped := 0, 0
	s, err := genai.NewStream(context.Background(), func() (note, error) { return note{"a"}, nil }, func() { closed++ })
	if err != nil {
		t.Fatal(err)
	}
	resp, err := spec.CopyResponse(ctx, s, func() { stopped++ })
	if err != nil {
		t.Fatal(err)
	}
	copied := resp.(*genai.Stream[note])
	if n, err := copied.Next(); err != nil || n.Text != "a" {
		t.Errorf("got %v, %v", n, err)
	}
	copied.Close()
	cancel()
	if closed != 1 || stopped != 1 {
		t.Errorf("the original was closed %d times, and %d times the end was told", closed, stopped)
	}
}
