package openai_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/job"
	"github.com/dovetail-go/dovetail/genai/openai"
)

// Questions that can wait go in a batch. The ID is all that a later process needs.
func ExampleClient_ChatBatch() {
	server := httptest.NewServer(nightDesk())
	defer server.Close()
	ctx := context.Background()

	client := &openai.Client{BaseURL: server.URL + "/v1", Model: "gpt-5-mini"}
	status, err := client.ChatBatch().Submit(ctx, &job.Bundle[*genai.ChatRequest]{Requests: map[string]*genai.ChatRequest{
		"mon": {Messages: []genai.Message{genai.User("When do you open on Monday?")}},
		"sun": {Messages: []genai.Message{genai.User("When do you open on Sunday?")}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	id := status.ID // written down

	batches := client.ChatBatch()
	batches.Every = time.Millisecond // for real, leave it at zero
	progress, err := batches.Wait(ctx, &job.Ref{ID: id})
	if err != nil {
		fmt.Println(err)
		return
	}
	for status, err := range progress.All() {
		if err != nil {
			fmt.Println(err) // failed, cancelled or expired; there may be outcomes all the same
			break
		}
		fmt.Printf("%s: %d of %d\n", status.State, status.Done, status.Total)
	}
	outcomes, err := batches.Result(ctx, &job.Ref{ID: id})
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
	// running: 0 of 2
	// succeeded: 1 of 2
	// mon is At nine.
	// sun failed: content_filtered
}

// nightDesk is a server that is done with its batch at the second look.
func nightDesk() http.Handler {
	mux := http.NewServeMux()
	says := func(pattern string, texts ...string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, texts[0])
			if len(texts) > 1 {
				texts = texts[1:]
			}
		})
	}
	says("POST /v1/files", `{"id":"file-in","object":"file"}`)
	says("POST /v1/batches", `{"id":"batch_7","object":"batch","status":"validating"}`)
	says("GET /v1/batches/batch_7", `{"id":"batch_7","status":"in_progress","request_counts":{"total":2,"completed":0,"failed":0}}`,
		`{"id":"batch_7","status":"completed","output_file_id":"file-out","error_file_id":"file-err","request_counts":{"total":2,"completed":1,"failed":1}}`)
	says("GET /v1/files/file-err/content", `{"custom_id":"sun","response":{"status_code":400,"body":{"error":{"message":"no","code":"content_filter"}}}}`+"\n")
	says("GET /v1/files/file-out/content", `{"custom_id":"mon","response":{"status_code":200,"body":{"choices":[{"message":{"content":"At nine."},"finish_reason":"stop"}]}}}`+"\n")
	return mux
}

// Whatever the server keeps is listed as a stream, page by page.
func ExampleClient_Models() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"gpt-5-mini","owned_by":"openai"},{"id":"gpt-4o","owned_by":"openai","shutdown_date":"2027-01-01"}]}`)
	}))
	defer server.Close()

	client := &openai.Client{BaseURL: server.URL + "/v1"}
	models, err := client.Models(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for model, err := range models.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(model.ID)
		if !model.Shutdown.IsZero() {
			fmt.Print(", until ", model.Shutdown.Format(time.DateOnly))
		}
		fmt.Println()
	}
	// Output:
	// gpt-5-mini
	// gpt-4o, until 2027-01-01
}
