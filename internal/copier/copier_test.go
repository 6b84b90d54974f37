package copier_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/copier"
)

// trip sends v, a pointer, through encoding/json and returns another pointer.
func trip(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	fresh := reflect.New(reflect.TypeOf(v).Elem())
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return fresh.Interface(), d.Decode(fresh.Interface())
}

// same checks that v, a pointer, is copied as encoding/json would, however Copy is asked, and that v stays as it is.
func same(t *testing.T, v any) {
	t.Helper()
	typ := reflect.TypeOf(v)
	c, err := copier.For(typ)
	if err != nil {
		t.Fatal(err)
	}
	want, err := trip(v)
	if err != nil {
		t.Fatalf("%#v cannot go through JSON: %v", v, err)
	}
	before := fmt.Sprintf("%#v", deref(v))
	if err := c.Check(v); err != nil {
		t.Errorf("Check of %#v: %v", deref(v), err)
	}
	got, size, err := c.Copy(v)
	if err != nil {
		t.Fatalf("%#v: %v", deref(v), err)
	}
	if travels := int64(len(text(t, v))); size < 0 || size > travels {
		t.Errorf("%s is said to have at least %d bytes and has %d", text(t, v), size, travels)
	}
	if string(text(t, v)) == "null" {
		if !reflect.ValueOf(got).IsNil() {
			t.Errorf("a pointer to what is null became %#v", got)
		}
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("copy of %s:\n got %+v\nwant %+v", text(t, v), deref(got), deref(want))
	}
	if after := fmt.Sprintf("%#v", deref(v)); after != before {
		t.Errorf("the original was changed:\nfrom %s\n  to %s", before, after)
	}
	inner, err := copier.For(typ.Elem())
	if err != nil {
		return // methods with pointer receivers
	}
	into := reflect.New(typ.Elem())
	if again, err := inner.CopyInto(into.Interface(), v); err != nil || !reflect.DeepEqual(into.Interface(), want) || again != size {
		t.Errorf("CopyInto gave %s, %d bytes and %v", text(t, into.Interface()), again, err)
	}
	if got, _, err := inner.Copy(v); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Copy of a pointer gave %s and %v", text(t, got), err)
	}
	value := reflect.ValueOf(v).Elem().Interface()
	if value == nil {
		return // what sat in an interface
	}
	if reflect.TypeOf(value) == typ.Elem() {
		if got, _, err := inner.Copy(value); err != nil || !reflect.DeepEqual(got, reflect.ValueOf(want).Elem().Interface()) {
			t.Errorf("Copy of a value gave %s and %v", text(t, got), err)
		}
		if err := inner.Check(value); err != nil {
			t.Errorf("Check of a value: %v", err)
		}
	}
	if err := inner.Check(v); err != nil {
		t.Errorf("Check of a pointer: %v", err)
	}
}

func text(t *testing.T, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func deref(v any) any { return reflect.ValueOf(v).Elem().Interface() }

type level int

func (l level) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "level %d", int(l)), nil }
func (l *level) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "level %d", (*int)(l))
	return err
}
func (l lenient) String() string { return string(l) }
func (l *lenient) UnmarshalJSON(b []byte) error {
	*l = lenient(strings.Trim(string(b), `"`))
	return nil
}

type lenient string

type option struct{ X *int }

func (o option) MarshalJSON() ([]byte, error)     { return json.Marshal(o.X) }
func (o *option) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, &o.X) }

type never struct{ N int }

func (never) IsZero() bool { return true }

type (
	base struct{ A, B int }
	Base struct {
		C *int `json:",omitempty"`
	}
	Other struct {
		D string `json:"d"`
	}
	letter         byte
	generic[T any] struct {
		Value T   `json:"value"`
		List  []T `json:"list"`
	}
	node struct {
		Name     string           `json:"name"`
		Children []*node          `json:"children"`
		ByName   map[string]*node `json:"by_name,omitempty"`
	}
)

type everything struct {
	base
	*Base
	Other
	Bool     bool
	Int      int64
	Uint     uint64
	F64      float64
	F32      float32
	Zero     float64 `json:"zero,omitzero"`
	Str      string  `json:"str,omitempty"`
	Bytes    []byte
	BytesOE  []byte `json:",omitempty"`
	BytesOZ  []byte `json:",omitzero"`
	Letters  []letter
	Ints     []int `json:"ints,omitempty"`
	Strs     []string
	Grid     [][]float64
	Array    [2]string
	None     [0]int `json:",omitempty"`
	Nested   [2][]*int
	Map      map[string]int  `json:"map,omitempty"`
	MapZ     map[int8]string `json:",omitzero"`
	Keys     map[level]bool
	Maps     map[string]map[string][]string
	Ptr      *int
	PtrPtr   **int
	PtrSlice *[]int
	PtrMap   *map[string]int
	PtrAny   *any
	PtrRaw   *json.RawMessage
	Any      any
	AnyOE    any             `json:",omitempty"`
	Raw      json.RawMessage `json:"raw,omitempty"`
	RawZ     json.RawMessage
	Num      json.Number
	NumZ     json.Number `json:",omitempty"`
	Quoted   int64       `json:",string"`
	QuotedP  *float64    `json:",string"`
	QuotedS  string      `json:"qs,string,omitempty"`
	Skip     func()      `json:"-"`
	//lint:ignore SA5008 a field may be called "-"
	Dash    int `json:"-,"`
	hidden  int `json:"-"`
	Time    time.Time
	TimeZ   time.Time     `json:",omitzero"`
	TimeP   *time.Time    `json:",omitempty"`
	Dur     time.Duration `json:"dur"`
	Addr    netip.Addr
	Big     *big.Int
	Level   level
	Levels  []level
	Lenient lenient
	Option  option
	OptionP *option
	Options map[string]option
	Never   never  `json:"never,omitzero"`
	NeverP  *never `json:"neverp,omitzero"`
	Blob    genai.Blob
	BlobP   *genai.Blob `json:"blob,omitzero"`
	Generic generic[*string]
	Anon    struct{ X []int }
	Tree    *node `json:"tree,omitempty"`
}

func TestCopyEqualsJSON(t *testing.T) {
	type E = everything
	var (
		empty    []int
		emptyMap map[string]int
		nothing  any
		nilInt   *int
		rawNull  = json.RawMessage("null")
		rawNil   json.RawMessage
		null     json.RawMessage
	)
	berlin := time.FixedZone("CET", 3600)
	for name, v := range map[string]*E{
		"zero":      {Raw: null, Addr: netip.Addr{}},
		"extremes":  {Int: math.MinInt64, Uint: math.MaxUint64, F64: math.MaxFloat64, F32: math.SmallestNonzeroFloat32, Quoted: math.MaxInt64},
		"-0":        {F64: math.Copysign(0, -1), F32: float32(math.Copysign(0, -1)), Zero: math.Copysign(0, -1)},
		"empty":     {Bytes: []byte{}, BytesOE: []byte{}, BytesOZ: []byte{}, Ints: []int{}, Strs: []string{}, Map: map[string]int{}, MapZ: map[int8]string{}, Any: []any{}, Letters: []letter{}},
		"full":      {Bytes: []byte{0, 255}, BytesOE: []byte("x"), Letters: []letter("ab"), Ints: []int{1}, Strs: []string{"", "ü"}, Grid: [][]float64{nil, {}, {1.5}}, Array: [2]string{"a", "b"}},
		"maps":      {Map: map[string]int{"": 1, "b": 2}, MapZ: map[int8]string{-128: "x"}, Keys: map[level]bool{3: true}, Maps: map[string]map[string][]string{"a": nil, "b": {}, "c": {"d": nil, "e": {"f"}}}},
		"pointers":  {Ptr: new(3), PtrPtr: new(new(4)), PtrSlice: &[]int{}, PtrMap: &map[string]int{}, PtrAny: new(any(5)), PtrRaw: &rawNull},
		"nulls":     {PtrPtr: &nilInt, PtrSlice: &empty, PtrMap: &emptyMap, PtrAny: &nothing, PtrRaw: &rawNil, OptionP: &option{}},
		"embedded":  {base: base{1, 2}, Base: &Base{}, Other: Other{"d"}},
		"embedded2": {Base: &Base{C: new(0)}},
		"nested":    {Nested: [2][]*int{{new(1), nil}, nil}, Anon: struct{ X []int }{[]int{1}}},
		"raw":       {Raw: json.RawMessage(` { "a" : [ 1, "<\u2028>" ] } `), RawZ: json.RawMessage(`{"a":[1,2.5e3,true,null,"x\n\u00e9é"],"b":{}}`)},
		"raw 2028":  {Raw: json.RawMessage("\"\u2028\""), RawZ: json.RawMessage("\"\u2029\"")},
		"raw & >":   {Raw: json.RawMessage(`"&"`), RawZ: json.RawMessage(`">"`)},
		"rawempty":  {Raw: json.RawMessage{}},
		"numbers":   {Num: "-12.50e+3", NumZ: ""},
		"quoted":    {QuotedP: new(1.5), QuotedS: `"null"`},
		"dropped":   {Skip: func() {}, Dash: 4, hidden: 5},
		"UTC":       {Time: time.Now().UTC(), TimeZ: time.Unix(1, 2).UTC(), TimeP: new(time.Date(2024, 2, 29, 1, 2, 3, 4, time.UTC))},
		"zones":     {Time: time.Now(), TimeZ: time.Now().In(berlin), TimeP: new(time.Unix(0, 0).In(time.FixedZone("", -5*3600-1800)))},
		"zone UTC":  {Time: time.Now().In(time.FixedZone("UTC", 0)), TimeZ: time.Time{}.In(berlin)},
		"methods":   {Addr: netip.MustParseAddr("::1"), Big: new(big.Int).Lsh(big.NewInt(1), 100), Level: 7, Levels: []level{1, 2}, Lenient: "abc", Option: option{new(1)}, OptionP: &option{new(2)}, Options: map[string]option{"a": {}, "b": {new(3)}}},
		"IsZero":    {Never: never{1}, NeverP: &never{2}},
		"blobs":     {Blob: genai.NewBlob("image/png", []byte{1, 2}), BlobP: new(genai.BlobURL("a/b", "https://example.com/x", "00"))},
		"blob zero": {Blob: genai.NewBlob("x/y", []byte{}), BlobP: &genai.Blob{}},
		"generic":   {Generic: generic[*string]{new("a"), []*string{nil, new("")}}},
		"tree":      {Tree: &node{"a", []*node{{Name: "b"}, nil}, map[string]*node{"c": {Name: "d", Children: []*node{}}, "e": nil}}},
	} {
		t.Run(name, func(t *testing.T) { same(t, v) })
	}
	for _, v := range []any{
		nil, true, "é", 1, int8(-1), uint64(math.MaxUint64), 1.5, float32(0.1), 1e21, 1e-7, math.Copysign(0, -1), json.Number("1E5"), json.Number(""),
		[]any(nil), []any{}, []any{1, nil, "a"}, map[string]any(nil), map[string]any{}, map[string]any{"a": []any{map[string]any{"b": 1}}},
		[]byte("abc"), []byte(nil), []string{"a"}, [2]int{1, 2}, map[int]string{1: "a"}, (*int)(nil), new(5), base{1, 2}, &base{3, 4},
		json.RawMessage(`{"a": 1}`), json.RawMessage(nil), time.Unix(3, 4).UTC(), time.Second, level(3), genai.RoleUser, genai.NewBlob("a/b", []byte{1}), &node{Name: "x"}, option{},
	} {
		t.Run(fmt.Sprintf("any %T %v", v, v), func(t *testing.T) {
			same(t, &E{Any: v, AnyOE: v, PtrAny: &v})
			same(t, &v)
		})
	}
}

func TestFieldsThatDoNotTravel(t *testing.T) {
	type skipping struct {
		Kept    int
		Skipped []int `json:"-"`
	}
	same(t, &skipping{1, []int{2}})
	same(t, &[]skipping{{1, []int{2}}})
}

func TestNothingIsShared(t *testing.T) {
	shared, n := []string{"a"}, 1
	type pair struct {
		A, B []string
		P, Q *int
		M    map[string][]string
	}
	v := &pair{A: shared, B: shared, P: &n, Q: &n, M: map[string][]string{"k": shared}}
	c, err := copier.For(reflect.TypeOf(v))
	if err != nil {
		t.Fatal(err)
	}
	copied, _, err := c.Copy(v)
	if err != nil {
		t.Fatal(err)
	}
	got := copied.(*pair)
	got.A[0], *got.P, got.M["k"][0] = "changed", 2, "changed"
	if got.B[0] != "a" || *got.Q != 1 || shared[0] != "a" || n != 1 {
		t.Errorf("a change is seen elsewhere: %v %v %v %v", got.B, *got.Q, shared, n)
	}
}

func TestRefusedValues(t *testing.T) {
	type E = everything
	cycle := &node{Name: "a"}
	cycle.Children = []*node{cycle}
	loop := map[string]any{}
	loop["x"] = loop
	bad := "a\xff"
	for name, c := range map[string]struct {
		v     any
		field string
	}{
		"NaN":          {&E{F64: math.NaN()}, "F64"},
		"Inf":          {&E{Grid: [][]float64{{1}, {2, math.Inf(1)}}}, "Grid[1][1]"},
		"float32":      {&E{F32: float32(math.Inf(-1))}, "F32"},
		"UTF-8":        {&E{Str: bad}, "str"},
		"promoted":     {&E{Other: Other{bad}}, "d"},
		"list":         {&E{Strs: []string{"a", bad}}, "Strs[1]"},
		"key":          {&E{Map: map[string]int{bad: 1}}, "map"},
		"array":        {&E{Array: [2]string{"", bad}}, "Array[1]"},
		"any":          {&E{Any: []any{1, map[string]any{"x": bad}}}, "Any[1][]"},
		"any key":      {&E{Any: map[string]any{bad: 1}}, "Any"},
		"any NaN":      {&E{Any: math.NaN()}, "Any"},
		"any struct":   {&E{Any: base2{S: bad}}, "Any.S"},
		"any func":     {&E{Any: func() {}}, "Any"},
		"any lossy":    {&E{Any: []any{struct{ x int }{1}}}, "Any[0]"},
		"any number":   {&E{Any: json.Number("1x")}, "Any"},
		"number":       {&E{Num: "01"}, "Num"},
		"raw":          {&E{Raw: json.RawMessage(`{"a"`)}, "raw"},
		"raw empty":    {&E{RawZ: json.RawMessage{}}, "RawZ"},
		"raw UTF-8":    {&E{RawZ: json.RawMessage("\"\xff\"")}, "RawZ"},
		"lenient":      {&E{Lenient: lenient(bad)}, "Lenient"},
		"year":         {&E{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "Time"},
		"blob":         {&E{Blob: genai.NewBlob(bad, nil)}, "Blob"},
		"blob URL":     {&E{BlobP: new(genai.BlobURL("", "://", ""))}, "blob"},
		"blob lost":    {&E{Blob: genai.Blob{}.Detach(1)}, "Blob"},
		"cycle":        {&E{Tree: cycle}, ""},
		"cycle in any": {&E{Any: loop}, ""},
		"cycle held":   {&E{Any: cycle}, ""},
		"request":      {&genai.ChatRequest{Messages: []genai.Message{{}, {Parts: []genai.Part{{Text: bad}}}}}, "messages[1].parts[0].text"},
		"tool":         {&genai.ChatRequest{Tools: []genai.Tool{{Parameters: json.RawMessage(`{`)}}}, "tools[0].parameters"},
	} {
		t.Run(name, func(t *testing.T) {
			cp, err := copier.For(reflect.TypeOf(c.v))
			if err != nil {
				t.Fatal(err)
			}
			copied, _, err := cp.Copy(c.v)
			if copied != nil {
				t.Errorf("a value beside the error: %v", copied)
			}
			checked := cp.Check(c.v)
			for _, err := range []error{err, checked} {
				e, ok := errors.AsType[*genai.Error](err)
				switch {
				case !ok || e.Kind != genai.InvalidRequest:
					t.Errorf("error %v, want InvalidRequest", err)
				case c.field != "" && e.Field != c.field:
					t.Errorf("field %q, want %q", e.Field, c.field)
				case strings.Contains(err.Error(), bad):
					t.Errorf("the error has the text in it: %q", err)
				}
			}
		})
	}
}

type base2 struct{ S string }

type onlyMarshal struct{}

func (onlyMarshal) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

type onlyText int

func (onlyText) MarshalText() ([]byte, error) { return nil, nil }

type Left struct{ Name string }
type Right struct{ Name string }
type Self struct{ *Self }
type Item struct {
	Fine   int
	secret int
}

func (i Item) use() int { return i.secret }

var _ = Item.use

func TestTypesThatCannotTravel(t *testing.T) {
	type Request struct{ Items []Item }
	type Keyed struct {
		M map[string]map[string]struct{ F func() }
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{Request{}, "Request.Items[].secret: unexported field would be lost"},
		{&Request{}, "Request.Items[].secret: unexported field would be lost"},
		{Keyed{}, "Keyed.M[][].F: a func() cannot travel"},
		{struct{ C chan int }{}, ".C: a chan int cannot travel"},
		{struct{ C complex64 }{}, ".C: a complex64"},
		{struct{ E error }{}, ".E: an interface with methods"},
		{struct{ M map[float64]int }{}, ".M: float64 cannot be the key"},
		{struct{ M map[any]int }{}, ".M: interface {} cannot be the key"},
		{struct{ M map[*int]int }{}, ".M: *int cannot be the key"},
		{struct{ M map[onlyText]int }{}, ".M: copier_test.onlyText cannot be the key"},
		{struct{ X onlyMarshal }{}, "has MarshalJSON and no UnmarshalJSON"},
		{struct{ X onlyText }{}, "has MarshalText and no UnmarshalText"},
		{struct{ X big.Int }{}, "MarshalJSON of big.Int has a pointer receiver"},
		{struct {
			Left
			Right
		}{}, ".Right.Name: has the JSON name of"},
		{struct {
			Name int
			Left
		}{}, ".Left.Name: has the JSON name of"},
		{reflect.Zero(reflect.StructOf([]reflect.StructField{
			{Name: "A", Type: reflect.TypeFor[int](), Tag: `json:"x"`},
			{Name: "B", Type: reflect.TypeFor[int](), Tag: `json:"x,omitempty"`},
		})).Interface(), ".B: has the JSON name of"},
		{struct{ *base }{}, ".base: nobody who reads it"},
		{Self{}, "embeds itself"},
		{struct {
			X level `json:",string"`
		}{}, `the option "string"`},
		{sync.Mutex{}, "Mutex"},
		{func() {}, "cannot travel"},
	} {
		typ := reflect.TypeOf(c.v)
		cp, err := copier.For(typ)
		if err == nil || cp != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", typ, err, c.want)
		}
		if _, again := copier.For(typ); again != err {
			t.Errorf("%v: another error the second time: %v", typ, again)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	c, err := copier.For(reflect.TypeFor[*base2]())
	if err != nil {
		t.Fatal(err)
	}
	if v, _, err := c.Copy((*base2)(nil)); err != nil || v != (*base2)(nil) {
		t.Errorf("a nil pointer became %#v, %v", v, err)
	}
	for _, v := range []any{nil, 1, base2{}, new(1), (**base2)(nil)} {
		if _, _, err := c.Copy(v); !errors.Is(err, genai.Internal) {
			t.Errorf("Copy(%#v): %v", v, err)
		}
		if err := c.Check(v); !errors.Is(err, genai.Internal) {
			t.Errorf("Check(%#v): %v", v, err)
		}
		if _, err := c.CopyInto(v, v); !errors.Is(err, genai.Internal) {
			t.Errorf("CopyInto(%#v): %v", v, err)
		}
	}
	inner, err := copier.For(reflect.TypeFor[base2]())
	if err != nil {
		t.Fatal(err)
	}
	to := &base2{"old"}
	if _, err := inner.CopyInto(to, &base2{"\xff"}); !errors.Is(err, genai.InvalidRequest) || to.S != "" {
		t.Errorf("a failed CopyInto left %q: %v", to.S, err)
	}
}

func TestForIsConcurrent(t *testing.T) {
	type fresh struct {
		Next *fresh
		M    map[string][]fresh
	}
	v := &fresh{Next: &fresh{}, M: map[string][]fresh{"a": {{}}}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c, err := copier.For(reflect.TypeOf(v))
			if err != nil {
				t.Error(err)
				return
			}
			for range 100 {
				if got, _, err := c.Copy(v); err != nil || !reflect.DeepEqual(got, v) {
					t.Errorf("%v, %v", got, err)
				}
				if err := c.Check(v); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
