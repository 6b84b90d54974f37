package chattest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

// requests: what is asked.
func requests() group {
	g := group{name: "requests", why: "what is asked arrives, nothing is added that changes the answer, and the request stays as it was"}
	add := func(name string, change func(r *genai.ChatRequest)) {
		g.checks = append(g.checks, check{name, func(e *env) error {
			req, copied := ask(), ask()
			change(req)
			change(copied)
			c, model := e.client(genaitest.Reply("a").Always())
			for i, w := range c.ways() {
				if _, err := w.complete(e.t.Context(), req); err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				if !reflect.DeepEqual(req, copied) {
					return fmt.Errorf("%s: the request was changed to %s", w.name, show(req))
				}
				if got, want := asked(model.Calls()[i].Request), asked(req); !reflect.DeepEqual(got, want) {
					return fmt.Errorf("%s:\ngot  %s\nwant %s", w.name, show(got), show(want))
				}
			}
			return nil
		}})
	}
	add("text", func(r *genai.ChatRequest) {})
	add("system", func(r *genai.ChatRequest) {
		r.Messages = []genai.Message{genai.System("Be <short> & \"kind\"."), genai.User("a")}
	})
	add("history", func(r *genai.ChatRequest) {
		r.Messages = []genai.Message{genai.User("a"), genai.Assistant("b"), genai.User("c")}
	})
	add("tools", func(r *genai.ChatRequest) {
		r.Tools = []genai.Tool{
			{Name: "look", Description: "Looks.", Parameters: json.RawMessage(`{"type":"object","properties":{"at":{"type":"string","description":"<where>"}},"required":["at"]}`)},
			{Name: "plan", Description: "Plans.", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)},
		}
	})
	for _, mode := range []genai.ToolMode{genai.ToolAuto, genai.ToolNone, genai.ToolRequired} {
		add("tool choice: "+string(mode), func(r *genai.ChatRequest) {
			r.Tools = []genai.Tool{{Name: "look", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)}}
			r.ToolChoice = &genai.ToolChoice{Mode: mode}
		})
	}
	add("tool choice: by name", func(r *genai.ChatRequest) {
		r.Tools = []genai.Tool{{Name: "look", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)}, {Name: "plan", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)}}
		r.ToolChoice = &genai.ToolChoice{Mode: genai.ToolRequired, Name: "plan"}
	})
	add("tool results", func(r *genai.ChatRequest) {
		r.Tools = []genai.Tool{{Name: "look", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)}}
		r.Messages = append(r.Messages,
			genai.Message{Role: genai.RoleAssistant, Parts: []genai.Part{
				{ToolCall: &genai.ToolCall{ID: "c1", Name: "look", Arguments: `{"at":"a"}`}}, {ToolCall: &genai.ToolCall{ID: "c2", Name: "look", Arguments: `{}`}}}},
			genai.Message{Role: genai.RoleTool, Parts: []genai.Part{
				{ToolResult: &genai.ToolResult{CallID: "c1", Name: "look", Parts: []genai.Part{{Text: "a"}}}},
				{ToolResult: &genai.ToolResult{CallID: "c2", Name: "look", Parts: []genai.Part{{Text: "b"}}}}}},
			genai.User("So?"))
	})
	add("format", func(r *genai.ChatRequest) {
		r.Format = &genai.Format{Name: "answer", Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}`)}
	})
	add("image", func(r *genai.ChatRequest) {
		r.Messages = []genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{{Text: "What is this?"}, {Image: new(genai.NewBlob("image/png", []byte("\x89PNG")))}}}}
	})
	add("image by URL", func(r *genai.ChatRequest) {
		r.Messages = []genai.Message{{Role: genai.RoleUser, Parts: []genai.Part{{Text: "What is this?"}, {Image: new(genai.BlobURL("image/png", "https://pictures.test/a.png", ""))}}}}
	})
	add("max tokens", func(r *genai.ChatRequest) { r.MaxTokens = new(7) })
	add("temperature: zero", func(r *genai.ChatRequest) { r.Temperature = new(0.0) })
	add("temperature", func(r *genai.ChatRequest) { r.Temperature = new(0.7) })
	add("top p", func(r *genai.ChatRequest) { r.TopP = new(0.25) })
	add("stop", func(r *genai.ChatRequest) { r.Stop = []string{"END", "\n"} })
	g.checks = append(g.checks, check{"state of its own", ownState}, check{"state of others", stateOfOthers})
	return g
}

// ownState: data that only the provider understands go back to it, if it has such data at all.
func ownState(e *env) error {
	const data = "c3RhdGUtb2YtYS10aG91Z2h0"
	c, model := e.client(genaitest.Events(genai.ChatEvent{Reasoning: "Hm."}, genai.ChatEvent{Opaque: &genai.Opaque{Data: data}}, genai.ChatEvent{Text: "Yes."}).Always())
	for _, w := range c.ways() {
		resp, err := w.complete(e.t.Context(), ask())
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if !holds(resp.Message, data) {
			continue
		}
		req := ask()
		req.Messages = append(req.Messages, resp.Message, genai.User("Why?"))
		if _, err := w.complete(e.t.Context(), req); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		calls := model.Calls()
		if !slices.ContainsFunc(calls[len(calls)-1].Request.Messages, func(m genai.Message) bool { return holds(m, data) }) {
			return fmt.Errorf("%s: what the provider gave to be sent back did not come back", w.name)
		}
	}
	return nil
}

// stateOfOthers: data that another provider made do not go along, and what was said does.
func stateOfOthers(e *env) error {
	const data = "c3RhdGUtb2Ytb3RoZXJz"
	of := func(kind string) *genai.Opaque { return &genai.Opaque{Origin: "another.test", Type: kind, Data: data} }
	c, model := e.client(genaitest.Reply("a").Always())
	for i, w := range c.ways() {
		req := ask()
		req.Messages = append(req.Messages, genai.Message{Role: genai.RoleAssistant, Parts: []genai.Part{
			{Reasoning: &genai.Reasoning{Text: "Hm."}, Opaque: of("signature")}, {Reasoning: &genai.Reasoning{}, Opaque: of("redacted_thinking")},
			{Text: "Yes.", Opaque: of("thought_signature")}}}, genai.User("Why?"))
		if _, err := w.complete(e.t.Context(), req); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		got := model.Calls()[i].Request.Messages
		if slices.ContainsFunc(got, func(m genai.Message) bool { return holds(m, data) }) {
			return fmt.Errorf("%s: data of another provider were sent", w.name)
		}
		if len(got) != 3 || got[1].Text() != "Yes." || got[2].Text() != "Why?" {
			return fmt.Errorf("%s: what was said became %s", w.name, show(got))
		}
	}
	return nil
}

// holds reports whether there are such data in a message.
func holds(m genai.Message, data string) bool {
	return slices.ContainsFunc(m.Parts, func(p genai.Part) bool { return p.Opaque != nil && strings.Contains(p.Opaque.Data, data) })
}

// An askedFor is a request without what providers are free to leave out or to spell in their own way.
type askedFor struct {
	Model       string
	Messages    []askedMessage
	Tools       []askedTool
	Choice      *genai.ToolChoice
	Schema      any
	MaxTokens   *int
	Temperature *float64
	TopP        *float64
	Stop        []string
}

type askedMessage struct {
	Role    genai.Role
	Text    string
	Images  []string
	Calls   []plainCall
	Results []string
}

type askedTool struct {
	Name, Description string
	Parameters        any
}

func asked(r *genai.ChatRequest) askedFor {
	a := askedFor{Model: r.Model, Choice: r.ToolChoice, MaxTokens: r.MaxTokens, Temperature: r.Temperature, TopP: r.TopP, Stop: r.Stop}
	if a.Choice != nil && a.Choice.Mode == genai.ToolAuto {
		a.Choice = nil // which is the same
	}
	if r.Format != nil {
		a.Schema = decoded(r.Format.Schema)
	}
	for _, t := range r.Tools {
		a.Tools = append(a.Tools, askedTool{t.Name, t.Description, decoded(t.Parameters)})
	}
	for _, m := range r.Messages {
		out := askedMessage{Role: m.Role, Text: m.Text()}
		for _, p := range m.Parts {
			switch {
			case p.Image != nil:
				out.Images = append(out.Images, p.Image.URL()+string(p.Image.Bytes()))
			case p.ToolCall != nil:
				out.Calls = append(out.Calls, plainCall{p.ToolCall.Name, decoded(json.RawMessage(p.ToolCall.Arguments))})
			case p.ToolResult != nil:
				out.Results = append(out.Results, genai.Message{Parts: p.ToolResult.Parts}.Text())
			}
		}
		a.Messages = append(a.Messages, out)
	}
	return a
}

func decoded(text json.RawMessage) any {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return string(text)
	}
	return v
}
