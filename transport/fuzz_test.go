package transport_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// FuzzDecodeRequest: whatever a peer sends is a request that can be sent on, or an InvalidRequest that tells nothing of it.
func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"title":"a","cover":{"media_type":"image/png","part":1},"pages":[{"part":2},{"data":"YQ=="}]}`), []byte("one"), []byte("two"))
	f.Add([]byte(`{"messages":[{"role":"user","parts":[{"text":"hi"},{"image":{"part":1}}]}],"extra":{"x":[1]},"temperature":0.5}`), []byte("one"), []byte(nil))
	f.Add([]byte(`{"inner":{"named":{"x":{"part":-1}}}}`), []byte(nil), []byte(nil))
	f.Add([]byte(`{"any":{"deep":[1e999,null,"é"]},"n":9007199254740993}`), []byte(nil), []byte(nil))
	f.Add([]byte("{\"title\":\"\\ud800\xff\"}"), []byte(nil), []byte(nil))
	type free struct {
		Any any            `json:"any"`
		By  map[string]any `json:"by"`
		N   int64          `json:"n"`
	}
	specs := []*transport.Spec{
		specOf(albums), specOf(albumByAny),
		specOf(transport.Op[*genai.ChatRequest, *genai.ChatResponse]{Name: "desk.chat"}),
		specOf(transport.Op[*free, *free]{Name: "desk.free"}),
	}
	f.Fuzz(func(t *testing.T, head, one, two []byte) {
		for _, spec := range specs {
			req, err := spec.DecodeRequest(transport.Message{Head: head, Parts: [][]byte{one, two}})
			if err != nil {
				if own := genai.AsError(err); own.Kind != genai.InvalidRequest || own.Started != genai.StartedNo || req != nil {
					t.Errorf("%s: %+v, %+v", spec.Name, own, req)
				}
				continue
			}
			again, err := spec.EncodeRequest(req)
			if err != nil {
				t.Errorf("%s: %s was read and cannot be written: %v", spec.Name, head, err)
				continue
			}
			second, err := spec.DecodeRequest(again)
			if err != nil {
				t.Errorf("%s: %s was written and cannot be read: %v", spec.Name, again.Head, err)
				continue
			}
			// One trip may drop what no type holds apart, such as an empty omitzero slice; a second one changes nothing,
			// and a copy within the process is what a trip makes.
			third, err := spec.EncodeRequest(second)
			if err != nil || !bytes.Equal(third.Head, again.Head) || !reflect.DeepEqual(third.Parts, again.Parts) {
				t.Errorf("%s: a second trip makes %s, %v of %s", spec.Name, third.Head, err, again.Head)
			}
			copied, err := spec.CopyRequest(req)
			if err != nil || !reflect.DeepEqual(copied, second) {
				t.Errorf("%s: a copy is %+v, %v, and what travelled %+v", spec.Name, copied, err, second)
			}
		}
	})
}

// FuzzProblem: whatever a peer says of its failure is an error that goes on to the next peer unchanged.
func FuzzProblem(f *testing.F) {
	f.Add([]byte(`{"kind":"rate_limited","retry_after_ms":1500,"started":"no","attempts":[{"target":"a","kind":"timeout","elapsed":3}]}`))
	f.Add([]byte(`{"status":503,"detail":"no"}`))
	f.Add([]byte(`{"kind":"next_year","retry_after_ms":9223372036854775807}`))
	f.Add([]byte(`{"retry_after_ms":-9223372036854775808,"provider_status":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := &transport.Problem{}
		if json.Unmarshal(text, p) != nil {
			return
		}
		e := p.Err()
		if !e.Kind.Known() || !e.Remote || e.RetryAfter < 0 || e.Err != nil || e.Error() == "" {
			t.Fatalf("%s is %+v", text, e)
		}
		sent, err := json.Marshal(transport.ProblemOf(e))
		if err != nil {
			t.Fatal(err)
		}
		next := &transport.Problem{}
		if err := json.Unmarshal(sent, next); err != nil {
			t.Fatal(err)
		}
		if got := next.Err(); !reflect.DeepEqual(got, e) {
			t.Errorf("%s went on as\n%+v\nand was\n%+v", sent, got, e)
		}
	})
}

// FuzzMetadata: a pair that is taken can stand in a header of HTTP, and is refused by all or by none.
func FuzzMetadata(f *testing.F) {
	for _, c := range metadataRules {
		f.Add(c.name, c.value)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		refusals := 0
		reply := &transport.Reply{}
		_, open := transport.Envelope{Metadata: map[string]string{name: value}}.Open(t.Context())
		for _, err := range []error{open, reply.Set(name, value), (*transport.Reply)(nil).Set(name, value)} {
			if err == nil {
				continue
			}
			refusals++
			if own := genai.AsError(err); own.Kind != genai.InvalidRequest || own.Field != "metadata."+name {
				t.Errorf("%q=%q: %+v", name, value, own)
			}
		}
		if refusals != 0 && refusals != 3 {
			t.Errorf("%q=%q was refused by %d of 3", name, value, refusals)
		}
		if refusals > 0 {
			return
		}
		if strings.ToLower(name) != name || strings.ContainsAny(name, " :\r\n\t") || name == "" || strings.ContainsAny(value, "\r\n\x00") || strings.TrimSpace(value) != value {
			t.Errorf("%q=%q was taken", name, value)
		}
		if reply.Get(name) != value {
			t.Errorf("the reply has %q, want %q", reply.Get(name), value)
		}
	})
}

// FuzzPlacement: a file, or flags, give a placement that is right, or an error that names a setting; and a placement that was
// written as JSON is read again.
func FuzzPlacement(f *testing.F) {
	f.Add(`{"serve":["desk"],"listen":"127.0.0.1:1","at":{"store":"http://a"}}`, "", "", "")
	f.Add(`{"at":{"store":"a","store":"b"}}`, "desk,store", "unix:/s", "store=http://a,desk=b")
	f.Add(`{"serve":[{"serve":[]}],"x":{}}`, ",", "", "=")
	f.Add(`{"Serve":null,"serve":null} {}`, "", "", "")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, file, serve, listen, at string) {
		if !utf8.ValidString(serve) || !utf8.ValidString(listen) || !utf8.ValidString(at) {
			return // JSON cannot hold it
		}
		path := filepath.Join(dir, "placement.json")
		environment := map[string]string{"DOVETAIL_SERVE": serve, "DOVETAIL_LISTEN": listen, "DOVETAIL_AT": at}
		read := func(text string) (transport.Placement, error) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
			flags.SetOutput(io.Discard)
			placement := transport.PlacementFlags(flags, func(name string) string { return environment[name] })
			if err := flags.Parse([]string{"-placement", path}); err != nil {
				t.Fatal(err)
			}
			return placement()
		}
		p, err := read(file)
		if err != nil {
			if own := genai.AsError(err); own.Kind != genai.InvalidRequest || own.Field == "" || !reflect.DeepEqual(p, transport.Placement{}) {
				t.Errorf("%q: %+v, %+v", file, own, p)
			}
			return
		}
		if err := p.Check(); err != nil {
			t.Errorf("%q gives %+v: %v", file, p, err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		clear(environment)
		again, err := read(string(text))
		if err != nil {
			t.Errorf("%s cannot be read: %v", text, err)
			return
		}
		if got, _ := json.Marshal(again); !bytes.Equal(got, text) {
			t.Errorf("%s was read as %s", text, got)
		}
	})
}
