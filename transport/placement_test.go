package transport_test

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		name string
		p    transport.Placement
		want map[string]bool
	}{
		{"monolith", transport.Placement{}, map[string]bool{"desk": true, "store": true, "": true}},
		{"some are elsewhere", transport.Placement{At: map[string]string{"store": "http://a"}}, map[string]bool{"desk": true, "store": false}},
		{"some are here", transport.Placement{Serve: []string{"desk"}}, map[string]bool{"desk": true, "store": false}},
		{"both", transport.Placement{Serve: []string{"desk"}, At: map[string]string{"store": "http://a"}}, map[string]bool{"desk": true, "store": false, "other": false}},
		{"an address that is missing", transport.Placement{At: map[string]string{"store": ""}}, map[string]bool{"store": false}},
	} {
		for service, want := range c.want {
			if got := c.p.Hosts(service); got != want {
				t.Errorf("%s: %q is here: %v, want %v", c.name, service, got, want)
			}
		}
	}
}

// wants checks that err is about a setting.
func wants(t *testing.T, err error, field string, words ...string) {
	t.Helper()
	own := genai.AsError(err)
	if own == nil || own.Kind != genai.InvalidRequest || own.Field != field {
		t.Errorf("the error is %+v, want one about %q", own, field)
		return
	}
	for _, word := range words {
		if !strings.Contains(own.Message, word) {
			t.Errorf("the error is %q and does not say %q", own.Message, word)
		}
	}
}

func TestPlacementCheck(t *testing.T) {
	services := []string{"desk", "store"}
	for _, p := range []transport.Placement{
		{},
		{Serve: services},
		{Serve: []string{"desk"}, At: map[string]string{"store": "http://a"}, Listen: "127.0.0.1:0"},
		{At: map[string]string{"desk": "http://a", "store": "http://a"}},
	} {
		if err := p.Check(services...); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
		if err := p.Check(); err != nil {
			t.Errorf("%+v with any services: %v", p, err)
		}
	}
	unknown := transport.Placement{Serve: []string{"dsek"}}
	wants(t, unknown.Check(services...), "serve", `"dsek"`, "desk, store")
	if err := unknown.Check(); err != nil {
		t.Errorf("any service is known: %v", err)
	}
	wants(t, transport.Placement{At: map[string]string{"dsek": "http://a"}}.Check(services...), "at", `"dsek"`, "desk, store")
	wants(t, transport.Placement{Serve: []string{""}}.Check(), "serve", "missing")
	wants(t, transport.Placement{At: map[string]string{"": "http://a"}}.Check(), "at", "missing")
	wants(t, transport.Placement{At: map[string]string{"desk": ""}}.Check(), "at", "desk", "missing")
	wants(t, transport.Placement{Serve: []string{"desk"}, At: map[string]string{"desk": "http://a"}}.Check(), "at", "desk", "one place")
	// What is told first does not depend on the order of a map.
	many := transport.Placement{At: map[string]string{"b": "", "a": "", "c": ""}}
	for range 20 {
		wants(t, many.Check(), "at", "of a ")
	}
}

// placed returns the placement of a program that was started with arguments, environment, and a file.
func placed(t *testing.T, args string, environment map[string]string, file string) (transport.Placement, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "placement.json")
	if file != "" {
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	getenv := func(name string) string { return strings.ReplaceAll(environment[name], "FILE", path) }
	flags := flag.NewFlagSet("desk", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	placement := transport.PlacementFlags(flags, getenv, "desk", "store", "search")
	var words []string
	for word := range strings.FieldsSeq(args) {
		words = append(words, strings.ReplaceAll(word, "FILE", path))
	}
	if err := flags.Parse(words); err != nil {
		t.Fatal(err)
	}
	p, err := placement()
	if err != nil {
		e := *genai.AsError(err) // tables cannot know where the file is
		e.Field, e.Message = strings.ReplaceAll(e.Field, path, "FILE"), strings.ReplaceAll(e.Message, path, "FILE")
		return p, &e
	}
	return p, nil
}

func TestPlacementFlags(t *testing.T) {
	file := `{"serve":["desk"],"listen":"127.0.0.1:1","at":{"store":"http://file"}}`
	named := map[string]string{"DOVETAIL_PLACEMENT": "FILE"}
	environment := map[string]string{"DOVETAIL_SERVE": "store", "DOVETAIL_LISTEN": "127.0.0.1:2", "DOVETAIL_AT": "desk=http://env"}
	both := map[string]string{"DOVETAIL_PLACEMENT": "FILE", "DOVETAIL_SERVE": "store", "DOVETAIL_LISTEN": "127.0.0.1:2", "DOVETAIL_AT": "desk=http://env"}
	fromFile := transport.Placement{Serve: []string{"desk"}, Listen: "127.0.0.1:1", At: map[string]string{"store": "http://file"}}
	fromEnvironment := transport.Placement{Serve: []string{"store"}, Listen: "127.0.0.1:2", At: map[string]string{"desk": "http://env"}}
	for _, c := range []struct {
		name, args  string
		environment map[string]string
		file        string
		want        transport.Placement
	}{
		{"nothing", "", nil, "", transport.Placement{}},
		{"flags", "-serve desk,store -listen 127.0.0.1:3 -at search=http://flag", nil, "", transport.Placement{Serve: []string{"desk", "store"}, Listen: "127.0.0.1:3", At: map[string]string{"search": "http://flag"}}},
		{"two dashes", "--serve=desk", nil, "", transport.Placement{Serve: []string{"desk"}}},
		{"repeated", "-serve desk -at store=http://a -serve search", nil, "", transport.Placement{Serve: []string{"desk", "search"}, At: map[string]string{"store": "http://a"}}},
		{"repeated at", "-at store=http://a -at search=unix:/s", nil, "", transport.Placement{At: map[string]string{"store": "http://a", "search": "unix:/s"}}},
		{"the last address counts", "-listen a -listen b", nil, "", transport.Placement{Listen: "b"}},
		{"several addresses", "-at store=http://a:1,unix:/s=x,search=http://b,http://c", nil, "", transport.Placement{At: map[string]string{"store": "http://a:1,unix:/s=x", "search": "http://b,http://c"}}},
		{"an address with =", "-at store=http://a/?x=1", nil, "", transport.Placement{At: map[string]string{"store": "http://a/?x=1"}}},
		{"spaces", "", map[string]string{"DOVETAIL_SERVE": " desk , store ", "DOVETAIL_AT": " search=http://a "}, "", transport.Placement{Serve: []string{"desk", "store"}, At: map[string]string{"search": "http://a"}}},
		{"environment", "", environment, "", fromEnvironment},
		{"file by environment", "", named, file, fromFile},
		{"file by flag", "-placement FILE", nil, file, fromFile},
		{"empty file", "-placement FILE", nil, "{}", transport.Placement{}},
		{"environment before file", "", both, file, fromEnvironment},
		{"flags before environment and file", "-serve search -listen 127.0.0.1:3 -at desk=http://flag", both, file, transport.Placement{Serve: []string{"search"}, Listen: "127.0.0.1:3", At: map[string]string{"desk": "http://flag"}}},
		{"each from its own place", "-at store=http://flag", map[string]string{"DOVETAIL_PLACEMENT": "FILE", "DOVETAIL_LISTEN": "127.0.0.1:2"}, file, transport.Placement{Serve: []string{"desk"}, Listen: "127.0.0.1:2", At: map[string]string{"store": "http://flag"}}},
		{"the file of the flag before that of the environment", "-placement FILE", map[string]string{"DOVETAIL_PLACEMENT": "/no/such/file"}, file, fromFile},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := placed(t, c.args, c.environment, c.file)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestWrongPlacementFlags(t *testing.T) {
	file := map[string]string{"DOVETAIL_PLACEMENT": "FILE"}
	for _, c := range []struct {
		name, args  string
		environment map[string]string
		file        string
		field, says string
	}{
		{"unknown service in -serve", "-serve dsek", nil, "", "-serve", `"dsek"`},
		{"unknown service in -at", "-at dsek=http://a", nil, "", "-at", `"dsek"`},
		{"no name in -serve", "-serve desk,,store", nil, "", "-serve", "missing"},
		{"no address in -at", "-at store=", nil, "", "-at", "store"},
		{"no name in -at", "-at =http://a", nil, "", "-at", "missing"},
		{"no = in -at", "-at store", nil, "", "-at", `"store"`},
		{"a pair that is missing", "-at store=http://a,", nil, "", "-at", `""`},
		{"twice in -at", "-at store=http://a -at store=http://b", nil, "", "-at", "twice"},
		{"here and there", "-serve store -at store=http://a", nil, "", "-at", "one place"},
		{"here by file and there by flag", "-at desk=http://a", file, `{"serve":["desk"]}`, "-at", "one place"},
		{"unknown service in the environment", "", map[string]string{"DOVETAIL_SERVE": "dsek"}, "", "DOVETAIL_SERVE", `"dsek"`},
		{"unknown address in the environment", "", map[string]string{"DOVETAIL_AT": "dsek=http://a"}, "", "DOVETAIL_AT", `"dsek"`},
		{"no = in the environment", "", map[string]string{"DOVETAIL_AT": "store"}, "", "DOVETAIL_AT", `"store"`},
		{"no file", "-placement FILE", nil, "", "-placement", "cannot be read"},
		{"no file by environment", "", file, "", "DOVETAIL_PLACEMENT", "cannot be read"},
		{"unknown service in the file", "", file, `{"serve":["dsek"]}`, "FILE: serve", `"dsek"`},
		{"unknown address in the file", "", file, `{"at":{"dsek":"http://a"}}`, "FILE: at", `"dsek"`},
		{"no address in the file", "", file, `{"at":{"store":""}}`, "FILE: at", "store"},
		{"wrong type in the file", "", file, `{"listen":8080}`, "FILE: listen", "number"},
		{"wrong type in a list", "", file, `{"serve":[1]}`, "FILE: serve", "number"},
		{"wrong type in a map", "", file, `{"at":{"store":1}}`, "FILE: at", "number"},
		{"unknown member in the file", "", file, `{"serves":["desk"]}`, "FILE", "serves"},
		{"no JSON in the file", "", file, `serve: desk`, "FILE", "not a placement"},
		{"nothing in the file", "", file, " ", "FILE", "not a placement"},
		{"a list in the file", "", file, `["desk"]`, "FILE", "not a placement"},
		{"more than one in the file", "", file, `{"serve":["desk"]} {"serve":["store"]}`, "FILE", "not a placement"},
		{"no UTF-8 in the file", "", file, "{\"listen\":\"\xff\"}", "FILE", "UTF-8"},
		{"null in the file", "", file, `null`, "FILE", "not a placement"},
		{"a service twice in the file", "", file, `{"at":{"store":"http://a","store":"http://b"}}`, "FILE: at", "twice"},
		{"a member twice, in other letters", "", file, `{"at":{"store":"http://a"},"Listen":"a","listen":"b"}`, "FILE: listen", "twice"},
		{"a member twice in the file", "", file, `{"listen":"a","listen":"b"}`, "FILE: listen", "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := placed(t, c.args, c.environment, c.file)
			wants(t, err, c.field, c.says)
			if !reflect.DeepEqual(p, transport.Placement{}) {
				t.Errorf("beside the error there is %+v", p)
			}
		})
	}
}

// TestUsage: a program tells its services.
func TestUsage(t *testing.T) {
	flags := flag.NewFlagSet("desk", flag.ContinueOnError)
	var text strings.Builder
	flags.SetOutput(&text)
	transport.PlacementFlags(flags, func(string) string { return "" }, "desk", "store")
	flags.PrintDefaults()
	for _, word := range []string{"-serve services", "(desk, store)", "-listen address", "-at service=address", "-placement file"} {
		if !strings.Contains(text.String(), word) {
			t.Errorf("the usage does not say %q:\n%s", word, text.String())
		}
	}
}
