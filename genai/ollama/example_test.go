package ollama_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/genai/ollama"
)

// The server here always says the same. A real one needs no BaseURL if it runs on this machine.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, `{"model":"qwen3:4b","message":{"role":"assistant","content":"At "},"done":false}`+"\n"+
			`{"model":"qwen3:4b","message":{"role":"assistant","content":"noon."},"done":true,"done_reason":"stop"}`+"\n")
	}))
	defer server.Close()

	client := &ollama.Client{BaseURL: server.URL, Model: "qwen3:4b"}
	stream, err := client.Chat(context.Background(), &genai.ChatRequest{Messages: []genai.Message{genai.User("When?")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range stream.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(event.Text)
	}
	fmt.Println()
	// Output: At noon.
}

// A stream of progress that is complete is a model that is there.
func ExampleClient_Pull() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"pulling manifest"}`+"\n"+
			`{"status":"pulling 359d7dd4bcda","digest":"sha256:359d7dd4bcda","total":200,"completed":100}`+"\n"+`{"status":"success"}`+"\n")
	}))
	defer server.Close()

	client := &ollama.Client{BaseURL: server.URL}
	stream, err := client.Pull(context.Background(), "qwen3:4b")
	if err != nil {
		fmt.Println(err)
		return
	}
	for progress, err := range stream.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(progress.Status, progress.Completed, "of", progress.Total)
	}
	// Output:
	// pulling manifest 0 of 0
	// pulling 359d7dd4bcda 100 of 200
	// success 0 of 0
}
