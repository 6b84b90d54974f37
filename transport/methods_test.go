package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/inproc"
)

// A moody message is written and read by methods of its own, which do as its text says.
type moody struct{ Text string }

func (m moody) MarshalJSON() ([]byte, error) {
	switch m.Text {
	case "panic when written":
		panic("the prompt")
	case "fail when written":
		return nil, errors.New("the prompt")
	case "string":
		return json.Marshal(m.Text)
	case "null":
		return []byte("null"), nil
	}
	return json.Marshal(map[string]string{"text": m.Text})
}

func (m *moody) UnmarshalJSON(text []byte) error {
	var v struct{ Text string }
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	switch m.Text = v.Text; m.Text {
	case "panic when read":
		panic("the prompt")
	case "fail when read":
		return errors.New("the prompt")
	}
	return nil
}

type envelope struct {
	Inside moody `json:"inside"`
}

// networks are the ways in which a message goes within a process, which must not differ.
func networks() map[string]*inproc.Network {
	return map[string]*inproc.Network{"copying": {}, "strict": {Strict: true}}
}

// TestMethodsThatFail: what a message's own methods do wrong is the error of one call, and tells nothing of the message.
func TestMethodsThatFail(t *testing.T) {
	quiet(t)
	for name, network := range networks() {
		t.Run(name, func(t *testing.T) {
			moods(t, network, func(text string) *moody { return &moody{text} })
			moods(t, network, func(text string) *envelope { return &envelope{moody{text}} })
		})
	}
}

func moods[T any](t *testing.T, network *inproc.Network, of func(text string) *T) {
	name := "desk.envelope"
	if _, ok := any(of("")).(*moody); ok {
		name = "desk.moody"
	}
	value := transport.Op[*T, *T]{Name: name}
	stream := transport.Op[*note, *genai.Stream[*T]]{Name: name + "-tell"}
	value.Serve(network, func(_ context.Context, req *T) (*T, error) { return req, nil })
	answer := transport.Op[*note, *T]{Name: name + "-answer"}
	answer.Serve(network, func(_ context.Context, req *note) (*T, error) { return of(req.Text), nil })
	stream.Serve(network, func(ctx context.Context, req *note) (*genai.Stream[*T], error) {
		texts := []string{"well", req.Text}
		return genai.NewStream(ctx, func() (*T, error) {
			if len(texts) == 0 {
				return nil, io.EOF
			}
			next := of(texts[0])
			texts = texts[1:]
			return next, nil
		}, nil)
	})
	wrong := func(what, text string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s %s: %s: it worked", name, what, text)
			return
		}
		if strings.Contains(err.Error(), "the prompt") {
			t.Errorf("%s %s: %s: the error tells what the method said: %v", name, what, text, err)
		}
	}
	moods := []string{"panic when written", "fail when written", "panic when read", "fail when read"}
	if name == "desk.moody" {
		moods = append(moods, "string", "null") // which are no messages, but good fields
	}
	for _, text := range moods {
		_, err := value.Dial(network)(t.Context(), of(text))
		wrong("request", text, err)
		if started := genai.AsError(err).Started; started != genai.StartedNo {
			t.Errorf("%s request: %s: it may have started: %q", name, text, started)
		}
		resp, err := answer.Dial(network)(t.Context(), &note{text})
		wrong("response", text, err)
		if resp != nil {
			t.Errorf("%s response: %s: beside the error there is %v", name, text, resp)
		}
		s, err := stream.Dial(network)(t.Context(), &note{text})
		if err != nil {
			t.Errorf("%s stream: %s: %v", name, text, err)
			continue
		}
		if _, err := s.Next(); err != nil {
			t.Errorf("%s stream: %s: the first piece: %v", name, text, err)
		}
		_, err = s.Next()
		wrong("piece", text, err)
		if err == io.EOF {
			t.Errorf("%s piece: %s: the stream is said to be complete", name, text)
		}
	}
	if _, err := value.Dial(network)(t.Context(), of("well")); err != nil {
		t.Errorf("%s: what is well: %v", name, err)
	}
}

// TestNilPiece: a piece that is nil is no message.
func TestNilPiece(t *testing.T) {
	op := transport.Op[*note, *genai.Stream[*note]]{Name: "desk.tell"}
	for name, network := range networks() {
		op.Serve(network, func(ctx context.Context, _ *note) (*genai.Stream[*note], error) {
			return genai.NewStream(ctx, func() (*note, error) { return nil, nil }, nil)
		})
		s, err := op.Dial(network)(t.Context(), &note{})
		if genai.KindOf(err) != genai.Internal || s != nil {
			t.Errorf("%s: got %v, %v", name, s, err)
		}
	}
}

// TestErrorsTellNothing: an error of a message that does not fit says where and what, and nothing that was in it.
func TestErrorsTellNothing(t *testing.T) {
	type page struct {
		At    time.Time      `json:"at"`
		N     json.Number    `json:"n"`
		Count int            `json:"count"`
		By    map[int]string `json:"by"`
		Data  []byte         `json:"data"`
		Flag  bool           `json:"flag"`
	}
	spec := specOf(transport.Op[*page, *page]{Name: "desk.page"})
	for head, field := range map[string]string{
		`{"at":"secret-4711"}`:        "",
		`{"n":"secret-4711"}`:         "",
		`{"count":47114711474711.5}`:  "count",
		`{"by":{"secret-4711":"x"}}`:  "by",
		`{"data":"secret-4711!"}`:     "",
		`{"flag":"secret-4711"}`:      "flag",
		`{"count":"secret-4711"}`:     "count",
		`{"count": secret-4711}`:      "",
		`{"secret-4711":1,"count":{}`: "",
	} {
		_, err := spec.DecodeRequest(transport.Message{Head: []byte(head)})
		own := genai.AsError(err)
		if own == nil || own.Kind != genai.InvalidRequest {
			t.Errorf("%s: %v", head, err)
			continue
		}
		if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "4711") {
			t.Errorf("%s: the error tells what is in the message: %v", head, err)
		}
		if field != "" && own.Field != field {
			t.Errorf("%s: the error is about %q, want %q", head, own.Field, field)
		}
	}
}

// TestAttemptsAreCopied: who lists further attempts does not write into the list of somebody else.
func TestAttemptsAreCopied(t *testing.T) {
	attempts := append(make([]genai.Attempt, 0, 8), genai.Attempt{Target: "a"})
	own := &genai.Error{Kind: genai.Unavailable, Attempts: attempts}
	got := transport.Crossed(own)
	got.Attempts[0].Target = "changed"
	_ = append(got.Attempts, genai.Attempt{Target: "b"})
	if attempts[0].Target != "a" || attempts[:2][1].Target != "" {
		t.Errorf("the list of the other side is %+v", attempts[:2])
	}
}
