package transport_test

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// An album has Blobs wherever they can be.
type album struct {
	Title string                `json:"title"`
	Cover genai.Blob            `json:"cover,omitzero"`
	Back  *genai.Blob           `json:"back,omitzero"`
	Pages []genai.Blob          `json:"pages,omitzero"`
	Named map[string]genai.Blob `json:"named,omitzero"`
	Pair  [2]genai.Blob         `json:"pair,omitzero"`
	Inner *album                `json:"inner,omitzero"`
	Inset struct {
		Small genai.Blob `json:"small,omitzero"`
	} `json:"inset,omitzero"`
	Away genai.Blob `json:"-"`
	away genai.Blob `json:"-"`
}

func picture(text string) genai.Blob { return genai.NewBlob("image/png", []byte(text)) }

func fullAlbum() *album {
	back := picture("back")
	a := &album{
		Title: "a", Cover: picture("cover"), Back: &back,
		Pages: []genai.Blob{picture("one"), genai.BlobURL("image/png", "https://example.org/two.png", "00ff"), picture("three")},
		Named: map[string]genai.Blob{"x": picture("named x"), "y": picture("named y")},
		Pair:  [2]genai.Blob{picture("left"), picture("right")},
		Inner: &album{Cover: picture("inner cover")},
	}
	a.Inset.Small = picture("small")
	return a
}

const picturesInAlbum = 10

var (
	albums     = transport.Op[*album, *album]{Name: "desk.albums"}
	albumByAny = transport.Op[album, *genai.Stream[album]]{Name: "desk.albumstream"}
)

func TestBlobsAreParts(t *testing.T) {
	spec := specOf(albums)
	sent := fullAlbum()
	m, err := spec.EncodeRequest(sent)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) != picturesInAlbum {
		t.Errorf("%d blobs became %d parts", picturesInAlbum, len(m.Parts))
	}
	if bytes.Contains(m.Head, []byte(`"data"`)) || !bytes.Contains(m.Head, []byte(`"part":1`)) {
		t.Errorf("the head is %s", m.Head)
	}
	if &m.Parts[0][0] != &sent.Cover.Bytes()[0] {
		t.Error("the bytes were copied")
	}
	if !reflect.DeepEqual(sent, fullAlbum()) {
		t.Error("what was sent was changed")
	}
	got, err := spec.DecodeRequest(m)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sent) {
		t.Errorf("got  %+v\nwant %+v", got, sent)
	}
	if want := int64(len(m.Head)); m.Len() <= want {
		t.Errorf("the message has %d bytes without its parts", m.Len())
	}
}

// TestBlobsEverywhere: what is sent as a value, a response or a piece goes the same way.
func TestBlobsEverywhere(t *testing.T) {
	byPointer, byValue := specOf(albums), specOf(albumByAny)
	if m, err := byValue.EncodeRequest(*fullAlbum()); err != nil || len(m.Parts) != picturesInAlbum {
		t.Errorf("a value has %d parts: %v", len(m.Parts), err)
	} else if got, err := byValue.DecodeRequest(m); err != nil || !reflect.DeepEqual(got, *fullAlbum()) {
		t.Errorf("a value arrived as %+v, %v", got, err)
	}
	if m, err := byPointer.EncodeResponse(fullAlbum()); err != nil || len(m.Parts) != picturesInAlbum {
		t.Errorf("a response has %d parts: %v", len(m.Parts), err)
	} else if got, err := byPointer.DecodeResponse(m); err != nil || !reflect.DeepEqual(got, fullAlbum()) {
		t.Errorf("a response arrived as %+v, %v", got, err)
	}
	t.Run("piece", func(t *testing.T) {
		piece(t, byValue, *fullAlbum())
	})
	t.Run("piece by pointer", func(t *testing.T) {
		piece(t, specOf(transport.Op[*note, *genai.Stream[*album]]{Name: "desk.op"}), fullAlbum())
	})
	t.Run("speech", func(t *testing.T) {
		chunk := genai.SpeechChunk{Audio: genai.NewBlob("audio/mpeg", []byte("\xff\xfb"))}
		m := nextPiece(t, specOf(transport.Op[*note, *genai.Stream[genai.SpeechChunk]]{Name: "desk.op"}), chunk)
		if len(m.Parts) != 1 {
			t.Errorf("a chunk of speech has %d parts: %s", len(m.Parts), m.Head)
		}
	})
}

func nextPiece[T any](t *testing.T, spec *transport.Spec, sent T) transport.Message {
	t.Helper()
	s, err := genai.NewStream(t.Context(), func() (T, error) { return sent, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, err := spec.NextPiece(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// piece sends an album as the one piece of a stream.
func piece[T any](t *testing.T, spec *transport.Spec, sent T) {
	m := nextPiece(t, spec, sent)
	if len(m.Parts) != picturesInAlbum || bytes.Contains(m.Head, []byte(`"data"`)) {
		t.Errorf("a piece has %d parts: %s", len(m.Parts), m.Head)
	}
	left := 1
	resp, err := spec.Receive(t.Context(), func() (transport.Message, error) {
		if left--; left < 0 {
			return transport.Message{}, io.EOF
		}
		return m, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := resp.(*genai.Stream[T]).Next()
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, sent)
	}
}

// TestWhole: for receivers of JSON the bytes are inside, and what they send is understood.
func TestWhole(t *testing.T) {
	spec := specOf(albumByAny)
	s, err := genai.NewStream(t.Context(), func() (album, error) { return *fullAlbum(), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, err := spec.NextWhole(s)
	if err != nil || len(m.Parts) != 0 {
		t.Fatalf("a whole piece has %d parts: %v", len(m.Parts), err)
	}
	got, err := spec.DecodeRequest(m)
	if err != nil || !reflect.DeepEqual(got, *fullAlbum()) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPartsThatDoNotFit(t *testing.T) {
	spec := specOf(albums)
	for _, c := range []struct {
		name, head string
		parts      []string
		want       string // the cover; "!" for an error
	}{
		{"one", `{"cover":{"media_type":"image/png","part":1}}`, []string{"a"}, "a"},
		{"empty", `{"cover":{"media_type":"image/png","part":1}}`, []string{""}, ""},
		{"missing", `{"cover":{"part":1}}`, nil, "!"},
		{"too few", `{"cover":{"part":3}}`, []string{"a", "b"}, "!"},
		{"negative", `{"cover":{"part":-1}}`, []string{"a"}, "!"},
		{"no number", `{"cover":{"part":"1"}}`, []string{"a"}, "!"},
		{"too large a number", `{"cover":{"part":9223372036854775808}}`, []string{"a"}, "!"},
		{"deep inside", `{"inner":{"inner":{"pages":[{"part":2}]}}}`, []string{"a"}, "!"},
		{"in a map", `{"named":{"a":{"part":2}}}`, []string{"a"}, "!"},
		{"twice the same", `{"cover":{"part":1},"back":{"part":1}}`, []string{"a"}, "a"},
		{"of a field that a newer side has", `{"cover":{"part":2},"newer":{"part":1}}`, []string{"a", "b"}, "b"},
		{"beside bytes", `{"cover":{"part":1,"data":"YQ=="}}`, []string{"b"}, "b"},
		{"whole", `{"cover":{"data":"YQ=="}}`, nil, "a"},
	} {
		m := transport.Message{Head: []byte(c.head)}
		for _, p := range c.parts {
			m.Parts = append(m.Parts, []byte(p))
		}
		req, err := spec.DecodeRequest(m)
		if c.want == "!" {
			if genai.KindOf(err) != genai.InvalidRequest || req != nil || genai.AsError(err).Started != genai.StartedNo {
				t.Errorf("%s: got %+v, %v", c.name, req, err)
			}
			if _, err = spec.DecodeResponse(m); genai.KindOf(err) != genai.Malformed {
				t.Errorf("%s: as a response: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := req.(*album).Cover; string(got.Bytes()) != c.want || got.Part() != 0 {
			t.Errorf("%s: the cover is %q", c.name, got.Bytes())
		}
	}
}

// TestLostBlob: a Blob whose bytes are elsewhere is not sent as if it were empty.
func TestLostBlob(t *testing.T) {
	spec := specOf(albums)
	if _, err := spec.EncodeRequest(&album{Cover: picture("a").Detach(1)}); genai.KindOf(err) != genai.InvalidRequest {
		t.Errorf("a detached blob: %v", err)
	}
	if m, err := spec.EncodeRequest(&album{Away: picture("not sent"), away: picture("nor this")}); err != nil || len(m.Parts) != 0 {
		t.Errorf("a field that does not travel has %d parts: %v", len(m.Parts), err)
	}
	for _, b := range []genai.Blob{{}, genai.NewBlob("image/png", []byte{}), genai.BlobURL("image/png", "https://example.org", "")} {
		m, err := spec.EncodeRequest(&album{Cover: b})
		if err != nil || len(m.Parts) != 0 {
			t.Errorf("%v has %d parts: %v", b, len(m.Parts), err)
		}
		if got, err := spec.DecodeRequest(m); err != nil || !reflect.DeepEqual(got.(*album).Cover, b) {
			t.Errorf("%v arrived as %v: %v", b, got, err)
		}
	}
}

// Types that lead to one another in circles, through which the way to a Blob is found on the third walk only.
type (
	hall struct {
		First *room    `json:"first,omitzero"`
		Last  *gallery `json:"last,omitzero"`
	}
	room struct {
		Door *closet `json:"door,omitzero"`
		Back *hall   `json:"back,omitzero"`
	}
	closet struct {
		Out *room `json:"out,omitzero"`
	}
	gallery struct {
		Picture genai.Blob `json:"picture,omitzero"`
	}
)

func TestBlobsInCircles(t *testing.T) {
	spec := specOf(transport.Op[hall, hall]{Name: "desk.halls"})
	sent := hall{First: &room{Door: &closet{Out: &room{Back: &hall{Last: &gallery{picture("far")}}}}}}
	m, err := spec.EncodeRequest(sent)
	if err != nil || len(m.Parts) != 1 {
		t.Errorf("there are %d parts: %s, %v", len(m.Parts), m.Head, err)
	}
	if got, err := spec.DecodeRequest(m); err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A sealed picture is written by a method of its own, which has its own way with bytes.
type sealed struct {
	Picture genai.Blob
}

func (s sealed) MarshalJSON() ([]byte, error) { return json.Marshal(string(s.Picture.Bytes())) }

func (s *sealed) UnmarshalJSON(text []byte) error {
	var inside string
	err := json.Unmarshal(text, &inside)
	s.Picture = genai.NewBlob("text/plain", []byte(inside))
	return err
}

// TestBlobsOfOthers: what a type with methods for JSON does with a Blob is its own business.
func TestBlobsOfOthers(t *testing.T) {
	type letter struct {
		Seal  sealed     `json:"seal"`
		Photo genai.Blob `json:"photo"`
	}
	spec := specOf(transport.Op[*letter, *letter]{Name: "desk.letters"})
	sent := &letter{sealed{genai.NewBlob("text/plain", []byte("wax"))}, picture("me")}
	m, err := spec.EncodeRequest(sent)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := spec.DecodeRequest(m); err != nil || !reflect.DeepEqual(got, sent) || len(m.Parts) != 1 {
		t.Errorf("got %+v with %d parts, %v", got, len(m.Parts), err)
	}
}
