package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/dovetail-go/dovetail/genai"
)

// PlacementFlags adds the flags -serve, -listen, -at and -placement to flags. After flags have been parsed, the function
// it returns gives the placement, which comes from, in this order:
//
//   - the flags: "-serve desk,answers -listen 127.0.0.1:8080 -at moderation=http://127.0.0.1:8081", where -serve and -at
//     may be repeated, and a service at several addresses has commas between them: "-at moderation=http://10.0.0.1:80,http://10.0.0.2:80",
//   - the environment variables DOVETAIL_SERVE, DOVETAIL_LISTEN and DOVETAIL_AT, written the same way,
//   - a file of JSON that -placement or DOVETAIL_PLACEMENT names, with the members of [Placement].
//
// Each of the three settings comes from the first place that has it. What is wrong is [genai.InvalidRequest] with a Field
// that names the flag, the variable, or the member of the file; see [Placement.Check] for services.
func PlacementFlags(flags *flag.FlagSet, getenv func(string) string, services ...string) func() (Placement, error) {
	hint := ""
	if len(services) > 0 {
		hint = " (" + strings.Join(services, ", ") + ")"
	}
	given := map[string]*string{}
	add := func(name, usage string, list bool) {
		value := new(string)
		given[name] = value
		flags.Func(name, usage, func(text string) error {
			if list && *value != "" {
				text = *value + "," + text
			}
			*value = text
			return nil
		})
	}
	add("serve", "the `services` that live in this process, separated by commas"+hint+"; none: all that -at does not name", true)
	add("listen", "the `address` where others reach them, such as 127.0.0.1:8080", false)
	add("at", "where other services are, as `service=address`, separated by commas; a service at several addresses has commas between them", true)
	add("placement", "a JSON `file` with serve, listen and at", false)
	return func() (Placement, error) {
		p := placementSources{given: given, getenv: getenv}
		return p.placement(services)
	}
}

type placementSources struct {
	given  map[string]*string
	getenv func(string) string
	from   map[string]string // the source of each setting, for errors
}

func (s *placementSources) placement(services []string) (Placement, error) {
	var p Placement
	s.from = map[string]string{}
	if path, field := s.setting("placement"); path != "" {
		if err := readPlacement(path, field, &p); err != nil {
			return Placement{}, err
		}
		for _, name := range []string{"serve", "listen", "at"} {
			s.from[name] = path + ": " + name
		}
	}
	if text, field := s.setting("serve"); text != "" {
		p.Serve, s.from["serve"] = nil, field
		for name := range strings.SplitSeq(text, ",") {
			p.Serve = append(p.Serve, strings.TrimSpace(name))
		}
	}
	if text, field := s.setting("listen"); text != "" {
		p.Listen, s.from["listen"] = text, field
	}
	if text, field := s.setting("at"); text != "" {
		p.At, s.from["at"] = map[string]string{}, field
		last := ""
		for pair := range strings.SplitSeq(text, ",") {
			name, address, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if last != "" && strings.Contains(name, ":") { // as no service's name does: a further address
				p.At[last] += "," + strings.TrimSpace(pair)
				continue
			}
			if !ok {
				return Placement{}, placementError(field, "%q is not of the form service=address", pair)
			}
			if _, twice := p.At[name]; twice {
				return Placement{}, placementError(field, "%s is named twice", name)
			}
			p.At[name], last = address, name
		}
	}
	if err := p.Check(services...); err != nil {
		e := *genai.AsError(err)
		e.Field = s.from[e.Field]
		return Placement{}, &e
	}
	return p, nil
}

// setting returns a setting and the name of its source.
func (s *placementSources) setting(name string) (value, field string) {
	if v := *s.given[name]; v != "" {
		return v, "-" + name
	}
	variable := "DOVETAIL_" + strings.ToUpper(name)
	return s.getenv(variable), variable
}

func readPlacement(path, field string, into *Placement) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return placementError(field, "the file cannot be read: %v", err)
	}
	if err := parsePlacement(text, into); err != nil {
		e := *genai.AsError(err)
		if e.Field == "" {
			e.Field = path
		} else {
			e.Field = path + ": " + e.Field
		}
		return &e
	}
	return nil
}

// parsePlacement takes a placement from JSON. It is stricter than package json: a setting that is there twice, or that
// nobody knows, is a mistake of whoever wrote it.
func parsePlacement(text []byte, into *Placement) error {
	switch {
	case !utf8.Valid(text):
		return placementError("", "the file is not a placement: it is not UTF-8")
	case !isObject(text):
		return placementError("", "the file is not a placement: it is not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is something after the JSON object")
		}
	}
	if err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return placementError(wrong.Field, "a JSON %s cannot be a %v", wrong.Value, wrong.Type)
		}
		return placementError("", "the file is not a placement: %v", err)
	}
	if setting, name := twice(json.NewDecoder(bytes.NewReader(text))); name != "" {
		return placementError(setting, "%s is named twice", name)
	}
	return nil
}

// twice returns the first name that an object of JSON, or one in it, has more than once, and the member of the outermost
// object that it belongs to.
func twice(d *json.Decoder) (setting, name string) {
	type object struct {
		names map[string]bool // nil for a list
		value bool            // the next token is not a name
	}
	var open []object
	for {
		token, err := d.Token()
		if err != nil {
			return "", ""
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open) - 1; n >= 0 && open[n].names != nil {
			in := &open[n]
			if !in.value {
				name = strings.ToLower(token.(string)) // as package json reads names
				if n == 0 {
					setting = name
				}
				if in.names[name] {
					return setting, name
				}
				in.names[name], in.value = true, true
				continue
			}
			in.value = false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, object{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, object{})
		}
	}
}
