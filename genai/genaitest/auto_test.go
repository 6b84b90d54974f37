package genaitest_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

func TestWhen(t *testing.T) {
	withTools := func(r *genai.ChatRequest) bool { return len(r.Tools) > 0 }
	m := genaitest.Script(
		genaitest.Reply("weather").Asked("weather").Always(),
		genaitest.Reply("tools").When(withTools),
		genaitest.Reply("first"),
		genaitest.Reply("twice").Asked("twice").Times(2),
	)
	for i, c := range []struct {
		ask   string
		tools bool
		want  string
	}{
		{"hi", false, "first"}, {"weather?", true, "weather"}, {"twice", false, "twice"}, {"hi", false, ""},
		{"hi", true, "tools"}, {"the weather", false, "weather"}, {"twice", false, "twice"}, {"twice", false, ""},
	} {
		req := ask(c.ask)
		if c.tools {
			req.Tools = []genai.Tool{{Name: "a"}}
		}
		resp, err := m.Complete(t.Context(), req)
		switch {
		case c.want == "" && genai.KindOf(err) != genai.Internal:
			t.Errorf("call %d: %v, %v", i+1, resp, err)
		case c.want != "" && (err != nil || resp.Text() != c.want):
			t.Errorf("call %d: %v, %v, want %s", i+1, resp, err, c.want)
		}
	}
	r := &recorder{TB: t}
	m.Verify(r)
	got := strings.Join(r.failures, "\n")
	if len(r.failures) != 2 || !strings.Contains(got, "call 4 fits none of the 3 steps") || !strings.Contains(got, "call 8 fits none of the 1 steps") {
		t.Error(got)
	}
}

const clockSchema = `{"type":"object","properties":{"zone":{"type":"string"},"hours":{"type":"integer","minimum":12}},"required":["zone"]}`

// TestAuto: a model without a script goes through a whole conversation with tools.
func TestAuto(t *testing.T) {
	m := &genaitest.Model{Auto: true}
	req := ask("What time is it?")
	req.Tools = []genai.Tool{{Name: "clock", Parameters: json.RawMessage(clockSchema)}, {Name: "stop"}}
	resp, err := m.Complete(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	calls := resp.Message.ToolCalls()
	if len(calls) != 2 || calls[0].Name != "clock" || calls[0].Arguments != `{"hours":12,"zone":"zone"}` || calls[1].Arguments != "{}" ||
		resp.Finish.Reason != genai.FinishToolCalls || resp.Usage == nil {
		t.Fatalf("%+v", resp)
	}
	req.Messages = append(req.Messages, resp.Message, genai.Message{Role: genai.RoleTool, Parts: []genai.Part{
		{ToolResult: &genai.ToolResult{CallID: calls[0].ID, Parts: []genai.Part{{Text: "noon"}}}},
		{ToolResult: &genai.ToolResult{CallID: calls[1].ID, Name: "stop", Parts: []genai.Part{{Text: "ok"}}}},
	}})
	if resp, err = m.Complete(t.Context(), req); err != nil || resp.Text() != "clock: noon\nstop: ok" {
		t.Errorf("%+v, %v", resp, err)
	}
	req.Messages = append(req.Messages, resp.Message, genai.User("And now?"))
	if resp, err = m.Complete(t.Context(), req); err != nil || len(resp.Message.ToolCalls()) != 2 {
		t.Errorf("the next question: %+v, %v", resp, err)
	}

	for name, c := range map[string]struct {
		change func(*genai.ChatRequest)
		want   string // the names of the tools it calls, or the text
	}{
		"no tools":      {func(r *genai.ChatRequest) { r.Tools = nil }, "And now?"},
		"none allowed":  {func(r *genai.ChatRequest) { r.ToolChoice = &genai.ToolChoice{Mode: genai.ToolNone} }, "And now?"},
		"one named":     {func(r *genai.ChatRequest) { r.ToolChoice = &genai.ToolChoice{Mode: genai.ToolRequired, Name: "stop"} }, "stop"},
		"one at a time": {func(r *genai.ChatRequest) { r.ParallelToolCalls = new(false) }, "clock"},
		"a format": {func(r *genai.ChatRequest) {
			r.Tools, r.Format = nil, &genai.Format{Schema: json.RawMessage(clockSchema)}
		}, `{"hours":12,"zone":"zone"}`},
		"any format":     {func(r *genai.ChatRequest) { r.Tools, r.Format = nil, &genai.Format{} }, `{"answer":"And now?"}`},
		"nothing to say": {func(r *genai.ChatRequest) { r.Tools, r.Messages = nil, []genai.Message{genai.System("Be short.")} }, "Well."},
	} {
		t.Run(name, func(t *testing.T) {
			req := *req
			c.change(&req)
			s, err := m.Chat(t.Context(), &req)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := genai.FoldChat(s.All())
			if err != nil {
				t.Fatal(err)
			}
			got := resp.Text()
			for _, call := range resp.Message.ToolCalls() {
				got += call.Name
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	m.Verify(t)
}

// A script may lead, and the model go on by itself.
func TestAutoAfterScript(t *testing.T) {
	m := genaitest.Script(genaitest.Fail(genai.Overloaded))
	m.Auto = true
	if _, err := m.Complete(t.Context(), ask("hi")); genai.KindOf(err) != genai.Overloaded {
		t.Error(err)
	}
	if resp, err := m.Complete(t.Context(), ask("hi there")); err != nil || resp.Text() != "hi there" {
		t.Error(resp, err)
	}
	m.Verify(t)
}

// TestSchemas: what the automatic model makes of schemas. That it is what they allow is tested in package tool, which
// has a validator.
func TestSchemas(t *testing.T) {
	for schema, want := range map[string]string{
		`true`:                        `null`,
		`{}`:                          `"answer"`,
		`{"type":"object"}`:           `{}`,
		`not json`:                    `{}`,
		`{"enum":["b","a"]}`:          `"b"`,
		`{"const":3}`:                 `3`,
		`{"type":["null","integer"]}`: `1`,
		`{"type":"null"}`:             `null`,
		`{"type":"boolean"}`:          `true`,
		`{"type":"number"}`:           `0.5`,
		`{"type":"number","minimum":1.2,"maximum":1.3}`:                                                                `1.25`,
		`{"type":"integer","exclusiveMinimum":3}`:                                                                      `4`,
		`{"type":"integer","maximum":-5}`:                                                                              `-5`,
		`{"type":"integer","exclusiveMaximum":0}`:                                                                      `-1`,
		`{"type":"integer","minimum":10,"multipleOf":7}`:                                                               `14`,
		`{"type":"string","minLength":8}`:                                                                              `"answerxx"`,
		`{"type":"string","maxLength":3}`:                                                                              `"ans"`,
		`{"type":"string","format":"date"}`:                                                                            `"2000-01-01"`,
		`{"type":"string","default":"d"}`:                                                                              `"d"`,
		`{"type":"string","examples":["e"]}`:                                                                           `"e"`,
		`{"type":"array","items":{"type":"integer"}}`:                                                                  `[1]`,
		`{"type":"array","maxItems":0,"items":{}}`:                                                                     `[]`,
		`{"type":"array","minItems":2,"items":{"type":"string"}}`:                                                      `["answer","answer"]`,
		`{"type":"array","minItems":3,"uniqueItems":true,"items":{"type":"string"}}`:                                   `["answer","answer2","answer3"]`,
		`{"type":"array","minItems":2,"uniqueItems":true,"items":{"enum":["a","b"]}}`:                                  `["a","b"]`,
		`{"prefixItems":[{"type":"integer"},{"type":"string"}],"items":false}`:                                         `[1,"answer"]`,
		`{"anyOf":[{"type":"null"},{"type":"string","maxLength":2}]}`:                                                  `"an"`,
		`{"allOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"b":{"type":"boolean"}},"required":["b"]}]}`: `{"a":1,"b":true}`,
		`{"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/n"}},"required":["v"]}},"$ref":"#/$defs/n"}`: `{"next":{"next":{"next":{"next":{"v":1},"v":1},"v":1},"v":1},"v":1}`,
		`{"type":"object","additionalProperties":{"type":"integer"},"minProperties":2}`:                                                           `{"key1":1,"key2":1}`,
		`{"type":"object","required":["x"],"additionalProperties":{"type":"string"}}`:                                                             `{"x":"x"}`,
	} {
		resp, err := (&genaitest.Model{Auto: true}).Complete(t.Context(), &genai.ChatRequest{Format: &genai.Format{Schema: json.RawMessage(schema)}})
		if err != nil || resp.Text() != want {
			t.Errorf("%s\ngot  %v %v\nwant %s", schema, resp.Text(), err, want)
		}
	}
	// A schema that requires itself for ever is given up, not followed.
	req := &genai.ChatRequest{Format: &genai.Format{Schema: json.RawMessage(`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`)}}
	if _, err := (&genaitest.Model{Auto: true}).Complete(t.Context(), req); err != nil {
		t.Error(err)
	}
	req.Format.Schema = json.RawMessage(`{"allOf":[{"$ref":"#"},{"$ref":"#"}]}`)
	if _, err := (&genaitest.Model{Auto: true}).Complete(t.Context(), req); err != nil {
		t.Error(err)
	}
}

func TestPatterns(t *testing.T) {
	for _, pattern := range []string{`^[a-z]{3}-\d+$`, `^(red|green)$`, `^\+?[1-9]\d{6,14}$`, `^.*$`, `x`, `^[A-Z][a-z]*( [A-Z][a-z]*)*$`, `^[^a]$`} {
		schema, err := json.Marshal(map[string]any{"type": "string", "pattern": pattern})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&genaitest.Model{Auto: true}).Complete(t.Context(), &genai.ChatRequest{Format: &genai.Format{Schema: schema}})
		if err != nil {
			t.Fatal(err)
		}
		var v string
		if err := json.Unmarshal([]byte(resp.Text()), &v); err != nil || !regexp.MustCompile(pattern).MatchString(v) {
			t.Errorf("%s: %q", pattern, v)
		}
	}
}

func FuzzSchemas(f *testing.F) {
	for _, seed := range []string{clockSchema, `{"type":"array","minItems":3,"uniqueItems":true,"items":{"type":"string"}}`, `{"$ref":"#"}`,
		`{"type":"string","pattern":"a{1,5}","minLength":3}`, `{"type":"integer","minimum":1e300,"multipleOf":1e-300}`, `{"type":"array","minItems":1e9}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		resp, err := (&genaitest.Model{Auto: true}).Complete(t.Context(), &genai.ChatRequest{Format: &genai.Format{Schema: json.RawMessage(schema)}})
		if err != nil || !json.Valid([]byte(resp.Text())) {
			t.Errorf("%v, %v", resp, err)
		}
	})
}
