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

var services = []string{"desk", "moderation", "answers"}

// place reads a placement as a program does. file is written to "FILE", which stands for its path.
func place(t *testing.T, file string, env map[string]string, args ...string) (transport.Placement, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "placement.json")
	if file != "" {
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	there := func(text string) string { return strings.ReplaceAll(text, "FILE", path) }
	for i := range args {
		args[i] = there(args[i])
	}
	flags := flag.NewFlagSet("program", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	placed := transport.PlacementFlags(flags, func(name string) string { return there(env[name]) }, services...)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	p, err := placed()
	return p, path, err
}

func TestPlacementFlags(t *testing.T) {
	const file = `{"serve":["desk"],"listen":"127.0.0.1:1","at":{"answers":"http://file"}}`
	for name, c := range map[string]struct {
		file string
		env  map[string]string
		args []string
		want transport.Placement
	}{
		"nothing": {},
		"flags": {
			args: []string{"-serve", "desk, answers", "-listen", "127.0.0.1:2", "-at", "moderation=http://flag"},
			want: transport.Placement{Serve: []string{"desk", "answers"}, Listen: "127.0.0.1:2", At: map[string]string{"moderation": "http://flag"}},
		},
		"flags that are repeated": {
			args: []string{"-serve", "desk", "-serve", "answers", "-at", "moderation=http://a?x=1"},
			want: transport.Placement{Serve: []string{"desk", "answers"}, At: map[string]string{"moderation": "http://a?x=1"}},
		},
		"environment": {
			env:  map[string]string{"DOVETAIL_SERVE": "desk", "DOVETAIL_LISTEN": "127.0.0.1:3", "DOVETAIL_AT": "answers=http://env"},
			want: transport.Placement{Serve: []string{"desk"}, Listen: "127.0.0.1:3", At: map[string]string{"answers": "http://env"}},
		},
		"file": {
			file: file, args: []string{"-placement", "FILE"},
			want: transport.Placement{Serve: []string{"desk"}, Listen: "127.0.0.1:1", At: map[string]string{"answers": "http://file"}},
		},
		"file by the environment": {
			file: file, env: map[string]string{"DOVETAIL_PLACEMENT": "FILE"},
			want: transport.Placement{Serve: []string{"desk"}, Listen: "127.0.0.1:1", At: map[string]string{"answers": "http://file"}},
		},
		"each from the first that has it": {
			file: file, env: map[string]string{"DOVETAIL_LISTEN": "127.0.0.1:3", "DOVETAIL_AT": "answers=http://env"},
			args: []string{"-placement", "FILE", "-at", "answers=http://flag"},
			want: transport.Placement{Serve: []string{"desk"}, Listen: "127.0.0.1:3", At: map[string]string{"answers": "http://flag"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := place(t, c.file, c.env, c.args...)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// What is wrong is said with the name of the place where it was written.
func TestPlacementErrors(t *testing.T) {
	for name, c := range map[string]struct {
		file        string
		env         map[string]string
		args        []string
		field, says string
	}{
		"an unknown service":         {args: []string{"-serve", "desk,moderator"}, field: "-serve", says: `"moderator"`},
		"an unknown place":           {env: map[string]string{"DOVETAIL_AT": "moderator=http://a"}, field: "DOVETAIL_AT", says: "desk, moderation, answers"},
		"no address":                 {args: []string{"-at", "desk="}, field: "-at", says: "address of desk"},
		"no equals sign":             {args: []string{"-at", "http://a"}, field: "-at", says: "service=address"},
		"two addresses":              {args: []string{"-at", "desk=http://a,desk=http://b"}, field: "-at", says: "twice"},
		"two places":                 {args: []string{"-serve", "desk", "-at", "desk=http://a"}, field: "-at", says: "one place"},
		"two places by two sources":  {env: map[string]string{"DOVETAIL_AT": "desk=http://a"}, args: []string{"-serve", "desk"}, field: "DOVETAIL_AT", says: "one place"},
		"an empty name":              {args: []string{"-serve", "desk,"}, field: "-serve", says: "missing"},
		"a file that is not there":   {args: []string{"-placement", "FILE"}, field: "-placement", says: "cannot be read"},
		"a file that is not JSON":    {file: "serve: desk", args: []string{"-placement", "FILE"}, field: "FILE", says: "not a placement"},
		"a file with another member": {file: `{"server":["desk"]}`, args: []string{"-placement", "FILE"}, field: "FILE", says: `"server"`},
		"a file of another shape":    {file: `{"serve":"desk"}`, args: []string{"-placement", "FILE"}, field: "FILE: serve", says: "string"},
		"a service in a file":        {file: `{"at":{"moderator":"http://a"}}`, args: []string{"-placement", "FILE"}, field: "FILE: at", says: `"moderator"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, path, err := place(t, c.file, c.env, c.args...)
			e := genai.AsError(err)
			if e == nil || e.Kind != genai.InvalidRequest || e.Field != strings.ReplaceAll(c.field, "FILE", path) || !strings.Contains(e.Message, c.says) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestPlacementHosts(t *testing.T) {
	all := transport.Placement{}
	some := transport.Placement{Serve: []string{"desk"}}
	rest := transport.Placement{At: map[string]string{"answers": "http://a"}}
	for name, got := range map[string]bool{
		"the monolith hosts all":      all.Hosts("desk") && all.Hosts("answers"),
		"what is named and no other":  some.Hosts("desk") && !some.Hosts("answers"),
		"all that is not elsewhere":   rest.Hosts("desk") && !rest.Hosts("answers"),
		"any name is good if no list": all.Check() == nil && some.Check() == nil && rest.Check() == nil,
	} {
		if !got {
			t.Errorf("%s: no", name)
		}
	}
}

func FuzzPlacementFile(f *testing.F) {
	f.Add([]byte(`{"serve":["desk"],"listen":":1","at":{"answers":"http://a"}}`))
	f.Add([]byte(`{"at":{"desk":""}}`))
	f.Add([]byte(`[1`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, _, err := place(t, string(text)+" ", nil, "-placement", "FILE")
		if err != nil {
			if e := genai.AsError(err); e.Kind != genai.InvalidRequest || e.Field == "" || e.Message == "" {
				t.Errorf("%q: %+v", text, e)
			}
			return
		}
		if err := p.Check(services...); err != nil {
			t.Errorf("%q was taken, and is wrong: %v", text, err)
		}
	})
}
