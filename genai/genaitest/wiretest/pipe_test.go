package wiretest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// TestTime: in a bubble the delays of scripts and faults are exact and take no time.
func TestTime(t *testing.T) {
	slow := genaitest.Pieces("a", "b", "c").After(20 * time.Second).Every(time.Minute)
	for name, c := range map[string]struct {
		step  genaitest.Step
		fault wiretest.Fault
		first time.Duration // when the stream is handed out
		end   time.Duration
		kind  genai.Kind
	}{
		"a slow model":                {slow, wiretest.Fault{}, 20 * time.Second, 140 * time.Second, ""},
		"with late headers":           {slow, wiretest.Fault{Late: time.Hour}, time.Hour + 20*time.Second, time.Hour + 140*time.Second, ""},
		"with early headers":          {slow, wiretest.Fault{Early: true}, 20 * time.Second, 140 * time.Second, ""},
		"that stalls":                 {slow, wiretest.Fault{After: 2, Then: wiretest.Stall}, 20 * time.Second, 24 * time.Hour, genai.DeadlineExceeded},
		"that stalls inside an event": {slow, wiretest.Fault{After: 2, Bytes: 9, Then: wiretest.Stall}, 20 * time.Second, 24 * time.Hour, genai.DeadlineExceeded},
		"that is cut":                 {slow, wiretest.Fault{After: 2, Then: wiretest.Cut}, 20 * time.Second, 80 * time.Second, genai.Truncated},
		"that hangs":                  {genaitest.Reply("a").ThenHang(), wiretest.Fault{}, 0, 24 * time.Hour, genai.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &wiretest.Server{Chat: genaitest.Script(c.step).Chat, Faults: []wiretest.Fault{c.fault}}
				client := &openai.Client{Key: "key", Model: "m", HTTP: server.Client(t)}
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				began := time.Now()
				stream, err := client.Chat(ctx, ask("hi"))
				if err != nil {
					t.Fatal(err)
				}
				if first := time.Since(began); first != c.first {
					t.Errorf("handed out after %v, want %v", first, c.first)
				}
				_, err = genai.FoldChat(stream.All())
				if end := time.Since(began); end != c.end || genai.KindOf(err) != c.kind {
					t.Errorf("ended after %v with %v, want %v with %q", end, err, c.end, c.kind)
				}
			})
		})
	}
}
