package copier_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/copier"
)

// types are those that travel most.
var types = []reflect.Type{
	reflect.TypeFor[genai.ChatRequest](), reflect.TypeFor[genai.ChatResponse](), reflect.TypeFor[genai.ChatEvent](),
	reflect.TypeFor[genai.EmbedRequest](), reflect.TypeFor[genai.Embeddings](),
	reflect.TypeFor[genai.ImageRequest](), reflect.TypeFor[genai.Images](),
	reflect.TypeFor[genai.SpeechRequest](), reflect.TypeFor[genai.SpeechChunk](),
	reflect.TypeFor[genai.TranscribeRequest](), reflect.TypeFor[genai.Transcript](),
	reflect.TypeFor[genai.ModerationRequest](), reflect.TypeFor[genai.Verdict](),
	reflect.TypeFor[genai.RerankRequest](), reflect.TypeFor[genai.Ranking](),
	reflect.TypeFor[genai.Attempt](), reflect.TypeFor[everything](),
	reflect.TypeFor[generic[map[string]any]](), reflect.TypeFor[generic[genai.Message]](),
}

// A filler makes values that JSON has a text for.
type filler struct{ *rand.Rand }

func (f filler) fill(v reflect.Value, depth int) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(f.Int64N(1e10), f.Int64N(1e9))
		if f.IntN(2) == 0 {
			*p = p.UTC()
		}
		return
	case *genai.Blob:
		*p = []genai.Blob{{}, genai.NewBlob("a/b", []byte{1}), genai.NewBlob("", []byte{}), genai.BlobURL("c/d", "https://example.com", "ab")}[f.IntN(4)]
		return
	case *json.RawMessage:
		*p = []json.RawMessage{nil, json.RawMessage(`null`), json.RawMessage(`{"a":[1,"b"]}`), json.RawMessage(" [ \"<\" ] ")}[f.IntN(4)]
		return
	case *json.Number:
		*p = []json.Number{"", "0", "-1.5e10"}[f.IntN(3)]
		return
	case *level, *lenient, *option:
		return
	}
	if depth > 6 && v.Kind() != reflect.Struct {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.Uint64()) >> f.IntN(64))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(f.Uint64() >> f.IntN(64))
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, math.Copysign(0, -1), f.NormFloat64(), 1e30, 1e-30}[f.IntN(5)])
	case reflect.String:
		v.SetString([]string{"", "a", "<é\u2028>", "\x00\"\\"}[f.IntN(4)])
	case reflect.Interface:
		var inner any
		switch f.IntN(8) {
		case 0:
			inner = "text"
		case 1:
			inner = f.Int()
		case 2:
			inner = f.Float64()
		case 3:
			x := []any{nil, nil}
			f.fill(reflect.ValueOf(&x[0]).Elem(), depth+2)
			inner = x
		case 4:
			var x any
			f.fill(reflect.ValueOf(&x).Elem(), depth+2)
			inner = map[string]any{"k": x}
		case 5:
			x := genai.Part{}
			f.fill(reflect.ValueOf(&x).Elem(), depth+2)
			inner = x
		case 6:
			inner = []string(nil)
		}
		if inner != nil {
			v.Set(reflect.ValueOf(inner))
		}
	case reflect.Pointer:
		if f.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			if v.Type().Elem().PkgPath() != "math/big" {
				f.fill(v.Elem(), depth+1)
			}
		}
	case reflect.Slice:
		if n := f.IntN(4) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n+f.IntN(2)))
			for i := range n {
				f.fill(v.Index(i), depth+1)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		if n := f.IntN(4) - 1; n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				f.fill(key, depth+1)
				f.fill(value, depth+1)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			sf := v.Type().Field(i)
			if sf.IsExported() || sf.Anonymous && sf.Type.Kind() == reflect.Struct {
				if sf.IsExported() {
					f.fill(v.Field(i), depth+1)
				}
			}
		}
	}
}

// checkSeed copies a value of every type.
func checkSeed(t *testing.T, seed uint64) {
	f := filler{rand.New(rand.NewPCG(seed, 0))}
	for _, typ := range types {
		v := reflect.New(typ)
		f.fill(v.Elem(), 0)
		same(t, v.Interface())
		if t.Failed() {
			t.Fatalf("seed %d, %v", seed, typ)
		}
	}
}

func TestGeneratedValues(t *testing.T) {
	n := uint64(300)
	if testing.Short() {
		n = 30
	}
	for seed := range n {
		checkSeed(t, seed)
	}
}

func FuzzCopyEqualsJSON(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkSeed)
}

// FuzzDecoded copies what came from JSON. It must come out as it was.
func FuzzDecoded(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","parts":[{"text":"x","image":{"media_type":"a/b","data":"AA=="}}]}],"extra":{"a":[1, 2]}}`))
	f.Add([]byte(`{"value":{"a":[1.50,"\ud800",null,{}]},"list":[null,{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, v := range []any{new(genai.ChatRequest), new(generic[any]), new(genai.ChatEvent)} {
			if json.Unmarshal(text, v) != nil {
				continue
			}
			c, err := copier.For(reflect.TypeOf(v))
			if err != nil {
				t.Fatal(err)
			}
			refused := c.Check(v)
			copied, size, err := c.Copy(v)
			if (err == nil) != (refused == nil) {
				t.Fatalf("Copy says %v, Check says %v", err, refused)
			}
			if err != nil {
				continue
			}
			want, err := trip(v)
			if err != nil {
				t.Fatalf("a copy was made of what JSON refuses: %v", err)
			}
			if !reflect.DeepEqual(copied, want) {
				t.Fatalf("%s:\n got %+v\nwant %+v", text, copied, want)
			}
			if travels, _ := json.Marshal(v); size < 0 || size > int64(len(travels)) {
				t.Fatalf("%s is said to have at least %d bytes", travels, size)
			}
		}
	})
}

// FuzzRaw compares what is done with JSON that stands as it is to what encoding/json does.
func FuzzRaw(f *testing.F) {
	for _, s := range []string{`{}`, `[1,-0.5e+10,"\u00e9\n",true,false,null]`, `{"a":{"b":[]}}`, ` 1`, `"<"`, `01`, `"\x"`, `{"a"}`, `-`, `1.`, `[1,]`, "\"\xff\"", `"\u12"`, `nul`} {
		f.Add([]byte(s))
	}
	type holder struct{ Raw json.RawMessage }
	c, err := copier.For(reflect.TypeFor[*holder]())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v := &holder{text}
		copied, _, err := c.Copy(v)
		if checked := c.Check(v); (checked == nil) != (err == nil) {
			t.Fatalf("Copy says %v, Check says %v", err, checked)
		}
		want, refused := trip(v)
		if err == nil && refused != nil {
			t.Fatalf("%q was copied and JSON refuses it: %v", text, refused)
		}
		if err == nil && !reflect.DeepEqual(copied, want) {
			t.Fatalf("%q became %q, want %q", text, copied.(*holder).Raw, want.(*holder).Raw)
		}
		if err != nil && refused == nil && utf8.Valid(text) {
			t.Fatalf("%q was refused: %v", text, err)
		}
	})
}
