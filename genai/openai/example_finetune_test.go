package openai_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/dovetail-go/dovetail/genai/openai"
)

// Examples go up as a file, and come back as a model.
func ExampleClient_FineTunes() {
	mux := http.NewServeMux()
	says := func(pattern, text string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, text)
		})
	}
	says("POST /v1/files", `{"id":"file-7","object":"file","purpose":"fine-tune"}`)
	says("POST /v1/fine_tuning/jobs", `{"id":"ftjob-7","status":"validating_files"}`)
	says("GET /v1/fine_tuning/jobs/ftjob-7", `{"id":"ftjob-7","status":"succeeded","model":"gpt-4o-mini","fine_tuned_model":"ft:gpt-4o-mini:desk"}`)
	says("GET /v1/fine_tuning/jobs/ftjob-7/events", `{"data":[{"message":"The job has successfully completed"}]}`)
	server := httptest.NewServer(mux)
	defer server.Close()
	ctx := context.Background()

	client := &openai.Client{BaseURL: server.URL + "/v1", Model: "gpt-4o-mini"}
	file, err := client.Upload(ctx, &openai.Upload{
		Name: "examples.jsonl", Purpose: "fine-tune",
		Body: strings.NewReader(`{"messages":[{"role":"user","content":"When?"},{"role":"assistant","content":"At nine."}]}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	tunes := client.FineTunes()
	tunes.Every = time.Millisecond // for real, leave it at zero
	status, err := tunes.Submit(ctx, &openai.FineTuning{Training: file.ID})
	if err != nil {
		fmt.Println(err)
		return
	}
	progress, err := tunes.Wait(ctx, status.Ref())
	if err != nil {
		fmt.Println(err)
		return
	}
	for status, err := range progress.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s\n", status.State, status.Message)
	}
	tuned, err := tunes.Result(ctx, status.Ref())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ask", tuned.Model)
	// Output:
	// succeeded: The job has successfully completed
	// ask ft:gpt-4o-mini:desk
}
