package genai_test

import (
	"context"
	"strings"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
)

func TestTokens(t *testing.T) {
	blob := genai.NewBlob("image/png", []byte("x"))
	for name, c := range map[string]struct {
		req  interface{ Tokens() int }
		want int
	}{
		"nothing":   {&genai.ChatRequest{}, 0},
		"a message": {&genai.ChatRequest{Messages: []genai.Message{genai.User(strings.Repeat("four", 25))}}, 29},
		"a picture": {&genai.ChatRequest{Messages: []genai.Message{{Parts: []genai.Part{{Image: &blob}}}}}, 1004},
		"a tool":    {&genai.ChatRequest{Tools: []genai.Tool{{Name: "four", Description: "four", Parameters: []byte("four")}}}, 3},
		"a result":  {&genai.ChatRequest{Messages: []genai.Message{{Parts: []genai.Part{{ToolResult: &genai.ToolResult{Parts: []genai.Part{{Text: "fourfour"}}}}}}}}, 6},
		"texts":     {&genai.EmbedRequest{Input: []string{"four", "fives"}}, 3},
	} {
		if got := c.req.Tokens(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestUsageOf(t *testing.T) {
	u := &genai.Usage{Input: 7}
	for _, v := range []any{
		genai.ChatEvent{Usage: u}, &genai.ChatEvent{Usage: u}, &genai.ChatResponse{Usage: u}, &genai.Embeddings{Usage: u},
		&genai.Images{Usage: u}, &genai.Ranking{Usage: u}, &genai.SpeechChunk{Usage: u}, &genai.Transcript{Usage: u},
	} {
		if genai.UsageOf(v) != u {
			t.Errorf("the usage of a %T is lost", v)
		}
	}
	if genai.UsageOf("text") != nil || genai.UsageOf(nil) != nil {
		t.Error("usage out of nothing")
	}
}

func TestPriority(t *testing.T) {
	ctx := t.Context()
	if p := genai.PriorityOf(ctx); p != genai.Critical {
		t.Errorf("it is %q unless somebody says otherwise", p)
	}
	ranks := map[genai.Priority]int{genai.CriticalPlus: 0, genai.Critical: 1, genai.SheddablePlus: 2, genai.Sheddable: 3, "odd": 1}
	for p, want := range ranks {
		if got := genai.PriorityOf(genai.WithPriority(ctx, p)); got != p || got.Rank() != want {
			t.Errorf("%q is %q of rank %d", p, got, got.Rank())
		}
	}
}

func TestTrailLimit(t *testing.T) {
	var none *genai.Trail
	none.Limit(1)
	none.SetOthers(true)
	if !none.Take() || none.Others() || none.Target() != "" {
		t.Error("no trail has something")
	}
	trail := genai.TrailOf(&genai.Trail{Context: t.Context()})
	if !trail.Take() {
		t.Error("without a limit there is always one")
	}
	trail.Limit(2)
	trail.Limit(9) // somebody further in
	for _, want := range []bool{true, true, false, false} {
		if trail.Take() != want {
			t.Error("the limit is not 2")
		}
	}
	trail.Add(new(int))
	if trail.Target() != "" {
		t.Errorf("a target without a name is called %q", trail.Target())
	}
	trail.Add(named("b"))
	if trail.Target() != "b" {
		t.Errorf("the last target is %q", trail.Target())
	}
}

type named string

func (n named) Name() string { return string(n) }

func TestLedger(t *testing.T) {
	var none *genai.Ledger
	none.Add(genai.Attempt{})
	if none.Attempts() != nil || genai.LedgerOf(t.Context()) != nil {
		t.Error("no ledger has something")
	}
	outer := &genai.Ledger{Context: t.Context()}
	inner := &genai.Ledger{Context: outer}
	genai.LedgerOf(context.WithoutCancel(inner)).Add(genai.Attempt{Target: "a", Kind: genai.Timeout}, genai.Attempt{Target: "b"}, genai.Attempt{Target: "b", By: "retry"})
	got := outer.Attempts()
	got[0].Target = "x"
	for _, again := range [][]genai.Attempt{inner.Attempts(), outer.Attempts()} {
		if len(again) != 2 || again[0].Target != "a" {
			t.Errorf("%+v", again)
		}
	}
}
