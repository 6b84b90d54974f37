package wiretest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// TestFaults: what the bytes go through, and what a client makes of it.
func TestFaults(t *testing.T) {
	answer := genaitest.Pieces("a", "b", "c", "d").Usage(1, 2)
	for name, c := range map[string]struct {
		fault wiretest.Fault
		text  string     // what a streaming client hears
		kind  genai.Kind // how that ends; "" is well
		whole genai.Kind // how a whole answer ends
	}{
		"none":                          {wiretest.Fault{}, "abcd", "", ""},
		"sliced":                        {wiretest.Fault{Slice: 1}, "abcd", "", ""},
		"cut after the third piece":     {wiretest.Fault{After: 3, Then: wiretest.Cut}, "abc", genai.Truncated, genai.Truncated},
		"cut inside of the third":       {wiretest.Fault{After: 2, Bytes: 9, Then: wiretest.Cut}, "ab", genai.Truncated, genai.Truncated},
		"cut before anything":           {wiretest.Fault{Then: wiretest.Cut}, "", genai.Truncated, genai.Truncated},
		"reset after a piece":           {wiretest.Fault{After: 1, Then: wiretest.Reset}, "a", genai.Truncated, genai.Truncated},
		"stops after a piece":           {wiretest.Fault{After: 1, Then: wiretest.Stop}, "a", genai.Truncated, genai.Truncated},
		"stops after all":               {wiretest.Fault{After: 99, Then: wiretest.Stop}, "abcd", "", genai.Truncated},
		"garbage":                       {wiretest.Fault{After: 1, Then: wiretest.Garbage}, "a", genai.Malformed, genai.Malformed},
		"cut, in slices":                {wiretest.Fault{After: 1, Bytes: 3, Slice: 2, Then: wiretest.Cut}, "a", genai.Truncated, genai.Truncated},
		"another type of content":       {wiretest.Fault{Header: http.Header{"Content-Type": {"text/plain"}}}, "abcd", "", ""},
		"a status":                      {wiretest.Fault{Status: 503}, "", genai.Overloaded, genai.Overloaded},
		"a status with a page":          {wiretest.Fault{Status: 502, Body: "<html>bad gateway"}, "", genai.ServerError, genai.ServerError},
		"a page":                        {wiretest.Fault{Body: "<html>sign in", Header: http.Header{"Content-Type": {"text/html"}}}, "", genai.Malformed, genai.Malformed},
		"nothing, with a status of 204": {wiretest.Fault{Status: 204, Body: " "}, "", genai.Truncated, genai.Truncated},
		"late":                          {wiretest.Fault{Late: time.Millisecond}, "abcd", "", ""},
		"early":                         {wiretest.Fault{Early: true}, "abcd", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			model := genaitest.Script(answer.Times(2))
			client := openAI(t, &wiretest.Server{Chat: model.Chat, Faults: []wiretest.Fault{c.fault, c.fault}})
			resp, err := read(client.Chat(t.Context(), ask("hi")))
			if genai.KindOf(err) != c.kind {
				t.Errorf("streamed: %v, want %q", err, c.kind)
			}
			if resp != nil && resp.Text() != c.text || resp == nil && c.text != "" {
				t.Errorf("heard %s", show(resp))
			}
			if name == "stops after all" {
				return // with the whole answer there is no pieces to count
			}
			if _, err = client.Complete(t.Context(), ask("hi")); genai.KindOf(err) != c.whole {
				t.Errorf("whole: %v, want %q", err, c.whole)
			}
			if asked := c.fault.Status == 0 && c.fault.Body == ""; asked != (len(model.Calls()) == 2) {
				t.Errorf("the model was asked %d times", len(model.Calls()))
			}
		})
	}
}

// TestFaultsInOrder: each request has the fault of its turn, and those behind the last have none.
func TestFaultsInOrder(t *testing.T) {
	model := genaitest.Script(genaitest.Reply("a").Always())
	client := openAI(t, &wiretest.Server{Chat: model.Chat, Faults: []wiretest.Fault{
		{Status: 429, Header: http.Header{"Retry-After": {"3"}}}, {}, {Status: 500},
	}})
	_, err := client.Chat(t.Context(), ask("hi"))
	if e := genai.AsError(err); e.Kind != genai.RateLimited || e.RetryAfter != 3*time.Second {
		t.Errorf("%+v", e)
	}
	for i, want := range []genai.Kind{"", genai.ServerError, "", ""} {
		if _, err := read(client.Chat(t.Context(), ask("hi"))); genai.KindOf(err) != want {
			t.Errorf("request %d: %v, want %q", i+2, err, want)
		}
	}
}

// TestEarly: when the headers are out, a failure before the first piece comes inside of the body.
func TestEarly(t *testing.T) {
	model := genaitest.Script(genaitest.Fail(genai.RateLimited))
	client := openAI(t, &wiretest.Server{Chat: model.Chat, Faults: []wiretest.Fault{{Early: true}}})
	_, err := client.Chat(t.Context(), ask("hi"))
	if e := genai.AsError(err); e.Kind != genai.RateLimited || e.Status != 200 {
		t.Errorf("%+v", e)
	}
}

func TestStall(t *testing.T) {
	for name, fault := range map[string]wiretest.Fault{
		"before the first piece": {Then: wiretest.Stall},
		"in the middle":          {After: 1, Then: wiretest.Stall},
		"inside of a piece":      {After: 1, Bytes: 12, Then: wiretest.Stall},
		"before the headers":     {Late: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &wiretest.Server{Chat: genaitest.Script(genaitest.Pieces("a", "b")).Chat, Faults: []wiretest.Fault{fault}}
				client := &openai.Client{Key: "key", Model: "m", HTTP: server.Client(t)}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := read(client.Chat(ctx, ask("hi"))); genai.KindOf(err) != genai.DeadlineExceeded {
					t.Error(err)
				}
			})
		})
	}
	// A provider that is done but does not hang up: the client does not wait for it.
	model := genaitest.Script(genaitest.Reply("a"))
	client := openAI(t, &wiretest.Server{Chat: model.Chat, Faults: []wiretest.Fault{{After: 99, Then: wiretest.Stall}}})
	if resp, err := read(client.Chat(t.Context(), ask("hi"))); err != nil || resp.Text() != "a" {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestUnknownPaths(t *testing.T) {
	url := (&wiretest.Server{}).Start(t)
	for _, path := range []string{"/", "/v1/models"} {
		resp, err := http.Post(url+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
		_ = resp.Body.Close()
	}
	for _, body := range []string{"", "null", "[]", "{", `{"messages":3}`, `{"messages":[{"role":"king"}]}`, `{"messages":[{"role":"user","content":[{"type":"x"}]}]}`} {
		resp, err := http.Post(url+"/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", body, resp.Status)
		}
		_ = resp.Body.Close()
	}
}
