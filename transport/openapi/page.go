package openapi

import (
	"bytes"
	_ "embed"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/internal/shape"
)

//go:embed page.html
var pageText string

// pageOf puts everything where it is shown through html/template, which escapes it.
var pageOf = template.Must(template.New("page").Parse(pageText))

type pageData struct {
	Title, Description string
	Bearer, Many       bool
	Services           []serviceData
}

type serviceData struct {
	Name string
	Ops  []opData
}

type opData struct {
	Name, Path, Curl, Example string
	Streams, Blobs            bool
	Repeat                    string // what repeating does; "" if it may do harm
	Bytes                     int64
	Request, Response         fieldsData
	Types                     []typeData
}

type typeData struct {
	Name   string
	Fields fieldsData
}

// A fieldsData is the fields of a type: those that are shown at once, and those behind a click.
type fieldsData struct{ First, More []fieldData }

type fieldData struct {
	Name, Type string
	Optional   bool
}

// atOnce is how many fields are shown at once.
const atOnce = 8

// page returns the page for somebody who asked for it.
func (d *Document) page(r *http.Request) ([]byte, error) {
	ops := d.all()
	data := pageData{Title: d.title(ops), Description: d.Description, Bearer: d.Bearer, Many: len(ops) > 1}
	for _, op := range ops {
		if n := len(data.Services); n == 0 || data.Services[n-1].Name != op.service {
			data.Services = append(data.Services, serviceData{Name: op.service})
		}
		in := &data.Services[len(data.Services)-1]
		in.Ops = append(in.Ops, d.describe(op, baseOf(r)))
	}
	var text bytes.Buffer
	if err := pageOf.Execute(&text, data); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

func (d *Document) describe(op *operation, base string) opData {
	t := typer{types: op.Types}
	o := opData{
		Name: op.Name, Path: pathOf(op), Example: string(d.example(op)), Streams: op.Streams, Bytes: op.maxBytes, Repeat: op.Idempotency,
		Blobs: t.has("blob", op.Request) || t.has("blob", op.Response), Request: fields(op.Types, op.Request), Response: fields(op.Types, op.Response),
	}
	for _, name := range slices.Sorted(maps.Keys(op.Types)) {
		if "#"+name != op.Request && "#"+name != op.Response {
			o.Types = append(o.Types, typeData{name, fields(op.Types, "#"+name)})
		}
	}
	var curl strings.Builder
	curl.WriteString("curl ")
	if op.Streams {
		curl.WriteString("-N ") // or it holds back what comes
	}
	if d.Bearer {
		curl.WriteString(`-H "authorization: Bearer $TOKEN" `)
	}
	curl.WriteString("-H 'content-type: application/json' -d " + quoted(o.Example) + " " + base + o.Path)
	o.Curl = curl.String()
	return o
}

// quoted returns text as one word for a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// baseOf returns how the server was reached. What is copied into a shell must not be what somebody has put into a header.
func baseOf(r *http.Request) string {
	scheme, host := "http://", r.Host
	if r.TLS != nil {
		scheme = "https://"
	}
	ordinary := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-:", c)
	}
	if host == "" || host[0] == '-' || strings.ContainsFunc(host, func(c rune) bool { return !ordinary(c) && c != '[' && c != ']' }) {
		host = "localhost"
	}
	if strings.HasPrefix(host, "[") { // brackets mean something to a shell
		return quoted(scheme + host)
	}
	return scheme + host
}

// fields returns the fields of a type, those first that have to be there.
func fields(types map[string]shape.Struct, text string) fieldsData {
	of := types[strings.TrimPrefix(text, "#")]
	var required, optional []fieldData
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if kind, may := strings.CutSuffix(of[name], "?"); may {
			optional = append(optional, fieldData{name, inWords(kind), true})
		} else {
			required = append(required, fieldData{name, inWords(kind), false})
		}
	}
	if len(required)+len(optional) <= atOnce {
		return fieldsData{First: append(required, optional...)}
	}
	return fieldsData{required, optional}
}

// words are the types of contracts for people who do not write Go.
var words = map[string]string{
	"bool": "boolean", "string": "text", "json": "anything", "bytes": "base64", "blob": "media", "time": "time (RFC 3339)",
	"float32": "number", "float64": "number", "int8": "integer", "int16": "integer", "int32": "integer", "int64": "integer",
	"uint8": "integer ≥ 0", "uint16": "integer ≥ 0", "uint32": "integer ≥ 0", "uint64": "integer ≥ 0",
}

func inWords(kind string) string {
	switch {
	case strings.HasPrefix(kind, "[]"):
		return "list of " + inWords(kind[2:])
	case strings.HasPrefix(kind, "map[string]"):
		return "map of " + inWords(kind[len("map[string]"):])
	case strings.HasPrefix(kind, "["):
		length, of, _ := strings.Cut(kind[1:], "]")
		return length + " of " + inWords(of)
	}
	if word, ok := words[kind]; ok {
		return word
	}
	return strings.TrimPrefix(kind, "#")
}
