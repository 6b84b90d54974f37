package exchange

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

// lines asks a server for an answer in which every line is a piece of text, and "end" is the end.
func lines(ctx context.Context, url string) (*genai.ChatResponse, error) {
	return Whole(ctx, func(ctx context.Context) (*Reply, error) {
		x, err := Begin("chat", Server{BaseURL: url, Understand: understand, Max: 100})
		if err != nil {
			return nil, err
		}
		if err := x.Get(ctx, "/lines", http.Header{}); err != nil {
			return nil, err
		}
		r := x.Reply(ctx)
		r.Lines(func(line []byte) error {
			if string(line) == "end" {
				return io.EOF
			}
			if line[0] == '{' {
				return x.Problem(line)
			}
			r.Push(genai.ChatEvent{Text: string(line)})
			return nil
		})
		return r, nil
	})
}

func TestLines(t *testing.T) {
	for body, kind := range map[string]genai.Kind{
		"a\nb\nend\nc":                    "",
		"a\nb\n":                          genai.Truncated,
		"":                                genai.Truncated,
		"<html>":                          genai.Malformed,
		"a\n<b\nend":                      "",
		"a\n{\"kind\":\"overloaded\"}\n":  genai.Overloaded,
		"a\n" + string(make([]byte, 101)): genai.TooLarge,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/lines" || r.ContentLength > 0 {
				t.Errorf("asked with %s %s", r.Method, r.URL)
			}
			_, _ = io.WriteString(w, body)
		}))
		got, err := lines(t.Context(), server.URL)
		if genai.KindOf(err) != kind || (got == nil) != (err != nil) {
			t.Errorf("%.40q: %+v, %v", body, got, err)
		}
		server.Close()
	}
	if _, err := lines(t.Context(), "http://127.0.0.1:1"); genai.AsError(err).Started != genai.StartedNo {
		t.Errorf("what was only looked up may be asked again: %v", err)
	}
}

func TestVectors(t *testing.T) {
	x := &Exchange{Op: "embed"}
	two := 2
	for kind, v := range map[genai.Kind][][]float32{
		"": {{1, 2}, {3, 4}}, genai.Empty: {}, genai.Malformed: {{1, 2}, {3}}, genai.Unsupported: {{1}, {2}},
	} {
		if err := x.Vectors(v, 2, &two); genai.KindOf(err) != kind {
			t.Errorf("%v: %v", v, err)
		}
	}
}

func TestTextsOf(t *testing.T) {
	var got []string
	TextsOf(&genai.ChatRequest{Messages: []genai.Message{
		genai.System("s"),
		{Role: genai.RoleAssistant, Parts: []genai.Part{{Reasoning: &genai.Reasoning{Text: "r"}}, {ToolCall: &genai.ToolCall{Arguments: "a"}}}},
		{Role: genai.RoleTool, Parts: []genai.Part{{ToolResult: &genai.ToolResult{Parts: []genai.Part{{Text: "t"}}}}}},
	}})(func(text string) {
		if text != "" {
			got = append(got, text)
		}
	})
	if !slices.Equal(got, []string{"s", "r", "a", "t"}) {
		t.Errorf("%q", got)
	}
}

func TestMerge(t *testing.T) {
	c := &Check{X: &Exchange{}}
	options := map[string]any{"a": 1, "b": 2}
	n := 3
	Set(options, "c", &n)
	Set[int](options, "d", nil)
	extra := map[string]json.RawMessage{"options": json.RawMessage(`{"b":4}`), "other": json.RawMessage("5")}
	rest := c.Merge(options, extra, "options")
	text, err := json.Marshal(options)
	if string(text) != `{"a":1,"b":4,"c":3}` || err != nil || len(rest) != 1 || len(extra) != 2 || c.Err != nil {
		t.Errorf("%s, %v, %v, %v", text, rest, extra, c.Err)
	}
	c.Merge(options, map[string]json.RawMessage{"options": json.RawMessage("[]")}, "options")
	if c.Err == nil || c.Err.Field != "extra.options" {
		t.Error(c.Err)
	}
}
