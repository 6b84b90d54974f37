package transporttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// A tree has a field of every kind that is shared when it is assigned.
type tree struct {
	Text   string                `json:"text"`
	Tags   []string              `json:"tags"`
	Counts map[string]int        `json:"counts"`
	Bytes  []byte                `json:"bytes"`
	Blob   genai.Blob            `json:"blob"`
	Blobs  map[string]genai.Blob `json:"blobs"`
	Number *int64                `json:"number"`
	Left   *tree                 `json:"left"`
	Right  *tree                 `json:"right"`
	Leaves []*tree               `json:"leaves"`
	Any    any                   `json:"any"`
}

// grown returns a tree with something in each field, three levels deep.
func grown(depth int) *tree {
	if depth == 0 {
		return &tree{Text: "leaf"}
	}
	return &tree{
		Text:   "branch",
		Tags:   []string{"a", "b"},
		Counts: map[string]int{"x": 1},
		Bytes:  []byte{0, 1, 0xff},
		Blob:   genai.NewBlob("image/png", []byte("\x89PNG\x00\xff")),
		Blobs:  map[string]genai.Blob{"a": genai.NewBlob("text/plain", []byte("a")), "b": genai.BlobURL("text/plain", "https://example.org/b", "")},
		Number: new(int64(7)),
		Left:   grown(depth - 1),
		Right:  grown(depth - 1),
		Leaves: []*tree{grown(depth - 1), nil},
		Any:    map[string]any{"list": []any{"a", true, nil}},
	}
}

// spoil changes everything in t that can be reached.
func (t *tree) spoil() {
	if t == nil {
		return
	}
	t.Text = "spoiled"
	if len(t.Tags) > 0 {
		t.Tags[0] = "spoiled"
	}
	t.Tags = append(t.Tags[:min(1, len(t.Tags))], "spoiled")
	for k := range t.Counts {
		t.Counts[k] = -1
	}
	for k := range t.Blobs {
		t.Blobs[k] = genai.Blob{}
	}
	if t.Counts != nil {
		t.Counts["spoiled"] = 1
	}
	for i := range t.Bytes {
		t.Bytes[i] = 'x'
	}
	if t.Number != nil {
		*t.Number = -1
	}
	if m, ok := t.Any.(map[string]any); ok {
		m["list"].([]any)[0] = "spoiled"
		m["spoiled"] = true
	}
	t.Left.spoil()
	t.Right.spoil()
	for _, leaf := range t.Leaves {
		leaf.spoil()
	}
	if len(t.Leaves) > 0 {
		t.Leaves[0] = nil
	}
}

// whole reports whether t is as it was grown.
func (t *tree) whole(e *env, who string) {
	e.Helper()
	if !reflect.DeepEqual(t, grown(2)) {
		text, _ := json.Marshal(t)
		e.Errorf("%s has another value than was sent: %s", who, text)
	}
}

var (
	echo = transport.Op[*tree, *tree]{Name: "suite.echo"}
	feed = transport.Op[*tree, *genai.Stream[*tree]]{Name: "suite.feed"}
)

func values() []promise {
	return []promise{
		{"V1", "nobody sees what the other side does to a value", []variant{
			{"the handler changes the request", requestIsTheHandlers},
			{"the caller changes the request", requestIsTheCallers},
			{"the handler changes the response", responseIsTheCallers},
			{"the caller changes the response", responseIsTheHandlers},
			{"the producer changes a piece", pieceIsTheReaders},
			{"the reader changes a piece", pieceIsTheProducers},
		}},
		{"V2", "what is the same on one side is two things on the other", []variant{
			{"request", aliasesInRequest},
			{"response", aliasesInResponse},
		}},
		{"V3", "what is empty and what is missing stay apart", []variant{
			{"empty", func(e *env) { e.unchanged(emptyTree()) }},
			{"missing", func(e *env) { e.unchanged(&tree{}) }},
			{"something", func(e *env) { e.unchanged(grown(2)) }},
		}},
		{"V4", "numbers arrive exactly or are refused", []variant{
			{"extremes", extremeNumbers},
			{"refused in a request", refusedNumbers},
			{"refused in a response", refusedResponse},
		}},
		{"V5", "numbers without a type arrive as json.Number", []variant{{"any", untypedNumbers}}},
		{"V6", "times arrive equal, without a monotonic reading", []variant{{"time", timeIsEqual}}},
		{"V7", "text that is not UTF-8 is refused", []variant{
			{"request", badText},
			{"response", badTextInResponse},
			{"piece", badTextInPiece},
		}},
		{"V9", "a field that one side does not know is left out", []variant{
			{"the caller is newer", callerIsNewer},
			{"the handler is newer", handlerIsNewer},
		}},
		{"V11", "types of all sorts travel alike", []variant{
			{"generic and embedded", genericTypes},
			{"with methods of their own", ownMethods},
		}},
	}
}

func requestIsTheHandlers(e *env) {
	call := place(e, echo, func(_ context.Context, req *tree) (*tree, error) {
		req.spoil()
		return &tree{}, nil
	})
	req := grown(2)
	must[*tree](e)(call(e.Context(), req))
	req.whole(e, "the caller")
}

// requestIsTheCallers: a handler whose stream is still being read works with the request as it was.
func requestIsTheCallers(e *env) {
	changed := make(chan struct{})
	call := place(e, feed, func(ctx context.Context, req *tree) (*genai.Stream[*tree], error) {
		return genai.Open(ctx, func(ctx context.Context, yield func(*tree) bool) error {
			if !yield(&tree{}) {
				return nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
			yield(req)
			return nil
		})
	})
	req := grown(2)
	s := must[*genai.Stream[*tree]](e)(call(e.Context(), req))
	defer s.Close()
	must[*tree](e)(s.Next())
	req.spoil()
	close(changed)
	must[*tree](e)(s.Next()).whole(e, "the handler")
}

func responseIsTheCallers(e *env) {
	own := grown(2)
	call := place(e, echo, func(context.Context, *tree) (*tree, error) { return own, nil })
	resp := must[*tree](e)(call(e.Context(), &tree{}))
	own.spoil()
	resp.whole(e, "the caller")
}

func responseIsTheHandlers(e *env) {
	own := grown(2)
	call := place(e, echo, func(context.Context, *tree) (*tree, error) { return own, nil })
	must[*tree](e)(call(e.Context(), &tree{})).spoil()
	must[*tree](e)(call(e.Context(), &tree{})).whole(e, "the next caller")
}

func pieceIsTheReaders(e *env) {
	call := place(e, feed, func(ctx context.Context, _ *tree) (*genai.Stream[*tree], error) {
		return genai.Open(ctx, func(_ context.Context, yield func(*tree) bool) error {
			own := grown(2)
			if yield(own) {
				own.spoil()
				yield(own)
			}
			return nil
		})
	})
	s := must[*genai.Stream[*tree]](e)(call(e.Context(), &tree{}))
	defer s.Close()
	piece := must[*tree](e)(s.Next())
	must[*tree](e)(s.Next())
	piece.whole(e, "the reader")
}

func pieceIsTheProducers(e *env) {
	call := place(e, feed, func(ctx context.Context, _ *tree) (*genai.Stream[*tree], error) {
		return genai.Open(ctx, func(_ context.Context, yield func(*tree) bool) error {
			own := grown(2)
			if yield(own) {
				yield(own)
			}
			return nil
		})
	})
	s := must[*genai.Stream[*tree]](e)(call(e.Context(), &tree{}))
	defer s.Close()
	must[*tree](e)(s.Next()).spoil()
	must[*tree](e)(s.Next()).whole(e, "the reader's next piece")
}

func aliasesInRequest(e *env) {
	call := place(e, echo, func(_ context.Context, req *tree) (*tree, error) {
		req.Left.spoil()
		return &tree{Left: req.Right, Leaves: []*tree{{Tags: req.Right.Tags}}}, nil
	})
	one := grown(2)
	resp := must[*tree](e)(call(e.Context(), &tree{Left: one, Right: one}))
	resp.Left.whole(e, "the other pointer")
}

func aliasesInResponse(e *env) {
	call := place(e, echo, func(context.Context, *tree) (*tree, error) {
		one := grown(2)
		return &tree{Left: one, Right: one}, nil
	})
	resp := must[*tree](e)(call(e.Context(), &tree{}))
	resp.Left.spoil()
	resp.Right.whole(e, "the other pointer")
}

func emptyTree() *tree {
	return &tree{
		Tags: []string{}, Counts: map[string]int{}, Bytes: []byte{}, Blob: genai.NewBlob("text/plain", []byte{}),
		Blobs: map[string]genai.Blob{}, Number: new(int64), Left: &tree{}, Leaves: []*tree{}, Any: map[string]any{},
	}
}

// unchanged sends v there and back, as a value and as a piece.
func (e *env) unchanged(v *tree) {
	e.Helper()
	call := place(e, echo, func(_ context.Context, req *tree) (*tree, error) {
		if !reflect.DeepEqual(req, v) {
			e.Errorf("the handler got %#v, want %#v", req, v)
		}
		return v, nil
	})
	if got := must[*tree](e)(call(e.Context(), v)); !reflect.DeepEqual(got, v) {
		e.Errorf("the caller got %#v, want %#v", got, v)
	}
	stream := place(e, feed, func(ctx context.Context, _ *tree) (*genai.Stream[*tree], error) { return once(ctx, v) })
	for got, err := range must[*genai.Stream[*tree]](e)(stream(e.Context(), v)).All() {
		if err != nil || !reflect.DeepEqual(got, v) {
			e.Errorf("the reader got %#v, %v, want %#v", got, err, v)
		}
	}
}

// once returns a stream of the pieces.
func once[T any](ctx context.Context, pieces ...T) (*genai.Stream[T], error) {
	return genai.NewStream(ctx, func() (piece T, err error) {
		if len(pieces) == 0 {
			return piece, io.EOF
		}
		piece, pieces = pieces[0], pieces[1:]
		return piece, nil
	}, nil)
}

type numbers struct {
	Int   []int64   `json:"int"`
	Uint  []uint64  `json:"uint"`
	Float []float64 `json:"float"`
	Small []float32 `json:"small"`
	Any   []any     `json:"any"`
	Time  time.Time `json:"time"`
}

var count = transport.Op[*numbers, *numbers]{Name: "suite.count"}

func extremeNumbers(e *env) {
	want := &numbers{
		Int:   []int64{math.MinInt64, -1, 0, 1<<53 + 1, math.MaxInt64},
		Uint:  []uint64{0, 1<<53 + 1, math.MaxUint64},
		Float: []float64{0, math.Copysign(0, -1), 0.1, -1e300, math.MaxFloat64, math.SmallestNonzeroFloat64},
		Small: []float32{0.1, math.MaxFloat32, math.SmallestNonzeroFloat32},
	}
	call := place(e, count, func(_ context.Context, req *numbers) (*numbers, error) { return req, nil })
	got := must[*numbers](e)(call(e.Context(), want))
	if !reflect.DeepEqual(got, want) || math.Signbit(got.Float[1]) != math.Signbit(want.Float[1]) {
		e.Errorf("got %v, want %v", got, want)
	}
}

func refusedNumbers(e *env) {
	calls := make(chan *numbers, 10)
	call := place(e, count, func(_ context.Context, req *numbers) (*numbers, error) {
		calls <- req
		return req, nil
	})
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := call(e.Context(), &numbers{Float: []float64{f}})
		e.refused(err, genai.InvalidRequest, "float")
		_, err = call(e.Context(), &numbers{Any: []any{f}})
		e.refused(err, genai.InvalidRequest, "any")
	}
	ran(e, calls, 0)
}

func refusedResponse(e *env) {
	call := place(e, count, func(context.Context, *numbers) (*numbers, error) {
		return &numbers{Float: []float64{math.NaN()}}, nil
	})
	_, err := call(e.Context(), &numbers{})
	e.failed(err, genai.Internal)
}

func untypedNumbers(e *env) {
	call := place(e, count, func(_ context.Context, req *numbers) (*numbers, error) { return req, nil })
	got := must[*numbers](e)(call(e.Context(), &numbers{Any: []any{math.MaxInt64, 0.5, json.Number("12"), "text", nil, true}}))
	want := []any{json.Number("9223372036854775807"), json.Number("0.5"), json.Number("12"), "text", nil, true}
	if !reflect.DeepEqual(got.Any, want) {
		e.Errorf("got %#v, want %#v", got.Any, want)
	}
}

func timeIsEqual(e *env) {
	call := place(e, count, func(_ context.Context, req *numbers) (*numbers, error) {
		if strings.Contains(req.Time.String(), " m=") {
			e.Errorf("the handler's time has a monotonic reading: %v", req.Time)
		}
		return req, nil
	})
	for _, want := range []time.Time{time.Now(), time.Unix(1, 2).In(time.FixedZone("there", 3600)), {}} {
		got := must[*numbers](e)(call(e.Context(), &numbers{Time: want}))
		if !got.Time.Equal(want) {
			e.Errorf("got %v, want %v", got.Time, want)
		}
		if name, _ := got.Time.Zone(); name == "there" {
			e.Error("the zone has a name, which no wire could bring")
		}
	}
}

const notUTF8 = "a\xffb"

func badText(e *env) {
	calls := make(chan *tree, 10)
	call := place(e, echo, func(_ context.Context, req *tree) (*tree, error) {
		calls <- req
		return req, nil
	})
	for field, req := range map[string]*tree{
		"text": {Text: notUTF8}, "tags[0]": {Tags: []string{notUTF8}}, "left.text": {Left: &tree{Text: notUTF8}}, "counts": {Counts: map[string]int{notUTF8: 1}},
	} {
		_, err := call(e.Context(), req)
		e.refused(err, genai.InvalidRequest, field)
	}
	ran(e, calls, 0)
}

func badTextInResponse(e *env) {
	call := place(e, echo, func(context.Context, *tree) (*tree, error) { return &tree{Text: notUTF8}, nil })
	_, err := call(e.Context(), &tree{})
	e.failed(err, genai.Internal)
}

func badTextInPiece(e *env) {
	call := place(e, feed, func(ctx context.Context, _ *tree) (*genai.Stream[*tree], error) {
		return once(ctx, &tree{Text: "fine"}, &tree{Text: notUTF8}, &tree{Text: "late"})
	})
	s := must[*genai.Stream[*tree]](e)(call(e.Context(), &tree{}))
	must[*tree](e)(s.Next())
	_, err := s.Next()
	e.failed(err, genai.Internal)
}

type (
	older struct {
		Text string `json:"text"`
	}
	newer struct {
		Text string `json:"text"`
		More string `json:"more"`
	}
)

var (
	oldOp = transport.Op[*older, *older]{Name: "suite.version"}
	newOp = transport.Op[*newer, *newer]{Name: "suite.version"}
)

func callerIsNewer(e *env) {
	link := e.link(func(s transport.Server) {
		oldOp.Serve(s, func(_ context.Context, req *older) (*older, error) { return req, nil })
	})
	got := must[*newer](e)(newOp.Dial(link.Client)(e.Context(), &newer{"a", "b"}))
	if *got != (newer{Text: "a"}) {
		e.Errorf("got %+v", got)
	}
}

func handlerIsNewer(e *env) {
	link := e.link(func(s transport.Server) {
		newOp.Serve(s, func(_ context.Context, req *newer) (*newer, error) {
			if *req != (newer{Text: "a"}) {
				e.Errorf("the handler got %+v", req)
			}
			return &newer{"c", "d"}, nil
		})
	})
	got := must[*older](e)(oldOp.Dial(link.Client)(e.Context(), &older{"a"}))
	if got.Text != "c" {
		e.Errorf("got %+v", got)
	}
}

type (
	page[T any] struct {
		Items []T `json:"items"`
		Next  *T  `json:"next"`
	}
	// Base is exported, because only then its fields travel with those of whoever embeds it.
	Base struct {
		ID string `json:"id"`
	}
	derived struct {
		Base
		Pages page[older] `json:"pages"`
	}
)

func genericTypes(e *env) {
	op := transport.Op[derived, page[derived]]{Name: "suite.generic"}
	call := place(e, op, func(_ context.Context, req derived) (page[derived], error) {
		return page[derived]{Items: []derived{req}, Next: &req}, nil
	})
	sent := derived{Base{"1"}, page[older]{Items: []older{{"a"}}}}
	got := must[page[derived]](e)(call(e.Context(), sent))
	if want := (page[derived]{Items: []derived{sent}, Next: &sent}); !reflect.DeepEqual(got, want) {
		e.Errorf("got %+v, want %+v", got, want)
	}
}

// A level is written and read as text, by methods of its own, also where it is a key. Those for binary data are for others.
type level int

// MarshalText implements [encoding.TextMarshaler].
func (l level) MarshalText() ([]byte, error) { return []byte(strings.Repeat("+", int(l))), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *level) UnmarshalText(text []byte) error { *l = level(len(text)); return nil }

// MarshalBinary implements [encoding.BinaryMarshaler].
func (l level) MarshalBinary() ([]byte, error) { return nil, errors.New("nobody should ask for this") }

// A celsius is written and read as JSON, by methods of its own, which keep one digit.
type celsius float64

// MarshalJSON implements [json.Marshaler].
func (c celsius) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "{\"degrees\":%.1f}", float64(c)), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *celsius) UnmarshalJSON(text []byte) error {
	var read struct{ Degrees float64 }
	err := json.Unmarshal(text, &read)
	*c = celsius(read.Degrees)
	return err
}

type report struct {
	Level  level             `json:"level"`
	Levels map[level]celsius `json:"levels"`
	Warm   *celsius          `json:"warm"`
}

func ownMethods(e *env) {
	op := transport.Op[*report, *genai.Stream[report]]{Name: "suite.report"}
	want := report{3, map[level]celsius{1: 20.5, 2: 1}, new(celsius(-4.5))}
	call := place(e, op, func(ctx context.Context, req *report) (*genai.Stream[report], error) {
		if !reflect.DeepEqual(*req, want) {
			e.Errorf("the handler got %+v, want %+v", *req, want)
		}
		return once(ctx, *req)
	})
	sent := report{3, map[level]celsius{1: 20.52, 2: 1.04}, new(celsius(-4.48))} // what is written is less than what there is
	for got, err := range must[*genai.Stream[report]](e)(call(e.Context(), &sent)).All() {
		if err != nil || !reflect.DeepEqual(got, want) {
			e.Errorf("the reader got %+v, %v, want %+v", got, err, want)
		}
	}
}
