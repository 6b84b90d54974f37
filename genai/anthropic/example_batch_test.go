package anthropic_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/anthropic"
	"github.com/dovetail-go/dovetail/genai/job"
)

// From the questions to the answers in one call: Do submits the batch, waits for it, and fetches the outcomes. It is a handler
// like any other, and who leaves it cancels the batch.
func ExampleClient_Batch() {
	mux := http.NewServeMux()
	says := func(pattern, text string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	says("POST /v1/messages/batches", `{"id":"msgbatch_7","processing_status":"in_progress","request_counts":{"processing":2}}`)
	says("GET /v1/messages/batches/msgbatch_7", `{"id":"msgbatch_7","processing_status":"ended","request_counts":{"succeeded":1,"expired":1}}`)
	says("GET /v1/messages/batches/msgbatch_7/results",
		`{"custom_id":"sun","result":{"type":"expired"}}`+"\n"+
			`{"custom_id":"mon","result":{"type":"succeeded","message":{"content":[{"type":"text","text":"At nine."}],"stop_reason":"end_turn"}}}`+"\n")
	server := httptest.NewServer(mux)
	defer server.Close()

	client := &anthropic.Client{BaseURL: server.URL + "/v1", Model: "claude-haiku-4-5"}
	batches := client.Batch()
	batches.Every = time.Millisecond // for real, leave it at zero
	outcomes, err := batches.Do(context.Background(), &job.Bundle[*genai.ChatRequest]{Requests: map[string]*genai.ChatRequest{
		"mon": {Messages: []genai.Message{genai.User("When do you open on Monday?")}},
		"sun": {Messages: []genai.Message{genai.User("When do you open on Sunday?")}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for outcome, err := range outcomes.All() {
		switch {
		case err != nil:
			fmt.Println("the rest is lost:", err)
		case outcome.Err != nil:
			fmt.Println(outcome.Key, "failed:", outcome.Err.Kind)
		default:
			fmt.Println(outcome.Key, "is", outcome.Value.Text())
		}
	}
	// Output:
	// sun failed: timeout
	// mon is At nine.
}
