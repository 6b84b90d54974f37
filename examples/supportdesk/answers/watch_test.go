package answers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/genaitest"
)

func question() *genai.ChatRequest {
	return &genai.ChatRequest{Messages: []genai.Message{genai.User("Where is my parcel?")}}
}

// One model fails until its breaker opens, the other answers: the figures say so, and the ledger of each answer.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ill := func(context.Context, *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			return nil, genai.Errorf(genai.ServerError, "ill")
		}
		well := func(ctx context.Context, req *genai.ChatRequest) (*genai.Stream[genai.ChatEvent], error) {
			time.Sleep(200 * time.Millisecond)
			return genaitest.Script(genaitest.Pieces("fine")).Chat(ctx, req)
		}
		s := New(Provider{"ill", ill}, Provider{"well", well})
		repeated := 0
		for range 20 {
			ledger := &genai.Ledger{Context: t.Context()}
			answer, err := s.Chat(ledger, question())
			if err != nil {
				t.Fatal(err)
			}
			answer.Close()
			if tried := ledger.Attempts(); len(tried) > 0 {
				repeated++
				if len(tried) != 2 || tried[0].Target != "ill" || tried[0].Kind != genai.ServerError || tried[1].Target != "well" || tried[1].Kind != "" {
					t.Errorf("tried %+v", tried)
				}
			}
			time.Sleep(10 * time.Second) // what a router has against a target passes
		}
		if repeated == 0 {
			t.Error("the ill one was never asked")
		}
		health, err := s.Health(t.Context(), &contract.HealthRequest{})
		if err != nil || len(health.Models) != 3 {
			t.Fatalf("%+v, %v", health, err)
		}
		ill1, well1, offline := health.Models[0], health.Models[1], health.Models[2]
		if ill1.Name != "ill" || ill1.Failures != repeated || ill1.Calls != repeated || ill1.LastFailure != genai.ServerError || ill1.FirstToken != 0 {
			t.Errorf("%+v, of %d", ill1, repeated)
		}
		if well1.Name != "well" || well1.Breaker != "closed" || well1.Failures != 0 || well1.Calls != 20 || well1.FirstToken != 200 || well1.LastFirstToken != 200 || well1.InFlight != 0 {
			t.Errorf("%+v", well1)
		}
		if offline.Name != OfflineModel || offline.Breaker != "" || offline.Calls != 0 {
			t.Errorf("%+v", offline)
		}
		s.models[0].breaker.Reset() // or its timer is left
	})
}
