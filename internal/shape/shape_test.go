package shape

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
)

type color int

func (c color) MarshalText() ([]byte, error)  { return []byte("red"), nil }
func (c *color) UnmarshalText(b []byte) error { return nil }

type odd struct{ A int }

func (o odd) MarshalJSON() ([]byte, error)  { return []byte("1"), nil }
func (o *odd) UnmarshalJSON(b []byte) error { return nil }

type Base struct {
	ID string `json:"id"`
}

type page[T any] struct {
	Items []T      `json:"items"`
	Next  *page[T] `json:"next,omitzero"`
}

type everything struct {
	Base
	Bool    bool              `json:"bool"`
	Int     int               `json:"int"`
	Small   uint8             `json:"small"`
	Float   float32           `json:"float"`
	Text    string            `json:"text,omitempty"`
	Bytes   []byte            `json:"bytes"`
	Blob    genai.Blob        `json:"blob,omitzero"`
	Time    time.Time         `json:"time"`
	Number  json.Number       `json:"number"`
	Raw     json.RawMessage   `json:"raw"`
	Any     any               `json:"any"`
	Color   color             `json:"color"`
	Odd     odd               `json:"odd"`
	List    []string          `json:"list"`
	Pair    [2]int64          `json:"pair"`
	Map     map[string][]odd  `json:"map"`
	Pointer *Base             `json:"pointer"`
	Quoted  int               `json:"quoted,string"`
	Page    page[Base]        `json:"page"`
	Other   page[string]      `json:"other"`
	Named   map[color]float64 `json:"named"`
	Plain   string
	Never   string `json:"-"`
	private string `json:"-"`
}

func TestDescribe(t *testing.T) {
	op := Describe("desk.ask", "keyed", true, reflect.TypeFor[*everything](), reflect.TypeFor[Base]())
	_ = everything{}.private
	want := &Op{Name: "desk.ask", Idempotency: "keyed", Streams: true, Request: "#everything", Response: "#Base", Types: map[string]Struct{
		"everything": {
			"id": "string", "bool": "bool", "int": "int64", "small": "uint8", "float": "float32", "text": "string?", "bytes": "bytes", "blob": "blob?", "time": "time",
			"number": "number", "raw": "json", "any": "json", "color": "text", "odd": "json", "list": "[]string", "pair": "[2]int64", "map": "map[string][]json",
			"pointer": "#Base?", "quoted": "text", "page": "#page", "other": "#page2", "named": "map[string]float64", "Plain": "string",
		},
		"Base":  {"id": "string"},
		"page":  {"items": "[]#Base", "next": "#page?"},
		"page2": {"items": "[]string", "next": "#page2?"},
	}}
	if !reflect.DeepEqual(op, want) {
		got, err := json.MarshalIndent(op, "", " ")
		t.Errorf("%s, %v", got, err)
	}
	if n := len(Compare(op, want)); n > 0 {
		t.Errorf("%d changes between equals", n)
	}
	again := *op
	again.Version = "0123456789abcdef"
	if op.Fingerprint() != again.Fingerprint() || len(op.Fingerprint()) != 16 {
		t.Error("the mark changes the fingerprint, which is", op.Fingerprint())
	}
	again.Streams = false
	if op.Fingerprint() == again.Fingerprint() {
		t.Error("the fingerprint does not change")
	}
}

// TestFingerprintIsStable: contracts are kept in files and compared between processes, so the fingerprint of one does not change.
func TestFingerprintIsStable(t *testing.T) {
	type swapped struct {
		B int    `json:"b"`
		A string `json:"a"`
	}
	type plain struct {
		A string `json:"a"`
		B int    `json:"b"`
	}
	one := Describe("a.b", "", false, reflect.TypeFor[plain](), reflect.TypeFor[plain]())
	two := Describe("a.b", "", false, reflect.TypeFor[swapped](), reflect.TypeFor[swapped]())
	two.Request, two.Response, two.Types = "#plain", "#plain", map[string]Struct{"plain": two.Types["swapped"]}
	if one.Fingerprint() != two.Fingerprint() {
		t.Error("the order of fields matters")
	}
	if got := one.Fingerprint(); got != "a5ed231eecf854a0" {
		t.Errorf("the fingerprint of a known contract is %s", got)
	}
}

// describe makes an operation out of "name type, ..." for request and response.
func describe(request, response string) *Op {
	fields := func(text string) Struct {
		s := Struct{}
		for part := range strings.SplitSeq(text, ",") {
			if name, typ, ok := strings.Cut(strings.TrimSpace(part), " "); ok {
				s[name] = typ
			}
		}
		return s
	}
	return &Op{Name: "a.b", Request: "#Q", Response: "#A", Types: map[string]Struct{
		"Q": fields(request), "A": fields(response), "In": {"x": "string"}, "Out": {"x": "int64"}, "Self": {"next": "#Self?"},
	}}
}

// The columns are what a change does as a field of a request and as one of a response: "" nothing, "!" it breaks somebody who was
// not changed, "!!" the two sides clash.
func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		before, after     string
		request, response string
	}{
		"alike":                     {"a string", "a string", "", ""},
		"new, optional":             {"a string", "a string, b string?", "", ""},
		"new, always there":         {"a string", "a string, b string", "!", ""},
		"gone":                      {"a string, b string", "a string", "!", "!"},
		"gone, was optional":        {"a string, b string?", "a string", "!", ""},
		"becomes optional":          {"a string", "a string?", "", "!"},
		"is not optional any more":  {"a string?", "a string", "!", ""},
		"another type":              {"a string", "a int64", "!!", "!!"},
		"wider":                     {"a int32", "a int64", "", "!"},
		"narrower":                  {"a int64", "a int32", "!", ""},
		"signed":                    {"a uint32", "a int64", "", "!"},
		"unsigned":                  {"a int64", "a uint64", "!", "!"},
		"fractions":                 {"a int32", "a float64", "", "!!"},
		"no fractions":              {"a float64", "a int64", "!!", "!"},
		"large to float":            {"a int64", "a float64", "!", "!!"},
		"anything":                  {"a string", "a json", "", "!"},
		"something":                 {"a json", "a string", "!", ""},
		"a form of its own":         {"a string", "a text", "!", ""},
		"a time":                    {"a string", "a time", "!", ""},
		"base64":                    {"a string", "a bytes", "!!", "!!"},
		"a number of any size":      {"a int64", "a number", "", "!"},
		"a list":                    {"a string", "a []string", "!!", "!!"},
		"of something else":         {"a []string", "a []bool", "!!", "!!"},
		"an array":                  {"a []string", "a [3]string", "!!", "!!"},
		"of another length":         {"a [2]string", "a [3]string", "!!", "!!"},
		"a map of something else":   {"a map[string]string", "a map[string]bool", "!!", "!!"},
		"an object":                 {"a string", "a #In", "!!", "!!"},
		"a map for an object":       {"a #In", "a map[string]string", "!!", "!!"},
		"an object with other ones": {"a #In", "a #Out", "!!", "!!"},
		"deep inside":               {"a []map[string]#In", "a []map[string]#Out", "!!", "!!"},
		"recursive":                 {"a #Self", "a #Self", "", ""},
		"a type of the future":      {"a string", "a quaternion", "!!", "!!"},
	} {
		t.Run(name, func(t *testing.T) {
			verdict := func(changes []Change, where string) string {
				worst := ""
				for _, c := range changes {
					if !strings.HasPrefix(c.Where, where) || c.What == "" {
						t.Errorf("a change at %q: %q", c.Where, c.What)
					}
					switch {
					case c.Clash && !c.Breaking:
						t.Error("a clash that breaks nothing")
					case c.Clash:
						worst = "!!"
					case c.Breaking && worst == "":
						worst = "!"
					}
				}
				return worst
			}
			changes := Compare(describe(c.before, ""), describe(c.after, ""))
			if got := verdict(changes, "request."); got != c.request {
				t.Errorf("in a request: %q, want %q: %+v", got, c.request, changes)
			}
			changes = Compare(describe("", c.before), describe("", c.after))
			if got := verdict(changes, "response."); got != c.response {
				t.Errorf("in a response: %q, want %q: %+v", got, c.response, changes)
			}
		})
	}
}

func TestCompareOperations(t *testing.T) {
	with := func(streams bool, idempotency string) *Op {
		op := describe("a string", "a string")
		op.Streams, op.Idempotency = streams, idempotency
		return op
	}
	for name, c := range map[string]struct {
		before, after *Op
		clash, breaks bool
	}{
		"pieces now":    {with(false, ""), with(true, ""), true, true},
		"no pieces now": {with(true, ""), with(false, ""), true, true},
		"safe now":      {with(false, ""), with(false, "safe"), false, false},
		"keyed to safe": {with(false, "keyed"), with(false, "safe"), false, false},
		"safe to keyed": {with(false, "safe"), with(false, "keyed"), false, true},
		"not safe now":  {with(false, "safe"), with(false, ""), false, true},
	} {
		changes := Compare(c.before, c.after)
		if len(changes) != 1 || changes[0].Clash != c.clash || changes[0].Breaking != c.breaks {
			t.Errorf("%s: %+v", name, changes)
		}
	}
}

// FuzzCompare: a description comes from somebody else.
func FuzzCompare(f *testing.F) {
	for _, op := range []*Op{describe("a string, b #Self", "c []#In"), Describe("a.b", "", false, reflect.TypeFor[everything](), reflect.TypeFor[Base]())} {
		text, err := json.Marshal(op)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"request":"#A","response":"[][][][9999999999999999999]#A","types":{"A":{"":"#A","b":"map[string]#A?","c":"int99999999999999999999"}}}`))
	ours := Describe("a.b", "", false, reflect.TypeFor[everything](), reflect.TypeFor[page[Base]]())
	f.Fuzz(func(t *testing.T, text []byte) {
		var theirs Op
		if json.Unmarshal(text, &theirs) != nil {
			return
		}
		Compare(ours, &theirs)
		Compare(&theirs, ours)
		if changes := Compare(&theirs, &theirs); len(changes) > 0 {
			t.Errorf("it differs from itself: %+v", changes)
		}
	})
}
