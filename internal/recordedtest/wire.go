package recordedtest

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/dovetail-go/dovetail/genai"
)

// A Wire is one kind of stream, and the client that reads it.
type Wire struct {
	// Chat asks the client for a stream. It is given what the replay answers, in the place of r's server.
	Chat func(ctx context.Context, r Exchange, via *http.Client) (*genai.Stream[genai.ChatEvent], error)

	// Ends reports whether an answer is whole with this document of the stream. It knows it by another road than the client.
	Ends func(doc map[string]any) bool

	// Lines says that the stream has a document a line, and no events.
	Lines bool

	// Sentinel says that documents may follow the one that Ends, so that only a [DONE] is the end of a stream that is left open.
	Sentinel bool
}

// streams returns the exchanges of which the body is a stream.
func streams(all []Exchange) []Exchange {
	return slices.DeleteFunc(slices.Clone(all), func(r Exchange) bool { return !r.Stream || r.Status >= 300 })
}

// ask returns what the client makes of a body.
func (w Wire) ask(t testing.TB, r Exchange, form *Replay) (*genai.ChatResponse, error) {
	t.Helper()
	form.Status = r.Status
	if form.Headers == nil {
		form.Headers = r.Headers
	}
	s, err := w.Chat(t.Context(), r, form.Client())
	if err != nil {
		return nil, err
	}
	return genai.FoldChat(s.All())
}

// unknown are fields that no client knows, with what clients look for inside of them.
const unknown = `{"choices":[{"delta":{"content":"no"},"finish_reason":"stop","index":0}],"type":"message_stop","done":true,` +
	`"error":{"message":"no"},"candidates":[{"finishReason":"STOP"}],"escaped":"\"}\\","numbers":[1e5,-0.0,null]}`

// forms are other ways to send the same stream, which must come to the same answer.
func (w Wire) forms(body string, rnd *rand.Rand) map[string]*Replay {
	lf := strings.TrimRight(strings.ReplaceAll(body, "\r\n", "\n"), "\n")
	more := strings.Split(lf, "\n")
	for i, line := range more {
		if (w.Lines || strings.HasPrefix(line, "data:")) && strings.HasSuffix(line, "}") {
			more[i] = strings.Replace(strings.TrimSuffix(line, "}"), "{", `{"aa":`+unknown+`,`, 1) + `,"zz":` + unknown + "}"
		}
	}
	forms := map[string]*Replay{
		"in pieces":       {Body: body, Pieces: rnd},
		"byte by byte":    {Body: body, Bytes: true},
		"LF":              {Body: lf + "\n\n", Pieces: rnd},
		"CRLF":            {Body: strings.ReplaceAll(lf+"\n\n", "\n", "\r\n"), Pieces: rnd},
		"other fields":    {Body: strings.Join(more, "\n") + "\n\n"},
		"no line end":     {Body: lf},
		"no content type": {Body: body, Headers: map[string]string{}},
	}
	if w.Lines {
		forms["empty lines"] = &Replay{Body: "\n" + strings.ReplaceAll(lf, "\n", "\n\n \n") + "\n"}
		forms["behind the end"] = &Replay{Body: lf + "\n{\"error\":\"m\"}\n<html>"}
		forms["left open"] = &Replay{Body: lf + "\n", Open: true}
		return forms
	}
	end := "\n\n"
	if w.Sentinel && !strings.HasSuffix(lf, "[DONE]") {
		end = "\n\ndata: [DONE]\n\n"
	}
	between := func(more string) *Replay { return &Replay{Body: strings.ReplaceAll(lf+"\n\n", "\n\n", "\n\n"+more)} }
	forms["CR"] = &Replay{Body: strings.ReplaceAll(lf+"\n\n", "\n", "\r"), Pieces: rnd}
	forms["a BOM"] = &Replay{Body: "\xef\xbb\xbf" + lf + "\n\n"}
	forms["comments"] = between(": ping\n\n:\n: OPENROUTER PROCESSING\n\n")
	forms["blank lines"] = between("\n\n\n")
	forms["pings"] = between("event: ping\ndata: {\"type\": \"ping\"}\n\n")
	forms["empty pings"] = between("event: ping\n\nevent: ping\ndata:\n\ndata\n\n")
	forms["other events"] = between("id: 7\nretry: 5\nevent: new\ndata: {\"type\":\"new\",\"object\":\"new\",\"new\":" + unknown + "}\n\n")
	forms["a second end"] = &Replay{Body: lf + end + "data: [DONE]\n\ndata: [DONE]\n\n"}
	forms["behind the end"] = &Replay{Body: lf + end + "data: [DONE]\n\ndata: " + unknown + "\n\ndata: [{\n\n<html>"}
	forms["left open"] = &Replay{Body: lf + end, Open: true}
	return forms
}

// bubble runs a test in virtual time, so that a client which waits a moment for the end of a connection costs none.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// CheckForms sends each stream among all in other pieces, with other line ends, with comments, pings, unknown fields and unknown
// events, and with more behind the end, or no end of the connection. The answer must stay what it is. It returns how many streams
// there were.
func (w Wire) CheckForms(t *testing.T, all []Exchange) int {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	all = streams(all)
	for _, r := range all {
		bubble(t, r.ID, func(t *testing.T) {
			want, err := w.ask(t, r, &Replay{Body: r.Body})
			if err != nil {
				t.Fatal(err)
			}
			for name, form := range w.forms(r.Body, rnd) {
				got, err := w.ask(t, r, form)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s (seed %d): %v, %+v; want %+v", name, seed, err, got, want)
				}
			}
		})
	}
	return len(all)
}

// cuts is how many events of a stream are cut, so that none takes longer than all others together. Of a longer stream these are its first
// ones, its last ones, and others at random.
func cuts(body string) int { return min(max(1<<20/(len(body)+1), 16), 120) }

// CheckCuts cuts each stream among all: behind each event, inside of each, and where only its empty line is missing. Before the end
// of the answer that must be Truncated, with what has come until then and no tool call that could be run; from there on it
// must be the whole answer, except usage that would have come later. It returns how many streams there were.
func (w Wire) CheckCuts(t *testing.T, all []Exchange) int {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	all = streams(all)
	for _, r := range all {
		t.Run(r.ID, func(t *testing.T) {
			want, err := w.ask(t, r, &Replay{Body: r.Body})
			if err != nil {
				t.Fatal(err)
			}
			between := "\n\n"
			if w.Lines {
				between = "\n"
			}
			events := strings.SplitAfter(strings.TrimRight(strings.ReplaceAll(r.Body, "\r\n", "\n"), "\n")+between, between)
			events = events[:len(events)-1]  // nothing follows the last one
			first, last := w.ends(t, events) // a cut between the two cannot be seen by anybody
			body, most := "", cuts(r.Body)
			for i, event := range events {
				if n := len(events); n <= most || i < 5 || i >= n-10 || rnd.IntN(n) < most-15 {
					// Where the stream ends inside of the event, and whether the event counts then.
					places := map[int]bool{len(event) / 2: false, len(event) - len(between): true, len(event): true}
					if i == 0 {
						places[0] = false
					}
					for at, counts := range places {
						n := i // of the events that have come
						if counts {
							n++
						}
						switch {
						case n < first:
							w.cut(t, r, body+event[:at], false, want, seed)
						case n >= last && counts: // inside of what follows the end, a client may say either
							w.cut(t, r, body+event[:at], true, want, seed)
						}
					}
				}
				body += event
			}
		})
	}
	return len(all)
}

// ends returns how many events there are when the answer has ended for the first time, and for the last.
func (w Wire) ends(t *testing.T, events []string) (first, last int) {
	t.Helper()
	for i, event := range events {
		for line := range strings.Lines(event) {
			text, data := strings.CutPrefix(line, "data:")
			if text = strings.TrimSpace(text); !data && !w.Lines || text == "" || text == "[DONE]" {
				continue
			}
			var doc map[string]any
			if err := json.Unmarshal([]byte(text), &doc); err != nil {
				t.Fatalf("event %d of the recording is %q: %v", i, event, err)
			}
			if w.Ends(doc) {
				if first == 0 {
					first = i + 1
				}
				last = i + 1
			}
		}
	}
	if first == 0 {
		t.Fatal("the recorded stream has no end")
	}
	return first, last
}

func (w Wire) cut(t *testing.T, r Exchange, body string, ended bool, want *genai.ChatResponse, seed uint64) {
	t.Helper()
	got, err := w.ask(t, r, &Replay{Body: body})
	if ended {
		if err != nil {
			t.Fatalf("cut at %d of %d, behind the end (seed %d): %v", len(body), len(r.Body), seed, err)
		}
		a, b := *got, *want
		a.Usage, b.Usage = nil, nil
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("cut at %d of %d, behind the end (seed %d): %+v, want %+v", len(body), len(r.Body), seed, a, b)
		}
		return
	}
	if !errors.Is(err, genai.Truncated) {
		t.Fatalf("cut at %d of %d (seed %d): %+v, %v", len(body), len(r.Body), seed, got, err)
	}
	if got == nil {
		return // nothing had come that a person could use
	}
	if !strings.HasPrefix(want.Text(), got.Text()) {
		t.Fatalf("cut at %d of %d (seed %d): it says %q", len(body), len(r.Body), seed, got.Text())
	}
	if got.Usage != nil && !got.Usage.LowerBound {
		t.Fatalf("cut at %d of %d (seed %d): the usage is taken for all: %+v", len(body), len(r.Body), seed, got.Usage)
	}
	for _, call := range got.Message.ToolCalls() {
		if !call.Incomplete {
			t.Fatalf("cut at %d of %d (seed %d): a call could be run: %+v", len(body), len(r.Body), seed, call)
		}
	}
}
