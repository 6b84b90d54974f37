package copier_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/copier"
	"github.com/dovetail-go/dovetail/transport"
)

type inside struct {
	Inner  string `json:"inner"`
	Hidden string `json:"-"`
}

// Bottom is embedded, and its fields travel with those of whoever embeds it.
type Bottom struct {
	Name string `json:"name"`
}

type loud string

func (l loud) MarshalText() ([]byte, error) { return []byte("x"), nil }

func (l *loud) UnmarshalText([]byte) error { *l = "x"; return nil }

// quiet is zero whatever it holds.
type quiet struct{ Text string }

func (quiet) IsZero() bool { return true }

type outside struct {
	Bottom
	Text   string              `json:"text"`
	Bytes  []byte              `json:"bytes"`
	Blob   genai.Blob          `json:"blob"`
	Blobs  []genai.Blob        `json:"blobs"`
	Labels map[string]string   `json:"labels"`
	Any    any                 `json:"any"`
	Self   *outside            `json:"self"`
	Many   []*outside          `json:"many"`
	Named  map[string]inside   `json:"named"`
	Deep   map[loud][]string   `json:"deep"`
	Floats []float32           `json:"floats"`
	Loud   loud                `json:"loud"`
	Quiet  quiet               `json:"quiet,omitzero"`
	Inside inside              `json:"inside"`
	Raw    json.RawMessage     `json:"raw"`
	Time   time.Time           `json:"time"`
	Fixed  [2]string           `json:"fixed"`
	Number json.Number         `json:"number,omitempty"`
	Sets   map[string]struct{} `json:"sets"`
}

// collect is a server that is told of operations.
type collect func(spec *transport.Spec)

func (c collect) Handle(spec *transport.Spec, _ genai.AnyHandler) { c(spec) }

// large is a thousand bytes.
var large = strings.Repeat("x", 1000)

// TestSize: a value is never said to be larger than it is on a wire, and what makes it large is counted.
func TestSize(t *testing.T) {
	blob := genai.NewBlob("image/raw", []byte(large))
	for name, test := range map[string]struct {
		value outside
		least int64
	}{
		"nothing":           {outside{}, 0},
		"text":              {outside{Text: large}, 1000},
		"bytes":             {outside{Bytes: []byte(large)}, 1336},
		"a blob":            {outside{Blob: blob}, 1000},
		"blobs":             {outside{Blobs: []genai.Blob{blob, blob}}, 2000},
		"the URL of a blob": {outside{Blob: genai.BlobURL("image/raw", "https://example.org/"+large, "")}, 1000},
		"labels":            {outside{Labels: map[string]string{large: large}}, 2000},
		"anything":          {outside{Any: []any{large, map[string]any{large: large}, json.Number("1"), 1.5, nil}}, 3000},
		"in itself":         {outside{Self: &outside{Self: &outside{Text: large}}}, 1000},
		"in a list":         {outside{Many: []*outside{nil, {Text: large}, {Many: []*outside{{Text: large}}}}}, 2000},
		"in a map":          {outside{Named: map[string]inside{large: {Inner: large}}}, 2000},
		"below odd keys":    {outside{Deep: map[loud][]string{"a": {large, large}}}, 2000},
		"numbers":           {outside{Floats: make([]float32, 1000)}, 2000},
		"an array":          {outside{Fixed: [2]string{large, large}}, 2000},
		"a number":          {outside{Number: json.Number(strings.Repeat("1", 1000))}, 1000},
		"a set":             {outside{Sets: map[string]struct{}{large: {}}}, 1000},
		"its own methods":   {outside{Loud: loud(large)}, 2},
		"its own zero":      {outside{Quiet: quiet{large}}, 0},
		"embedded":          {outside{Bottom: Bottom{large}}, 1000},
		"a struct":          {outside{Inside: inside{Inner: large}}, 1000},
		"raw":               {outside{Raw: json.RawMessage(`"` + large + `"`)}, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			if test.value.Number == "" {
				test.value.Number = "0"
			}
			c, err := copier.For(reflect.TypeFor[*outside]())
			if err != nil {
				t.Fatal(err)
			}
			_, got, err := c.Copy(&test.value)
			if err != nil {
				t.Fatal(err)
			}
			into, err := c.CopyInto(new(*outside), new(&test.value))
			if err != nil || into != got {
				t.Errorf("%d bytes, and into another value %d, %v", got, into, err)
			}
			op := transport.Op[*outside, *outside]{Name: "copier.test"}
			var travels int64
			collector := collect(func(spec *transport.Spec) {
				m, err := spec.EncodeRequest(&test.value)
				if err != nil {
					t.Fatal(err)
				}
				travels = m.Len()
			})
			op.Serve(collector, func(context.Context, *outside) (*outside, error) { return nil, nil })
			if got < test.least || got > travels {
				t.Errorf("it has %d bytes; want at least %d, and at most the %d that travel", got, test.least, travels)
			}
		})
	}
}
