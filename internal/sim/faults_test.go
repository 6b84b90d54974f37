package sim_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
	"github.com/dovetail-go/dovetail/genai/genaitest/wiretest"
	"github.com/dovetail-go/dovetail/genai/openai"
	"github.com/dovetail-go/dovetail/genai/route"
	"github.com/dovetail-go/dovetail/resilience"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/transporttest"
)

// TestSixteenFaults: a provider breaks in sixteen ways, over real HTTP, with another one to fall back to. The caller gets one whole
// answer or one honest error, never two beginnings and never a success that is none; and the same in every deployment.
func TestSixteenFaults(t *testing.T) {
	const second = "from the other one"
	script := func(step genaitest.Step) func() genai.Chat {
		return func() genai.Chat { return genaitest.Script(step.Always()).Chat }
	}
	pieces := genaitest.Pieces("one ", "two ", "three")
	tests := []struct {
		name  string
		fault wiretest.Fault
		chat  func() genai.Chat // nil: pieces
		text  string            // what has come when it is over
		kind  genai.Kind        // "": a whole answer
		waits resilience.Timeouts
	}{
		{name: "500", fault: wiretest.Fault{Status: 500}, text: second},
		{name: "503 and come back in 30 s", fault: wiretest.Fault{Status: 503, Header: http.Header{"Retry-After": {"30"}}}, text: second},
		{name: "429", fault: wiretest.Fault{Status: 429, Header: http.Header{"Retry-After": {"30"}}}, text: second},
		{name: "401", fault: wiretest.Fault{Status: 401}, text: second},
		{name: "400", fault: wiretest.Fault{Status: 400}, kind: genai.InvalidRequest},
		{name: "content filter", chat: script(genaitest.Fail(genai.ContentFiltered)), kind: genai.ContentFiltered},
		{name: "headers that do not come", fault: wiretest.Fault{Late: time.Minute}, text: second, waits: resilience.Timeouts{FirstToken: 100 * time.Millisecond}},
		{name: "silence before the first token", fault: wiretest.Fault{Early: true, Then: wiretest.Stall}, text: second, waits: resilience.Timeouts{FirstToken: 100 * time.Millisecond}},
		{name: "cut before the first token", fault: wiretest.Fault{Early: true, Then: wiretest.Cut}, text: second},
		{name: "an error inside of a 200", fault: wiretest.Fault{Early: true}, chat: script(genaitest.Fail(genai.Overloaded)), text: second},
		{name: "a page instead of an answer", fault: wiretest.Fault{Body: "<html>hello</html>", Header: http.Header{"Content-Type": {"text/html"}}}, text: second},
		{name: "cut in the middle", fault: wiretest.Fault{After: 2, Then: wiretest.Cut}, text: "one two ", kind: genai.Truncated},
		{name: "an end in good order in the middle", fault: wiretest.Fault{After: 2, Then: wiretest.Stop}, text: "one two ", kind: genai.Truncated},
		{name: "silence in the middle", fault: wiretest.Fault{After: 2, Then: wiretest.Stall}, text: "one two ", kind: genai.Timeout, waits: resilience.Timeouts{Idle: time.Second}},
		{name: "garbage in the middle", fault: wiretest.Fault{After: 2, Then: wiretest.Garbage}, text: "one two ", kind: genai.Malformed},
		{name: "an error in the middle", chat: script(genaitest.Pieces("one ", "two ").Then(genai.Errorf(genai.Overloaded, "enough"))), text: "one two ", kind: genai.Overloaded},
	}
	transporttest.Modes(t, func(t *testing.T, network transport.Network) {
		// The provider is the same for all faults; which one it has, the question says.
		current := make(chan http.Handler, 1)
		var waits atomic.Pointer[resilience.Timeouts] // for how long, too: a busy machine must not look like a silent provider
		provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := <-current
			current <- h
			h.ServeHTTP(w, r)
		}))
		defer provider.Close()
		client := &openai.Client{BaseURL: provider.URL + "/v1", Model: "m"}
		other := func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			return genaitest.Script(genaitest.Reply(second)).Chat(ctx, req)
		}
		op := transport.Op[*genai.ChatRequest, *genai.Stream[genai.ChatEvent]]{Name: "answers.chat"}
		op.Serve(network, func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			limits := waits.Load()
			router := route.Among(&inOrder{}, route.To("first", genai.With(client.Chat, limits)), route.To("second", other))
			return genai.With(router.Handle, &resilience.Retry{})(ctx, req)
		})
		ask := op.Dial(network)
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				chat := genaitest.Script(pieces.Always()).Chat
				if test.chat != nil {
					chat = test.chat()
				}
				current <- &wiretest.Server{Chat: chat, Faults: []wiretest.Fault{test.fault}}
				defer func() { <-current }()
				limits := test.waits
				limits.FirstToken, limits.Idle = cmp.Or(limits.FirstToken, time.Minute), cmp.Or(limits.Idle, time.Minute)
				waits.Store(&limits)
				text := ""
				s, err := ask(t.Context(), &genai.ChatRequest{Messages: []genai.Message{genai.User("a question")}})
				if err == nil {
					starts := 0
					for event, failed := range s.All() {
						if text += event.Text; event.Start != nil {
							starts++
						}
						err = failed
					}
					if starts > 1 {
						t.Errorf("the answer begins %d times", starts)
					}
				}
				if text != test.text || genai.KindOf(err) != test.kind {
					t.Errorf("got %q, %v; want %q, %q", text, err, test.text, test.kind)
				}
			})
		}
	})
}

// inOrder takes the first that is there.
type inOrder struct{}

func (*inOrder) Pick(_ context.Context, _ any, among []*route.Candidate) *route.Candidate {
	return among[0]
}
