package wiretest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/gemini"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/ollama"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// unclaimed are values in recorded requests for which a genai.ChatRequest has no place, by interface. One that is met no longer must go.
var unclaimed = map[string]map[string]string{
	"chat.completions": {
		"auto": "the detail of a picture",
	},
	"responses": {
		"completed": "the state of an item that comes back", "fc_": "the id of such an item, beside that of its call", "msg_": "", "id_": "", "rs_": "",
		"all_turns": "what of its earlier reasoning a model is shown", "current_turn": "", "pro": "the mode of reasoning",
		"detailed": "how reasoning is summed up", "auto": "",
		"store=true": "nothing is stored, whatever is asked",
	},
	"messages": {
		"ephemeral": "where a prompt may be cached", "1h": "", "enabled=true": "whether a document is cited",
		"adaptive": "the model decides, as it does when it is told nothing", "web_search_2": "a tool that runs at the provider",
	},
	"ollama.chat": {
		"think=true": "as a model that can think does anyway",
	},
	"generateContent": {
		"iVBORw0KGgo": "a picture in the result of a tool", "image/png": "",
	},
}

// implied are words of an interface that a genai.ChatRequest says by where something stands.
var implied = map[string]string{
	"chat.completions": "stream=true include_usage=true logprobs=true function text image_url input_audio file json_object json_schema any",
	"responses": "stream=true function function_call function_call_output message input_text output_text input_image input_file json_schema " +
		"summary_text reasoning_text reasoning.encrypted_content",
	"messages":        "stream=true text thinking tool_use tool_result document any enabled json_schema base64 url",
	"ollama.chat":     "stream=true function",
	"generateContent": "ANY NONE model thought=true includeThoughts=true application/json",
}

// TestRecordedRoundTrip: the server side loses nothing of what clients of others really asked, and our client of the same interface says it
// again so that the server side hears the same. What only the maker of an answer understands is left out there: it goes back to its maker.
func TestRecordedRoundTrip(t *testing.T) {
	n, met := 0, map[string]bool{}
	for _, file := range recordedtest.Files {
		for _, r := range recordedtest.Load(t, file, "chat.completions", "responses", "messages", "generateContent", "streamGenerateContent", "ollama.chat") {
			if r.Status >= 300 || string(r.Request) == "null" || strings.Contains(string(r.Request), `"allowed_tools"`) {
				continue // a choice among some tools is none of ours
			}
			n++
			api := strings.Replace(r.API, "streamG", "g", 1)
			req, err := heard(r)
			if err != nil {
				t.Errorf("%s: %v", r.ID, err)
				continue
			}
			for _, value := range lost(t, r.Request, req) {
				if slices.Contains(strings.Fields(implied[api]), value) {
					continue
				}
				known := false
				for name := range unclaimed[api] {
					if strings.HasPrefix(value, name) {
						met[api+" "+name], known = true, true
					}
				}
				if !known {
					t.Errorf("%s: %s: the server side loses %.200q", r.ID, api, value)
				}
			}
			plain := bare(req)
			text, err := resaid(t.Context(), r, plain)
			if genai.KindOf(err) == genai.Unsupported && strings.Contains(r.ID, "image_tool_result") {
				continue // the result of a tool is text only in this interface
			}
			if err != nil {
				t.Errorf("%s: %v", r.ID, err)
				continue
			}
			r.Request = json.RawMessage(text)
			again, err := heard(r)
			if err != nil {
				t.Errorf("%s: %v", r.ID, err)
				continue
			}
			if a, b := canonical(t, plain), canonical(t, bare(again)); a != b {
				t.Errorf("%s: %s, said again:\n%.2000s\n%.2000s", r.ID, api, a, b)
			}
		}
	}
	if n < 900 {
		t.Errorf("only %d requests", n)
	}
	for api, values := range unclaimed {
		for value := range values {
			if !met[api+" "+value] {
				t.Errorf("%s: there is no %q any more", api, value)
			}
		}
	}
}

// heard returns what the server side makes of a recorded request.
func heard(r recordedtest.Exchange) (*genai.ChatRequest, error) {
	model := genaitest.Script(genaitest.Reply("a"))
	s := &wiretest.Server{Chat: model.Chat, Complete: model.Complete}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, r.Path, strings.NewReader(string(r.Request))))
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("%d %s", w.Code, w.Body)
	}
	return model.Calls()[0].Request, nil
}

// resaid returns what our client of the same interface sends for a request.
func resaid(ctx context.Context, r recordedtest.Exchange, req *genai.ChatRequest) (string, error) {
	replay := &recordedtest.Replay{Status: http.StatusBadRequest, Body: "{}"}
	base, via := "http://"+r.Provider+".test", replay.Client() // which says whose dialect is spoken
	var chat genai.Chat
	switch r.API {
	case "chat.completions":
		chat = (&openai.Client{BaseURL: base, HTTP: via}).Chat
	case "responses":
		chat = (&openai.Client{BaseURL: base, HTTP: via}).Responses
	case "messages":
		chat = (&anthropic.Client{BaseURL: base, HTTP: via}).Chat
	case "ollama.chat":
		chat = (&ollama.Client{BaseURL: base, HTTP: via}).Chat
	default:
		chat = (&gemini.Client{BaseURL: base, HTTP: via}).Chat
	}
	_, err := chat(ctx, req)
	if replay.Request == "" {
		return "", err
	}
	return replay.Request, nil
}

// lost returns the values in a recorded request that are nowhere in what the server side made of it.
func lost(t *testing.T, recorded json.RawMessage, req *genai.ChatRequest) (values []string) {
	t.Helper()
	var want, got any
	if err := json.Unmarshal(recorded, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(canonical(t, req)), &got); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	leaves(there, "", got)
	all := strings.Join(slices.Collect(maps.Keys(there)), "\n")
	wanted := map[string]bool{}
	leaves(wanted, "", want)
	for value := range wanted {
		if !strings.Contains(all, value) && !strings.Contains(all, base64.StdEncoding.EncodeToString([]byte(value))) {
			values = append(values, value)
		}
	}
	return values
}

// leaves collects the values of a document, wherever they stand. What means the same as being absent is left out.
func leaves(into map[string]bool, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, v := range v {
			leaves(into, name, v)
		}
	case []any:
		for _, v := range v {
			leaves(into, name, v)
		}
	case string:
		var inner any
		if (strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[")) && json.Unmarshal([]byte(v), &inner) == nil {
			leaves(into, name, inner) // the arguments of a tool
		} else if _, data, ok := strings.Cut(v, ";base64,"); ok {
			into[data] = true
		} else {
			into[v] = true
		}
	case bool:
		if v {
			into[name+"=true"] = true
		}
	case float64:
		if v != 0 {
			into[fmt.Sprint(v)] = true
		}
	}
}

// bare returns a request without what a client gives back to its maker alone, and without what says nothing.
func bare(req *genai.ChatRequest) *genai.ChatRequest {
	is := *req
	if r := is.Reasoning; r != nil && *r == (genai.ReasoningOptions{}) {
		is.Reasoning = nil
	}
	is.Tools = slices.Clone(is.Tools)
	for i, t := range is.Tools {
		if t.Parameters == nil {
			is.Tools[i].Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
		}
	}
	is.Messages = nil
	for _, m := range req.Messages {
		m.Parts = slices.Clone(m.Parts)
		for i := range m.Parts {
			m.Parts[i].Opaque, m.Parts[i].Reasoning = nil, nil
		}
		m.Parts = slices.DeleteFunc(m.Parts, func(p genai.Part) bool { return reflect.DeepEqual(p, genai.Part{}) })
		if len(m.Parts) > 0 {
			is.Messages = append(is.Messages, m)
		}
	}
	return &is
}

// canonical writes a request so that equal ones are equal.
func canonical(t *testing.T, req *genai.ChatRequest) string {
	t.Helper()
	text, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	text, _ = json.Marshal(v)
	return string(text)
}
