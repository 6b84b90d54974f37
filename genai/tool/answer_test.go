package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/tool"
)

func ask(text string) *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User(text)}}
}

type sky string

func (sky) Enum() []string { return []string{"clear", "grey"} }

type place struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

type forecast struct {
	City string    `json:"city" jsonschema:"in English"`
	Day  time.Time `json:"day"`
	High int8      `json:"high"`
	Sky  sky       `json:"sky,omitempty"`
	At   *place    `json:"at"`
	Rain []float64 `json:"rain,omitempty"`
}

// Validate makes sure that types are asked.
func (f *forecast) Validate() error {
	if f.City == "Atlantis" {
		return errors.New("there is no such city")
	}
	return nil
}

const good = `{"city":"Kyoto","day":"2026-05-01T00:00:00Z","high":24,"sky":"clear","at":{"lat":35,"lon":135.8},"rain":[0,1.5]}`

func TestAs(t *testing.T) {
	model := genaitest.Script(genaitest.Reply(good))
	got, err := tool.As[forecast](model.Complete)(t.Context(), ask("Kyoto?"))
	want := forecast{"Kyoto", time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), 24, "clear", &place{35, 135.8}, []float64{0, 1.5}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	f := model.Calls()[0].Request.Format
	const schema = `{"type":"object","properties":{"city":{"type":"string","description":"in English"},"day":{"type":"string","format":"date-time"},"high":{"type":"integer","description":"from -128 to 127"},` +
		`"sky":{"type":["string","null"],"enum":["clear","grey",null]},"at":{"type":["null","object"],"properties":{"lat":{"type":"number"},"lon":{"type":"number"}},"required":["lat","lon"],"additionalProperties":false},` +
		`"rain":{"type":["array","null"],"items":{"type":"number"}}},"required":["city","day","high","sky","at","rain"],"additionalProperties":false}`
	var a, b any
	_, _ = json.Unmarshal(f.Schema, &a), json.Unmarshal([]byte(schema), &b)
	if f.Name != "forecast" || f.Strict == nil || !*f.Strict || !reflect.DeepEqual(a, b) {
		t.Errorf("%s %s", f.Name, f.Schema)
	}
}

func TestUnfit(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, c := range map[string]struct{ text, field string }{
		"no JSON":             {"Kyoto is warm, secretly.", ""},
		"half of it":          {good[:40], ""},
		"more behind it":      {good + good, ""},
		"an array":            {"[" + good + "]", ""},
		"null":                {"null", ""},
		"missing field":       {`{"city":"Kyoto"}`, ""},
		"another type":        {replace("24", `"secret"`), "high"},
		"a fraction":          {replace("24", "24.5"), "high"},
		"out of range":        {replace("24", "2400"), "high"},
		"unknown field":       {replace(`"city"`, `"secret":1,"city"`), ""},
		"another case":        {replace(`"city"`, `"City"`), ""},
		"no such value":       {replace("clear", "secret"), "sky"},
		"inside":              {replace("35", `"secret"`), "at.lat"},
		"in an array":         {replace("1.5", `"secret"`), "rain.items"},
		"null where none is":  {replace(`"Kyoto"`, "null"), "city"},
		"not what it says":    {replace("2026-05-01T00:00:00Z", "secret"), ""},
		"not what it will be": {replace("Kyoto", "Atlantis"), ""},
		"a name twice":        {replace(`"high":24`, `"high":24,"high":25`), ""},
		// The last one alone would be checked, and the parts of both that do not collide be decoded.
		"a name twice, inside":  {replace(`"lat":35`, `"lat":35,"la\u0074":36`), ""},
		"a name twice, objects": {replace(`"at":{`, `"at":{"lat":"secret","lon":1},"at":{`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			model := genaitest.Script(genaitest.Reply(c.text))
			got, err := tool.As[forecast](model.Complete)(t.Context(), ask("?"))
			e, ok := errors.AsType[*genai.Error](err)
			if !ok || e.Kind != genai.Malformed || e.Reason != "unfit" || e.Field != c.field {
				t.Errorf("%+v, %v", got, err)
			}
			if text := fmt.Sprintf("%v %+v", err, errors.Unwrap(err)); strings.Contains(text, "secret") || strings.Contains(text, "Kyoto") {
				t.Errorf("the error quotes: %s", text)
			}
		})
	}
	for name, text := range map[string]string{
		"fenced": "```json\n" + good + "\n```", "fenced without a name": "```\n" + good + "```", "spaces": "\n " + good + "\n",
		"null for what may be missing": strings.Replace(good, `"clear"`, "null", 1), "null for a pointer": strings.Replace(good, `{"lat":35,"lon":135.8}`, "null", 1),
		"missing what may be": strings.Replace(good, `"sky":"clear",`, "", 1), "a whole number with a point": strings.Replace(good, "24", "24.0", 1),
	} {
		if _, err := tool.As[forecast](genaitest.Script(genaitest.Reply(text)).Complete)(t.Context(), ask("?")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		step genaitest.Step
		kind genai.Kind
	}{
		"cut by its length": {genaitest.Reply(good).Finish(genai.FinishLength), genai.Truncated},
		"filtered":          {genaitest.Reply(good).Finish(genai.FinishFiltered), genai.ContentFiltered},
		"declined":          {genaitest.Events(genai.ChatEvent{Refusal: "no"}), genai.ContentFiltered},
		"tools":             {genaitest.ToolCalls(genai.ToolCall{Name: "look"}), genai.Unsupported},
		"nothing":           {genaitest.Reply(" "), genai.Empty},
		"a failure":         {genaitest.Fail(genai.Overloaded), genai.Overloaded},
		"a cut":             {genaitest.Reply(good).Then(genai.Truncated), genai.Truncated},
	} {
		t.Run(name, func(t *testing.T) {
			model := genaitest.Script(c.step)
			a := &tool.Answer[forecast]{Model: model.Complete, Repairs: 3}
			if got, err := a.Ask(t.Context(), ask("?")); genai.KindOf(err) != c.kind || got.City != "" {
				t.Errorf("%+v, %v", got, err)
			}
			if len(model.Calls()) != 1 {
				t.Error("it was repaired")
			}
		})
	}
	if _, err := tool.As[forecast](nil)(t.Context(), ask("?")); genai.KindOf(err) != genai.Internal {
		t.Error(err)
	}
	if _, err := tool.As[forecast](genaitest.Script().Complete)(t.Context(), nil); genai.KindOf(err) != genai.InvalidRequest {
		t.Error(err)
	}
}

func TestRepairs(t *testing.T) {
	model := genaitest.Script(genaitest.Reply(`{"city":3}`), genaitest.Reply("sorry"), genaitest.Reply(good))
	a := &tool.Answer[forecast]{Model: model.Complete, Repairs: 2, Name: "f", Description: "d"}
	req := ask("Kyoto?")
	if got, err := a.Ask(t.Context(), req); err != nil || got.City != "Kyoto" {
		t.Fatalf("%+v, %v", got, err)
	}
	if len(req.Messages) != 1 || req.Format != nil {
		t.Error("the request was changed")
	}
	last := model.Calls()[2].Request
	if len(last.Messages) != 5 || last.Messages[1].Text() != `{"city":3}` || !strings.Contains(last.Messages[2].Text(), "at city") || last.Format.Name != "f" || last.Format.Description != "d" {
		t.Errorf("%+v", last)
	}
	model = genaitest.Script(genaitest.Reply(`{"`+strings.Repeat("x", 9000)+`":1}`), genaitest.Reply(good))
	a.Model = model.Complete
	if _, err := a.Ask(t.Context(), req); err != nil || len(model.Calls()[1].Request.Messages[2].Text()) > 1200 {
		t.Errorf("what is wrong is told at length: %v", err)
	}
	model = genaitest.Script(genaitest.Reply("x").Times(3))
	a.Model = model.Complete
	if _, err := a.Ask(t.Context(), req); genai.KindOf(err) != genai.Malformed {
		t.Error(err)
	}
	model.Verify(t)
}

// TestKindsOfTypes: an automatic model, which follows the schema, gives every type that has one.
func TestKindsOfTypes(t *testing.T) {
	check := func(name string, strict bool, err error, f *genai.Format) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, f.Schema)
		}
		if got := f.Strict != nil && *f.Strict; got != strict {
			t.Errorf("%s: strict is %v: %s", name, got, f.Schema)
		}
	}
	auto := &genaitest.Model{Auto: true}
	last := func() *genai.Format { c := auto.Calls(); return c[len(c)-1].Request.Format }

	_, err := tool.As[forecast](auto.Complete)(t.Context(), ask("?"))
	check("struct", true, err, last())
	p, err := tool.As[*place](auto.Complete)(t.Context(), ask("?"))
	check("pointer", true, err, last())
	if p == nil {
		t.Error("nil is no answer")
	}
	_, err = tool.As[[]place](auto.Complete)(t.Context(), ask("?"))
	check("slice", true, err, last())
	n, err := tool.As[int](auto.Complete)(t.Context(), ask("?"))
	check("number", true, err, last())
	if n != 1 {
		t.Errorf("%d", n)
	}
	s, err := tool.As[sky](auto.Complete)(t.Context(), ask("?"))
	check("enum", true, err, last())
	if s != "clear" {
		t.Errorf("%s", s)
	}
	_, err = tool.As[[3]bool](auto.Complete)(t.Context(), ask("?"))
	check("array", true, errOr(err, genai.Malformed), last()) // its length cannot be enforced everywhere
	_, err = tool.As[map[string]int](auto.Complete)(t.Context(), ask("?"))
	check("map", false, err, last())
	_, err = tool.As[struct {
		Any  any                    `json:"any"`
		Raw  json.RawMessage        `json:"raw"`
		Maps map[string][]place     `json:"maps,omitempty"`
		Deep struct{ In *[]*place } `json:"deep"`
	}](auto.Complete)(t.Context(), ask("?"))
	check("loose", false, err, last())
	addr, err := tool.As[struct {
		Addr netip.Addr `json:"addr"`
	}](genaitest.Script(genaitest.Reply(`{"addr":"192.0.2.1"}`)).Complete)(t.Context(), ask("?"))
	if err != nil || addr.Addr.String() != "192.0.2.1" {
		t.Error(addr, err)
	}
}

// errOr forgives one kind of error.
func errOr(err error, kind genai.Kind) error {
	if genai.KindOf(err) == kind {
		return nil
	}
	return err
}

// TestMethods: Enum and Validate count whatever they are methods of, and wherever the value stands.
func TestMethods(t *testing.T) {
	atlantis := strings.Replace(good, "Kyoto", "Atlantis", 1)
	said := func(text string) genai.Completer { return genaitest.Script(genaitest.Reply(text)).Complete }
	if got, err := tool.As[*forecast](said(atlantis))(t.Context(), ask("?")); genai.KindOf(err) != genai.Malformed || got != nil {
		t.Errorf("a pointer was not asked: %+v, %v", got, err)
	}
	if _, err := tool.As[*forecast](said(good))(t.Context(), ask("?")); err != nil {
		t.Error(err)
	}
	if _, err := tool.As[odd](said(`{"value":3,"more":1}`))(t.Context(), ask("?")); genai.KindOf(err) != genai.Malformed {
		t.Errorf("there is more beside the value: %v", err)
	}
	if n, err := tool.As[odd](said(`{"value":3}`))(t.Context(), ask("?")); err != nil || n != 3 {
		t.Error(n, err)
	}
	if _, err := tool.As[odd](said(`{"value":4}`))(t.Context(), ask("?")); genai.KindOf(err) != genai.Malformed {
		t.Errorf("a number was not asked: %v", err)
	}
	type coin struct {
		Side side `json:"side"`
	}
	if _, err := tool.As[coin](said(`{"side":"edge"}`))(t.Context(), ask("?")); genai.KindOf(err) != genai.Malformed || genai.AsError(err).Field != "side" {
		t.Errorf("not one of its values: %v", err)
	}
	ran := false
	plan := tool.New("plan", "", func(context.Context, *forecast) (string, error) { ran = true; return "", nil })
	if _, err := plan.Run(t.Context(), json.RawMessage(atlantis)); err == nil || ran {
		t.Errorf("the arguments of a tool were not asked: %v", err)
	}
}

type odd int

func (o odd) Validate() error {
	if o%2 == 0 {
		return errors.New("it is even")
	}
	return nil
}

type side string

func (*side) Enum() []string { return []string{"heads", "tails"} }

// TestExact: numbers arrive with all their digits.
func TestExact(t *testing.T) {
	type id struct {
		N int64 `json:"n"`
	}
	for text, want := range map[string]int64{`{"n":9007199254740993}`: 9007199254740993, `{"n":-9.0}`: -9, `{"n":12e2}`: 1200} {
		if got, err := tool.As[id](genaitest.Script(genaitest.Reply(text)).Complete)(t.Context(), ask("?")); err != nil || got.N != want {
			t.Errorf("%s: %d, %v", text, got.N, err)
		}
	}
	deep := `{"n":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`
	if _, err := tool.As[map[string]any](genaitest.Script(genaitest.Reply(deep)).Complete)(t.Context(), ask("?")); genai.KindOf(err) != genai.Malformed {
		t.Errorf("nested too deeply to be looked at: %v", err)
	}
}

func TestTypesWithoutSchema(t *testing.T) {
	type loop struct {
		Next *loop `json:"next"`
	}
	for name, f := range map[string]func(){
		"cycle":    func() { tool.As[loop](nil) },
		"function": func() { tool.As[struct{ F func() }](nil) },
		"channel":  func() { tool.As[chan int](nil) },
		"number as text": func() {
			tool.As[struct {
				N int `json:"n,string"`
			}](nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
