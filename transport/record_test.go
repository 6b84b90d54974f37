package transport

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func TestRecord(t *testing.T) {
	for name, r := range map[string]record{
		"a mark":      {recordHead: recordHead{Request: "r"}},
		"a value":     {recordHead: recordHead{Request: "r", Done: true}, kept: true, messages: []Message{{Head: []byte("{}")}}},
		"a failure":   {recordHead: recordHead{Request: "r", Done: true, Problem: ProblemOf(genai.Errorf(genai.Empty, "no"))}, kept: true},
		"parts":       {recordHead: recordHead{Request: "r", Done: true, Metadata: map[string]string{"a": "b"}}, kept: true, messages: []Message{{Head: []byte("1"), Parts: [][]byte{[]byte("ab"), {}}}, {Head: []byte("2")}}},
		"not kept":    {recordHead: recordHead{Request: "r", Done: true}},
		"no messages": {recordHead: recordHead{Request: "r", Done: true}, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := r.encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeRecord(b)
			if err != nil || !reflect.DeepEqual(normal(*got), normal(r)) {
				t.Errorf("got %+v, %v", got, err)
			}
			got, err = decodeRecord(headOf(b))
			if err != nil || got.kept || len(got.messages) > 0 || got.Request != "r" || got.Done != r.Done {
				t.Errorf("its head is %+v, %v", got, err)
			}
		})
	}
}

func normal(r record) record {
	for i, m := range r.messages {
		if len(m.Parts) == 0 {
			r.messages[i].Parts = nil
		}
	}
	return r
}

// FuzzRecord: what stands in a store may be anything. What is understood means the same when it is written again.
func FuzzRecord(f *testing.F) {
	whole := record{recordHead: recordHead{Request: "r", Done: true}, kept: true, messages: []Message{{Head: []byte("1"), Parts: [][]byte{[]byte("ab")}}}}
	b, err := whole.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(headOf(b))
	f.Add([]byte("\x02{}\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRecord(again)
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("%+v became %+v, %v", r, back, err)
		}
		if !bytes.HasPrefix(again, headOf(again)) {
			t.Error("the head is not what the record begins with")
		}
	})
}

func TestMemoryRefuses(t *testing.T) {
	m := &memory{}
	for i := range memoryIDs {
		if _, err := m.Claim(t.Context(), string(rune(i)), []byte("x"), 1<<40); err != nil && i < 0xd800 {
			t.Fatal(err)
		}
	}
	for i := 0; len(m.byID) < memoryIDs; i++ {
		if _, err := m.Claim(t.Context(), "more"+string(rune(i)), []byte("x"), 1<<40); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Claim(t.Context(), "one more", []byte("x"), 1<<40); genai.KindOf(err) != genai.Overloaded {
		t.Errorf("got %v", err)
	}
	if found, err := m.Claim(t.Context(), "a", nil, 1<<40); string(found) != "x" || err != nil {
		t.Errorf("an old one: %q, %v", found, err)
	}
}
