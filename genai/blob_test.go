package genai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func TestBlob(t *testing.T) {
	data := make([]byte, 3, 10)
	b := genai.NewBlob("image/png", data)
	if b.MediaType() != "image/png" || b.Len() != 3 || &b.Bytes()[0] != &data[0] || cap(b.Bytes()) != 3 || b.IsZero() {
		t.Errorf("%#v: the bytes are to be shared, and not to be appended to", b)
	}
	u := genai.BlobURL("image/png", "https://example.com/secret", "ab")
	if u.URL() == "" || u.SHA256() != "ab" || u.Bytes() != nil || u.Len() != 0 || u.IsZero() {
		t.Errorf("%#v", u)
	}
	if s := b.String() + u.String(); s != "image/png of 3 bytesimage/png at a URL" {
		t.Error(s)
	}
	var zero genai.Blob
	if !zero.IsZero() || genai.NewBlob("", []byte{}).IsZero() || zero.Detach(1).IsZero() {
		t.Error("IsZero")
	}
	out := b.Detach(2)
	if out.Part() != 2 || out.Bytes() != nil || out.MediaType() != "image/png" || b.Len() != 3 || b.Part() != 0 {
		t.Errorf("detached: %#v", out)
	}
	if back := out.Attach(data); back.Part() != 0 || !reflect.DeepEqual(back, b) {
		t.Errorf("attached: %#v", back)
	}
}

func TestBlobJSON(t *testing.T) {
	for text, b := range map[string]genai.Blob{
		`{}`:                                 {},
		`{"media_type":"a/b","data":"AQI="}`: genai.NewBlob("a/b", []byte{1, 2}),
		`{"data":""}`:                        genai.NewBlob("", []byte{}),
		`{"url":"https://x","sha256":"ab"}`:  genai.BlobURL("", "https://x", "ab"),
		`{"media_type":"a/b","part":3}`:      genai.NewBlob("a/b", []byte{1}).Detach(3),
	} {
		if got, err := json.Marshal(b); err != nil || string(got) != text {
			t.Errorf("%s, %v, want %s", got, err, text)
		}
		var back genai.Blob
		if err := json.Unmarshal([]byte(text), &back); err != nil || !reflect.DeepEqual(back, b) {
			t.Errorf("%s became %#v, %v", text, back, err)
		}
	}
	for _, text := range []string{`{"part":-1}`, `{"url":"://secret"}`, `{"data":"?"}`, `[]`, `{"data":7}`} {
		before := genai.NewBlob("x/y", nil)
		b := before
		err := json.Unmarshal([]byte(text), &b)
		if err == nil || !reflect.DeepEqual(b, before) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s became %#v, %v", text, b, err)
		}
		if text[1] == '"' && strings.Contains(text, "part") && !errors.Is(err, genai.InvalidRequest) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzBlobJSON: whatever is accepted comes out of its own JSON as it was, and the part is never negative.
func FuzzBlobJSON(f *testing.F) {
	f.Add([]byte(`{"media_type":"image/png","data":"AQI="}`))
	f.Add([]byte(`{"url":"https://example.com/a?b#c","sha256":"00","part":1}`))
	f.Add([]byte(`{"part":-1,"data":null}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var b genai.Blob
		if json.Unmarshal(text, &b) != nil {
			return
		}
		if b.Part() < 0 {
			t.Fatalf("part %d", b.Part())
		}
		out, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var back genai.Blob
		if err := json.Unmarshal(out, &back); err != nil || !reflect.DeepEqual(b, back) || !bytes.Equal(b.Bytes(), back.Bytes()) {
			t.Fatalf("%#v became %#v, %v", b, back, err)
		}
	})
}
