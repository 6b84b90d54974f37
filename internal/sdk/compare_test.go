package sdk

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// An answer is what a client has made of a body, as far as both sides speak of the same.
type answer struct {
	Text, Finish                     string
	Calls                            []string // name, identifier and arguments
	Input, Output, Cached, Reasoning int
}

// A rival is an official client for one kind of exchange.
type rival struct {
	name  string
	files []string
	apis  []string

	// official and ours return what the two clients make of what comes.
	official func(provider string, via *http.Client) asked[answer]
	ours     func(provider string, via *http.Client) asked[*genai.ChatResponse]

	// status returns the status in an error of the SDK; 0 if it has none.
	status func(error) int
}

// asked are the two ways to ask.
type asked[T any] struct {
	whole, stream func(context.Context) (T, error)
}

// as asks as it was asked in an exchange, and gets the answer of that time.
func as[T any](t *testing.T, r recordedtest.Exchange, client func(string, *http.Client) asked[T]) (T, error) {
	c := client(r.Provider, r.Replay().Client())
	if r.Stream {
		return c.stream(t.Context())
	}
	return c.whole(t.Context())
}

// A difference is one that has a reason.
type difference struct {
	name string
	is   func(r recordedtest.Exchange, ours, theirs answer, err error) bool
}

// mine returns an answer of ours in the form in which it is compared.
func mine(resp *genai.ChatResponse) answer {
	a := answer{Text: resp.Text(), Finish: resp.Finish.Raw}
	for _, p := range resp.Message.Parts {
		if c := p.ToolCall; c != nil && !c.Incomplete { // one that was cut is none
			a.Calls = append(a.Calls, call(c.Name, c.ID, c.Arguments))
		}
	}
	if u := resp.Usage; u != nil {
		a.Input, a.Output, a.Cached, a.Reasoning = u.Input, u.Output, u.CacheRead, u.Reasoning
	}
	return a
}

// call writes a call down so that equal ones are equal.
func call(name, id, arguments string) string {
	var v any
	if json.Unmarshal([]byte(arguments), &v) == nil {
		text, _ := json.Marshal(v)
		arguments = string(text)
	}
	return name + " " + id + " " + arguments
}

// fields names those in which two answers differ.
func fields(a, b answer) (names []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if name := x.Type().Field(i).Name; !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) &&
			!(name == "Calls" && len(a.Calls) == 0 && len(b.Calls) == 0) {
			names = append(names, name)
		}
	}
	return names
}

var question = &genai.ChatRequest{Model: "m", Messages: []genai.Message{genai.User("hello")}, MaxTokens: new(100)}

func TestSameAnswers(t *testing.T) {
	ever := map[string]bool{}
	for _, v := range rivals() {
		t.Run(v.name, func(t *testing.T) {
			compared, equal, met := 0, 0, map[string]int{}
			for _, r := range exchanges(t, v) {
				if r.Status >= 300 {
					continue
				}
				compared++
				t.Run(r.ID, func(t *testing.T) {
					resp, err := as(t, r, v.ours)
					if err != nil {
						resp = &genai.ChatResponse{}
					}
					ours := mine(resp)
					theirs, theirErr := as(t, r, v.official)
					different := fields(ours, theirs)
					if err == nil && theirErr == nil && len(different) == 0 {
						equal++
						return
					}
					for _, d := range differences {
						if d.is(r, ours, theirs, theirErr) {
							met[d.name]++
							ever[d.name] = true
							return
						}
					}
					t.Errorf("they differ in %q:\nours   %+v, %v\ntheirs %+v, %v", different, ours, err, theirs, theirErr)
				})
			}
			t.Logf("%d exchanges: %d equal; %v", compared, equal, met)
		})
	}
	for _, d := range differences {
		if !ever[d.name] && len(ever) > 0 { // without the recordings there are none
			t.Errorf("there is no %s any more", d.name)
		}
	}
}

// TestSameFailures: what is an error for one is an error for the other, with the same status.
func TestSameFailures(t *testing.T) {
	for _, v := range rivals() {
		t.Run(v.name, func(t *testing.T) {
			n, lost := 0, 0
			for _, r := range exchanges(t, v) {
				if r.Status < 300 {
					continue
				}
				n++
				t.Run(r.ID, func(t *testing.T) {
					_, err := as(t, r, v.ours)
					_, theirs := as(t, r, v.official)
					if err != nil && theirs != nil && strings.Contains(theirs.Error(), unread) {
						lost++
						return
					}
					if err == nil || theirs == nil || genai.AsError(err).Status != v.status(theirs) {
						t.Errorf("ours %v\ntheirs %v", err, theirs)
					}
				})
			}
			t.Logf("%d exchanges; %d whose status the official client loses", n, lost)
		})
	}
}

// TestCutStreams cuts each stream behind three quarters of its events, in such a way that the connection ends in good order, as a
// proxy does it whose own connection was lost.
func TestCutStreams(t *testing.T) {
	for _, v := range rivals() {
		t.Run(v.name, func(t *testing.T) {
			n, complete := 0, 0
			for _, r := range exchanges(t, v) {
				if r.Status >= 300 || !r.Stream {
					continue
				}
				sep := "\n\n"
				if strings.Contains(r.Body, "\r\n\r\n") {
					sep = "\r\n\r\n"
				} else if v.name == "ollama" {
					sep = "\n"
				}
				events := strings.SplitAfter(r.Body, sep)
				if len(events) < 4 {
					continue
				}
				r.Body = strings.Join(events[:len(events)*3/4], "")
				if resp, err := as(t, r, v.ours); err == nil {
					if resp.Finish.Reason == "" {
						t.Errorf("%s: a cut stream is complete: %+v", r.ID, resp)
					}
					continue // the answer has ended: what was cut off is the account, or the farewell
				}
				n++
				if _, err := as(t, r, v.official); err == nil {
					complete++
				}
			}
			t.Logf("%d cut streams: the official client calls %d of them complete, ours none", n, complete)
		})
	}
}

func exchanges(t *testing.T, v rival) (all []recordedtest.Exchange) {
	for _, file := range v.files {
		all = append(all, recordedtest.Load(t, file, v.apis...)...)
	}
	for i := range all { // what was a secret of the recording is no base64 any more, which one of the SDKs insists on
		all[i].Body = redacted.ReplaceAllString(all[i].Body, `"thoughtSignature":"c2lnbmF0dXJl"`)
	}
	return slices.DeleteFunc(all, func(r recordedtest.Exchange) bool { return r.Stream && r.Status < 300 && !streams(r) })
}

var redacted = regexp.MustCompile(`"thoughtSignature": *"[^"]*"`)

// streams reports whether the body is a stream, as was asked for.
func streams(r recordedtest.Exchange) bool {
	return strings.Contains(r.Body, "data:") || r.Provider == "ollama"
}

// wholly and piecewise ask our clients.
func wholly(h genai.Handler[*genai.ChatRequest, *genai.ChatResponse]) func(context.Context) (*genai.ChatResponse, error) {
	return func(ctx context.Context) (*genai.ChatResponse, error) { return h(ctx, question) }
}

func piecewise(h genai.Handler[*genai.ChatRequest, *genai.Stream[genai.ChatEvent]]) func(context.Context) (*genai.ChatResponse, error) {
	return func(ctx context.Context) (*genai.ChatResponse, error) {
		s, err := h(ctx, question)
		if err != nil {
			return nil, err
		}
		return genai.FoldChat(s.All())
	}
}

func rivals() []rival {
	return []rival{openaiChat, openaiResponses, anthropicMessages, geminiContent, ollamaChat}
}
