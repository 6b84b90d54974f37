package jsonscan

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func Example() {
	s := New([]byte(`{"id": "a\u0021", "more": [1, {"id": null}], "n": 7}`))
	if s.Open('{') {
		for s.More('}') {
			switch string(s.Key()) {
			case "id":
				fmt.Println(s.Text())
			case "n":
				n, ok := s.Integer()
				fmt.Println(n, ok)
			default:
				fmt.Printf("%s\n", s.Raw())
			}
		}
	}
	fmt.Println(s.End())
	// Output:
	// a!
	// [1, {"id": null}]
	// 7 true
	// <nil>
}

func TestEnd(t *testing.T) {
	for text, want := range map[string]error{
		`{}`:              nil,
		` [1, -2.5e+7] `:  nil,
		`"\ud83d\ude00"`:  nil,
		`{"a":tr`:         ErrCut,
		`{"a":`:           ErrCut,
		`"a`:              ErrCut,
		`[1,`:             ErrCut,
		``:                ErrCut,
		`{} {}`:           ErrMalformed,
		`[1,]`:            ErrMalformed,
		`{"a":1,}`:        ErrMalformed,
		`{a:1}`:           ErrMalformed,
		`01`:              ErrMalformed,
		`"\x"`:            ErrMalformed,
		"\"\n\"":          ErrMalformed,
		`<html>`:          ErrMalformed,
		`{"a":truth}`:     ErrMalformed,
		`[` + nest(100):   nil,
		`[` + nest(10000): ErrMalformed,
	} {
		s := New([]byte(text))
		s.Skip()
		if err := s.End(); err != want {
			t.Errorf("%.40s: %v, want %v", text, err, want)
		}
	}
}

// TestEveryCut: a text that is cut anywhere is cut, and never malformed.
func TestEveryCut(t *testing.T) {
	text := `{"a\u00e9":[true,false,null,-1.5e+3,"x\n\ud83d\ude00ß"],"b":{"c":0,"d":""}}`
	for at := range len(text) {
		s := New([]byte(text[:at]))
		s.Skip()
		if err := s.End(); err != ErrCut {
			t.Errorf("%s: %v", text[:at], err)
		}
	}
}

func nest(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n+1) }

func TestInteger(t *testing.T) {
	for text, want := range map[string]int{`0`: 0, `12`: 12, `-1`: -1, `1.5`: -1, `"3"`: -1, `12345678901`: -1, `null`: -1} {
		s := New([]byte(text))
		if n, ok := s.Integer(); ok != (want >= 0) || ok && n != want || s.End() != nil {
			t.Errorf("%s: %d, %v, %v", text, n, ok, s.End())
		}
	}
}

// FuzzScanner: a Scanner takes what encoding/json takes and nothing else, and reads the same strings from it.
func FuzzScanner(f *testing.F) {
	for _, text := range []string{`{"a":[1,"b",null,true,{"c":1e5}]}`, `"\ud800"`, "\"\xff\"", `{"a":1}x`, ` [ ] `, `-`, `1.`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Count(string(text), "[")+strings.Count(string(text), "{") > maxDepth {
			return
		}
		s := New(text)
		s.Skip()
		if err := s.End(); (err == nil) != json.Valid(text) {
			t.Fatalf("%q: %v, encoding/json says %v", text, err, json.Valid(text))
		}
		var want string
		if text = []byte(strings.TrimSpace(string(text))); len(text) == 0 || text[0] != '"' || json.Unmarshal(text, &want) != nil {
			return
		}
		s = New(text)
		if got := s.Text(); got != want {
			t.Fatalf("%q: read %q, want %q", text, got, want)
		}
	})
}

func TestFloats(t *testing.T) {
	for text, want := range map[string]string{`[1, -2.5e0]`: "[1 -2.5]", `[]`: "[]", `null`: "[]", `"x"`: "[]", `{}`: "[]"} {
		s := New([]byte(text))
		if got := fmt.Sprint(s.Floats(1)); got != want || s.End() != nil {
			t.Errorf("%s: %s, %v", text, got, s.End())
		}
	}
	for _, text := range []string{`["1"]`, `[1e99]`, `[1`, `[null]`} {
		s := New([]byte(text))
		if got := s.Floats(1); got != nil && s.End() == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}
