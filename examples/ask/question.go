package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/dovetail-go/dovetail/genai"
)

// A question is what the command line says.
type question struct {
	model   string
	request *genai.ChatRequest
	schema  *jsonschema.Resolved // of the answer; nil: text
}

// most is how long what comes through a pipe may be: more than any model reads.
const most = 16 << 20

// read understands the command line, and what comes through the pipe.
func (t terminal) read(args []string) (*question, error) {
	flags := flag.NewFlagSet("ask", flag.ContinueOnError)
	flags.SetOutput(t.errs)
	flags.Usage = func() {
		fmt.Fprint(t.errs, "usage: ask [flags] question\n\nWhat comes through a pipe is added to the question.\n\n")
		flags.PrintDefaults()
	}
	q := &question{request: &genai.ChatRequest{}}
	var images []string
	model := flags.String("model", "", "the model, as `provider:name`: openai, anthropic, gemini, ollama, offline; otherwise ASK_MODEL, or offline:")
	system := flags.String("system", "", "what the model is to be, or to heed")
	schema := flags.String("json", "", "a `file` with a JSON Schema: the answer is JSON that fits it")
	flags.Func("image", "a `file` or URL of a picture; may be repeated", func(s string) error { images = append(images, s); return nil })
	flags.Func("max-tokens", "how long the answer may become", number(&q.request.MaxTokens))
	flags.Func("temperature", "how much is left to chance, from 0 on; otherwise as the model has it", number(&q.request.Temperature))
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if q.model = *model; q.model == "" {
		q.model = t.getenv("ASK_MODEL")
	}
	if q.model == "" {
		q.model = "offline:"
	}
	text := strings.Join(flags.Args(), " ")
	if t.piped {
		piped, err := io.ReadAll(io.LimitReader(t.in, most+1))
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading the pipe: %w", err)
		case len(piped) > most:
			return nil, fmt.Errorf("what comes through the pipe has more than %d bytes", most)
		}
		text = strings.TrimSpace(text + "\n\n" + string(piped))
	}
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("there is no question; ask -help shows how")
	}
	message := genai.User(text)
	for _, at := range images {
		blob, err := picture(at)
		if err != nil {
			return nil, err
		}
		message.Parts = append(message.Parts, genai.Part{Image: &blob})
	}
	if *system != "" {
		q.request.Messages = append(q.request.Messages, genai.System(*system))
	}
	q.request.Messages = append(q.request.Messages, message)
	if *schema != "" {
		return q, q.fit(*schema)
	}
	return q, nil
}

// number is a flag that may be absent, which is not zero.
func number[T any](to **T) func(string) error {
	return func(s string) error {
		var n T
		if _, err := fmt.Sscan(s, &n); err != nil {
			return fmt.Errorf("%q is no such number", s)
		}
		*to = &n
		return nil
	}
}

// picture returns what -image names.
func picture(at string) (genai.Blob, error) {
	if strings.HasPrefix(at, "https://") || strings.HasPrefix(at, "http://") {
		return genai.BlobURL("", at, ""), nil
	}
	data, err := os.ReadFile(at)
	if err != nil {
		return genai.Blob{}, fmt.Errorf("-image: %w", err)
	}
	kind := http.DetectContentType(data)
	if !strings.HasPrefix(kind, "image/") {
		return genai.Blob{}, fmt.Errorf("-image: %s is %s, and no picture", at, kind)
	}
	return genai.NewBlob(kind, data), nil
}

// fit makes the answer JSON that fits the schema in a file.
func (q *question) fit(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	schema := &jsonschema.Schema{}
	if err := json.Unmarshal(text, schema); err != nil {
		return fmt.Errorf("-json: %s is no JSON Schema: %w", file, err)
	}
	if q.schema, err = schema.Resolve(nil); err != nil {
		return fmt.Errorf("-json: %s: %w", file, err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	q.request.Format = &genai.Format{Name: "answer", Schema: compact.Bytes()}
	return nil
}

// check reports whether the answer is what -json asked for, whatever the provider promises.
func (q *question) check(answer *genai.ChatResponse) error {
	if q.schema == nil {
		return nil
	}
	var value any
	if err := json.Unmarshal([]byte(answer.Text()), &value); err != nil {
		return &genai.Error{Kind: genai.Malformed, Message: "the answer is no JSON: " + err.Error()}
	}
	if err := q.schema.Validate(value); err != nil {
		return &genai.Error{Kind: genai.Malformed, Message: "the answer does not fit the schema: " + err.Error()}
	}
	return nil
}
