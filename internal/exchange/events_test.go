package exchange

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/internal/recordedtest"
)

// A lenientCase is a row of the shared table of event streams, as far as it is about what models send.
type lenientCase struct {
	Name, Mode string
	Chunks     [][]byte
	Events     []struct{ Type, Data string }
	Done       bool // the sentinel was there
	Incomplete bool // an event had begun, and did not end
}

// TestLenientCases: events are read as the shared table says for models: up to the sentinel, without those that are empty, with one whose empty
// line the server forgot, and never with one that was cut.
func TestLenientCases(t *testing.T) {
	var table struct{ Cases []lenientCase }
	recordedtest.Table(t, "sse", &table)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	n := 0
	for _, c := range table.Cases {
		if c.Mode != "llm" {
			continue
		}
		n++
		t.Run(c.Name, func(t *testing.T) {
			var body strings.Builder
			for _, chunk := range c.Chunks {
				body.Write(chunk)
			}
			for name, form := range map[string]*recordedtest.Replay{
				"at once": {Body: body.String()}, "byte by byte": {Body: body.String(), Bytes: true}, "in pieces": {Body: body.String(), Pieces: rnd},
				"left open": {Body: body.String(), Open: true},
			} {
				if form.Open && !c.Done || form.Open && !strings.HasSuffix(body.String(), "\n\n") {
					continue // only the sentinel ends such a stream
				}
				synctest.Test(t, func(t *testing.T) { c.check(t, name, form, seed) })
			}
		})
	}
	if n < 37 {
		t.Errorf("only %d cases", n)
	}
}

func (c lenientCase) check(t *testing.T, name string, form *recordedtest.Replay, seed uint64) {
	x, err := Begin("chat", Server{BaseURL: "http://there.test", HTTP: form.Client(), Understand: understand})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := x.Post(ctx, "", http.Header{}, nil); err != nil {
		t.Fatal(err)
	}
	defer x.Resp.Body.Close()
	r, done := x.Reply(ctx), false
	r.cancel = cancel
	got := []struct{ Type, Data string }{}
	r.Events(&Events{
		Take: func(kind, data []byte) error {
			switch {
			case len(data) == 0:
				return nil
			case IsDone(data):
				done = true
				return io.EOF
			}
			e := struct{ Type, Data string }{string(kind), string(data)}
			if e.Type == "" {
				e.Type = "message"
			}
			got = append(got, e)
			return nil
		},
		Whole:    func([]byte) error { return x.Fail(genai.Malformed, "a document") },
		Finished: func() bool { return len(got) > 0 },
	})
	for err == nil {
		err = r.Read()
	}
	if !slices.Equal(got, c.Events) || done != (c.Done && !c.Incomplete) {
		t.Errorf("%s (seed %d): got %q and the end %v, want %q and %v", name, seed, got, done, c.Events, c.Done)
	}
	failed := c.Incomplete || len(c.Events) == 0 && !c.Done // nothing at all is no answer
	if failed == (err == io.EOF) || failed && !errors.Is(err, genai.Truncated) && !errors.Is(err, genai.Malformed) {
		t.Errorf("%s (seed %d): it ended with %v", name, seed, err)
	}
}
