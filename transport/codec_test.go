package transport_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// specOf returns the Spec that a transport sees.
func specOf[Req, Resp any](op transport.Op[Req, Resp]) *transport.Spec {
	var catch catcher
	op.Serve(&catch, func(context.Context, Req) (Resp, error) { panic("not called") })
	return catch.spec
}

type catcher struct{ spec *transport.Spec }

func (c *catcher) Handle(spec *transport.Spec, _ genai.AnyHandler) { c.spec = spec }

type album struct {
	Title  string                `json:"title"`
	Cover  *genai.Blob           `json:"cover,omitempty"`
	Pages  []genai.Blob          `json:"pages,omitempty"`
	Extras map[string]genai.Blob `json:"extras,omitempty"`
	Any    any                   `json:"any,omitempty"`
}

func blob(text string) genai.Blob { return genai.NewBlob("text/plain", []byte(text)) }

func anAlbum() *album {
	cover := blob("cover")
	return &album{
		Title: "summer", Cover: &cover, Pages: []genai.Blob{blob("one"), {}, blob("three")},
		Extras: map[string]genai.Blob{"map": blob("map")},
	}
}

// The bytes of Blobs travel beside the JSON and not in it, and come back to their places.
func TestBlobs(t *testing.T) {
	spec := specOf(transport.Op[*album, *album]{Name: "a.b"})
	sent := anAlbum()
	m, err := spec.EncodeRequest(sent)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) != 4 || bytes.Contains(m.Head, []byte("b25l")) { // "one" in base64
		t.Errorf("%d parts beside %s", len(m.Parts), m.Head)
	}
	if !reflect.DeepEqual(sent, anAlbum()) {
		t.Error("the sender's value has changed")
	}
	got, err := spec.DecodeRequest(m)
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("%+v arrived, %v", got, err)
	}
	_, err = spec.DecodeRequest(transport.Message{Head: m.Head, Parts: m.Parts[:3]})
	if !errors.Is(err, genai.InvalidRequest) {
		t.Errorf("without its last part: %v", err)
	}
	m.Parts = nil // as a receiver that has lost them
	if _, err = spec.DecodeRequest(m); !errors.Is(err, genai.InvalidRequest) {
		t.Errorf("without its parts: %v", err)
	}
}

func TestSizes(t *testing.T) {
	spec := specOf(transport.Op[*album, *album]{Name: "a.b", MaxBytes: 200})
	large := &album{Cover: new(blob(strings.Repeat("a", 200)))}
	if _, err := spec.EncodeRequest(large); !errors.Is(err, genai.TooLarge) || genai.AsError(err).Started != genai.StartedNo {
		t.Errorf("a large request: %v", err)
	}
	if _, err := spec.EncodeResponse(large); !errors.Is(err, genai.TooLarge) || genai.AsError(err).Started != genai.StartedYes {
		t.Errorf("a large response: %v", err)
	}
	if _, err := spec.EncodeRequest(&album{Title: "small"}); err != nil {
		t.Error(err)
	}
}

func TestDecodeErrors(t *testing.T) {
	spec := specOf(transport.Op[*album, *album]{Name: "a.b"})
	for name, c := range map[string]struct{ head, field string }{
		"nothing":          {"", ""},
		"no JSON":          {"title", ""},
		"half of it":       {`{"title":"a"`, ""},
		"a list":           {`[]`, ""},
		"null":             {`null`, ""},
		"something behind": {`{"title":"a"} {}`, ""},
		"no UTF-8":         {"{\"title\":\"\xff\"}", ""},
		"another type":     {`{"title":7}`, "title"},
		"a part too far":   {`{"cover":{"part":9}}`, ""},
	} {
		_, err := spec.DecodeRequest(transport.Message{Head: []byte(c.head)})
		e := genai.AsError(err)
		if e == nil || e.Kind != genai.InvalidRequest || e.Started != genai.StartedNo || e.Field != c.field {
			t.Errorf("%s: %+v", name, e)
		}
		if _, err = spec.DecodeResponse(transport.Message{Head: []byte(c.head)}); genai.KindOf(err) != genai.Malformed {
			t.Errorf("%s, as a response: %v", name, err)
		}
	}
}

// A field that a newer peer has added does no harm, and large numbers stay exact where their type is open.
func TestDecodeIsLenient(t *testing.T) {
	spec := specOf(transport.Op[*album, *album]{Name: "a.b"})
	got, err := spec.DecodeRequest(transport.Message{Head: []byte(`{"title":"a","new":1,"any":9007199254740993}`)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := spec.EncodeRequest(got)
	if err != nil || !bytes.Contains(m.Head, []byte("9007199254740993")) {
		t.Errorf("%s, %v", m.Head, err)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	spec := specOf(transport.Op[*album, *album]{Name: "a.b"})
	m, err := spec.EncodeRequest(anAlbum())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Head, []byte("one"))
	f.Add([]byte(`{"cover":{"part":1},"pages":[{"part":1}]}`), []byte("shared"))
	f.Add([]byte(`{"any":{"a":[1e400,{}]}}`), []byte(""))
	f.Fuzz(func(t *testing.T, head, part []byte) {
		req, err := spec.DecodeRequest(transport.Message{Head: head, Parts: [][]byte{part, part, part, part}})
		if err != nil {
			if e := genai.AsError(err); e.Kind != genai.InvalidRequest || e.Started != genai.StartedNo {
				t.Errorf("%+v", e)
			}
			return
		}
		m, err := spec.EncodeRequest(req)
		if err != nil {
			return // such as a Blob without bytes
		}
		again, err := spec.DecodeRequest(m)
		if err != nil {
			t.Fatalf("%s is not understood by who wrote it: %v", m.Head, err)
		}
		if second, err := spec.EncodeRequest(again); err != nil || !reflect.DeepEqual(m, second) {
			t.Errorf("%s became %s, %v", m.Head, second.Head, err)
		}
	})
}
